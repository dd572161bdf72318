#!/usr/bin/env bash
# The web door for real: schemathesis against the running server, and its page in a headless Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."

install() { # command, package
  command -v "$1" >/dev/null && return
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "$2" >/dev/null
}

install node nodejs
install npm npm
install chromium chromium
make --silent web-test
