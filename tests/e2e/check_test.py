#!/usr/bin/python3
"""`miagent check`, `help` and `--version`, and command lines that are wrong."""

from __future__ import annotations

import os
import re
import unittest
from typing import Dict, List

from support import E2eTest, Result, config_text, miagent

# Each line that is wrong, and a part of what must be said about it.
BAD_LINES = (
    ("[agent]", ""),
    ("log_level = loud", "error|warning|info|debug"),
    ("log = journal", "stderr|syslog"),
    ("timeout = 0", "1 to 300"),
    ("timeout = 5", "twice"),
    ("cloud = mars", "public|usgov|china"),
    ("require_tmpfs = maybe", "yes"),
    ("status_file = s.json", "absolute"),
    ("no value here", "expected"),
    ("[token t]", "resource"),
    ("resource", "expected"),
    ("refresh_at = 95%", "10% to 90%"),
    ("client_id = me", "GUID"),
    ("object_id = 11111111-2222-3333-4444-555555555555", "client_id"),
    ("source = moon", "moon"),
    ("colour = blue", "colour"),
    ("[token t]", "another"),
    ("endpoint = ftp://127.0.0.1/", "http"),
    ("resource = datalake", ""),
    ("[file relative]", "absolute"),
    ("token = nowhere", "nowhere"),
    ("mode = 0666", "everybody"),
    ("format = yaml", "raw|json|env|header|template"),
    ("on_expiry = explode", "remove|keep|empty"),
    ("on_stop = explode", "keep|remove"),
    ("notify = signal HUP x.pid", "absolute"),
    ("template = {token}", "token"),
    ("[files /x]", "files"),
    ("[file /dev/shm/../x]", ".."),
    ("token = t", ""),
    ("owner = no-such-user:", "owner"),
)


class Check(E2eTest):
    def check(self, *arguments: str) -> Result:
        return miagent("check", *arguments, timeout_s=10)

    def good(self, **more: str) -> str:
        return config_text(
            {"storage": {"resource": "storage", "refresh_at": "60%"},
             "vault": {"resource": "vault", "endpoint": "http://127.0.0.1:8169",
                       "client_id": "11111111-2222-3333-4444-555555555555"}},
            {str(self.folder / "storage"): {"token": "storage", "mode": "0640"},
             str(self.folder / "vault.json"): {"token": "vault", "format": "json",
                                               "on_expiry": "keep", "on_stop": "remove"}}, **more)

    def test_the_plan_of_a_good_one(self) -> None:
        result = self.check("-c", self.write_config(self.good()))
        self.assertEqual((result.code, result.err), (0, ""))
        for text in ("token storage\n", "https://storage.azure.com/", "60%", "imds at "
                     "http://169.254.169.254/metadata/identity/oauth2/token", "token vault\n",
                     "https://vault.azure.net", "http://127.0.0.1:8169", "client_id 1111",
                     f"file {self.folder}/storage\n", "0640", f"{os.geteuid()}:{os.getegid()}",
                     f"file {self.folder}/vault.json\n", "json", "keep", "remove", "safe"):
            self.assertIn(text, result.out)
        self.assertEqual(os.listdir(self.folder), [])

    def test_log(self) -> None:
        for log in ("syslog", "stderr"):
            result = self.check("-c", self.write_config(self.good(log=log)))
            self.assertEqual((result.code, result.err), (0, ""))
            self.assertEqual("\nlog syslog\n" in result.out, log == "syslog")

    def test_status_and_metrics_files(self) -> None:
        text = self.good(status_file=f"{self.folder}/s.json", metrics_file=f"{self.folder}/m.prom")
        result = self.check("-c", self.write_config(text))
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertIn(f"status_file {self.folder}/s.json\nmetrics_file {self.folder}/m.prom\n",
                      result.out)
        self.assertEqual(os.listdir(self.folder), [])

    def test_comments_blanks_and_line_ends(self) -> None:
        text = self.good(log_level="debug  ; loud", timeout="5 # seconds")
        for each in ("; first\n\n  # second\n" + text.replace(" = ", "="),
                     text.replace("\n", "\r\n"), "\ufeff" + text, text.rstrip("\n"),
                     text.replace(" = ", "\t=  ").replace("[token ", "  [token   ")):
            result = self.check("-c", self.write_config(each))
            self.assertEqual((result.code, result.err), (0, ""))

    def test_options_in_place_of_a_configuration(self) -> None:
        result = self.check("--resource", "arm", "--cloud", "usgov", "--file", str(self.file))
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertIn("https://management.usgovcloudapi.net/", result.out)

    def test_every_problem_is_told_at_once_with_its_line(self) -> None:
        path = self.write_config("".join(f"{line}\n" for line, _ in BAD_LINES))
        result = self.check("-c", path)
        self.assertEqual((result.code, result.out), (78, ""), result.err)
        told: Dict[int, str] = {}
        for line in result.err.splitlines():
            match = re.fullmatch(re.escape(path) + r":(\d+): (.+)", line)
            self.assertIsNotNone(match, line)
            assert match
            told[int(match[1])] = told.get(int(match[1]), "") + match[2] + "\n"
        for number, (line, said) in enumerate(BAD_LINES, 1):
            if said:
                self.assertIn(said, told.get(number, ""), f"{number}: {line}")

    def test_a_configuration_that_names_no_file_or_too_much(self) -> None:
        many_tokens = "".join(f"[token t{i}]\nresource = vault\n" for i in range(65))
        many_files = "[token t]\nresource = vault\n" + "".join(
            f"[file {self.folder}/{i}]\ntoken = t\n" for i in range(129))
        for text, said in (("", "nothing to do"), ("# only this\n", "nothing to do"),
                           (many_tokens, "kTokenCountMax"), (many_files, "kFileCountMax"),
                           ("#" + "x" * 66000, "kConfigSizeMax"),
                           ("[token t]\nresource = https://a/" + "x" * 2000, "kConfigLineSizeMax"),
                           ("[token t]\nresource = vault\0\n", "NUL"),
                           (f"[token t]\nresource = vault\n[file {self.file}]\ntoken = t\n"
                            "owner = no-such-user\n", "no 'no-such-user' in /etc/passwd")):
            with self.subTest(said):
                path = self.write_config(text)
                result = self.check("-c", path)
                self.assertEqual((result.code, result.out), (78, ""), result.err)
                self.assertIn(path, result.err)
                self.assertIn(said, result.err)

    def test_at_the_limits(self) -> None:
        text = "".join(f"[token t{i}]\nresource = https://{i}.example/{'x' * 100}\n"
                       for i in range(64))
        text += "".join(f"[file {self.folder}/{i}]\ntoken = t{i % 64}\n" for i in range(128))
        result = self.check("-c", self.write_config(text))
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertEqual(result.out.count("\nfile "), 128)

    def test_every_unsafe_directory_is_told(self) -> None:
        for name in ("a", "b"):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o777)
        path = self.write_config(config_text(
            {"t": {"resource": "vault"}},
            {str(self.folder / name): {"token": "t"} for name in ("a/x", "b/x", "none/x", "x")}))
        result = self.check("-c", path)
        self.check_result(result, 77)
        self.assertEqual([line.split(": ")[1] for line in result.err.splitlines()],
                         [str(self.folder / name) for name in ("a/x", "b/x", "none/x")])
        self.assertEqual(result.out.count("writable by group or others"), 2)

    def test_a_file_that_cannot_be_read(self) -> None:
        for path in (str(self.place / "none"), str(self.place)):
            self.check_result(self.check("-c", path), 78, path)
        if not os.path.exists("/etc/miagent.conf"):
            self.check_result(self.check(), 78, "/etc/miagent.conf", "-c FILE")


class Help(unittest.TestCase):
    def fine(self, *arguments: str) -> str:
        result = miagent(*arguments, timeout_s=10)
        self.assertEqual((result.code, result.err), (0, ""), arguments)
        self.assertTrue(result.out.endswith("\n"))
        self.assertLessEqual(max(map(len, result.out.splitlines())), 200)
        return result.out

    def test_help(self) -> None:
        general = self.fine("help")
        self.assertEqual(self.fine("--help"), general)
        for command in ("run", "once", "get", "check"):
            self.assertIn(f"miagent {command}", general)
            text = self.fine("help", command)
            self.assertIn(f"usage: miagent {command}", text)
            self.assertEqual(self.fine(command, "--help"), text)
            for option in ("--resource", "--client-id", "--object-id", "--mi-res-id",
                           "--endpoint", "--timeout", "--cloud", "--source"):
                self.assertIn(option, text)
        for command, options in (("status", ["--json"]), ("wait", ["--fresh", "--timeout"])):
            self.assertIn(f"miagent {command}", general)
            text = self.fine("help", command)
            self.assertIn(f"usage: miagent {command} [-c FILE] [{options[0]}", text)
            self.assertEqual(self.fine(command, "--help"), text)
            for option in options:
                self.assertIn(f"\n  {option} ", text)
            self.assertNotIn("--resource", text)
        for code in (0, 1, 64, 65, 69, 73, 75, 77, 78):
            self.assertRegex(general, rf"(?m)^ *{code} ")

    def test_resources(self) -> None:
        rows: List[List[str]] = [line.split() for line in
                                 self.fine("help", "resources").splitlines()[1:]]
        table = {row[0]: row[1:] for row in rows}
        self.assertEqual(table["arm"], ["https://management.azure.com/",
                                        "https://management.usgovcloudapi.net/",
                                        "https://management.chinacloudapi.cn/"])
        self.assertEqual(table["datalake"], ["https://datalake.azure.net/", "-", "-"])
        self.assertTrue({"vault", "storage", "batch", "log-analytics", "sql", "oss-rdbms",
                         "graph"} <= set(table))

    def test_version(self) -> None:
        text = self.fine("--version")
        self.assertRegex(text, r"^miagent \d+\.\d+\.\d+\n")
        values = dict(line.split(": ", 1) for line in text.splitlines()[1:])
        self.assertIn("imds", values["sources"])
        self.assertEqual((values["tokens_max"], values["files_max"]), ("64", "128"))
        self.assertEqual(values["answer_bytes_max"], "32768")
        self.assertGreater(int(values["memory_bytes_fixed"]), 0)

    def test_standard_output_that_takes_nothing(self) -> None:
        for arguments in (["help"], ["--version"], ["help", "resources"]):
            with open("/dev/full", "wb") as full:
                result = miagent(*arguments, stdout=full, timeout_s=10)
            self.assertEqual(result.code, 73)
            self.assertIn("standard output", result.err)

    def test_wrong_usage(self) -> None:
        for arguments in ([], [""], ["fetch"], ["exec", "true"],
                          ["wait", "--fresh=x"], ["status", "x"], ["status", "--json=1"],
                          ["call", "https://x"], ["help", "nonsense"], ["help", "run", "once"],
                          ["--version", "x"], ["-v"], ["run", "x"], ["run", "-c"],
                          ["run", "-c", ""], ["run", "--timeout", "5"], ["once", "--format", "raw"],
                          ["check", "--timeout=x", "--resource=a", "--file=/b"],
                          ["get", "--resource", "vault", "--client-id", "a", "--object-id", "b"],
                          ["get", "--resource", "--client-id"], ["get", "--resource="],
                          ["get", "--resource", "vault", "--resource", "arm"],
                          ["get", "--resource", "vault", "--file", "/x"],
                          ["get", "--resource", "vault", "-c", "/x"],
                          ["get", "--resource", "vault", "--", "x"],
                          ["get", "--resource", "not-a-name"],
                          ["get", "--resource", "vault", "--client-id", "not-a-guid"],
                          ["get", "--resource", "vault", "--endpoint", "nonsense"],
                          ["get", "--resource", "vault", "--cloud", "mars"],
                          ["get", "--resource", "vault", "--source", "mars"],
                          ["get", "--resource", "vault", "--ca", "/x" * 300],
                          ["run", "--resource", "vault", "--file", "relative"],
                          ["get", "--resource", "x" * 5000], ["get", "--x\n\x1b[31m"]):
            with self.subTest(arguments):
                result = miagent(*arguments, timeout_s=10)
                self.assertEqual((result.code, result.out), (64, ""), result.err)
                self.assertRegex(result.err, r"\Amiagent: [ -~]+\n\Z")


if __name__ == "__main__":
    unittest.main()
