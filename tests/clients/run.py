#!/usr/bin/python3
"""Lets a real client take tokens from the emulator: is the emulator true to the protocol?

    /usr/bin/python3 tests/clients/run.py BUILD_FOLDER        (make test-clients)

Installs @azure/identity and Azurite from npm into BUILD_FOLDER (which needs node 20 and npm, and
a network the first time), then runs them in a network namespace where the emulator answers at
169.254.169.254:80, and as every other source that the client knows. At the end Azurite takes the
emulator's tokens (azurite.py). Exit 0 when every case went as expected, 1 otherwise, 77 when this
machine can't run it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, NoReturn, Optional, Sequence

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "emulator"), str(HERE.parent / "e2e")]

import azurite
import netns
import verify
from harness import Emulator, clean_environment
from identities import Identity, system_identity, user_identity

NODE_MAJOR_MIN = 20
INSTALL_TIMEOUT_S = 300
CLIENT_TIMEOUT_S = 60
APP = user_identity("app")
OTHER = user_identity("other")
SYSTEM = system_identity()
STORAGE, VAULT = "https://storage.azure.com", "https://vault.azure.net"


@dataclass(frozen=True)
class Case:
    """One credential of the client, and what must come of it."""

    name: str
    options: Dict[str, Any] = field(default_factory=dict)
    scope: str = STORAGE + "/.default"
    identity: Optional[Identity] = None  # None: the client must be refused
    audience: str = STORAGE
    kind: str = "managed"  # or workload


WITH_SYSTEM = [
    Case("system-assigned", identity=SYSTEM),
    Case("user-assigned by client id", {"clientId": APP.client_id}, identity=APP),
    Case("user-assigned by object id", {"objectId": OTHER.object_id}, identity=OTHER),
    Case("user-assigned by resource id", {"resourceId": APP.resource_id}, identity=APP),
    Case("another resource", scope=VAULT + "/.default", identity=SYSTEM, audience=VAULT),
    Case("an identity that isn't there", {"clientId": "00000000-0000-0000-0000-000000000000"}),
]
ONE_USER = [Case("the only user-assigned one", identity=APP)]
TWO_USERS = [Case("two user-assigned ones, none named")]
NOBODY = [Case("no identity at all")]
THROTTLED = [Case("throttled twice, then answered", identity=SYSTEM)]
BY_CLIENT_ID = Case("user-assigned by client id", {"clientId": APP.client_id}, identity=APP)
APP_SERVICE = [
    Case("system-assigned", identity=SYSTEM), BY_CLIENT_ID,
    Case("user-assigned by object id", {"objectId": OTHER.object_id}, identity=OTHER),
    Case("user-assigned by resource id", {"resourceId": APP.resource_id}, identity=APP),
    Case("an identity that isn't there", {"clientId": "00000000-0000-0000-0000-000000000000"}),
]
ONLY_SYSTEM = [
    Case("system-assigned", identity=SYSTEM),
    Case("another resource", scope=VAULT + "/.default", identity=SYSTEM, audience=VAULT),
    Case("user-assigned", {"clientId": APP.client_id}),
]
# The client looks at this only while it knows no source yet, so it comes first.
ARC = [ONLY_SYSTEM[2], *ONLY_SYSTEM[:2]]
AZURE_ML = [Case("system-assigned", identity=SYSTEM), BY_CLIENT_ID]
WORKLOAD = [
    Case("as the variables say", {"disableInstanceDiscovery": True}, identity=APP,
         kind="workload"),
    Case("another resource", {"disableInstanceDiscovery": True}, VAULT + "/.default", APP, VAULT,
         "workload"),
    Case("a client that isn't there", {"disableInstanceDiscovery": True,
                                       "clientId": "00000000-0000-0000-0000-000000000000"},
         kind="workload"),
]
NUMBERS = [Case("numbers in place of strings", identity=SYSTEM)]


def install(folder: Path) -> None:
    """npm's install, done again only when package.json or the lock changed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        _skip("node and npm are missing (Debian: apt-get install nodejs npm)")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    major = re.match(r"v(\d+)", version.stdout)
    if not major or int(major[1]) < NODE_MAJOR_MIN:
        _skip(f"node {NODE_MAJOR_MIN} or later is needed, this is {version.stdout.strip()}")
    sources = ["package.json", "package-lock.json", "get_tokens.mjs"]
    wanted = "".join((HERE / name).read_text(encoding="utf-8") for name in sources)
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in sources:
        shutil.copy(HERE / name, folder / name)
    print("installing @azure/identity and Azurite", flush=True)
    done = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                          timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode:
        sys.exit("run.py: npm could not install the client")
    stamp.write_text(wanted, encoding="utf-8")


def run_client(folder: Path, cases: List[Case], variables: Dict[str, str]) -> List[Dict[str, Any]]:
    request = [{"name": case.name, "kind": case.kind, "options": case.options,
                "scope": case.scope} for case in cases]
    done = subprocess.run(["node", "get_tokens.mjs", json.dumps(request)], cwd=folder,
                          env={**clean_environment(), **variables}, stdout=subprocess.PIPE,
                          text=True,
                          timeout=CLIENT_TIMEOUT_S, check=True)
    return list(json.loads(done.stdout))


def judge(case: Case, result: Dict[str, Any], keys: List[Dict[str, str]]) -> Optional[str]:
    """None when the result is what the case expects, else what is wrong with it."""
    if case.identity is None:
        return None if "error" in result else "a token was given"
    if "token" not in result:
        return str(result["error"])
    try:
        claims = verify.verify_token(result["token"], keys)
    except verify.Rejected as reason:
        return f"the token {reason}"
    expected = {"aud": case.audience, "appid": case.identity.client_id,
                "oid": case.identity.object_id, "xms_mirid": case.identity.resource_id}
    for name, value in expected.items():
        if claims[name] != value:
            return f"{name} is {claims[name]}, expected {value}"
    if abs(claims["exp"] - result["expiresOn"]) > 5:
        return f"the client believes in {result['expiresOn']}, exp is {claims['exp']}"
    return None


def scenario(folder: Path, cases: List[Case], *options: str, script: str = "",
             check: Optional[Callable[[Emulator], Optional[str]]] = None,
             source: str = "imds") -> int:
    """Runs cases against a fresh emulator, at the real address as IMDS; the number of failures."""
    failures = 0
    listen = f"{netns.METADATA_ADDRESS}:80"
    sources = [] if source == "imds" else [source]
    with Emulator(*options, script=script, listen=listen, sources=sources) as emulator:
        results = run_client(folder, cases, variables_of(emulator, source))
        keys = verify.fetch_keys(emulator.jwks_url)
        for case, result in zip(cases, results):
            wrong = judge(case, result, keys)
            failures += wrong is not None
            outcome = "token verified" if case.identity else "refused"
            print(f"{'FAILED' if wrong else 'ok':6} {source}, {case.name}: {wrong or outcome}",
                  flush=True)
        asked = {each.source for each in emulator.requests()}
        if asked != {source}:
            print(f"FAILED requests reached {sorted(asked)}, expected {source}")
            failures += 1
        wrong = check(emulator) if check else None
        if wrong:
            print(f"FAILED {wrong}")
            failures += 1
    return failures


def variables_of(emulator: Emulator, source: str) -> Dict[str, str]:
    """What the client finds the source by; nothing for IMDS, whose address it knows."""
    if source == "imds":
        return {}
    variables = emulator.environment(source)
    if source == "service-fabric":  # the client looks at the chain, not at the thumbprint
        variables["NODE_EXTRA_CA_CERTS"] = emulator.certificate("self-signed")
    elif source == "workload-identity":
        variables["NODE_EXTRA_CA_CERTS"] = emulator.ca_file
    return variables


def selectors_were_seen(emulator: Emulator) -> Optional[str]:
    """The client names identities as the protocol says, and asks once for each."""
    seen = [sorted(set(each.query) - {"api-version", "resource"}) for each in emulator.requests()]
    expected: List[List[str]] = [[], ["client_id"], ["object_id"], ["msi_res_id"], [],
                                 ["client_id"]]
    return None if seen == expected else f"selectors {seen}, expected {expected}"


def was_retried(emulator: Emulator) -> Optional[str]:
    statuses = [each.status for each in emulator.requests() if each.header("Metadata") == "true"]
    return None if statuses == [429, 429, 200] else f"statuses {statuses}"


def main(arguments: List[str]) -> int:
    if len(arguments) != 1:
        print("usage: run.py BUILD_FOLDER", file=sys.stderr)
        return 64
    folder = Path(arguments[0]).resolve()
    install(folder)
    status = netns.enter()
    if not status.entered:
        _skip(status.reason)
    users = ["--user", APP.name, "--user", OTHER.name]
    failures = scenario(folder, WITH_SYSTEM, *users, check=selectors_were_seen)
    failures += scenario(folder, ONE_USER, "--no-system", "--user", APP.name)
    failures += scenario(folder, TWO_USERS, "--no-system", *users)
    failures += scenario(folder, NOBODY, "--no-system")
    failures += scenario(folder, NUMBERS, "--numbers", "--chunked", "100")
    failures += scenario(folder, THROTTLED, check=was_retried,
                         script="status 429 retry-after 1 x2")
    failures += other_sources(folder, users)
    failures += azurite.check(folder) + azurite.check_agent(folder)
    print("all as expected" if not failures else f"{failures} not as expected")
    return 1 if failures else 0


def other_sources(folder: Path, users: Sequence[str]) -> int:
    failures = scenario(folder, APP_SERVICE, *users, source="app-service")
    failures += scenario(folder, ONLY_SYSTEM, *users, source="cloud-shell")
    failures += scenario(folder, AZURE_ML, *users, source="azure-ml")
    failures += scenario(folder, ONLY_SYSTEM, *users, source="service-fabric")
    failures += scenario(folder, WORKLOAD, *users, source="workload-identity")
    keys = Path("/var/opt/azcmagent/tokens")  # the only folder that the client accepts
    try:
        netns.mount_tmpfs("/var/opt", mode=0o755)
        keys.mkdir(parents=True)
    except OSError as error:
        print(f"not run: azure-arc: {error}", flush=True)
        return failures
    return failures + scenario(folder, ARC, *users, "--arc-keys", str(keys), source="azure-arc")


def _skip(reason: str) -> NoReturn:
    print(f"run.py: not run: {reason}", file=sys.stderr)
    sys.exit(netns.EXIT_NOT_PERMITTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
