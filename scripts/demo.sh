#!/usr/bin/env bash
# Sets up .venv, then trains the paper's detector. Arguments go to `csptrain detector train`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup-env.sh run
exec .venv/bin/csptrain detector train cfg/csppeleenet-efm.cfg "$@"
