#!/bin/sh
# Packs what was built: a .tar.gz to unpack over a root, a .deb, the SBOM, and their SHA-256.
#
#   packaging/dist.sh OUTPUT-FOLDER BUILD-FOLDER…
#
# The same bytes every time: files have the date of SOURCE_DATE_EPOCH (else the commit's), root's
# ownership, and the order of their names. CPack packs the .deb; its .tar.gz would name whoever built.
set -eu
export LC_ALL=C
umask 022

output=$1
shift
mkdir -p "$output"
output=$(cd "$output" && pwd)
rm -f "$output"/miagent[-_]* "$output/SHA256SUMS"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for build in "$@"; do
  cmake -DCMAKE_INSTALL_PREFIX=/usr "$build" >/dev/null  # the unit names the program by its path
  cmake --build "$build" >/dev/null
  SOURCE_DATE_EPOCH=$(cat "$build/build-time")
  export SOURCE_DATE_EPOCH
  folder=$work/${build##*/}
  DESTDIR=$folder/root cmake --install "$build" >/dev/null
  find "$folder/root" -type d -exec chmod 755 {} +

  version=$(sed -nE 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
  name=miagent-$version-${build##*/}
  tar --create --sort=name --format=ustar --owner=0 --group=0 --numeric-owner \
    --mtime="@$SOURCE_DATE_EPOCH" --directory "$folder/root" --file "$output/$name.tar" .
  gzip -9n "$output/$name.tar"
  cp "$folder/root/usr/share/doc/miagent/miagent.spdx.json" "$output/$name.spdx.json"
  cpack --config "$build/CPackConfig.cmake" -G DEB -B "$folder/deb" >/dev/null
  for package in "$folder"/deb/*.deb; do
    variant=${build##*/}
    variant=${variant#"${variant%%-*}"}  # -http of aarch64-http
    base=${package##*/}
    cp "$package" "$output/${base%.deb}$variant.deb"
  done
done
cd "$output"
sha256sum -- * >"$work/SHA256SUMS"
mv "$work/SHA256SUMS" .
cat SHA256SUMS
