"""The benchmark runs: the floor and miagent alone, as little as shows that all is measured."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROWS = "empty,floor_get,miagent_get,floor,miagent,floor_keep,miagent_keep"
EXIT_SKIPPED = 77
TIMEOUT_S = 120


class Smoke(unittest.TestCase):
    def test_the_floor_and_miagent_are_measured_and_told(self) -> None:
        product = Path(os.environ.get("MIAGENT") or HERE.parents[1] / "build" / "miagent").parent
        if not (product / "build.ninja").exists():
            self.skipTest(f"{product} is no build folder")
        with tempfile.TemporaryDirectory(prefix="miagent-bench-") as folder:
            done = subprocess.run(
                ["/usr/bin/python3", str(HERE / "bench.py"), "--product", str(product), "--smoke",
                 "--no-install", "--only", ROWS, "--output", folder],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=TIMEOUT_S, check=False)
            if done.returncode == EXIT_SKIPPED:
                self.skipTest(done.stdout.strip().splitlines()[-1])
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("skipped: ", done.stdout)
            text = (Path(folder) / "results.md").read_text(encoding="utf-8")
            charts = sorted(Path(folder).glob("*.svg"))
            for chart in charts:
                ElementTree.parse(chart)
        self.assertEqual(len(charts), 4)
        for row in ("empty process", r"\*\*floor\*\*, to a file", r"\*\*miagent get\*\*",
                    r"\*\*miagent once\*\*", r"\*\*miagent run\*\*, kept connection"):
            found = re.search(rf"^\|[^|]*{row} *\| +[\d.,]+ \|", text, re.MULTILINE)
            self.assertIsNotNone(found, f"no number for {row} in\n{text}")
        self.assertRegex(text, r"Memory after 2 refreshes: \d+ KiB")
        self.assertRegex(text, r"64 refreshes one after the other")


if __name__ == "__main__":
    unittest.main()
