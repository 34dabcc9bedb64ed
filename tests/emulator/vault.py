"""A Key Vault: secrets with their versions, read with a token for https://vault.azure.net.

    GET /secrets/NAME[/VERSION]?api-version=7.4
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from behaviour import Step
from message import Request
from resources import Resource, answer_json, quoted
from source import Answer, Refused, World

API_VERSIONS = ("7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01")
NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_PATH = re.compile(r"/secrets/([^/]+)(?:/([^/]*))?")


@dataclass(frozen=True)
class Version:
    version: str
    value: str
    created: int
    enabled: bool
    content_type: Optional[str]
    expires: Optional[int]


class Vault(Resource):
    name = "vault"
    audiences = ("https://vault.azure.net",)
    codes = dict.fromkeys(("missing", "invalid", "expired", "audience"), "Unauthorized")
    failures = {
        400: ("BadParameter", "The request is not valid."),
        401: ("Unauthorized", "AKV10032: Invalid issuer."),
        403: ("Forbidden", "The user, group or application does not have secrets get permission "
                           "on key vault 'emulated'."),
        404: ("SecretNotFound", "A secret with that name was not found in this key vault."),
        429: ("Throttled", "Request was not processed because too many requests were received."),
        500: ("InternalServerError", "An error occurred while processing the request."),
        503: ("ServiceUnavailable", "The service is unavailable."),
    }

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._lock = threading.Lock()
        self._secrets: Dict[str, List[Version]] = {}  # by name in lower case, oldest first
        self._denied: set[str] = set()

    def serves(self, path: str) -> bool:
        return path.startswith("/secrets")

    def endpoint(self, base_url: str) -> str:
        return base_url

    def challenge(self, error: str, description: str, claims: str) -> str:
        return "Bearer " + quoted(
            ("authorization", f"https://login.windows.net/{self.world.issuer.tenant_id}"),
            ("resource", "https://vault.azure.net"), ("error", error),
            ("error_description", description if error else ""), ("claims", claims))

    def put(self, name: str, value: str = "", enabled: bool = True, denied: bool = False,
            content_type: Optional[str] = None, expires: Optional[int] = None) -> str:
        """A new version of a secret; the version's name. `denied`: nobody may read it."""
        if not NAME.fullmatch(name):
            raise ValueError(f"secret {name!r}: expected letters, digits and -")
        version = Version(secrets.token_hex(16), value, int(time.time()), enabled, content_type,
                          expires)
        with self._lock:
            self._secrets.setdefault(name.lower(), []).append(version)
            (self._denied.add if denied else self._denied.discard)(name.lower())
        return version.version

    def remove(self, name: str) -> None:
        with self._lock:
            self._secrets.pop(name.lower(), None)

    def versions(self) -> Dict[str, List[str]]:
        with self._lock:
            return {name: [each.version for each in versions]
                    for name, versions in self._secrets.items()}

    def serve(self, request: Request, claims: Dict[str, Any], step: Step) -> Answer:
        if request.method != "GET":
            raise Refused(405, "MethodNotAllowed", "The method is not supported.",
                          headers=[("Allow", "GET")])
        versions = [value for name, value in request.query if name.lower() == "api-version"]
        if not versions:
            raise Refused(400, "BadParameter", "api-version must be specified")
        if len(versions) > 1 or versions[0] not in API_VERSIONS:
            raise Refused(400, "BadParameter", "The specified version is not recognized. "
                          "Consider using the latest supported version.")
        match = _PATH.fullmatch(request.path)
        if not match or not NAME.fullmatch(match[1]):
            raise Refused(400, "BadParameter", "The request URI contains an invalid name.")
        found = self._find(match[1], match[2] or "", claims)
        scheme_and_host = f"https://{request.header('Host')}"
        attributes: Dict[str, Any] = {
            "enabled": True, "created": found.created, "updated": found.created,
            "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}
        if found.expires is not None:
            attributes["exp"] = found.expires
        document: Dict[str, Any] = {
            "value": found.value, "id": f"{scheme_and_host}/secrets/{match[1]}/{found.version}",
            "attributes": attributes, "tags": {}}
        if found.content_type is not None:
            document["contentType"] = found.content_type
        return answer_json(200, document)

    def _find(self, name: str, version: str, claims: Dict[str, Any]) -> Version:
        with self._lock:
            known = list(self._secrets.get(name.lower(), []))
            denied = name.lower() in self._denied
        if denied:
            raise Refused(403, "Forbidden", f"The user, group or application 'appid="
                          f"{claims.get('appid')}' does not have secrets get permission on key "
                          "vault 'emulated'.")
        found = next((each for each in reversed(known) if version in ("", each.version)), None)
        if found is None:
            raise Refused(404, "SecretNotFound", f"A secret with (name/id) {name} was not found "
                          "in this key vault. If you recently deleted this secret you may be able "
                          "to recover it using the correct recovery command.")
        if not found.enabled:
            raise Refused(403, "Forbidden", "Operation get is not allowed on a disabled secret.")
        return found
