#!/usr/bin/env bash
# Figure 7 of the CSPNet paper beside what is found here; docs/paper.md tells of the arguments (--help too).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup-env.sh run
exec .venv/bin/csptrain paper figure7 "$@"
