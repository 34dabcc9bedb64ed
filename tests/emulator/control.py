"""The control port: change the behaviour of a running emulator, and look at its state.

    GET    /state            counts, steps that are left, settings
    POST   /script  (lines)  appends steps
    PUT    /script  (lines)  replaces all steps
    DELETE /script           back to normal
    PUT    /settings (JSON)  lifetime, token_size, cache, numbers, expires_in, date, system, users
    POST   /forget           empties the token cache

An answer is JSON; what can't be understood is a 400 whose `error` says why.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict

from behaviour import Script, ScriptError, parse_script, parse_time
from identities import system_identity, user_identity
from message import Request, json_response
from server import Origin, Reply
from source import World


class Control:
    """Handles requests of the control port."""

    def __init__(self, world: World, script: Script, state: Callable[[], Dict[str, Any]],
                 changed: Callable[[], None]) -> None:
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
        settings = json.loads(request.body or b"{}")
        if not isinstance(settings, dict):
            raise ValueError("settings: expected a JSON object")
        setters: Dict[str, Callable[[Any], None]] = {
            "lifetime": lambda v: setattr(self._world.issuer, "lifetime_s", parse_time(str(v))),
            "token_size": lambda v: setattr(self._world.issuer, "token_size", int(v)),
            "cache": lambda v: setattr(self._world.issuer, "cached", bool(v)),
            "numbers": lambda v: setattr(self._world.settings, "numbers", bool(v)),
            "expires_in": self._set_expires_in,
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


def parse_date(text: str) -> float | None:
    return None if text == "none" else parse_time(text)


def _steps(request: Request) -> list[Any]:
    return parse_script(request.body.decode(), "script")
