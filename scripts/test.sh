#!/usr/bin/env bash
# Sets up .venv, then runs every check; stops at the first that fails. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

bash scripts/setup-env.sh dev
bin=.venv/bin
"$bin/python" -c '
import platform
from importlib.metadata import version
names = ("torch", "numpy", "opencv-python", "ruff", "mypy", "pytest")
print("python", platform.python_version(), *(f"| {name} {version(name)}" for name in names))'
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
exec "$bin/python" -m pytest "$@"
