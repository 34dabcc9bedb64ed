#!/usr/bin/python3
"""`miagent once`, with the real binary against the emulator: files, exit codes, messages."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import unittest
from pathlib import Path
from typing import Dict

from support import (MARKER, NOBODY, EmulatedTest, Result, binary, config_text,
                     filesystem_is_tmpfs, look, miagent, requests_for, wait_until)

import verify
from harness import clean_environment

UNSAFE = ("link", "link in its place", "other owner", "group-writable", "world-writable",
          "sticky", "disk")
# The system calls of a publication, in their order: the program is killed when it makes each.
STEPS = ("openat", "fchown", "fchmod", "writev", "utimensat", "close", "renameat,renameat2")


class OnceTest(EmulatedTest):
    def resource(self, more: str = "") -> str:
        """One that no other test uses."""
        return f"https://{self.host(more)}/"

    def host(self, more: str = "") -> str:
        return f"{self.id().rpartition('.')[2].replace('_', '-')}{more}.example"

    def script(self, steps: str, more: str = "") -> None:
        self.emulator.add_steps("\n".join(f"when {self.host(more)} {step}"
                                          for step in steps.splitlines()))

    def config(self, token: Dict[str, str] = {}, file: Dict[str, str] = {}, **agent: str) -> str:
        return self.simple_config(self.emulator.url, self.resource(), token, file, **agent)

    def once_fine(self, *arguments: str, **options: object) -> None:
        result = miagent("once", *arguments, **options)
        self.assertEqual((result.code, result.out, result.err), (0, "", ""))

    def age(self) -> None:
        """Makes the file look as if it had been written so long ago that its token is due."""
        facts = self.file.stat()
        os.utime(self.file, ns=(facts.st_atime_ns, facts.st_mtime_ns - int(12.5 * 3600 * 10**9)))

    def verified(self, path: Path, format_name: str = "raw", mode: int = 0o600) -> verify.Verified:
        return verify.verify_file(str(path), self.keys, verify.Expectation(
            format_name, mode, os.geteuid(), seconds_left_min=3600))

    def request_count(self) -> int:
        return len(requests_for(self.emulator, self.host("")[:-len(".example")]))


class Publishing(OnceTest):
    def test_formats_modes_and_one_request_for_all(self) -> None:
        files = {"raw": 0o600, "json": 0o640, "env": 0o400, "header": 0o444}
        config = self.write_config(config_text(
            {"t": {"resource": self.resource(), "endpoint": self.emulator.url}},
            {str(self.folder / name): {"token": "t", "format": name, "mode": f"{mode:04o}"}
             for name, mode in files.items()} |
            {str(self.folder / "template"): {
                "token": "t", "format": "template",
                "template": "{{{resource}}} {expires_on} {client_id}[{access_token}]"}}))
        self.once_fine("-c", config, umask=0o777)
        found = {name: self.verified(self.folder / name, name, mode)
                 for name, mode in files.items()}
        self.assertEqual(len({each.token_sha256 for each in found.values()}), 1)
        text = look(self.folder / "template").content.decode()
        token = look(self.folder / "raw").content.decode()
        expires_on = found["raw"].claims["exp"]
        self.assertEqual(text, f"{{{self.resource()}}} {expires_on} [{token}]")
        self.assertEqual(self.request_count(), 1)
        self.assertEqual(sorted(os.listdir(self.folder)), sorted([*files, "template"]))

    def test_a_second_run_makes_no_request_and_touches_nothing(self) -> None:
        config = self.config()
        self.once_fine("-c", config)
        before = look(self.file)
        with open(self.file, "rb") as stream:
            stream.read()  # what consumers do changes nothing
        self.once_fine("-c", config)
        self.assertEqual(look(self.file), before)
        self.assertEqual(self.request_count(), 1)

    def test_what_makes_a_request_again(self) -> None:
        config = self.config()
        self.once_fine("-c", config)

        changes = {"gone": self.file.unlink, "mode": lambda: self.file.chmod(0o644),
                   "due": self.age, "empty": lambda: os.truncate(self.file, 0),
                   "replaced by another file": self._replace_by_file,
                   "replaced by a link": self._replace_by_link}
        for count, (name, change) in enumerate(changes.items(), 2):
            with self.subTest(name):
                change()
                self.once_fine("-c", config)
                self.verified(self.file)
                self.assertEqual(self.request_count(), count)
        self.assertEqual((self.place / "target").read_bytes(), b"untouched")

    def _replace_by_file(self) -> None:
        self.file.unlink()
        self.file.write_text("x" * 1400, encoding="ascii")
        self.file.chmod(0o600)

    def _replace_by_link(self) -> None:
        (self.place / "target").write_bytes(b"untouched")
        self.file.unlink()
        self.file.symlink_to(self.place / "target")

    def test_a_configuration_that_asks_for_something_else(self) -> None:
        self.once_fine("-c", self.config())
        for token, file, format_name, mode in (
                ({}, {"mode": "0440"}, "raw", 0o440), ({}, {"format": "json"}, "json", 0o600),
                ({"resource": self.resource("-other")}, {}, "raw", 0o600)):
            with self.subTest((token, file)):
                self.once_fine("-c", self.config(token, file))
                found = self.verified(self.file, format_name, mode)
                self.assertEqual(found.claims["aud"], token.get("resource", self.resource()))

    @unittest.skipIf(os.geteuid(), "only root gives files away")
    def test_owner_and_group_by_name_and_number(self) -> None:
        self.once_fine("-c", self.config(file={"owner": "nobody", "group": "daemon"}))
        found = look(self.file)
        self.assertEqual((found.uid, found.gid, found.mode), (NOBODY, 1, 0o600))
        self.once_fine("-c", self.config(file={"owner": "12345", "group": "54321"}))
        self.assertEqual((look(self.file).uid, look(self.file).gid), (12345, 54321))

    @unittest.skipIf(os.geteuid(), "only root becomes nobody")
    def test_as_an_ordinary_user(self) -> None:
        config = self.config()
        os.chmod(self.place, 0o755)
        os.chown(self.folder, NOBODY, NOBODY)
        self.once_fine("-c", config, user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual(look(self.file).uid, NOBODY)
        self.once_fine("-c", config, user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual(self.request_count(), 1)

    def test_options_in_place_of_a_configuration(self) -> None:
        options = ["--resource", self.resource(), "--endpoint", self.emulator.url,
                   f"--file={self.file}"]
        self.once_fine(*options)
        self.once_fine(*options)
        self.verified(self.file)
        self.assertEqual(self.request_count(), 1)

    def test_several_tokens_over_one_connection(self) -> None:
        names = ["-a", "-b", "-c"]
        config = self.write_config(config_text(
            {f"t{name}": {"resource": self.resource(name), "endpoint": self.emulator.url}
             for name in names},
            {str(self.folder / name): {"token": f"t{name}"} for name in names}))
        self.once_fine("-c", config)
        for name in names:
            self.assertEqual(self.verified(self.folder / name).claims["aud"], self.resource(name))
        connections = {each.connection for each in
                       requests_for(self.emulator, self.host()[:-len(".example")])}
        self.assertEqual(len(connections), 1)

    def test_a_disk_where_that_is_allowed(self) -> None:
        os.chmod(self.place, 0o700)
        path = self.place / "token"
        config = self.write_config(config_text(
            {"t": {"resource": self.resource(), "endpoint": self.emulator.url}},
            {str(path): {"token": "t"}}, require_tmpfs="no"))
        self.once_fine("-c", config)
        self.verified(path)


class Failures(OnceTest):
    def check_once(self, config: str, code: int, *said: str) -> Result:
        result = miagent("once", "-c", config, "--timeout", "1")
        self.check_result(result, code, *said)
        self.assertEqual(result.out, "")
        return result

    def test_64_command_line(self) -> None:
        for arguments in (["--resource", "vault"], ["-c"], ["--timeout", "x"], ["stray"],
                          ["--nonsense"], ["-c", "a", "--resource", "b", "--file", "/c"],
                          ["--ready-fd", "3"]):
            with self.subTest(arguments):
                result = miagent("once", *arguments)
                self.check_result(result, 64)
                self.assertEqual(len(result.err.splitlines()), 1)

    def test_codes_of_the_source(self) -> None:
        config = self.config()
        url = self.emulator.url
        for step, code, said in (("body " + MARKER, 65, "not one JSON object"),
                                 ("status 400", 69, "Identity not found"),
                                 ("status 404", 75, "HTTP 404"),
                                 ("status 429", 75, "HTTP 429"),
                                 ("silence", 75, "no answer in time")):
            with self.subTest(step):
                self.script(step)
                result = self.check_once(config, code, f"token t: imds at {url}: ", said)
                self.assertEqual(len(result.err.splitlines()), 1)
                self.assertFalse(self.file.exists())

    def test_73_a_directory_in_the_files_place(self) -> None:
        self.file.mkdir()
        self.check_once(self.config(), 73, str(self.file), "directory")
        self.assertEqual(os.listdir(self.folder), ["token"])

    def test_73_no_directory(self) -> None:
        self.folder.rmdir()
        self.check_once(self.config(), 73, str(self.file), "no such file or directory", "create it")

    @unittest.skipIf(os.geteuid() == 0, "root may give files away")
    def test_73_an_owner_that_is_not_permitted(self) -> None:
        self.check_once(self.config(file={"owner": "0"}), 73, str(self.file), "not permitted")
        self.assertEqual(os.listdir(self.folder), [])

    def test_77_each_kind_of_unsafe_directory(self) -> None:
        for kind in UNSAFE:
            with self.subTest(kind):
                folder, said = self.make_unsafe(kind)
                path = folder / "token"
                config = self.write_config(config_text(
                    {"t": {"resource": self.resource(), "endpoint": self.emulator.url}},
                    {str(path): {"token": "t"}}))
                for command in ("once", "check", "run"):
                    result = miagent(command, "-c", config, timeout_s=10)
                    self.check_result(result, 77, str(path), said)
                self.assertFalse(path.exists())
        self.assertEqual(self.request_count(), 0)

    def make_unsafe(self, kind: str) -> "tuple[Path, str]":
        folder = self.make_folder(str(self.folder))
        if kind == "link":
            (self.folder / "link").symlink_to(folder)
            return self.folder / "link", "symbolic link"
        if kind == "link in its place":
            (self.folder / "file").touch()
            return self.folder / "file", "no directory"
        if kind == "other owner":
            if os.geteuid():
                self.skipTest("only root gives directories away")
            os.chown(folder, NOBODY, -1)
            return folder, "belongs to another user"
        if kind == "disk":
            if filesystem_is_tmpfs(str(self.place)):
                self.skipTest("temporary files are on tmpfs here")
            return self.place, "not on tmpfs"
        folder.chmod({"group-writable": 0o770, "world-writable": 0o757, "sticky": 0o1777}[kind])
        return folder, "writable by group or others"

    def test_78_configuration(self) -> None:
        config = self.write_config("[token t]\nresorce = vault\n")
        self.check_once(config, 78, f"{config}:2: ")
        self.check_once(str(self.place / "none"), 78, str(self.place / "none"), "-c FILE")

    def test_the_first_failure_of_the_configuration_counts(self) -> None:
        tokens = {name: {"resource": self.resource(name), "endpoint": self.emulator.url}
                  for name in ("-refused", "-malformed", "-fine")}
        files = {"refused": "-refused", "malformed": "-malformed", "fine": "-fine",
                 "unsafe/x": "-fine"}
        (self.folder / "unsafe").mkdir(mode=0o700)
        (self.folder / "unsafe").chmod(0o777)
        sections = [("token", name, keys) for name, keys in tokens.items()] + \
            [("file", str(self.folder / name), {"token": token}) for name, token in files.items()]
        orders = ((69, sections), (65, sections[1:] + sections[:1]),
                  (77, sections[6:] + sections[:6]), (77, sections[2:] + sections[:2]))
        for code, order in orders:
            with self.subTest(code):
                (self.folder / "fine").unlink(missing_ok=True)
                self.script("status 400", "-refused")
                self.script("body " + MARKER, "-malformed")
                text = "".join(f"[{word} {name}]\n" + "".join(
                    f"{key} = {value}\n" for key, value in keys.items())
                    for word, name, keys in order)
                result = self.check_once(self.write_config(text), code, "token -refused: ",
                                         "token -malformed: ", str(self.folder / "unsafe/x"))
                self.assertEqual(len(result.err.splitlines()), 3)
                self.verified(self.folder / "fine")
                self.assertFalse((self.folder / "refused").exists())

    def test_an_old_token_stays_when_no_new_one_comes(self) -> None:
        config = self.config()
        self.once_fine("-c", config)
        self.age()
        before = look(self.file)
        self.script("status 400")
        self.check_once(config, 69)
        self.assertEqual(look(self.file), before)

    def test_a_failure_that_passes_is_retried(self) -> None:
        self.script("status 503")
        self.once_fine("-c", self.config())
        self.assertEqual(self.request_count(), 2)

    def test_redirects_are_never_followed(self) -> None:
        with self.start_emulator() as elsewhere:
            for status in (301, 302, 303, 307, 308):
                self.script(f"status {status} redirect "
                            f"{elsewhere.token_url(self.resource())}")
                self.check_once(self.config(), 69, f"HTTP {status}", "never followed")
            self.assertEqual(elsewhere.requests(every=True), [])

    def test_a_signal_ends_it_as_a_failure(self) -> None:
        config = self.config(file={"on_stop": "remove"})
        self.once_fine("-c", config)
        self.file.chmod(0o644)  # so that a request is made
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                count = self.request_count()
                self.script("silence")
                agent = self.start("once", "-c", config)
                wait_until(lambda: self.request_count() > count, "the request")
                self.assertNotEqual(agent.stop(number), 0)
                self.assertTrue(self.file.exists())


@unittest.skipUnless(shutil.which("strace"), "no strace here")
class KilledWhilePublishing(OnceTest):
    def test_at_each_step(self) -> None:
        config = self.config()
        self.once_fine("-c", config)
        for step in STEPS:
            with self.subTest(step):
                self.age()
                before = look(self.file)
                self.emulator.forget_tokens()
                self.kill_at(step, config)
                self.assertEqual(look(self.file), before)
                self.assertEqual(len(self.temporaries()), 0 if step == "openat" else 1)
                self.once_fine("-c", config)
                self.verified(self.file)
                self.assertNotEqual(look(self.file).content, before.content)
                self.assertEqual(self.temporaries(), [])

    def kill_at(self, step: str, config: str) -> None:
        """Kills `once` as it enters the system call that does this step."""
        count = self.count_before(step, config)
        log = self.place / "strace.log"
        done = subprocess.run(
            ["strace", "-o", str(log), "-e", f"trace={step}",
             "-e", f"inject={step}:signal=KILL:when={count}", binary(), "once", "-c", config],
            stdin=subprocess.DEVNULL, capture_output=True, env=clean_environment(), timeout=20,
            check=False)
        self.assertIn("killed by SIGKILL", log.read_text(encoding="utf-8"), done.stderr)

    def count_before(self, step: str, config: str) -> int:
        """Which of the calls of this name it is: the first, but for openat and close."""
        if step not in ("openat", "close"):
            return 1
        log = self.place / "strace.log"
        # The same run, but that it ends at the publication's first own call.
        done = subprocess.run(
            ["strace", "-o", str(log), "-e", "trace=openat,close,fchown,socket,connect",
             "-e", "inject=fchown:signal=KILL", binary(), "once", "-c", config],
            stdin=subprocess.DEVNULL, capture_output=True, env=clean_environment(), timeout=20,
            check=False)
        lines = log.read_text(encoding="utf-8").splitlines()
        if "+++ killed by SIGKILL +++" not in lines:
            self.skipTest(f"strace is not permitted here: {done.stderr!r}")
        for name in self.temporaries():
            (self.folder / name).unlink()
        return sum(line.startswith(step + "(") for line in lines) + (step == "close")


if __name__ == "__main__":
    unittest.main()
