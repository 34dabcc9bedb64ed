"""Tests of the sources that speak plain HTTP, but for IMDS: what they give, what they refuse."""

from __future__ import annotations

import os
import re
import stat
import time
import unittest
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import identities
from harness import Emulator
from inprocess import RESOURCE, Reply, WorldTest

SYSTEM = identities.system_identity()
APP = identities.user_identity("app")
FORM = {"Metadata": "true", "Content-Type": "application/x-www-form-urlencoded"}


class CloudShell(WorldTest):
    options = ("--source", "cloud-shell")

    def ask(self, body: Optional[str] = "resource=" + RESOURCE, more: str = "",
            headers: Dict[str, str] = FORM, method: str = "POST") -> Reply:
        url = self.world.environment("cloud-shell")["MSI_ENDPOINT"] + more
        return self.world.call(url, headers, method, body)

    def test_token(self) -> None:
        reply = self.ask("resource=https%3A%2F%2Fvault.azure.net")
        self.assertEqual(self.world.claims(reply)["aud"], "https://vault.azure.net")
        self.assertTrue(all(isinstance(value, str) for value in reply.json.values()))
        self.assertLessEqual({"expires_in", "expires_on", "not_before"}, set(reply.json))
        entry = self.world.entries()[-1]
        self.assertEqual((entry["source"], entry["form"]),
                         ("cloud-shell", [["resource", "https://vault.azure.net"]]))

    def test_refusals(self) -> None:
        for reply, status, code in (
                (self.ask(headers={"Content-Type": FORM["Content-Type"]}), 400,
                 "MissingMetadataHeader"),
                (self.ask(headers={**FORM, "Metadata": "True"}), 400, "MissingMetadataHeader"),
                (self.ask(headers={"Metadata": "true"}), 400, "InvalidRequest"),
                (self.ask(more="?api-version=2018-02-01"), 400, "InvalidRequest"),
                (self.ask("resource=nonsense"), 400, "AudienceNotSupported"),
                (self.ask(f"resource={RESOURCE}&client_id={APP.client_id}"), 400,
                 "invalid_request"),
                (self.ask(f"resource={RESOURCE}&resource={RESOURCE}"), 400, "invalid_request"),
                (self.ask(None, f"?resource={RESOURCE}", method="GET"), 405,
                 "method_not_allowed")):
            self.assertEqual((reply.status, reply.json["error"]["code"]), (status, code))

    def test_script(self) -> None:
        self.world.steps("status 400\nat app-service status 500\nat cloud-shell status 503")
        self.assertEqual(self.ask().json["error"]["code"], "AudienceNotSupported")
        self.assertEqual([self.ask().status, self.ask().status], [503, 200])


class VmExtension(WorldTest):
    options = ("--source", "vm-extension", "--user", "app")

    def ask(self, query: str = "?resource=" + RESOURCE, method: str = "GET",
            headers: Optional[Dict[str, str]] = None) -> Reply:
        return self.world.call(self.world.endpoint("vm-extension") + query,
                               {"Metadata": "true"} if headers is None else headers, method)

    def test_token(self) -> None:
        self.assertEqual(self.world.claims(self.ask())["appid"], SYSTEM.client_id)
        reply = self.ask(f"?resource={RESOURCE}&client_id={APP.client_id}")
        self.assertEqual(self.world.claims(reply)["appid"], APP.client_id)
        self.assertEqual(self.world.environment("vm-extension"), {})

    def test_refusals(self) -> None:
        resource = f"?resource={RESOURCE}"
        for reply, status, code in (
                (self.ask(headers={}), 400, "bad_request_102"),
                (self.ask(""), 400, "invalid_request"),
                (self.ask(resource + "&object_id=" + APP.object_id), 400, "invalid_request"),
                (self.ask(resource + "&client_id=nobody"), 400, "invalid_request"),
                (self.ask(resource + "&" + resource[1:]), 400, "invalid_request"),
                (self.ask("?resource=nonsense"), 400, "invalid_resource"),
                (self.ask(method="POST"), 405, "method_not_allowed"),
                (self.ask("/token" + resource), 401, "unknown_source")):
            self.assertEqual((reply.status, reply.json["error"]), (status, code))


class AppService(WorldTest):
    options = ("--source", "app-service", "--user", "app")

    def ask(self, query: str = "?api-version=2019-08-01&resource=" + RESOURCE, method: str = "GET",
            headers: Optional[Dict[str, str]] = None) -> Reply:
        found = self.world.environment("app-service")
        return self.world.call(
            found["IDENTITY_ENDPOINT"] + query,
            {"X-IDENTITY-HEADER": found["IDENTITY_HEADER"]} if headers is None else headers,
            method)

    def test_token(self) -> None:
        reply = self.ask()
        claims = self.world.claims(reply)
        self.assertEqual(reply.json["expires_on"], str(claims["exp"]))
        self.assertNotIn("expires_in", reply.json)

    def test_selectors(self) -> None:
        base = f"?api-version=2019-08-01&resource={RESOURCE}"
        for name, value in (("client_id", APP.client_id), ("object_id", APP.object_id),
                            ("mi_res_id", APP.resource_id)):
            reply = self.ask(f"{base}&{name}={value}")
            self.assertEqual(self.world.claims(reply)["appid"], APP.client_id)

    def test_refusals(self) -> None:
        base = f"?api-version=2019-08-01&resource={RESOURCE}"
        for reply, status in (
                (self.ask(headers={}), 401),
                (self.ask(headers={"X-IDENTITY-HEADER": "wrong"}), 401),
                (self.ask(method="POST"), 405),
                (self.ask(base.replace("2019-08-01", "2017-09-01")), 400),
                (self.ask("?api-version=2019-08-01"), 400),
                (self.ask(base + "&client_id=nobody"), 400),
                (self.ask(base + "&clientid=" + APP.client_id), 400),
                (self.ask(base + "&msi_res_id=" + APP.resource_id), 400),
                (self.ask(base + "&" + base[1:]), 400),
                (self.ask(f"{base}&client_id={APP.client_id}&object_id={APP.object_id}"), 400),
                (self.ask("?api-version=2019-08-01&resource=nonsense"), 500)):
            self.assertEqual((reply.status, reply.json["statusCode"]), (status, status))
            self.assertEqual(set(reply.json), {"statusCode", "message", "correlationId"})
        reply = self.world.call(self.world.endpoint("app-service") + "/" + base, {})
        self.assertEqual(reply.status, 404)

    def test_the_header_rotates(self) -> None:
        before = self.world.environment("app-service")["IDENTITY_HEADER"]
        self.world.emulator._world.settings.header = "another"
        self.assertEqual(self.ask(headers={"X-IDENTITY-HEADER": before}).status, 401)
        self.assertEqual(self.ask().status, 200)
        self.assertNotIn(before, Path(self.world.log.name).read_text(encoding="utf-8"))


class AppService2017(WorldTest):
    options = ("--source", "app-service-2017", "--source", "azure-ml", "--user", "app")

    def ask(self, more: str = "", source: str = "app-service-2017", method: str = "GET",
            headers: Optional[Dict[str, str]] = None, version: str = "2017-09-01") -> Reply:
        found = self.world.environment(source)
        return self.world.call(
            f"{found['MSI_ENDPOINT']}?api-version={version}&resource={RESOURCE}{more}",
            {"secret": found["MSI_SECRET"]} if headers is None else headers, method)

    def test_dates(self) -> None:
        seconds = self.world.claims(self.ask())["exp"]
        when = time.gmtime(seconds)
        hour = when.tm_hour % 12 or 12
        half = "AM" if when.tm_hour < 12 else "PM"
        expected = {
            None: time.strftime("%m/%d/%Y %H:%M:%S +00:00", when), "unix": str(seconds),
            "linux": time.strftime("%m/%d/%Y %H:%M:%S +00:00", when),
            "windows": f"{when.tm_mon}/{when.tm_mday}/{when.tm_year} {hour}:"
                       f"{time.strftime('%M:%S', when)} {half} +00:00",
            "iso": time.strftime("%Y-%m-%dT%H:%M:%SZ", when),
            "plain": time.strftime("%Y-%m-%d %H:%M:%S", when)}
        for form, text in expected.items():
            self.world.emulator._world.settings.dates = form
            self.assertEqual(self.ask().json["expires_on"], text)
        self.world.emulator._world.settings.dates = "rfc1123"
        self.assertEqual(parsedate_to_datetime(self.ask().json["expires_on"]).timestamp(), seconds)
        self.assertNotIn("expires_in", self.ask().json)

    def test_azure_ml(self) -> None:
        found = self.world.environment("azure-ml")
        self.assertEqual(found["DEFAULT_IDENTITY_CLIENT_ID"], SYSTEM.client_id)
        reply = self.ask("&clientid=" + APP.client_id, "azure-ml")
        self.assertEqual(self.world.claims(reply)["appid"], APP.client_id)
        self.assertRegex(reply.json["expires_on"], r"^\d+$")

    def test_refusals(self) -> None:
        for reply, status in (
                (self.ask(headers={}), 401), (self.ask(headers={"secret": "x"}), 401),
                (self.ask("&client_id=" + APP.client_id), 400),
                (self.ask("&object_id=" + APP.object_id), 400),
                (self.ask("&clientid=nobody"), 400), (self.ask("&clientid=", "azure-ml"), 400),
                (self.ask(version="2019-08-01"), 400), (self.ask(method="POST"), 405)):
            self.assertEqual((reply.status, reply.json["statusCode"]), (status, status))


class AzureArc(WorldTest):
    options = ("--source", "azure-arc", "--user", "app")

    def ask(self, more: str = "", key: Optional[str] = None, **headers: str) -> Reply:
        found = self.world.environment("azure-arc")["IDENTITY_ENDPOINT"]
        if key is not None:
            headers["Authorization"] = "Basic " + key
        return self.world.call(f"{found}?api-version=2020-06-01&resource={RESOURCE}{more}",
                               {"Metadata": "true", **headers})

    def challenge(self, kind: str = "") -> Tuple[str, Path]:
        """The header and the path in it."""
        self.world.steps(f"challenge {kind}" if kind else "normal")
        reply = self.ask()
        self.assertEqual(reply.status, 401)
        value = reply.head.getheader("WWW-Authenticate") or ""
        return value, Path(re.sub("^.*[ =]", "", value))

    def test_token(self) -> None:
        value, path = self.challenge()
        self.assertEqual(value, f"Basic realm={path}")
        self.assertEqual(path.suffix, ".key")
        key = path.read_text(encoding="ascii")
        self.assertEqual(self.world.claims(self.ask(key=key))["appid"], SYSTEM.client_id)
        self.assertFalse(path.exists())
        self.assertNotIn(key, Path(self.world.log.name).read_text(encoding="utf-8"))
        self.assertEqual(self.ask(key=key).status, 401)

    def test_each_challenge_has_a_key_of_its_own(self) -> None:
        paths = [self.challenge()[1] for _ in range(2)]
        keys = [path.read_text(encoding="ascii") for path in paths]
        self.assertEqual(len(set(keys)), 2)
        self.assertEqual([self.ask(key=key).status for key in keys], [200, 200])

    def test_selectors_are_echoed(self) -> None:
        for name, value in (("client_id", APP.client_id), ("object_id", APP.object_id),
                            ("msi_res_id", APP.resource_id)):
            for agent, identity in (("new", APP), ("old", SYSTEM)):
                self.world.emulator._world.settings.arc_agent = agent
                key = self.challenge()[1].read_text(encoding="ascii")
                reply = self.ask(f"&{name}={value}", key)
                self.assertEqual(self.world.claims(reply)["appid"], identity.client_id)
                self.assertEqual(reply.json.get(name), value if agent == "new" else None)

    def test_refusals(self) -> None:
        key = self.challenge()[1].read_text(encoding="ascii")
        self.assertEqual(self.ask(key="wrong").status, 401)
        self.assertEqual(self.ask(Metadata="false").status, 400)
        self.assertEqual(self.ask("&mi_res_id=" + APP.resource_id).status, 400)
        self.assertEqual(self.ask("&api-version=2020-06-01").status, 400)
        reply = self.ask("&client_id=nobody", key)
        self.assertEqual((reply.status, reply.json["error"]), (404, "identity_not_found"))

    def test_bad_challenges(self) -> None:
        self.assertEqual(self.challenge("no-header")[0], "")
        self.assertTrue(self.challenge("wrong-scheme")[0].startswith("Bearer realm=/"))
        self.assertTrue(self.challenge("no-realm")[0].startswith("Basic /"))
        self.assertEqual(self.challenge("two-equals")[0].count("="), 2)
        self.assertNotIn("=/", self.challenge("relative")[0])
        good = self.challenge()[1].parent
        self.assertNotEqual(self.challenge("other-directory")[1].parent, good)
        self.assertNotEqual(self.challenge("not-key")[1].suffix, ".key")
        self.assertTrue(self.challenge("link")[1].is_symlink())
        self.assertTrue(self.challenge("directory")[1].is_dir())
        self.assertTrue(self.challenge("fifo")[1].is_fifo())
        self.assertEqual(self.challenge("oversize")[1].stat().st_size, 4097)
        self.assertEqual(self.challenge("empty")[1].stat().st_size, 0)
        self.assertEqual(stat.S_IMODE(os.stat(self.challenge("unreadable")[1]).st_mode), 0)
        self.assertFalse(self.challenge("missing")[1].exists())
        largest = self.challenge("largest")[1].read_text(encoding="ascii")
        self.assertEqual((len(largest), self.ask(key=largest).status), (4096, 200))

    def test_a_token_without_a_challenge(self) -> None:
        self.world.steps("challenge none")
        self.assertEqual(self.ask().status, 200)

    def test_unused_keys_go(self) -> None:
        paths = [self.challenge(kind)[1] for kind in ("", "link", "directory", "fifo") * 8]
        self.assertFalse(any(os.path.lexists(path) for path in paths[:8]))
        self.assertLess(len(list(paths[0].parent.iterdir())), 25)


class Refusing(WorldTest):
    options = ("--source", "cloud-shell", "--source", "http://vault")

    def reachable(self) -> List[str]:
        found = []
        for source in ("imds", "cloud-shell", "vault"):
            try:
                self.world.call(self.world.endpoint(source) + "/", {})
                found.append(source)
            except ConnectionRefusedError:
                pass
        return found

    def test_one_or_all_sources_refuse(self) -> None:
        self.world.steps("at cloud-shell refuse 60s")
        self.assertEqual(self.reachable(), ["imds", "vault"])
        self.world.steps("refuse 60s")
        self.assertEqual(self.reachable(), ["vault"])
        self.world.steps("at vault refuse 60s")
        self.assertEqual(self.reachable(), ["imds", "cloud-shell"])
        self.world.steps("normal")
        self.assertEqual(self.reachable(), ["imds", "cloud-shell", "vault"])


class Several(unittest.TestCase):
    def test_each_source_in_a_process(self) -> None:
        names = ["cloud-shell", "vm-extension", "app-service", "app-service-2017", "azure-ml",
                 "azure-arc"]
        with Emulator(sources=names) as emulator:
            ports = {emulator.source_url(name) for name in [*names, "imds"]}
            self.assertEqual(len(ports), 7)
            expected: Dict[str, Any] = {
                "imds": {"AZURE_POD_IDENTITY_AUTHORITY_HOST"}, "cloud-shell": {"MSI_ENDPOINT"},
                "app-service": {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"},
                "app-service-2017": {"MSI_ENDPOINT", "MSI_SECRET"},
                "azure-ml": {"MSI_ENDPOINT", "MSI_SECRET", "DEFAULT_IDENTITY_CLIENT_ID"},
                "azure-arc": {"IDENTITY_ENDPOINT", "IMDS_ENDPOINT"}, "vm-extension": set()}
            for name, variables in expected.items():
                self.assertEqual(set(emulator.environment(name)), variables)
            emulator.settings(header="another", dates="windows", arc_agent="old")
            self.assertEqual(emulator.environment("app-service")["IDENTITY_HEADER"], "another")
            for wrong in ({"dates": "julian"}, {"arc_agent": "odd"}):
                with self.assertRaises(ValueError):
                    emulator.settings(**wrong)


if __name__ == "__main__":
    unittest.main()
