# Sourced by the stages of .ci/run that need more than Python: installs the Debian packages whose command is not here.
#
#   install podman nodejs:node    # package, or package:command where the names differ
install() {
  local wanted missing=() as_root=()
  for wanted; do
    command -v "${wanted#*:}" >/dev/null || missing+=("${wanted%:*}")
  done
  ((${#missing[@]})) || return 0
  ((EUID)) && as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
}
