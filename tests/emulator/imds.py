"""The Azure Instance Metadata Service's token endpoint, and what belongs to its path.

Requests are checked in the order in which IMDS complains. `mi_res_id` is no parameter of IMDS
(it takes `msi_res_id`) and is ignored, as are other unknown ones.
"""

from __future__ import annotations

from collections import Counter
from typing import Dict, Optional, Tuple

from behaviour import Step
from identities import NotFound
from message import Request, Response, json_response
from source import (Answer, World, error_body, expires_in, resource_known, success,
                    take_token)

TOKEN_PATH = "/metadata/identity/oauth2/token"
API_VERSIONS = (
    "2018-02-01", "2018-04-02", "2018-10-01", "2019-02-01", "2019-03-11", "2019-04-30",
    "2019-06-01", "2019-06-04", "2019-08-01", "2019-08-15", "2019-11-01", "2020-06-01",
    "2020-07-15", "2020-09-01", "2020-10-01", "2020-12-01", "2021-01-01", "2021-02-01",
    "2021-03-01", "2021-05-01", "2021-10-01", "2021-11-01", "2021-11-15", "2021-12-13",
    "2023-07-01", "2023-11-15", "2024-03-15", "2024-07-17", "2025-04-07",
)
SELECTORS = {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "resource_id"}

# Error code and text for a status that a script asks for without saying more.
FAILURES: Dict[int, Tuple[str, str]] = {
    400: ("invalid_request", "Identity not found"),
    401: ("unauthorized_client", "The client is not authorized to request an access token "
                                 "using this method."),
    403: ("access_denied", "The resource owner or authorization server denied the request."),
    404: ("not_found", "Not found"),
    408: ("request_timeout", "The request timed out"),
    410: ("gone", "The endpoint is being updated"),
    429: ("invalid_request", "Temporarily throttled, too many requests"),
    500: ("unknown", "Failed to retrieve token from the Active directory."),
}
# Texts for an error code that a script asks for by name.
DESCRIPTIONS = {
    "invalid_resource": "AADSTS50001: The application named https://nowhere.example/ was not "
                        "found in the tenant.",
    "bad_request_102": "Required metadata header not specified",
    "unknown_source": "Unknown Source http://169.254.169.254/metadata/identity/oauth2/token",
    "invalid_request": "Identity not found",
    "unauthorized_client": FAILURES[401][1],
    "access_denied": FAILURES[403][1],
    "unsupported_response_type": "The authorization server does not support obtaining an "
                                 "access token using this method.",
    "invalid_scope": "The requested scope is invalid, unknown, or malformed.",
    "unknown": FAILURES[500][1],
}


class Imds:
    name = "imds"
    scheme = "http"

    def __init__(self, world: World) -> None:
        self._world = world

    def serves(self, path: str) -> bool:
        return path == TOKEN_PATH

    def endpoint(self, base_url: str) -> str:
        return base_url

    def environment(self, base_url: str) -> Dict[str, str]:
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": base_url}

    def answer(self, request: Request, step: Step) -> Answer:
        refused = _check_head(request) or _check_query(request)
        if refused:
            return refused
        query = {name.lower(): value for name, value in request.query}
        resource = query["resource"]
        if not resource_known(self._world.settings, resource):
            return _refuse(400, "invalid_resource", "AADSTS50001: The application named "
                           f"{resource} was not found in the tenant named "
                           f"{self._world.issuer.tenant_id}.", "aad")
        asked = [name for name in SELECTORS if name in query]
        selector = SELECTORS[asked[0]] if asked else None
        try:
            identity = self._world.identities.select(selector, query[asked[0]] if asked else "")
        except NotFound as error:
            return _refuse(400, "invalid_request", error.description)
        bypass_cache = query.get("bypass_cache", "").lower() == "true"
        token = take_token(self._world, identity, resource, bypass_cache, step)
        fields = {
            "access_token": token.text, "client_id": token.identity.client_id,
            "expires_in": expires_in(self._world, token), "expires_on": token.expires_on,
            "ext_expires_in": expires_in(self._world, token), "not_before": token.not_before,
            "refresh_token": "", "resource": resource, "token_type": "Bearer",
        }
        if selector in ("object_id", "resource_id"):
            fields[asked[0]] = getattr(token.identity, selector)
        return Answer(success(self._world, fields, step), token)

    def failure(self, status: int, step: Step) -> Response:
        code, description = FAILURES.get(
            status, ("unknown", "The service is unavailable") if status >= 500
            else ("invalid_request", "The request was refused"))
        if step.error:
            code, description = step.error, DESCRIPTIONS.get(step.error, description)
        default = "aad" if code == "invalid_resource" else "flat"
        return error_body(status, step.shape or default, code, description)


def _check_head(request: Request) -> Optional[Answer]:
    if request.method != "GET":
        answer = _refuse(405, "method_not_allowed", "Only GET is supported")
        answer.response.headers.append(("Allow", "GET"))
        return answer
    if request.header_values("Metadata") != ["true"]:
        return _refuse(400, "bad_request_102", "Required metadata header not specified")
    if request.header_values("X-Forwarded-For"):
        return _refuse(400, "invalid_request", "X-Forwarded-For header is not allowed")
    return None


def _check_query(request: Request) -> Optional[Answer]:
    names = Counter(name.lower() for name, _ in request.query)
    query = {name.lower(): value for name, value in request.query}
    if query.get("api-version") not in API_VERSIONS:
        document = {"error": "invalid_request",
                    "error_description": "api-version is invalid or was not specified in the "
                                         "request",
                    "newest-versions": list(reversed(API_VERSIONS[-3:]))}
        return Answer(json_response(400, document), refusal="invalid_request")
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        return _refuse(400, "invalid_request", f"Query variable '{twice[0]}' is given twice")
    if not query.get("resource"):
        return _refuse(400, "invalid_request", "Required query variable 'resource' is missing")
    asked = [name for name in SELECTORS if name in names]
    if len(asked) > 1:
        return _refuse(400, "invalid_request", f"Only one of {', '.join(SELECTORS)} is allowed")
    if asked and not query[asked[0]]:
        return _refuse(400, "invalid_request", f"Query variable '{asked[0]}' is empty")
    return None


def _refuse(status: int, code: str, description: str, shape: str = "flat") -> Answer:
    return Answer(error_body(status, shape, code, description), refusal=code)
