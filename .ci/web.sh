#!/usr/bin/env bash
# The web interface for real: schemathesis against the running server, and its page in a headless Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/install.sh

install nodejs:node npm chromium
make --silent web-test
