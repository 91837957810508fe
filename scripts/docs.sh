#!/usr/bin/env bash
# Builds the documentation into site/; a warning is an error. MkDocs gets an environment of its own, .venv-docs, with the
# versions of constraints/docs.txt. PYTHON names the interpreter to use (default: python3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

base=${PYTHON:-python3}
python=.venv-docs/bin/python
stamp=$("$base" --version)$(cksum constraints/docs.txt)$PWD
if [ "$(cat .venv-docs/.stamp 2>/dev/null)" != "$stamp" ]; then
    "$base" -m venv --clear .venv-docs
    "$python" -m pip install --quiet --disable-pip-version-check --no-input -r constraints/docs.txt
    echo "$stamp" >.venv-docs/.stamp
fi
NO_MKDOCS_2_WARNING=1 "$python" -m mkdocs build --strict --clean --site-dir site
echo "wrote site/index.html"
