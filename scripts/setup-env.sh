#!/usr/bin/env bash
# Usage: setup-env.sh run|dev
# Makes .venv and installs csptrain into it ("dev" with the tools of the checks), at the versions of
# constraints/dev.txt. Does nothing when that has been done and nothing has changed since.
# PYTHON names the interpreter to use (default: python3). pip's own PIP_* variables work as usual.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

kind=${1:-run}
case $kind in
    run) target=. ;;
    dev) target='.[dev]' ;;
    *) echo "setup-env.sh: unknown kind '$kind' (run or dev)" >&2; exit 2 ;;
esac
base=${PYTHON:-python3}
python=.venv/bin/python

fail() { echo "setup-env.sh: $*" >&2; exit 1; }

command -v "$base" >/dev/null || fail "$base not found; install Python 3.10 or newer, or set PYTHON"
"$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$("$base" --version) is too old; csptrain needs Python 3.10 or newer (set PYTHON to name another)"

# All that the installation depends on; the folder too, as an environment does not survive a move.
stamp=$("$base" -c '
import hashlib, os, sys
digest = hashlib.sha256(f"{sys.version} {os.getcwd()}".encode())
for name in ("pyproject.toml", "setup.py", "constraints/dev.txt"):
    with open(name, "rb") as file:
        digest.update(file.read())
print(digest.hexdigest())')

# "dev" holds all of "run".
for done in "$kind" dev; do
    if [ -x "$python" ] && [ "$(cat ".venv/.stamp-$done" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
done

if [ "$(cat .venv/.folder 2>/dev/null)" != "$PWD" ] ||
    ! "$python" -c 'import pip' >/dev/null 2>&1 ||
    [ "$("$python" -c 'import sys; print(sys.version)')" != "$("$base" -c 'import sys; print(sys.version)')" ]; then
    echo "Setting up .venv with $("$base" --version) (once; takes some minutes) ..." >&2
    "$base" -m venv --clear .venv || fail "could not make a virtual environment (Debian and Ubuntu: apt install python3-venv)"
    echo "$PWD" >.venv/.folder
else
    echo "Updating .venv ..." >&2
fi
rm -f .venv/.stamp-*
"$python" -m pip install --quiet --disable-pip-version-check --no-input -c constraints/dev.txt -e "$target" ||
    fail "installation failed (see above); run it again to go on"
echo "$stamp" >".venv/.stamp-$kind"
