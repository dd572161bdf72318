#!/usr/bin/env bash
# Terraform's checks, `.ci/infra.sh infra-test` or infra-apply-local; the policies are evaluated in Node.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/install.sh

install nodejs:node npm
# What is missing here fails its check.
CI=true make --silent "$1"
