#!/usr/bin/python3
"""toolchains/build-time.cmake: whose date a build has."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import unittest
from pathlib import Path
from typing import Dict

from files import ROOT, need, run

SCRIPT = "toolchains/build-time.cmake"
COMMIT, OTHER_COMMIT, EPOCH, NONE = "1600000000", "1500000000", "1700000000", "1795000000"


class BuildTime(unittest.TestCase):
    """The sources lie in a folder of another project."""

    def setUp(self) -> None:
        need(self, "cmake", "git")
        place = tempfile.TemporaryDirectory(prefix="miagent-")
        self.addCleanup(place.cleanup)
        self.place = Path(place.name)
        self.sources = self.place / "other" / "miagent"
        (self.sources / "toolchains").mkdir(parents=True)
        shutil.copy(ROOT / SCRIPT, self.sources / SCRIPT)
        self.commit(self.place / "other", OTHER_COMMIT)

    def environment(self, **more: str) -> Dict[str, str]:
        """This one, without what says where a repository is, or what the date."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("GIT_") and name != "SOURCE_DATE_EPOCH"}
        return {**kept, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", **more}

    def commit(self, folder: Path, time_s: str) -> None:
        name = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com")
        for words in (("init", "--quiet"), ("add", "."), (*name, "commit", "--quiet", "-m", "all")):
            done = run("git", "-C", str(folder), *words,
                       environment=self.environment(GIT_COMMITTER_DATE=f"@{time_s} +0000"))
            self.assertEqual(done.returncode, 0, done.stdout)

    def told(self, **more: str) -> str:
        caller = self.place / "caller.cmake"
        caller.write_text(f"include({self.sources / SCRIPT})\nmessage(${{MIAGENT_BUILD_TIME_S}})\n",
                          encoding="utf-8")
        done = run("cmake", "-P", str(caller), environment=self.environment(**more))
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.strip()

    def test_without_history_as_written(self) -> None:
        self.assertEqual(self.told(), NONE)

    def test_of_the_commit(self) -> None:
        self.commit(self.sources, COMMIT)
        self.assertEqual(self.told(), COMMIT)
        self.assertEqual(self.told(GIT_DIR=str(self.place / "other" / ".git")), COMMIT)

    def test_of_a_commit_elsewhere(self) -> None:
        """A work tree's .git is a file that says where the repository is."""
        self.commit(self.sources, COMMIT)
        repository = self.place / "repository"
        (self.sources / ".git").rename(repository)
        (self.sources / ".git").write_text(f"gitdir: {repository}\n", encoding="utf-8")
        self.assertEqual(self.told(), COMMIT)

    def test_of_the_environment_before_all(self) -> None:
        self.assertEqual(self.told(SOURCE_DATE_EPOCH=EPOCH), EPOCH)
        self.commit(self.sources, COMMIT)
        self.assertEqual(self.told(SOURCE_DATE_EPOCH=EPOCH), EPOCH)

    def test_is_what_is_built_with(self) -> None:
        text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
        self.assertTrue(re.search(rf"^include\({SCRIPT}\)$", text, re.MULTILINE))
        self.assertNotIn("git log", text)


if __name__ == "__main__":
    unittest.main()
