#!/usr/bin/env bash
# Builds the image and tests it as Lambda runs it, for real, on a machine without a Docker daemon.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/containers.sh

use_containers
make --silent image PYTHON_IMAGE="$PYTHON_IMAGE"
make --silent image-test
leave_nothing_behind
