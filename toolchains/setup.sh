#!/usr/bin/env bash
# Installs the Debian packages that are missing for a purpose; does nothing where none is.
#
#   toolchains/setup.sh build|run|test
set -euo pipefail

# Debian's own python3 is used throughout (/usr/bin/python3): python3-cryptography belongs to it.
build="clang-19 lld-19 cmake ninja-build xz-utils"
run="$build python3 python3-cryptography"
test="$run libclang-rt-19-dev clang-tidy-19 clang-format-19 valgrind strace mandoc s6 shellcheck"
# Not runit and busybox-static, which tests/packaging uses where they are: the one puts a service
# into /etc/service, the other itself into the initramfs.

case ${1:-} in
  build) wanted=$build ;;
  run) wanted=$run ;;
  test) wanted=$test ;;
  *) echo "usage: setup.sh build|run|test" >&2; exit 64 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  # Not Debian: whoever has the tools may go on.
  command -v clang-19 >/dev/null && command -v cmake >/dev/null && command -v ninja >/dev/null && exit 0
  echo "setup: this is no Debian; install the equivalents of: $wanted" >&2
  exit 1
fi

missing=
for package in $wanted; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
    missing="$missing $package"
done
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "setup: as root, run: apt-get install$missing" >&2
    exit 1
  }
  root="sudo"
fi
echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$root apt-get -qq -oDPkg::Lock::Timeout=300 update
# shellcheck disable=SC2086
$root apt-get -qq -oDPkg::Lock::Timeout=300 install -y --no-install-recommends $missing
