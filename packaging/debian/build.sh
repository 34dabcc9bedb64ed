#!/bin/sh
# Makes Debian's source package of this checkout, and builds it where debhelper is installed:
#
#   packaging/debian/build.sh OUTPUT-FOLDER [-S | options of dpkg-buildpackage]
#
# -S stops at the source package. debian/ has to be at the top of a source tree, with its links
# followed; the third-party parts, which a build without network can't fetch, become components
# (miagent_VERSION.orig-PART.tar.xz) that dpkg-source unpacks into folders beside debian/.
set -eu
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
output=${1:?usage: build.sh OUTPUT-FOLDER [OPTION OF dpkg-buildpackage…]}
shift
mkdir -p "$output"
output=$(cd "$output" && pwd)
version=$(sed -nE '1s/.*\((.+)-[^-]+\).*/\1/p' "$root/packaging/debian/changelog")
tree=$output/miagent-$version
: "${SOURCE_DATE_EPOCH:=$(git --git-dir="$root/.git" log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH

# Pack FOLDER NAME TREE: the files in FOLDER that $output/list has, as one of the source package's
# archives, and unpacked into TREE.
Pack() {
  tar --create --xz --null --no-recursion --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$SOURCE_DATE_EPOCH" --transform="flags=r;s,^,miagent-$version/," --directory="$1" \
    --file="$output/miagent_$version.$2.tar.xz" --files-from="$output/list"
  mkdir -p "$3"
  tar -xf "$output/miagent_$version.$2.tar.xz" -C "$3" --strip-components=1
}

rm -rf "$tree" "$output"/miagent_"$version"*
(cd "$root" && git --git-dir=.git ls-files -z) >"$output/list"
Pack "$root" orig "$tree"
for part in inih jsmn llhttp mbedtls; do
  folder=$("$root/toolchains/fetch.sh" "$part")
  # Of Mbed TLS not its tests, programs and documents, nine tenths of it.
  only='*'
  [ "$part" != mbedtls ] || only='include library scripts LICENSE README.md'
  # shellcheck disable=SC2086
  (cd "$folder" && find $only -type f -print0) >"$output/list"
  Pack "$folder" "orig-$part" "$tree/$part"
done
rm "$output/list"
cp -RL "$root/packaging/debian" "$tree/debian"

cd "$tree"
if [ "${1:-}" = -S ]; then
  dpkg-source --build .
else
  dpkg-buildpackage --unsigned-source --unsigned-changes "$@"
fi
