"""Gets what is compared with: Debian's packages, npm's, and the samples, built.

A peer that can't be had is told with its reason, and the others are measured.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Sequence, Set

from peers import AZURE_PYTHON, JACKSON, Peer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SAMPLES = HERE / "samples"
sys.path.insert(0, str(ROOT / "tests" / "clients"))


class Missing(Exception):
    """A peer can't be measured here; the text says why."""


def run(command: Sequence[str], what: str, **more: object) -> None:
    try:
        done = subprocess.run(list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False,
                              **more)  # type: ignore[call-overload]
    except OSError as error:
        raise Missing(f"{what}: {error}") from error
    if done.returncode != 0:
        lines = done.stdout.strip().splitlines() or ["nothing was said"]
        raise Missing(f"{what}: {lines[-1]}")


def status_of(package: str) -> bool:
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout == "installed"


def install_packages(peers: Iterable[Peer], bench: Path) -> Dict[str, str]:
    """Installs what is missing, together; where that fails, peer by peer. Reasons by peer's key."""
    wanted: Dict[str, List[str]] = {}
    for peer in peers:
        if not all(shutil.which(program) for program in peer.programs) or (
                peer.setup in ("java", "python") and not is_there(peer.setup)):
            wanted[peer.key] = [each for each in peer.packages if not status_of(each)]
    together = sorted({each for packages in wanted.values() for each in packages})
    if not together:
        return {}
    script = str(ROOT / "toolchains" / "setup.sh")
    print(f"installing {' '.join(together)}", flush=True)
    try:
        run([script, "packages", *together], "apt-get")
        return {}
    except Missing:
        pass
    reasons: Dict[str, str] = {}
    for key, packages in wanted.items():
        try:
            run([script, "packages", *packages], f"apt-get install {' '.join(packages)}")
        except Missing as missing:
            reasons[key] = str(missing)
    return reasons


def is_there(setup: str) -> bool:
    return Path(JACKSON if setup == "java" else AZURE_PYTHON + "/identity").exists()


# ---- what else has to be made -------------------------------------------------------------------

def floor_of_glibc(bench: Path, *options: str) -> None:
    name = "floor_glibc" if "-static" in options else "floor_dynamic"
    run(["clang-19", "-O2", "-D_GNU_SOURCE", *options, str(HERE / "floor.c"),
         "-o", str(bench / name)], "clang-19")


def go(bench: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(bench), "CGO_ENABLED": "0",
                   "GOCACHE": str(bench / "go-cache"), "GOTOOLCHAIN": "local"}
    run(["go", "build", "-o", str(bench / "token_go"), "-ldflags", "-s -w",
         str(SAMPLES / "token.go")], "go build", env=environment)


def java(bench: Path) -> None:
    if not is_there("java"):
        raise Missing(f"there is no {JACKSON}")
    run(["javac", "-cp", JACKSON, "-d", str(bench / "java"), str(SAMPLES / "Token.java")], "javac")


def python(bench: Path) -> None:
    del bench
    run(["/usr/bin/python3", "-c", "import azure.identity"], "import azure.identity")


def npm(bench: Path) -> None:
    import run as clients  # tests/clients/run.py, which installs the same package
    folder = clients_folder(bench)
    try:
        clients.install(folder)
    except SystemExit as end:
        raise Missing("npm could not install @azure/identity, or node is too old") from end
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"npm: {error}") from error
    shutil.copy(SAMPLES / "identity.mjs", folder / "identity.mjs")


def az(bench: Path) -> None:
    """What `az login --identity` leaves behind: it would ask Azure for the subscriptions, too."""
    folder = bench / "az"
    folder.mkdir(parents=True, exist_ok=True)
    zero = "00000000-0000-0000-0000-000000000000"
    subscription = {"id": zero, "name": "bench", "state": "Enabled", "tenantId": zero,
                    "isDefault": True, "environmentName": "AzureCloud", "homeTenantId": zero,
                    "managedByTenants": [],
                    "user": {"name": "systemAssignedIdentity", "type": "servicePrincipal",
                             "assignedIdentityInfo": "MSI"}}
    profile = {"installationId": zero, "subscriptions": [subscription]}
    (folder / "azureProfile.json").write_text(json.dumps(profile), encoding="utf-8")


def clients_folder(bench: Path) -> Path:
    """The same folder as `make test-clients` has."""
    return bench.parent / "clients"


SETUPS: Dict[str, Callable[[Path], None]] = {
    "floor_glibc": lambda bench: floor_of_glibc(bench, "-static"),
    "floor_dynamic": lambda bench: floor_of_glibc(bench),
    "go": go, "java": java, "python": python, "npm": npm, "az": az,
}


def prepare(peers: Sequence[Peer], bench: Path, install: bool) -> Dict[str, str]:
    """Makes all ready; why what can't be measured can't be, by the peers' keys."""
    reasons = install_packages(peers, bench) if install else {}
    made: Dict[str, str] = {}
    for peer in peers:
        if peer.key in reasons:
            continue
        gone = [program for program in peer.programs if not shutil.which(program)]
        if gone:
            reasons[peer.key] = f"{' and '.join(gone)} not installed"
            continue
        if peer.setup and peer.setup not in made:
            try:
                SETUPS[peer.setup](bench)
                made[peer.setup] = ""
            except Missing as missing:
                made[peer.setup] = str(missing)
        if made.get(peer.setup):
            reasons[peer.key] = made[peer.setup]
    return reasons


# ---- how much it is -----------------------------------------------------------------------------

def closure(packages: Sequence[str]) -> Set[str]:
    """These packages and all that they depend on, as far as it is installed."""
    found: Set[str] = set()
    waiting = [owner(each) if each.startswith("/") else each for each in packages]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${db:Status-Status}|${Depends}, ${Pre-Depends}\n", name],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        status, _, depends = done.stdout.split("\n")[0].partition("|")
        if status != "installed":
            continue
        found.add(name)
        for choice in depends.split(","):
            for each in choice.split("|"):
                match = re.match(r"[a-z0-9][a-z0-9+.-]*", each.strip())
                if match:
                    waiting.append(match[0])
    return found


def owner(path: str) -> str:
    """The package that a program belongs to, whichever of several it is."""
    done = subprocess.run(["dpkg-query", "-S", str(Path(path).resolve())], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.partition(":")[0]


def bytes_of(path: Path) -> int:
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*")
                   if each.is_file() and not each.is_symlink())
    return path.stat().st_size if path.exists() else 0


def npm_closure(modules: Path, name: str) -> Set[str]:
    """An npm package and all that it depends on, in a flat node_modules."""
    found: Set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        description = modules / each / "package.json"
        if each not in found and description.exists():
            found.add(each)
            waiting += json.loads(description.read_text(encoding="utf-8")).get("dependencies", {})
    return found


def installed_bytes(paths: Sequence[str], packages: Sequence[str]) -> int:
    total = 0
    for path in paths:
        modules, is_npm, name = path.partition("/node_modules/")
        folder = Path(modules) / "node_modules"
        total += (sum(bytes_of(folder / each) for each in npm_closure(folder, name)) if is_npm
                  else bytes_of(Path(path)))
    for name in closure(packages):
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Installed-Size}\n", name],
                              stdout=subprocess.PIPE, text=True, check=False)
        total += 1024 * int(done.stdout.split("\n")[0] or 0)
    return total
