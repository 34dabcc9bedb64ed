#!/usr/bin/python3
"""The recipes of Buildroot, Yocto and OpenWrt.

What can be told without those systems is: that each takes the parts that toolchains/parts pins and
the version of agent/cli/version.h, that every file it names is there, that it brings all that
CMakeLists.txt reads, and that its options are defined. Their makefiles are read by make, with
functions in place of their systems'.

With a checkout of the system, its own tools judge:

    BUILDROOT=/path/to/buildroot OPENWRT=/path/to/openwrt \\
    BITBAKE=/path/to/bitbake OECORE=/path/to/openembedded-core tests/packaging/recipe_test.py

(Debian: python3-magic, flake8, chrpath, gawk, diffstat, and the locale en_US.UTF-8.)
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Dict, List, Tuple

from files import PACKAGING, ROOT

BUILDROOT = PACKAGING / "buildroot"
LAYER = PACKAGING / "yocto" / "meta-miagent"
FEED = PACKAGING / "openwrt"
PYTHON = "/usr/bin/python3"
ARCHIVE = re.compile(r"^archive (\S+) (\S+)$", re.MULTILINE)
# In place of Buildroot's: tell what is downloaded, and from where.
GENERIC_PACKAGE = """
BR2_EXTERNAL_MIAGENT_PATH := {tree}
BR2_PACKAGE_MIAGENT_TLS := y
BR2_PACKAGE_MIAGENT_MUSL := y
pkgname = $(notdir $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST)))))
prefix = $(shell echo $(pkgname) | tr a-z- A-Z_)
generic-package = $(info part $(pkgname) $($(prefix)_SITE)/$($(prefix)_SOURCE) $($(prefix)_VERSION))
cmake-package = $(info depends $(MIAGENT_DEPENDENCIES))
include {tree}/external.mk
all: ;
"""
# In place of OpenWrt's.
PACKAGE_MK = """
Download = $(eval $(Download/$(1)))$(info part $(1) $(URL)/$(or $(URL_FILE),$(FILE)) $(HASH) \
$(FILE))$(eval URL_FILE:=)
BuildPackage = $(info version $(PKG_VERSION))$(eval $(Package/$(1)))$(info depends $(DEPENDS))
all: ;
"""


def pinned() -> Dict[str, Tuple[str, str]]:
    """Of each part that is in the program: the archive's SHA-256 and URL."""
    pins = {}
    for path in (ROOT / "toolchains" / "parts").glob("*.pin"):
        match = ARCHIVE.search(path.read_text(encoding="utf-8"))
        assert match, path
        if path.stem != "doctest":
            pins[path.stem] = (match[1], match[2])
    return pins


def version() -> str:
    text = (ROOT / "agent" / "cli" / "version.h").read_text(encoding="utf-8")
    match = re.search(r'kVersion = "([0-9.]+)"', text)
    assert match
    return match[1]


def recipe() -> Path:
    return LAYER / "recipes-core" / "miagent" / f"miagent_{version()}.bb"


def run(*command: str, folder: Path = ROOT, **variables: str) -> str:
    """What the command printed; it has to succeed."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=900, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


class RecipeTest(unittest.TestCase):
    """With a folder that is removed at the end."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def told_by_make(self, text: str, *arguments: str) -> List[List[str]]:
        """The words of each line that the makefile tells."""
        path = self.folder / "Makefile"
        path.write_text(text, encoding="utf-8")
        return [line.split() for line in
                run("make", "-s", "-f", str(path), *arguments).splitlines()]

    def assert_files(self, text: str) -> None:
        """Whatever the recipe names of packaging/ and toolchains/ is there."""
        names = re.findall(r"/((?:packaging|toolchains)/[\w./-]*\w)", text)
        self.assertTrue(names)
        for name in names:
            self.assertTrue((ROOT / name).exists(), name)

    def assert_sources(self, names: List[str]) -> None:
        """What the recipe copies is there, and has all that CMakeLists.txt reads."""
        for name in names:
            self.assertTrue((ROOT / name).exists(), name)
        text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
        for path in re.findall(r"\b(?:agent|packaging|platform|tests|toolchains)/[\w./-]*\w", text):
            self.assertTrue(any(path == name or path.startswith(f"{name}/") for name in names), path)


class Buildroot(RecipeTest):
    def test_parts(self) -> None:
        told = self.told_by_make(GENERIC_PACKAGE.format(tree=BUILDROOT))
        found = {}
        for word, *rest in told:
            if word == "part":
                name = rest[0][len("miagent-"):]
                text = (BUILDROOT / "package" / rest[0] / f"{rest[0]}.hash").read_text("utf-8")
                hashes = {line.split()[2]: line.split()[1] for line in text.splitlines()
                          if line.startswith("sha256")}
                found[name] = (hashes[rest[1].rpartition("/")[2]], rest[1])
                self.assertIn(f"version {rest[2]}\n", (ROOT / "toolchains" / "parts" /
                                                       f"{name}.pin").read_text("utf-8"))
        self.assertEqual(found, pinned())
        depends = next(rest for word, *rest in told if word == "depends")
        self.assertEqual(sorted(depends), sorted(f"miagent-{name}" for name in pinned()))

    def test_files(self) -> None:
        self.assert_files((BUILDROOT / "package/miagent/miagent.mk").read_text("utf-8"))

    def test_options(self) -> None:
        text = (BUILDROOT / "package/miagent/Config.in").read_text("utf-8")
        defined = set(re.findall(r"^config (\S+)$", text, re.MULTILINE))
        for path in BUILDROOT.rglob("*"):
            if path.is_file():
                used = re.findall(r"\bBR2_PACKAGE_MIAGENT\w*", path.read_text("utf-8"))
                self.assertLessEqual(set(used), defined, path)
        for folder in (BUILDROOT / "package").iterdir():
            name = folder.name.upper().replace("-", "_")
            self.assertIn(f"BR2_PACKAGE_{name}", defined)

    def need_buildroot(self) -> Path:
        if "BUILDROOT" not in os.environ:
            self.skipTest("BUILDROOT=/path/to/buildroot isn't given")
        return Path(os.environ["BUILDROOT"]).resolve()

    def test_check_package(self) -> None:
        tool = self.need_buildroot() / "utils" / "check-package"
        run(PYTHON, str(tool), "-b", *(str(path) for path in sorted(BUILDROOT.rglob("*"))
                                       if path.is_file()))

    def test_defconfigs(self) -> None:
        """Each sets all that it says, and what is built of it is what is pinned."""
        buildroot = self.need_buildroot()
        for path in sorted((BUILDROOT / "configs").iterdir()):
            output = self.folder / path.name
            run("make", "-s", f"O={output}", f"BR2_EXTERNAL={BUILDROOT}", path.name,
                folder=buildroot)
            lines = (output / ".config").read_text("utf-8").splitlines()
            for line in path.read_text("utf-8").splitlines():
                self.assertIn(line, lines)
            told = run("make", "-s", "show-info", folder=output)
            for name, (_, url) in pinned().items():
                if name != "musl":  # the toolchain's own
                    self.assertIn(f'+{url.rpartition("/")[0]}"', told, name)


class Yocto(RecipeTest):
    def test_parts(self) -> None:
        text = recipe().read_text("utf-8")
        urls = {name: url for url, name in re.findall(r"(https://[^;\s]+);name=(\w+)", text)}
        hashes = dict(re.findall(r'SRC_URI\[(\w+)\.sha256sum\] = "(\w+)"', text))
        self.assertEqual({name: (hashes[name], url) for name, url in urls.items()}, pinned())
        self.assertEqual(set(hashes), set(urls))

    def test_files(self) -> None:
        text = recipe().read_text("utf-8")
        self.assert_files(text)
        self.assert_sources(re.findall(r"file://(\S+);subdir", text))
        for name in re.findall(r"file://(\S+) \\", text):
            if ";" not in name:
                self.assertTrue((recipe().parent / "files" / name).exists(), name)
        md5 = hashlib.md5((ROOT / "LICENSE").read_bytes()).hexdigest()
        self.assertIn(f"file://LICENSE;md5={md5} ", text)

    def test_bitbake(self) -> None:
        """BitBake reads the layer and the recipe, and finds no fault with either."""
        if "BITBAKE" not in os.environ or "OECORE" not in os.environ:
            self.skipTest("BITBAKE=/path/to/bitbake and OECORE=… aren't given")
        conf = self.folder / "conf"
        conf.mkdir()
        (conf / "bblayers.conf").write_text(
            f'BBPATH = "${{TOPDIR}}"\nBBFILES ?= ""\nBBLAYERS = "{os.environ["OECORE"]}/meta '
            f'{LAYER}"\n', encoding="utf-8")
        # Not sanity: it would refuse root, and ask for the network.
        (conf / "local.conf").write_text(
            'MACHINE = "qemuarm64"\nDISTRO = "nodistro"\nBB_NO_NETWORK = "1"\n'
            'INHERIT:remove = "sanity uninative"\n', encoding="utf-8")
        path = f"{os.environ['BITBAKE']}/bin:{os.environ['PATH']}"
        for options, parts in (((), 5), (("PACKAGECONFIG:pn-miagent = \"\"",), 4)):
            with (conf / "local.conf").open("a", encoding="utf-8") as local:
                local.writelines(f"{line}\n" for line in options)
            told = run(PYTHON, f"{os.environ['BITBAKE']}/bin/bitbake", "-e", "-b", str(recipe()),
                       folder=self.folder, BUILDDIR=str(self.folder), BBPATH=str(self.folder),
                       PATH=path, LC_ALL="en_US.UTF-8")
            self.assertNotRegex(told, r"(?m)^ERROR:")
            uri = re.search(r'(?m)^SRC_URI="(.*)"$', told)
            assert uri
            self.assertEqual(uri[1].count("https://"), parts)


class OpenWrt(RecipeTest):
    def test_parts(self) -> None:
        for name, text in (("rules.mk", ""), ("package.mk", PACKAGE_MK), ("cmake.mk", "")):
            (self.folder / name).write_text(text, encoding="utf-8")
        makefile = FEED / "miagent" / "Makefile"
        told = self.told_by_make(f"include {makefile}\n", f"TOPDIR={self.folder}",
                                 f"INCLUDE_DIR={self.folder}")
        found = {rest[0]: (rest[2], rest[1]) for word, *rest in told if word == "part"}
        own = pinned()
        del own["musl"]  # the system's
        self.assertEqual(found, own)
        self.assertIn(["version", version()], told)
        unpacked = re.search(r"for part in (.*); do", makefile.read_text("utf-8"))
        assert unpacked
        self.assertEqual(sorted(unpacked[1].split()),
                         sorted(rest[3] for word, *rest in told if word == "part"))

    def test_files(self) -> None:
        text = (FEED / "miagent" / "Makefile").read_text("utf-8")
        self.assert_files(text)
        copied = re.search(r"-C \$\(MIAGENT_SOURCE\) -c ([^|]*)\|", text)
        assert copied
        self.assert_sources(copied[1].replace("\\", " ").split())

    def test_metadata(self) -> None:
        """OpenWrt's own makefiles read the package, and its menu has it."""
        if "OPENWRT" not in os.environ:
            self.skipTest("OPENWRT=/path/to/openwrt isn't given")
        openwrt = Path(os.environ["OPENWRT"]).resolve()
        told = run("make", "-s", "-r", "-C", str(FEED / "miagent"), "DUMP=1", "FEED=miagent",
                   f"TOPDIR={openwrt}", folder=openwrt, TOPDIR=str(openwrt))
        for line in (f"Version: {version()}-r1", "Require-User: miagent:miagent"):
            self.assertIn(f"{line}\n", told)
        path = self.folder / "packageinfo"
        path.write_text(f"Source-Makefile: package/feeds/miagent/miagent/Makefile\n{told}",
                        encoding="utf-8")
        menu = run("scripts/package-metadata.pl", "config", str(path), folder=openwrt)
        self.assertIn("config PACKAGE_miagent\n", menu)
        self.assertIn("config MIAGENT_TLS\n", menu)


if __name__ == "__main__":
    unittest.main()
