#!/usr/bin/python3
"""The man pages and the sample configuration say what the program says: help, and the table of keys."""

from __future__ import annotations

import re
import unittest
from typing import Dict, List, Set

from files import ROOT, EmulatedTest, PACKAGING, need, run, text_of
from support import miagent

PAGES = ("miagent.8", "miagent.conf.5")
PLACES = {"kAgent": "[agent]", "kToken": "[token NAME]", "kSecret": "[secret NAME]",
          "kFile": "[file PATH]"}


def sections(page: str) -> Dict[str, str]:
    """The sections of a man page's source, by name."""
    parts = re.split(r"^\.Sh (.*)$", text_of(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def arguments(text: str, macro: str) -> Set[str]:
    """The words that follow a macro, wherever it stands."""
    return set(re.findall(rf"(?:^\.|[ .]){macro} ([^\s,]+)", text, re.MULTILINE))


def options(text: str) -> Set[str]:
    return {"-" + word for word in arguments(text, "Fl")} - {"--x"}


def help_of(*words: str) -> str:
    return miagent("help", *words).out


def help_commands() -> List[str]:
    return re.findall(r"^(?:usage:)? +miagent ([a-z]+)", help_of(), re.MULTILINE)


def help_options() -> Set[str]:
    found = {"--version"}
    for command in help_commands():
        if command != "help":
            found.update(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", help_of(command)))
    return found


def table() -> List[List[str]]:
    """Each key that the program takes, and the constant of its section."""
    source = (ROOT / "agent/config/key.cpp").read_text(encoding="utf-8")
    rows = re.findall(r'^    \{"(\w+)", SectionKind::(\w+),.* (\w+)\},$', source, re.MULTILINE)
    return [[name, section] for name, section, setter in rows if setter != "SetAbsent"]


class Manual(EmulatedTest):
    def test_lint(self) -> None:
        need(self, "mandoc")
        for page in PAGES:
            with self.subTest(page):
                done = run("mandoc", "-Tlint", "-W", "warning", str(PACKAGING / page))
                self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_lint_sees_mistakes(self) -> None:
        need(self, "mandoc")
        path = self.place / "miagent.8"
        path.write_text(text_of("miagent.8").replace(".El", "", 1), encoding="utf-8")
        self.assertNotEqual(run("mandoc", "-Tlint", "-W", "warning", str(path)).returncode, 0)

    def test_commands(self) -> None:
        commands = set(help_commands())
        self.assertLessEqual({"run", "once", "get", "check", "help"}, commands)
        listed = set(re.findall(r"^\.It Cm ([a-z]+)", text_of("miagent.8"), re.MULTILINE))
        self.assertEqual(commands, listed)
        synopsis = sections("miagent.8")["SYNOPSIS"]
        self.assertLessEqual(set(re.findall(r"^\.Cm ([a-z]+)", synopsis, re.MULTILINE)), commands)

    def test_options(self) -> None:
        known = help_options()
        self.assertLessEqual({"-c", "--resource", "--timeout", "--format"}, known)
        self.assertEqual(options(text_of("miagent.8")), known)

    def test_exit_codes(self) -> None:
        codes = set(re.findall(r"^ {1,4}(\d+)  ", help_of(), re.MULTILINE))
        self.assertLessEqual({"0", "64", "78"}, codes)
        page = set(re.findall(r"^\.It (\d+)$", sections("miagent.8")["EXIT STATUS"], re.MULTILINE))
        self.assertEqual(codes, page)

    def test_keys(self) -> None:
        keys = table()
        self.assertGreater(len(keys), 20)
        for kind, section in PLACES.items():
            expected = {name for name, each in keys if each == kind}
            pages = sections("miagent.conf.5")
            listed = set(re.findall(r"^\.It Ic (\w+)$", pages[section], re.MULTILINE))
            self.assertEqual(listed, expected, section)

    def test_limits(self) -> None:
        told = dict(line.split(": ") for line in miagent("--version").out.splitlines()[1:])
        limits = sections("miagent.conf.5")["LIMITS"]
        for text in (f"{told['tokens_max']} tokens", f"{told['files_max']} files",
                     f"{int(told['config_bytes_max']) // 1024} KiB of configuration",
                     f"up to {int(told['answer_bytes_max']) // 1024} KiB"):
            self.assertIn(text, limits)


class Sample(EmulatedTest):
    def sample(self) -> str:
        return text_of("miagent.conf").replace("/run/tokens", str(self.folder)).replace("app ", "root ")

    def check(self, text: str, code: int = 0) -> str:
        done = miagent("check", "-c", self.write_config(text))
        self.assertEqual(done.code, code, f"{text}\n{done.err}")
        return done.out + done.err

    def test_as_it_is(self) -> None:
        self.assertIn("token arm", self.check(self.sample()))

    def test_keys(self) -> None:
        section = ""
        seen = set()
        for line in text_of("miagent.conf").splitlines():
            found = re.match(r"#?\[(\w+)", line)
            section = found[1] if found else section
            key = re.match(r"#?(\w+) +=", line)
            if key:
                seen.add((key[1], f"k{section.capitalize()}"))
        self.assertEqual(seen, set(map(tuple, table())))

    def test_each_comment_can_be_used(self) -> None:
        """A commented key is right as it stands."""
        lines = self.sample().replace("#group         = app", "#group         = root").splitlines()
        used = 0
        for index, line in enumerate(lines):
            if not re.match(r"#\w+ +=", line) or "format " in line or "template" in line:
                continue
            if any(each.startswith("#[file") for each in lines[:index]):
                continue
            one = [*lines[:index], line[1:], *lines[index + 1:]]
            done = miagent("check", "-c", self.write_config("\n".join(one) + "\n"))
            self.assertEqual(done.code, 0, f"{line}\n{done.err}")
            used += 1
        self.assertGreaterEqual(used, 15)

    def test_the_template(self) -> None:
        head, _, rest = self.sample().partition("#[file ")
        text = head + re.sub(r"^#(?! )", "", "#[file " + rest, flags=re.MULTILINE)
        self.assertIn("template", self.check(text))

    def test_the_examples_of_the_man_page(self) -> None:
        example = sections("miagent.conf.5")["EXAMPLES"]
        text = "\n".join(line for line in example.splitlines() if not line.startswith("."))
        said = self.check(text.replace("/run/tokens", str(self.folder)).replace("= app", "= root"))
        self.assertIn("storage.header", said)


if __name__ == "__main__":
    unittest.main()
