#!/usr/bin/python3
"""What `cmake --install` puts where."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

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
        self.assertIn(f"\nExecStart=/{places['miagent']}/miagent run -c /etc/miagent.conf\n", unit)
        self.assertEqual(unit.replace(f"/{places['miagent']}/", "/usr/bin/"),
                         text_of("systemd/miagent.service"))


if __name__ == "__main__":
    unittest.main()
