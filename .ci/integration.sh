#!/usr/bin/env bash
# The integration tests in every tier that needs no Docker daemon.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/containers.sh

use_containers
if ! command -v npm >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends nodejs npm >/dev/null
fi
if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends postgresql >/dev/null
fi
# What is missing here fails its test.
CI=true make --silent integration-local
leave_nothing_behind
