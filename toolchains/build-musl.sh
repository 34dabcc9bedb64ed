#!/usr/bin/env bash
# Builds a musl sysroot from its source, for when no ready-built package has the pinned hash.
#
#   toolchains/build-musl.sh SOURCE-FOLDER SYSROOT {amd64|arm64|armhf|riscv64}      with clang
#   CC=... AR=... RANLIB=... toolchains/build-musl.sh SOURCE-FOLDER SYSROOT         with an SDK's GCC
set -euo pipefail

source=$(cd "$1" && pwd)
sysroot=$2
if [ $# -gt 2 ]; then
  case $3 in
    amd64) target="x86_64-linux-gnu" flags="" ;;
    arm64) target="aarch64-linux-gnu" flags="-mno-outline-atomics" ;;
    armhf) target="arm-linux-gnueabihf" flags="-march=armv7-a -mfpu=vfpv3-d16 -mthumb" ;;
    riscv64) target="riscv64-linux-gnu" flags="-march=rv64gc -mabi=lp64d" ;;
    *) echo "build-musl: no such architecture: $3" >&2; exit 64 ;;
  esac
  CC="clang-19 --target=$target $flags" AR=ar RANLIB=ranlib
  CFLAGS="-Os -ffunction-sections -fdata-sections"
else
  : "${CC:?the compiler}" "${AR:?}" "${RANLIB:?}"
  target=$($CC -dumpmachine)
  CFLAGS="${CFLAGS:--Os} -ffunction-sections -fdata-sections"
fi
LIBCC=$($CC -print-libgcc-file-name)
export CC AR RANLIB CFLAGS LIBCC

cd "$source"
./configure --target="${target%%-gnu*}-musl" --prefix="$sysroot" --disable-shared --disable-wrapper
make -j2
make install
