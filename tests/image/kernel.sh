#!/usr/bin/env bash
# Builds the kernel of the image `alone` and prints its file: kernel.sh x86_64|aarch64
#
# From the source that Debian packages, by clang, with the options of kernel.config and
# kernel-PROCESSOR.config and no others. It is kept with the third-party parts, and built anew where
# the source or an option has changed.
set -euo pipefail
export LC_ALL=C
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
processor=${1:?usage: kernel.sh x86_64|aarch64}
case $processor in
  x86_64) architecture=x86_64 image=bzImage ;;
  aarch64) architecture=arm64 image=Image.gz ;;
  *) echo "kernel: there is no kernel-$processor.config" >&2; exit 64 ;;
esac
cache=${MIAGENT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/miagent}

source=$("$here/../../toolchains/fetch.sh" package:linux-source-6.12 amd64)
version=$(cat "$source/../version")
options=$(sed '/^#/d' "$here/kernel.config" "$here/kernel-$processor.config")
kernel=$cache/kernel-$processor-$(printf '%s\n' "$version" "$options" | sha256sum | cut -c1-12)
if [ ! -f "$kernel" ]; then
  echo "kernel: building Linux $version for $processor (minutes)" >&2
  work=$(mktemp -d "$cache/work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/source"
  tar -C "$work/source" --strip-components=1 -xf "$source"/usr/src/linux-source-6.12.tar.xz
  printf '%s\n' "$options" >"$work/options"
  Make() {
    env -u MAKEFLAGS make -s -C "$work/source" ARCH="$architecture" LLVM=-19 \
      KBUILD_BUILD_USER=miagent KBUILD_BUILD_HOST=image KBUILD_BUILD_TIMESTAMP=@0 "$@" >&2
  }
  Make KCONFIG_ALLCONFIG="$work/options" allnoconfig
  # One that the source doesn't have, or whose conditions aren't met, is left out without a word.
  if grep -vxFf "$work/source/.config" "$work/options" >&2; then
    echo "kernel: $version doesn't take these options" >&2
    exit 1
  fi
  Make -j"$(nproc)" "$image"
  cp "$work/source/arch/$architecture/boot/$image" "$work/kernel"
  rm -f "$cache/kernel-$processor"-*
  mv "$work/kernel" "$kernel"
fi
printf '%s\n' "$kernel"
