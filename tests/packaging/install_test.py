#!/usr/bin/python3
"""What `cmake --install` puts where."""

from __future__ import annotations

import hashlib
import json
import os
import unittest
from pathlib import Path
from typing import Any, Dict

from files import ROOT, EmulatedTest, need, run, text_of


class Install(EmulatedTest):
    def test_files(self) -> None:
        need(self, "cmake")
        build = Path(os.environ.get("MIAGENT") or ROOT / "build" / "miagent").parent
        if not (build / "cmake_install.cmake").exists():
            self.skipTest(f"{build} is no build folder")
        done = run("cmake", "--install", str(build),
                   environment={**os.environ, "DESTDIR": str(self.place)})
        self.assertEqual(done.returncode, 0, done.stdout)
        found = {path.name: path for path in self.place.rglob("*") if path.is_file()}
        places = {name: path.parent.relative_to(self.place).as_posix()
                  for name, path in found.items()}
        prefix = places["miagent"].rpartition("/")[0]
        self.assertTrue(os.access(found["miagent"], os.X_OK))
        self.assertEqual(places["miagent.service"], f"{prefix}/lib/systemd/system")
        self.assertEqual(places["miagent.8"], f"{prefix}/share/man/man8")
        self.assertEqual(places["miagent.conf.5"], f"{prefix}/share/man/man5")
        for name in ("owner.conf", "notify-reload.conf"):
            self.assertEqual(places[name], f"{prefix}/share/doc/miagent")
        for folder in ("lib/sysusers.d", "lib/tmpfiles.d", "share/doc/miagent"):
            self.assertTrue((self.place / prefix / folder / "miagent.conf").exists(), folder)
        unit = found["miagent.service"].read_text(encoding="utf-8")
        self.sbom(json.loads(found["miagent.spdx.json"].read_text(encoding="utf-8")),
                  hashlib.sha256(found["miagent"].read_bytes()).hexdigest())
        self.assertIn(f"\nExecStart=/{places['miagent']}/miagent run -c /etc/miagent.conf\n", unit)
        self.assertEqual(unit.replace(f"/{places['miagent']}/", "/usr/bin/"),
                         text_of("systemd/miagent.service"))

    def sbom(self, document: Dict[str, Any], program_sha256: str) -> None:
        """SPDX 2.3: what is needed is there, each part is as it is pinned, and all are related."""
        self.assertEqual(document["spdxVersion"], "SPDX-2.3")
        self.assertRegex(document["creationInfo"]["created"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        packages = {each["name"]: each for each in document["packages"]}
        self.assertEqual(packages["miagent"]["checksums"][0]["checksumValue"], program_sha256)
        self.assertLessEqual({"musl", "llhttp", "jsmn", "inih", "libgcc"}, set(packages))
        for name, package in packages.items():
            for key in ("SPDXID", "versionInfo", "downloadLocation", "licenseDeclared", "copyrightText"):
                self.assertTrue(package[key], f"{name}: {key}")
            pin = ROOT / "toolchains" / "parts" / f"{name}.pin"
            if pin.exists():
                lines = pin.read_text(encoding="utf-8").splitlines()
                sha256 = package["checksums"][0]["checksumValue"]
                self.assertIn(f"version {package['versionInfo']}", lines)
                self.assertIn(f"licence {package['licenseDeclared']}", lines)
                self.assertIn(f"archive {sha256} {package['downloadLocation']}", lines)
        related = [each["relatedSpdxElement"] for each in document["relationships"]]
        self.assertCountEqual(related, [each["SPDXID"] for each in packages.values()])


if __name__ == "__main__":
    unittest.main()
