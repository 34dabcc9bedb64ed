"""Azure Arc's agent on a server: a token for who can read a key file.

The first request is answered with 401 and the path of a file, new for each challenge, whose
content the second request must bring. A key serves once. Steps with `challenge KIND` give a
challenge that a careful client refuses (or, `largest`, one that it must accept); when such a step
serves the request that brings a key, nothing changes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import threading
from pathlib import Path
from typing import Dict, List, Tuple

import imds
from behaviour import Step
from identities import NotFound
from message import Request
from source import (Answer, CheckedSource, Refused, World, check_method, check_pairs, expires_in,
                    resource_known, success, take_token)

API_VERSIONS = ("2019-11-01", "2020-06-01", "2021-02-01")
SELECTORS = {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "resource_id"}
KEY_SIZE_MAX = 4096
KEYS_MAX = 16  # unused ones; the oldest go, as clients may never come back


class AzureArc(CheckedSource):
    name = "azure-arc"
    path = imds.TOKEN_PATH
    failures = {**imds.FAILURES, 404: ("identity_not_found", "Identity not found")}
    descriptions = imds.DESCRIPTIONS

    def __init__(self, world: World, keys: Path) -> None:
        super().__init__(world)
        self._keys = KeyFiles(keys)

    def environment(self, base_url: str) -> Dict[str, str]:
        return {"IDENTITY_ENDPOINT": self.endpoint(base_url), "IMDS_ENDPOINT": base_url}

    def grant(self, request: Request, step: Step) -> Answer:
        check_method(request, "GET")
        if request.header_values("Metadata") != ["true"]:
            raise Refused(400, "bad_request_102", "Required metadata header not specified")
        query = check_pairs(request.query, ("api-version", "resource", *SELECTORS))
        if query.get("api-version") not in API_VERSIONS:
            raise Refused(400, "invalid_request", "api-version is invalid or was not specified")
        resource = query.get("resource", "")
        if not resource:
            raise Refused(400, "invalid_request", "Required query variable 'resource' is missing")
        asked = [name for name in SELECTORS if name in query]
        if len(asked) > 1:
            raise Refused(400, "invalid_request", "Only one identity can be named")
        if step.challenge != "none":
            self._check_key(request, step)
        if not resource_known(self.world.settings, resource):
            raise Refused(400, "invalid_resource", "AADSTS50001: The application named "
                          f"{resource} was not found in the tenant.", "aad")
        return self._token(query, asked, resource, step)

    def _token(self, query: Dict[str, str], asked: List[str], resource: str,
               step: Step) -> Answer:
        if self.world.settings.arc_agent == "old":
            asked = []
        selector = SELECTORS[asked[0]] if asked else None
        try:
            identity = self.world.identities.select(selector, query[asked[0]] if asked else "")
        except NotFound as error:
            raise Refused(404, "identity_not_found", error.description) from None
        token = take_token(self.world, identity, resource, False, step)
        fields = {
            "access_token": token.text, "expires_in": expires_in(self.world, token),
            "expires_on": token.expires_on, "not_before": token.not_before, "refresh_token": "",
            "resource": resource, "token_type": "Bearer",
        }
        if selector:
            fields[asked[0]] = getattr(token.identity, selector)
        return Answer(success(self.world, fields, step), token)

    def _check_key(self, request: Request, step: Step) -> None:
        brought = request.header_values("Authorization")
        if not brought:
            raise Refused(401, "unauthorized", "The Authorization header is missing",
                          headers=self._keys.challenge(step.challenge))
        scheme, _, key = brought[0].partition(" ")
        if len(brought) > 1 or scheme != "Basic" or not self._keys.redeem(key):
            raise Refused(401, "invalid_key", "The key is wrong, or has served before")


class KeyFiles:
    """The keys that wait for their second request, each in a file of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._waiting: Dict[str, Path] = {}  # by key
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)

    def challenge(self, kind: str) -> List[Tuple[str, str]]:
        """Makes a key and its file; the header that names it."""
        if kind == "no-header":
            return []
        with self._lock:
            path = self._make(kind)
            while len(self._waiting) > KEYS_MAX:
                _remove(self._waiting.pop(next(iter(self._waiting))))
        name = os.path.relpath(path, "/") if kind == "relative" else str(path)
        value = {"wrong-scheme": f"Bearer realm={name}", "no-realm": f"Basic {name}",
                 "two-equals": f"Basic realm=realm={name}"}.get(kind, f"Basic realm={name}")
        return [("WWW-Authenticate", value)]

    def redeem(self, key: str) -> bool:
        """Whether the key was waited for; it is worth nothing from now on."""
        with self._lock:
            path = self._waiting.pop(key, None)
            if path:
                _remove(path)
            return path is not None

    def _make(self, kind: str) -> Path:
        folder = self._folder
        if kind == "other-directory":
            folder = folder / "other"
            folder.mkdir(exist_ok=True)
        size = {"largest": KEY_SIZE_MAX, "oversize": KEY_SIZE_MAX + 1}.get(kind, 40)
        key = "" if kind == "empty" else secrets.token_hex(size)[:size]
        path = folder / f"{secrets.token_hex(8)}.{'txt' if kind == 'not-key' else 'key'}"
        self._waiting[key or secrets.token_hex(8)] = path
        if kind == "missing":
            return path
        if kind == "directory":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path, 0o600)
        elif kind == "link":
            target = path.with_suffix(".target")
            _write(target, key)
            path.symlink_to(target)
        else:
            _write(path, key)
        if kind == "unreadable":
            path.chmod(0)
        return path


def _write(path: Path, key: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(key)


def _remove(path: Path) -> None:
    for each in (path, path.with_suffix(".target")):
        try:
            if stat.S_ISDIR(each.lstat().st_mode):
                shutil.rmtree(each)
            else:
                each.unlink()
        except FileNotFoundError:
            pass
