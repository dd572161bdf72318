# Sourced by .ci/image.sh and .ci/integration.sh: a container tool that works without a daemon, and a base image for it.
#
# CI here reaches package registries and no image registry, so the base is made from Debian's packages: CPython 3.13 of
# trixie, as the official python:3.13-slim-trixie is, without documentation and translations, as that is too.
set -euo pipefail
. .ci/install.sh

readonly STAND_IN=localhost/python:3.13-slim-trixie

# debian_image NAME SUITE PACKAGES [HOOK…]: Python and what is named of a suite of Debian, as an image. A suite that is not
# released may be older here than its signature says it is good for, and the signature itself is checked.
debian_image() {
  podman image exists "$1" && return
  local scratch container hook hooks=()
  scratch=$(mktemp -d)
  for hook in "${@:4}"; do hooks+=(--customize-hook="$hook"); done
  mmdebstrap --quiet --variant=minbase --include="ca-certificates,python3,python3-venv,$3" \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/cache/debconf/* "$1"/var/log/*' \
    --customize-hook='rm -f "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/etc/apt/apt.conf.d/99mmdebstrap' \
    "${hooks[@]}" "$2" "$scratch/root.tar"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$scratch/root.tar" / >/dev/null
  buildah config --cmd python3 "$container"
  buildah commit --quiet --rm "$container" "$1" >/dev/null
  rm -rf "$scratch"
}

make_base_image() {
  debian_image "$STAND_IN" trixie python3-pip 'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED' \
    'for name in python python3; do ln -s /usr/bin/python3 "$1/usr/local/bin/$name"; done'
}

use_containers() {
  install buildah podman runc mmdebstrap
  export BUILDAH_ISOLATION=chroot PYTHON_IMAGE=$STAND_IN CONTAINER_ENGINE=podman
  # What pip needs on this machine goes in as secrets, mounted for one line of the Dockerfile.
  export CONTAINER_BUILD_FLAGS="--network host --pull=never"
  local pip_conf=/etc/pip.conf bundle=${PIP_CERT:-${SSL_CERT_FILE:-}}
  [[ -r $pip_conf ]] && CONTAINER_BUILD_FLAGS+=" --secret id=pip-conf,src=$pip_conf"
  [[ -r $bundle ]] && CONTAINER_BUILD_FLAGS+=" --secret id=ca-bundle,src=$bundle"
  export CONTAINER_RUN_FLAGS="--runtime runc --network host --ulimit nofile=4096:4096 --ulimit nproc=4096:4096"
  make_base_image
}

# Containers of a test that failed to end them would disturb the next run.
leave_nothing_behind() {
  local tries=20
  # podman removes a container a moment after its client has ended.
  until [[ -z $(podman ps --all --quiet) ]]; do
    ((tries--)) || { podman ps --all >&2; echo "containers were left behind" >&2; return 1; }
    sleep 0.5
  done
  # A build that was cut off keeps its images: no fault of this run.
  podman image prune --force >/dev/null || echo "images of builds that were cut off stay; buildah rm --all frees them" >&2
}
