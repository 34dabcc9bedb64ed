"""The control port: change the behaviour of a running emulator, and look at its state.

    GET    /state            counts, steps that are left, identities, sources, secrets' versions
    POST   /script  (lines)  appends steps
    PUT    /script  (lines)  replaces all steps
    DELETE /script           back to normal
    PUT    /settings (JSON)  lifetime, token_size, cache, numbers, expires_in, date, system,
                             users, header, dates, arc_agent, certificate, tls, tls_cut,
                             tls_records
    POST   /forget           empties the token cache
    POST   /revoke   (JSON)  token (SHA-256 or uti; without: all so far), claims
    POST   /federated (JSON) writes the federated token's file again: lifetime, begins, issuer,
                             subject, audience, other_key, content, link; or remove
    POST   /secret   (JSON)  name, value, enabled, denied, content_type, expires; or remove

An answer is JSON; what can't be understood is a 400 whose `error` says why.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Optional

from app_service_2017 import DATES
from behaviour import Script, ScriptError, parse_script, parse_time
from certificates import KINDS, VERSIONS
from federation import Cluster
from identities import system_identity, user_identity
from message import Request, json_response
from server import Origin, Reply
from source import World
from vault import Vault


class Control:
    """Handles requests of the control port."""

    def __init__(self, world: World, script: Script, state: Callable[[], Dict[str, Any]],
                 changed: Callable[[], None], cluster: Callable[[], Optional[Cluster]],
                 vault: Callable[[], Optional[Vault]]) -> None:
        self._cluster, self._vault = cluster, vault
        self._world = world
        self._script = script
        self._state = state
        self._changed = changed

    def handle(self, request: Request, origin: Origin) -> Reply:
        actions: Dict[tuple[str, str], Callable[[Request], None]] = {
            ("GET", "/state"): lambda _: None,
            ("POST", "/script"): lambda r: self._script.append(_steps(r)),
            ("PUT", "/script"): lambda r: self._script.replace(_steps(r)),
            ("DELETE", "/script"): lambda _: self._script.replace([]),
            ("PUT", "/settings"): self._settings,
            ("POST", "/forget"): lambda _: self._world.issuer.forget(),
            ("POST", "/revoke"): self._revoke,
            ("POST", "/federated"): self._federate,
            ("POST", "/secret"): self._put_secret,
        }
        action = actions.get((request.method, request.path))
        if not action:
            known = ", ".join(f"{method} {path}" for method, path in actions)
            return Reply(json_response(404, {"error": f"expected one of: {known}"}))
        try:
            action(request)
        except (ScriptError, ValueError, TypeError) as error:
            return Reply(json_response(400, {"error": str(error)}))
        self._changed()
        return Reply(json_response(200, self._state()))

    def _settings(self, request: Request) -> None:
        settings = _object(request)
        chosen = self._world.settings
        setters: Dict[str, Callable[[Any], None]] = {
            "lifetime": lambda v: setattr(self._world.issuer, "lifetime_s", parse_time(str(v))),
            "token_size": lambda v: setattr(self._world.issuer, "token_size", int(v)),
            "cache": lambda v: setattr(self._world.issuer, "cached", bool(v)),
            "numbers": lambda v: setattr(self._world.settings, "numbers", bool(v)),
            "expires_in": self._set_expires_in,
            "header": lambda v: setattr(chosen, "header", str(v)),
            "dates": lambda v: setattr(chosen, "dates", _one_of(v, None, *DATES)),
            "arc_agent": lambda v: setattr(chosen, "arc_agent", _one_of(v, "new", "old")),
            "certificate": lambda v: setattr(chosen, "certificate", _one_of(v, None, *KINDS)),
            "tls": lambda v: setattr(chosen, "tls", _one_of(v, *VERSIONS)),
            "tls_cut": lambda v: setattr(chosen, "tls_cut", None if v is None else int(v)),
            "tls_records": lambda v: setattr(chosen, "tls_records", None if v is None else int(v)),
            "date": lambda v: setattr(self._world.settings, "date", parse_date(str(v))),
            "system": lambda v: setattr(self._world.identities, "system",
                                        system_identity() if v else None),
            "users": lambda v: setattr(self._world.identities, "users",
                                       [user_identity(text) for text in v]),
        }
        unknown = set(settings) - set(setters)
        if unknown:
            raise ValueError(f"unknown setting {sorted(unknown)[0]!r}; known: "
                             f"{', '.join(setters)}")
        for name, value in settings.items():
            setters[name](value)

    def _set_expires_in(self, value: Any) -> None:
        if value not in ("remaining", "issue"):
            raise ValueError("expires_in: expected remaining or issue")
        self._world.settings.expires_in = value


    def _revoke(self, request: Request) -> None:
        wanted = _object(request, "token", "claims")
        name = str(wanted.get("token", ""))
        if not self._world.issuer.revoke(name, bool(wanted.get("claims"))) and name:
            raise ValueError("revoke: no such token was issued")

    def _federate(self, request: Request) -> None:
        wanted = _object(request, "lifetime", "begins", "issuer", "subject", "audience",
                         "other_key", "content", "link", "remove")
        cluster = self._cluster()
        if cluster is None:
            raise ValueError("federated: there is no --source workload-identity")
        if wanted.pop("remove", False):
            cluster.remove()
            return
        for name in ("lifetime", "begins"):
            if name in wanted:
                wanted[f"{name}_s"] = parse_time(str(wanted.pop(name)))
        cluster.rotate(**wanted)

    def _put_secret(self, request: Request) -> None:
        wanted = _object(request, "name", "value", "enabled", "denied", "content_type", "expires",
                         "remove")
        vault = self._vault()
        if vault is None:
            raise ValueError("secret: there is no --source vault")
        if wanted.pop("remove", False):
            vault.remove(str(wanted["name"]))
        else:
            vault.put(**wanted)


def _object(request: Request, *names: str) -> Dict[str, Any]:
    """The body's JSON object; with `names` no others are allowed in it."""
    found = json.loads(request.body or b"{}")
    if not isinstance(found, dict):
        raise ValueError("expected a JSON object")
    unknown = set(found) - set(names)
    if names and unknown:
        raise ValueError(f"unknown name {sorted(unknown)[0]!r}; known: {', '.join(names)}")
    return found


def _one_of(value: Any, *known: Any) -> Any:
    if value not in known:
        raise ValueError(f"{value!r}: expected one of {', '.join(map(str, known))}")
    return value


def parse_date(text: str) -> float | None:
    return None if text == "none" else parse_time(text)


def _steps(request: Request) -> list[Any]:
    return parse_script(request.body.decode(), "script")
