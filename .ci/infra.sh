#!/usr/bin/env bash
# Terraform's checks; the policies are evaluated in Node.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/install.sh

install nodejs:node npm
# What is missing here fails its check.
export CI=true
make --silent .venv/.dev
# Applying waits for an emulator most of the time, so both take little longer than one. What it prints comes last.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
make --silent infra-apply-local >"$scratch/applied" 2>&1 &
failed=0
make --silent infra-test || failed=$?
wait $! || failed=$?
cat "$scratch/applied"
exit "$failed"
