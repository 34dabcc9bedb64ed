"""What is measured: the floor, miagent, and what users would run in their place.

A command is a list of texts with places to fill in:

    {bench}    where the benchmark's programs are built     {product}  where miagent is built
    {samples}  tests/bench/samples                          {clients}  where npm's packages are
    {file}     the token's file                             {conf}     miagent's configuration
    {interval} milliseconds between a timer's refreshes     {count}    how often it refreshes
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional, Tuple

Command = Tuple[str, ...]

BASE = "http://169.254.169.254"
PORT_DAY, PORT_CLOSING, PORT_SHORT, PORT_SHORTEST = 80, 81, 82, 83
# What bench_server listens on: tokens of a day; the same and no connection kept; tokens that an SDK
# doesn't keep.
SERVER = (f"{PORT_DAY}:86400", f"{PORT_CLOSING}:86400:close", f"{PORT_SHORT}:10",
          f"{PORT_SHORTEST}:1")


@dataclass(frozen=True)
class Peer:
    """One row. `packages` are Debian's; `setup` names what else is to be made (install.py)."""

    key: str
    label: str
    kind: str = "peer"                 # floor | own | peer
    packages: Tuple[str, ...] = ()
    programs: Tuple[str, ...] = ()     # that have to be there once all is installed
    setup: str = ""
    cold: Optional[Command] = None     # one token, from a cold start
    prints: bool = False               # to the standard output, and not to {file}
    floor: str = "floor"               # the row that its cold start is compared with
    is_heavy: bool = False             # takes long: sampled less often
    daemon: Optional[Command] = None
    daemon_floor: str = "floor_keep"
    driver: str = "timer"              # or `signal`: refreshes at SIGUSR1
    resource: str = ""                 # as the server counts it, of a timer's daemon
    endpoint: str = BASE               # miagent's, in its configuration
    environment: Dict[str, str] = field(default_factory=dict)
    daemon_environment: Dict[str, str] = field(default_factory=dict)
    callgrind_environment: Dict[str, str] = field(default_factory=dict)
    installed: Tuple[str, ...] = ()    # files and folders that it consists of
    depends: Tuple[str, ...] = ()      # Debian packages (or files of them) that it needs whole
    is_optional: bool = False          # not installed unless asked for
    note: str = ""


def _sample(name: str, *more: str) -> Command:
    return ("/bin/sh", "{samples}/token.sh", name, *more)


# Valgrind doesn't survive the signals by which Go's threads interrupt each other.
GO_CALM = {"GODEBUG": "asyncpreemptoff=1"}
JACKSON = "/usr/share/java/jackson-core.jar"
AZURE_PYTHON = "/usr/lib/python3/dist-packages/azure"
JAVA = ("/usr/bin/java", "-cp", "{bench}/java:" + JACKSON, "Token")
MIAGENT = "{product}/miagent"
MIAGENT_RUN = (MIAGENT, "run", "-c", "{conf}")

# In the order of the tables.
PEERS: Tuple[Peer, ...] = (
    Peer("empty", "an empty process", "floor", cold=("{bench}/empty",), prints=True,
         installed=("{bench}/empty",)),
    Peer("floor_get", "**floor**, to standard output", "floor", cold=("{bench}/floor",),
         prints=True, floor="floor_get", installed=("{bench}/floor",)),
    Peer("miagent_get", "**miagent get**", "own", prints=True, floor="floor_get",
         cold=(MIAGENT, "get", "--resource", "https://get.example/"), installed=(MIAGENT,)),
    Peer("floor", "**floor**, to a file", "floor", cold=("{bench}/floor", "{file}.tmp", "{file}"),
         installed=("{bench}/floor",)),
    Peer("miagent", "**miagent once**", "own", cold=(MIAGENT, "once", "-c", "{conf}"),
         installed=(MIAGENT,)),
    Peer("floor_glibc", "the floor, static glibc", "floor", setup="floor_glibc",
         programs=("clang-19",), cold=("{bench}/floor_glibc", "{file}.tmp", "{file}"),
         installed=("{bench}/floor_glibc",)),
    Peer("floor_dynamic", "the floor, dynamic glibc", "floor", setup="floor_dynamic",
         programs=("clang-19",), cold=("{bench}/floor_dynamic", "{file}.tmp", "{file}"),
         installed=("{bench}/floor_dynamic",), depends=("libc6",)),
    Peer("go", "Go sample, static", packages=("golang-go",), programs=("go",), setup="go",
         cold=("{bench}/token_go", "{file}"), installed=("{bench}/token_go",),
         callgrind_environment=GO_CALM),
    Peer("busybox", "busybox wget and sed", packages=("busybox",), programs=("busybox",),
         cold=_sample("busybox", "{file}"), installed=("/usr/bin/busybox",),
         depends=("dash",)),
    Peer("curl", "curl alone, answer not read", packages=("curl",), programs=("curl",),
         cold=_sample("curl", "{file}"), depends=("curl", "dash", "coreutils")),
    Peer("jq", "curl and jq", packages=("curl", "jq"), programs=("curl", "jq"),
         cold=_sample("jq", "{file}"), daemon=_sample("jq", "{file}", "{interval_s}", "{count}"),
         resource="jq", depends=("curl", "jq", "dash", "coreutils"),
         note="RSS is the shell's; curl and jq come and go"),
    Peer("curl_python", "curl and Python", packages=("curl", "python3"),
         programs=("curl", "python3"), cold=_sample("python", "{file}"),
         depends=("curl", "python3", "dash", "coreutils")),
    Peer("node_http", "Node, its http module", packages=("nodejs",), programs=("node",),
         cold=("/usr/bin/node", "{samples}/http.mjs", "{file}"), depends=("nodejs",)),
    Peer("java", "Java sample, Jackson", packages=("default-jdk-headless", "libjackson2-core-java"),
         programs=("java", "javac"), setup="java", is_heavy=True, cold=(*JAVA, "{file}"),
         daemon=(*JAVA, "{file}", "{interval}", "{count}"), resource="java",
         depends=("/usr/bin/java", "libjackson2-core-java")),
    Peer("python", "Python azure-identity", packages=("python3-azure",), programs=("python3",),
         setup="python", is_heavy=True,
         cold=("/usr/bin/python3", "{samples}/identity.py", "{file}"),
         daemon=("/usr/bin/python3", "{samples}/identity.py", "{file}", "{interval}", "{count}"),
         resource="python", installed=(AZURE_PYTHON + "/identity", AZURE_PYTHON + "/core"),
         depends=("python3", "python3-msal", "python3-msal-extensions", "python3-cryptography",
                  "python3-six", "python3-requests", "python3-typing-extensions"),
         daemon_environment={"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"{BASE}:{PORT_SHORTEST}"},
         note="tokens of 1 s, as it keeps one until it expires"),
    Peer("node", "Node @azure/identity", packages=("nodejs", "npm"), programs=("node", "npm"),
         setup="npm", is_heavy=True, cold=("/usr/bin/node", "{clients}/identity.mjs", "{file}"),
         daemon=("/usr/bin/node", "{clients}/identity.mjs", "{file}", "{interval}", "{count}"),
         resource="node", installed=("{clients}/node_modules/@azure/identity",), depends=("nodejs",),
         daemon_environment={"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"{BASE}:{PORT_SHORT}"},
         note="tokens of 10 s, as it keeps one until near its expiry"),
    Peer("az", "azure-cli get-access-token", packages=("azure-cli",), programs=("az",),
         setup="az", is_heavy=True, prints=True, is_optional=True, depends=("azure-cli",),
         cold=("/usr/bin/az", "account", "get-access-token", "--resource", "https://az.example/",
               "--query", "accessToken", "--output", "tsv"),
         environment={"AZURE_CONFIG_DIR": "{bench}/az", "AZURE_CORE_COLLECT_TELEMETRY": "no",
                      "HOME": "{bench}/az"}),
    # Daemons that are no cold row.
    Peer("floor_keep", "**floor**, kept connection", "floor", driver="signal",
         daemon=("{bench}/floor_daemon", "keep", "{file}.tmp", "{file}"),
         installed=("{bench}/floor_daemon",)),
    Peer("miagent_keep", "**miagent run**, kept connection", "own", driver="signal",
         daemon=MIAGENT_RUN, installed=(MIAGENT,)),
    Peer("floor_new", "**floor**, new connection", "floor", driver="signal",
         daemon=("{bench}/floor_daemon", "new", "{file}.tmp", "{file}"), daemon_floor="floor_new"),
    Peer("miagent_new", "**miagent run**, new connection", "own", driver="signal",
         daemon=MIAGENT_RUN, endpoint=f"{BASE}:{PORT_CLOSING}", daemon_floor="floor_new"),
    Peer("go_keep", "Go sample, kept connection", packages=("golang-go",), programs=("go",),
         setup="go", daemon=("{bench}/token_go", "{file}", "keep", "{interval}", "{count}"),
         resource="go-keep", callgrind_environment=GO_CALM),
    Peer("go_new", "Go sample, new connection", packages=("golang-go",), programs=("go",),
         setup="go", daemon=("{bench}/token_go", "{file}", "new", "{interval}", "{count}"),
         resource="go-new", daemon_floor="floor_new", callgrind_environment=GO_CALM),
)

DAEMON_ORDER = ("floor_keep", "miagent_keep", "floor_new", "miagent_new", "go_keep", "go_new",
                "java", "python", "node", "jq")


def by_key(key: str) -> Peer:
    return next(peer for peer in PEERS if peer.key == key)
