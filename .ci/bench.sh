#!/usr/bin/env bash
# The benchmark in short; the web interface's part needs wrk.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/install.sh

install wrk
make --silent bench-check
