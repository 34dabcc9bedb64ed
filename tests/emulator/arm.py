"""Azure Resource Manager: the resource groups of a subscription.

    GET                 /subscriptions/ID/resourcegroups?api-version=2021-04-01
    GET, PUT, DELETE    /subscriptions/ID/resourcegroups/NAME?api-version=2021-04-01

A step with `oversize N` makes a list of at least N bytes.
"""

from __future__ import annotations

import json
import re
import threading
from typing import Any, Dict

from behaviour import Step
from identities import RESOURCE_GROUP, SUBSCRIPTION
from message import Request
from resources import Resource, answer_json, quoted
from source import Answer, Refused, World

LOCATION = "westeurope"
_PATH = re.compile(r"/subscriptions/([^/]+)/resourcegroups(?:/([^/]+))?/?", re.IGNORECASE)
_NAME = re.compile(r"[\w().-]{0,89}[\w()-]")
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")


class Arm(Resource):
    name = "arm"
    audiences = ("https://management.azure.com", "https://management.core.windows.net")
    codes = {"missing": "AuthenticationFailed", "invalid": "InvalidAuthenticationToken",
             "expired": "ExpiredAuthenticationToken",
             "audience": "InvalidAuthenticationTokenAudience"}
    failures = {
        400: ("BadRequest", "The request is not valid."),
        401: ("InvalidAuthenticationToken", "The access token is invalid."),
        403: ("AuthorizationFailed", "The client does not have authorization to perform the "
                                     "action over the scope."),
        404: ("ResourceNotFound", "The resource was not found."),
        409: ("Conflict", "Another operation is in progress."),
        429: ("TooManyRequests", "The request is being throttled."),
        500: ("InternalServerError", "Encountered internal server error."),
        503: ("ServerBusy", "The server is busy."),
    }

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._lock = threading.Lock()
        self._groups: Dict[str, Dict[str, Any]] = {}  # by name in lower case
        self._put(RESOURCE_GROUP, {"location": LOCATION})

    def serves(self, path: str) -> bool:
        return path.startswith("/subscriptions")

    def endpoint(self, base_url: str) -> str:
        return f"{base_url}/subscriptions/{SUBSCRIPTION}/resourcegroups"

    def challenge(self, error: str, description: str, claims: str) -> str:
        return "Bearer " + quoted(
            ("authorization_uri", f"https://login.windows.net/{self.world.issuer.tenant_id}"),
            ("error", error or "invalid_token"), ("error_description", description),
            ("claims", claims))

    def serve(self, request: Request, claims: Dict[str, Any], step: Step) -> Answer:
        match = _PATH.fullmatch(request.path)
        if not match:
            raise Refused(404, "ResourceNotFound", "The resource was not found.")
        versions = [value for name, value in request.query if name.lower() == "api-version"]
        if not versions:
            raise Refused(400, "MissingApiVersionParameter", "The api-version query parameter "
                          "(?api-version=) is required for all requests.")
        if len(versions) > 1 or not _VERSION.fullmatch(versions[0]):
            raise Refused(400, "InvalidApiVersionParameter", "The api-version is invalid.")
        if match[1].lower() != SUBSCRIPTION:
            raise Refused(404, "SubscriptionNotFound", f"The subscription '{match[1]}' could "
                          "not be found.")
        with self._lock:
            if match[2] is None:
                return self._list(request, step)
            return self._one(request, match[2])

    def _list(self, request: Request, step: Step) -> Answer:
        _methods(request, "GET")
        groups = list(self._groups.values())
        answer = answer_json(200, {"value": groups})
        if step.oversize and len(answer.response.body) < step.oversize:
            size = len(json.dumps(_group("x-00000000", {"location": LOCATION}),
                                  separators=(",", ":"))) + 1
            count = (step.oversize - len(answer.response.body)) // size + 1
            groups += [_group(f"x-{number:08}", {"location": LOCATION})
                       for number in range(count)]
            answer = answer_json(200, {"value": groups})
        return answer

    def _one(self, request: Request, name: str) -> Answer:
        _methods(request, "GET", "PUT", "DELETE")
        known = self._groups.get(name.lower())
        if request.method == "PUT":
            status = 201 if known is None else 200
            return answer_json(status, self._put(name, _content(request, name)))
        if known is None:
            raise Refused(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be "
                          "found.")
        if request.method == "DELETE":
            del self._groups[name.lower()]
            answer = Answer(answer_json(202, {}).response)
            answer.response.body = b""
            answer.response.headers = [("Location", self.endpoint("https://management.azure.com")),
                                       ("Retry-After", "15")]
            return answer
        return answer_json(200, known)

    def _put(self, name: str, content: Dict[str, Any]) -> Dict[str, Any]:
        group = _group(name, content)
        self._groups[name.lower()] = group
        return group


def _group(name: str, content: Dict[str, Any]) -> Dict[str, Any]:
    return {"id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}", "name": name,
            "type": "Microsoft.Resources/resourceGroups", "location": content["location"],
            "tags": content.get("tags", {}), "properties": {"provisioningState": "Succeeded"}}


def _content(request: Request, name: str) -> Dict[str, Any]:
    kind = (request.header("Content-Type") or "").partition(";")[0].strip()
    if kind != "application/json":
        raise Refused(415, "UnsupportedMediaType", f"The content media type '{kind}' is not "
                      "supported. Only 'application/json' is supported.")
    if not _NAME.fullmatch(name):
        raise Refused(400, "InvalidResourceGroup", "The name of the resource group is invalid.")
    try:
        content = json.loads(request.body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Refused(400, "InvalidRequestContent", "The request content was invalid and could "
                      "not be deserialized.")
    if not isinstance(content.get("location"), str):
        raise Refused(400, "LocationRequired", "The location property is required for this "
                      "definition.")
    return content


def _methods(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise Refused(405, "HttpMethodNotSupported", f"The method '{request.method}' is not "
                      "supported.", headers=[("Allow", ", ".join(methods))])
