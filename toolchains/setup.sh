#!/usr/bin/env bash
# Installs the Debian packages that are missing for a purpose; does nothing where none is.
#
#   toolchains/setup.sh build|run|test|coverage|mutation|bench|cross-test|packaging-test|image
#   toolchains/setup.sh cross PROCESSOR…
#   toolchains/setup.sh packages NAME…
set -euo pipefail

# Debian's own python3 is used throughout (/usr/bin/python3): python3-cryptography belongs to it.
build="clang-19 lld-19 cmake ninja-build xz-utils bzip2"
run="$build python3 python3-cryptography"
test="$run libclang-rt-19-dev clang-tidy-19 clang-format-19 valgrind strace mandoc s6 shellcheck \
openssl ca-certificates"
coverage="$test llvm-19"
mutation="$test python3-clang-19"
bench="$run valgrind strace"  # what is compared with, tests/bench/peers.py asks for, one by one
# Not runit and busybox-static, which tests/packaging uses where they are: the one puts a service
# into /etc/service, the other itself into the initramfs.

# What the families' checks (tests/packaging/recipes.py) need; a check without its tool is skipped.
packaging_test="$run debootstrap dpkg-dev lintian shellcheck g++"

cross_test="qemu-user-static python3-cryptography strace g++ g++-aarch64-linux-gnu"
# The machines that images are booted on, and what a kernel is built with.
image="$build qemu-system-x86 qemu-system-arm python3-cryptography llvm-19 flex bison bc libelf-dev \
libc6-dev"

# For other processors: the headers of C++ and the kernel, libgcc, and a `strip`; no compiler. The
# version is that of this machine's own C++ library, which came with clang.
CrossPackages() {
  local version processor debian triple
  version=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'libstdc++-*-dev' 2>/dev/null |
    sed -nE 's/^installed libstdc\+\+-([0-9]+)-dev$/\1/p' | sort -n | tail -n 1)
  for processor in "$@"; do
    case $processor in
      x86_64) debian=amd64 triple=x86-64-linux-gnu ;;
      aarch64) debian=arm64 triple=aarch64-linux-gnu ;;
      armv7hf) debian=armhf triple=arm-linux-gnueabihf ;;
      riscv64) debian=riscv64 triple=riscv64-linux-gnu ;;
      *) echo "setup: no such processor: $processor" >&2; exit 64 ;;
    esac
    [ "$debian" = "$(dpkg --print-architecture)" ] ||
      printf '%s ' "libstdc++-${version:-12}-dev-$debian-cross" "binutils-$triple"
  done
}

purpose=${1:-}
shift || true
case $purpose in
  build) wanted=$build ;;
  run) wanted=$run ;;
  test) wanted=$test ;;
  coverage) wanted=$coverage ;;
  mutation) wanted=$mutation ;;
  bench) wanted=$bench ;;
  packages) wanted="$*" ;;
  cross) wanted="$build python3" ;;
  cross-test) wanted=$cross_test ;;
  packaging-test) wanted=$packaging_test ;;
  image) wanted=$image ;;
  *) echo "usage: setup.sh build|run|test|coverage|mutation|bench|cross-test|packaging-test|image|cross PROCESSOR…|packages NAME…" >&2; exit 64 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  # Not Debian: whoever has the tools may go on.
  [ "$purpose" != packages ] && command -v clang-19 >/dev/null && command -v cmake >/dev/null &&
    command -v ninja >/dev/null && exit 0
  echo "setup: this is no Debian; install the equivalents of: $wanted" >&2
  exit 1
fi

Install() {
  local package missing='' root=''
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
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
}

# shellcheck disable=SC2086
Install $wanted
if [ "$purpose" = cross ]; then
  packages=$(CrossPackages "$@")
  # shellcheck disable=SC2086
  Install $packages
fi
