"""Debian: the source package and the packages of `make dist`, in clean machines of each release.

A release's folders are made by debootstrap from this machine's own mirror, once: SUITE, with
systemd, and SUITE-build, with what the package is built with.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Callable

from place import PACKAGING, ROOT, Failure, Place, Skip, need, version

RUN_PACKAGES = "systemd systemd-sysv dbus"
CYCLE_EXIT_SKIP = 77
# With /proc, and with the network that unshare left.
IN_ROOT = 'mount --bind /proc "$0/proc" && exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive DEB_BUILD_OPTIONS=parallel=$(nproc) sh -c "$1"'


def in_root(place: Place, root: Path, command: str, *namespaces: str) -> str:
    return place.output("unshare", "--mount", *namespaces, "sh", "-c", IN_ROOT, str(root), command)


def mirror(place: Place) -> str:
    """What this machine takes its own release from."""
    for line in place.output("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)",
                             "Created-By: Packages").splitlines():
        address, _, suite = line.rpartition(" ")
        if re.fullmatch(r"[a-z]+", suite):
            return address
    raise Skip("apt has no mirror of a Debian release")


def root_of(place: Place, suite: str, kind: str, packages: str) -> Path:
    """A release's root folder with these packages, made once and not changed afterwards."""
    need("debootstrap", "unshare", "nsenter")
    if os.geteuid() != 0:
        raise Skip("only root can make a machine's root folder")
    folder = place.folder("debian")
    root = folder / f"{suite}{kind}"
    if root.exists():
        return root
    bare = folder / f"{suite}-bare"
    if not bare.exists():
        work = place.fresh("debian", f"{suite}.new")
        place.output("debootstrap", "--variant=minbase", suite, str(work), mirror(place))
        work.rename(bare)
    work = folder / f"{suite}{kind}.new"
    shutil.rmtree(work, ignore_errors=True)
    place.output("cp", "-a", "--reflink=auto", str(bare), str(work))
    in_root(place, work, f"apt-get -qq install -y --no-install-recommends {packages} && apt-get clean")
    work.rename(root)
    return root


@functools.lru_cache(maxsize=None)
def source(place: Place) -> Path:
    """The folder of a source package of this checkout."""
    need("dpkg-source", "git")
    folder = place.folder("debian") / "source"
    place.output(str(PACKAGING / "debian" / "build.sh"), str(folder), "-S")
    return folder


def build(place: Place, suite: str) -> Path:
    """The package that a release builds of it without network, with its own compiler."""
    needed = re.search(r"^Build-Depends:\n((?: .*\n)+)",
                       (PACKAGING / "debian" / "control").read_text(encoding="utf-8"), re.MULTILINE)
    assert needed
    wanted = " ".join(line.strip().split(" ")[0].rstrip(",") for line in needed[1].splitlines())
    wanted = wanted.replace("debhelper-compat", "debhelper")
    root = root_of(place, suite, "-build", f"build-essential {wanted}")
    work = root / "build"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for path in source(place).glob("miagent_*"):
        shutil.copy(path, work)
    in_root(place, root, "cd /build && dpkg-source -x miagent_*.dsc tree && cd tree && "
            "dpkg-buildpackage --unsigned-source --unsigned-changes", "--net")
    return next(work.glob(f"miagent_{version()}-*.deb"))


def lint(place: Place, package: Path) -> str:
    """This machine's lintian on source and package: no error, no warning. (Not on the debug symbols,
    which have debian/control's fields and no place for overrides.)"""
    need("lintian")
    source_package = next(package.parent.glob("*.dsc"))
    place.output("lintian", "--allow-root", "--fail-on", "error,warning", str(source_package),
                 str(package))
    return place.output("lintian", "--version").strip()


def cycle(place: Place, suite: str, package: Path) -> str:
    """That package's whole life; the version of the systemd that ran it."""
    clean = root_of(place, suite, "", RUN_PACKAGES)
    root = place.folder("debian") / f"{suite}.run"
    shutil.rmtree(root, ignore_errors=True)
    place.output("cp", "-a", "--reflink=auto", str(clean), str(root))
    done = subprocess.run(["/usr/bin/python3", str(ROOT / "tests/packaging/debian_cycle.py"),
                           str(root), str(package)], stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    shutil.rmtree(root)
    if done.returncode == CYCLE_EXIT_SKIP:
        raise Skip(done.stdout.strip())
    if done.returncode != 0:
        raise Failure(done.stdout)
    return done.stdout.strip()


def package_of(suite: str) -> Callable[[Place], str]:
    """The check of a release: built, judged, and lived."""
    def check(place: Place) -> str:
        package = build(place, suite)
        return ", ".join([package.name, lint(place, package), cycle(place, suite, package)])
    return check


def dist_of(suite: str) -> Callable[[Place], str]:
    """The same life for the package of `make dist`."""
    def check(place: Place) -> str:
        processor = platform.machine()
        place.output("make", "--no-print-directory", "-C", str(ROOT), "cross-product",
                     f"BUILD={place.build}", f"TARGET={processor}")
        folder = place.folder("debian") / "dist"
        place.output(str(PACKAGING / "dist.sh"), str(folder), str(place.build / "cross" / processor))
        package = next(folder.glob("*.deb"))
        return f"{package.name}, {cycle(place, suite, package)}"
    return check
