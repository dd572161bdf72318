#!/usr/bin/env bash
# The backfill on a Spark cluster of this machine: two executors, each a JVM with a Python worker.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/install.sh

install openjdk-17-jre-headless:java
make --silent spark-test
