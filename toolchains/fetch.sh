#!/usr/bin/env bash
# Brings one pinned third-party part and prints the folder it lies in.
#
#   toolchains/fetch.sh llhttp
#   toolchains/fetch.sh musl [amd64|arm64|armhf|riscv64]     a sysroot with include/ and lib/
#   toolchains/fetch.sh package:busybox-static [amd64|…]     a Debian package, unpacked; for tests
#
# Ways, in order (MIAGENT_FETCH_WAYS, "debian upstream"): Debian's archive through apt-get, with this
# machine's own mirror and keyring but lists of our own, so that neither root nor a change of the
# system's configuration is needed; then upstream's release archive. What comes is checked against
# the hashes in parts/NAME.pin, whichever way it came, and kept for the next build in
# ${MIAGENT_CACHE:-${XDG_CACHE_HOME:-~/.cache}/miagent}. A `package:` has no pin and gets into no
# product: it is as stable Debian has it today, signed by Debian.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${1:?usage: fetch.sh NAME [DEBIAN-ARCHITECTURE]}
pin=$here/parts/$name.pin
cache=${MIAGENT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/miagent}
ways=${MIAGENT_FETCH_WAYS:-debian upstream}
suites="trixie forky sid"  # a suite is read only when those before it haven't the part
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

Say() { printf 'fetch %s: %s\n' "$name" "$*" >&2; }
Stop() { Say "$*"; exit 1; }

# The values of a word in the pin, one line for each time it stands there.
Pinned() { awk -v word="$1" '$1 == word { $1 = ""; sub(/^ /, ""); print }' "$pin"; }

IsSha256() { printf '%s  %s\n' "$1" "$2" | sha256sum --check --status; }

# Whether the folder $1 holds every file that the pin lists, with its hash.
HasPinnedFiles() {
  Pinned file | sed -E 's/^([0-9a-f]+) /\1  /' >"$work/files"
  [ ! -s "$work/files" ] || (cd "$1" && sha256sum --check --quiet "$work/files" >&2)
}

# ---- Debian's archive ------------------------------------------------------------------------
# A mirror whose lists are old will do: what is taken has a hash of its own.

# The mirror that this machine takes its own release from.
DebianMirror() {
  local codename
  codename=$(. /etc/os-release 2>/dev/null && printf '%s' "${VERSION_CODENAME:-}")
  [ -n "$codename" ] || return 1
  {
    awk -v codename="$codename" 'BEGIN { RS = "" } {
        uri = ""; fits = 0; split($0, lines, "\n")
        for (i in lines) {
          count = split(lines[i], words, /[ \t]+/)
          for (w = 2; w <= count; w++) {
            if (words[1] == "URIs:" && uri == "") uri = words[w]
            if (words[1] == "Suites:" && words[w] == codename) fits = 1
          }
        }
        if (fits && uri != "") print uri
      }' /etc/apt/sources.list.d/*.sources 2>/dev/null || true
    sed -nE "s/^deb(-src)?[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)[[:space:]]+$codename[[:space:]].*/\3/p" \
      /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true
  } | head -n 1 | grep .
}

Apt() {
  local tool=$1
  shift
  "$tool" -qq \
    -oDir::Etc::sourcelist="$lists/sources.list" -oDir::Etc::sourceparts=/dev/null \
    -oDir::Etc::preferences=/dev/null -oDir::Etc::preferencesparts=/dev/null \
    -oDir::State::Lists="$lists/lists" -oDir::State::status=/dev/null -oDir::Cache="$lists/cache" \
    -oAPT::Sandbox::User=root -oAPT::Architecture="$architecture" \
    -oAPT::Architectures="$architecture" -oAcquire::Languages=none -oAcquire::Retries=3 \
    -oAcquire::Check-Valid-Until=false \
    -oDebug::NoLocking=1 "$@"
}

# Makes apt know one suite. Its lists are kept for a day; an older one is read again.
DebianSuite() {
  local suite=$1 mirror
  lists=$cache/apt/$suite-$architecture
  [ -z "$(find "$lists/fresh" -mmin -1440 2>/dev/null)" ] || return 0
  mirror=$(DebianMirror) || { Say "no Debian mirror in this machine's apt sources"; return 1; }
  [ -r "$keyring" ] || { Say "no $keyring"; return 1; }
  rm -rf "$lists"
  mkdir -p "$lists/lists/partial" "$lists/cache/archives/partial"
  printf "deb [signed-by=$keyring] %s $suite main\ndeb-src [signed-by=$keyring] %s $suite main\n" \
    "$mirror" "$mirror" >"$lists/sources.list"
  Say "reading Debian's list of $suite"
  Apt apt-get update >&2 || { Say "the mirror has no $suite"; return 1; }
  touch "$lists/fresh"
}

# Versions of a source package, newest last; with a hash only those that have an archive of it.
DebianSourceVersions() {
  Apt apt-cache --only-source showsrc "$1" 2>/dev/null | awk -v package="$1" -v hash="${2:-}" '
    $1 == "Package:" { ours = ($2 == package) }
    $1 == "Version:" { version = $2; listed = 0 }
    ours && !listed && $3 ~ /\.orig\.tar\./ && length($1) == 64 && (hash == "" || $1 == hash) {
      print version; listed = 1
    }'
}

# Takes one version of a source package and unpacks FOLDER of its main archive into $work/part.
DebianUnpackSource() {
  local package=$1 version=$2 hash=$3 folder=$4 archive
  Say "taking Debian's $package $version"
  rm -rf "$work/source" "$work/part"
  mkdir -p "$work/source" "$work/part"
  (cd "$work/source" && Apt apt-get --only-source --download-only --tar-only source \
    "$package=$version" >&2) || return 1
  archive=$(find "$work/source" -name '*.orig.tar.*' ! -name '*.asc' | head -n 1)
  [ -n "$archive" ] || return 1
  if [ -n "$hash" ]; then
    IsSha256 "$hash" "$archive" || { Say "$package $version: not the pinned archive"; return 1; }
  fi
  if [ -n "$folder" ]; then
    local depth=$(($(tr -cd / <<<"$folder" | wc -c) + 2)) paths=() path
    while read -r _ path; do paths+=("*/$folder/$path"); done < <(Pinned file)
    tar -xf "$archive" -C "$work/part" --strip-components="$depth" --wildcards "${paths[@]}"
  else
    tar -xf "$archive" -C "$work/part" --strip-components=1
  fi
}

# $1 suite; the rest a line `debian-source…` of the pin.
DebianSource() {
  local package=$2 hash=$3 folder=${4:-} version
  version=$(DebianSourceVersions "$package" "$hash" | tail -n 1)
  [ -n "$version" ] && DebianUnpackSource "$package" "$version" "$hash" "$folder"
}

DebianSourceLike() {
  local package=$2 glob=$3 folder=${4:-} version
  # shellcheck disable=SC2254
  for version in $(DebianSourceVersions "$package"); do
    case $version in $glob) DebianUnpackSource "$package" "$version" "" "$folder" && return 0 ;; esac
  done
  return 1
}

DebianBinary() {
  local package=$2 hash=$4 version
  [ "$3" = "$architecture" ] || return 1
  version=$(Apt apt-cache show "$package:$architecture" 2>/dev/null | awk -v hash="$hash" '
    $1 == "Version:" { version = $2 } $1 == "SHA256:" && $2 == hash { print version; exit }')
  [ -n "$version" ] || return 1
  Say "taking Debian's $package $version for $architecture"
  rm -rf "$work/part" "$work/"*.deb
  (cd "$work" && Apt apt-get download "$package:$architecture=$version" >&2) || return 1
  IsSha256 "$hash" "$work"/*.deb || { Say "$package $version: not the pinned package"; return 1; }
  dpkg-deb -x "$work"/*.deb "$work/part"
}

FromDebian() {
  local suite word rest
  command -v apt-get >/dev/null || return 1
  for suite in $suites; do
    DebianSuite "$suite" || continue
    while read -r word rest; do
      # shellcheck disable=SC2086
      case $word in
        debian-binary) DebianBinary "$suite" $rest && return 0 ;;
        debian-source) DebianSource "$suite" $rest && return 0 ;;
        debian-source-like) DebianSourceLike "$suite" $rest && return 0 ;;
      esac
    done <"$pin"
  done
  Say "Debian's archive has it no more"
  return 1
}

# Brings a binary package and prints its folder; one whose only content is that it depends on
# another (linux-image-cloud-amd64) stands for that.
DebianPackage() {
  local package=$1 version kept real
  kept=$cache/package-$package-$architecture
  [ -z "$(find "$kept/fresh" -mmin -1440 2>/dev/null)" ] || { printf '%s\n' "$kept/files"; return; }
  if DebianSuite "${suites%% *}"; then
    Apt apt-cache --no-all-versions show "$package" >"$work/show" 2>/dev/null || true
    real=$(sed -nE 's/^Depends: (linux-image-[^ ,]+) \(= [^ ,]+\)$/\1/p' "$work/show")
    version=$(sed -n 's/^Version: //p' "$work/show")
    [ -n "$version" ] || { Say "Debian has no package $package for $architecture"; return 1; }
    if [ "$(cat "$kept/version" 2>/dev/null)" != "$version" ]; then
      Say "taking Debian's ${real:-$package} $version for $architecture"
      mkdir "$work/package"
      (cd "$work" && Apt apt-get download "${real:-$package}:$architecture=$version" >&2) || return 1
      dpkg-deb -x "$work"/*.deb "$work/package/files"
      printf '%s\n' "$version" >"$work/package/version"
      rm -rf "$kept"
      mv "$work/package" "$kept"
    fi
    touch "$kept/fresh"
  fi
  [ -d "$kept/files" ] || { Say "Debian's archive can't be reached"; return 1; }
  printf '%s\n' "$kept/files"
}

# ---- upstream's archive ----------------------------------------------------------------------

FromUpstream() {
  local hash url
  read -r hash url < <(Pinned archive)
  Say "taking $url"
  printf 'file(DOWNLOAD "%s" "%s" EXPECTED_HASH SHA256=%s TLS_VERIFY ON STATUS status)\n%s\n' \
    "$url" "$work/archive" "$hash" \
    'list(GET status 0 code)
     if(code)
       message(FATAL_ERROR "${status}")
     endif()' >"$work/download.cmake"
  cmake -P "$work/download.cmake" >&2 || return 1
  rm -rf "$work/part"
  mkdir -p "$work/part"
  tar -xf "$work/archive" -C "$work/part" --strip-components=1
}

# ---- musl is needed built ----------------------------------------------------------------------

# Turns $work/part (Debian's built package, or musl's source) into a sysroot.
MuslSysroot() {
  local part=$work/part sysroot=$work/sysroot
  if [ -d "$part/usr" ]; then
    mkdir -p "$sysroot"
    cp -R "$part"/usr/include/*-linux-musl* "$sysroot/include"
    cp -R "$part"/usr/lib/*-linux-musl* "$sysroot/lib"
  else
    Say "building musl for $architecture (about a minute)"
    "$here/build-musl.sh" "$part" "$sysroot" "$architecture" >"$work/log" 2>&1 ||
      { tail -n 20 "$work/log" >&2; return 1; }
  fi
  [ -f "$sysroot/lib/libc.a" ] && [ -f "$sysroot/lib/rcrt1.o" ]
  rm -rf "$part"
  mv "$sysroot" "$part"
}

# ----------------------------------------------------------------------------------------------

[ -f "$pin" ] || [ "$name" != "${name#package:}" ] || Stop "there is no $pin"
architecture=${2:-$(dpkg --print-architecture 2>/dev/null || uname -m)}
case $architecture in x86_64) architecture=amd64 ;; aarch64) architecture=arm64 ;; esac

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ "$name" != "${name#package:}" ]; then
  DebianPackage "${name#package:}"
  exit
fi

suffix=
[ "$name" != musl ] || suffix=-$architecture
target=$cache/$name-$(Pinned version)$suffix-$(sha256sum "$pin" | cut -c1-12)

if [ -d "$target" ]; then
  HasPinnedFiles "$target" || Stop "$target was changed; remove it"
  printf '%s\n' "$target"
  exit 0
fi
for way in $ways; do
  case $way in
    debian) FromDebian || continue ;;
    upstream) FromUpstream || continue ;;
    *) Stop "MIAGENT_FETCH_WAYS: no such way: $way" ;;
  esac
  [ "$name" != musl ] || MuslSysroot || continue
  HasPinnedFiles "$work/part" || { Say "not the pinned files"; continue; }
  mv "$work/part" "$target"
  printf '%s\n' "$target"
  exit 0
done
Stop "found neither in Debian's archive nor upstream; check the network, or hand the unpacked \
source over with -DFETCHCONTENT_SOURCE_DIR_$(tr a-z A-Z <<<"$name")=FOLDER"
