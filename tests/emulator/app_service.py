"""App Service, Functions and Container Apps, api-version 2019-08-01."""

from __future__ import annotations

import hmac
from typing import Dict, Sequence, Tuple

from behaviour import Step
from identities import NotFound
from message import Request
from source import (Answer, CheckedSource, Refused, check_method, check_pairs, resource_known,
                    success, take_token)

FAILURES = {
    400: ("BadRequest", "No User Assigned or Delegated Managed Identity found for specified "
                        "ClientId/ResourceId/PrincipalId."),
    401: ("Unauthorized", "The secret header is missing or wrong."),
    429: ("TooManyRequests", "Too many requests"),
    500: ("InternalServerError", "An unexpected error occured while fetching the AAD Token."),
}


class AppService(CheckedSource):
    name = "app-service"
    path = "/msi/token"
    shape = "app-service"
    failures = FAILURES
    api_version = "2019-08-01"
    header_name = "X-IDENTITY-HEADER"
    selectors: Dict[str, str] = {"client_id": "client_id", "object_id": "object_id",
                                 "principal_id": "object_id", "mi_res_id": "resource_id"}

    def environment(self, base_url: str) -> Dict[str, str]:
        return {"IDENTITY_ENDPOINT": self.endpoint(base_url),
                "IDENTITY_HEADER": self.world.settings.header}

    def grant(self, request: Request, step: Step) -> Answer:
        check_method(request, "GET")
        check_secret(request, self.header_name, self.world.settings.header)
        query = check_pairs(request.query, ("api-version", "resource", *self.selectors))
        if query.get("api-version") != self.api_version:
            raise Refused(400, "BadRequest", "The api-version is missing or not supported.")
        resource = query.get("resource", "")
        if not resource:
            raise Refused(400, "BadRequest", "The parameter resource is missing.")
        if not resource_known(self.world.settings, resource):
            raise Refused(500, "InternalServerError", FAILURES[500][1])
        selector, value = self._selected(query)
        try:
            identity = self.world.identities.select(selector, value)
        except NotFound:
            raise Refused(400, "BadRequest", FAILURES[400][1]) from None
        token = take_token(self.world, identity, resource, False, step)
        return Answer(success(self.world, {
            "access_token": token.text, "expires_on": self.expires_on(token.expires_on),
            "resource": resource, "token_type": "Bearer",
            "client_id": token.identity.client_id,
        }, step), token)

    def expires_on(self, seconds: int) -> int | str:
        return seconds

    def _selected(self, query: Dict[str, str]) -> Tuple[str | None, str]:
        asked: Sequence[str] = [name for name in self.selectors if name in query]
        if len(asked) > 1:
            raise Refused(400, "BadRequest", f"Only one of {', '.join(asked)} is allowed.")
        return (self.selectors[asked[0]], query[asked[0]]) if asked else (None, "")


def check_secret(request: Request, name: str, secret: str) -> None:
    values = request.header_values(name)
    if len(values) != 1 or not hmac.compare_digest(values[0].encode(), secret.encode()):
        raise Refused(401, "Unauthorized", FAILURES[401][1])
