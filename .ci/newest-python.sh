#!/usr/bin/env bash
# README's two commands on the newest Python that is supported, in a fresh clone on a bare machine: Debian trixie's 3.13.
# The tests run with coverage here, so that they need not run a third time for it.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/containers.sh

install buildah podman runc mmdebstrap
image=localhost/stream-consumer-newest-python-3.13
debian_image "$image" trixie git,make
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git clone --quiet . "$scratch/src"
mounts=(--volume "$scratch/src:/src")
# What pip needs on this machine: its settings, certificates and what it has fetched before.
for file in /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
  [[ -r $file ]] && mounts+=(--volume "$file:$file:ro")
done
cache=$(python3 -m pip cache dir)
mkdir -p "$cache"
podman run --rm --runtime runc --network host --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 \
  "${mounts[@]}" --volume "$cache:/pip-cache" --env PIP_CACHE_DIR=/pip-cache --workdir /src --env CI "$image" sh -euc '
    python3 -c "import sys; assert sys.version_info[:2] == (3, 13), sys.version"
    make coverage
    make demo'
leave_nothing_behind
