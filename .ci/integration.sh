#!/usr/bin/env bash
# The integration tests in every tier that needs no Docker daemon.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/containers.sh

use_containers
install nodejs:node npm
# Its commands are in a folder that is named by its version, and not on the PATH.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || install postgresql:initdb
# What is missing here fails its test.
CI=true make --silent integration-local
leave_nothing_behind
