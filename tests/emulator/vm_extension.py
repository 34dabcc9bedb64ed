"""The legacy VM extension, on localhost: as IMDS in its answers, but without an api-version."""

from __future__ import annotations

import imds
from behaviour import Step
from identities import NotFound
from message import Request
from source import (Answer, CheckedSource, Refused, check_method, check_pairs, expires_in,
                    resource_known, success, take_token)


class VmExtension(CheckedSource):
    name = "vm-extension"
    path = "/oauth2/token"
    failures = imds.FAILURES
    descriptions = imds.DESCRIPTIONS

    def serves(self, path: str) -> bool:
        return path.endswith("/token")  # it answers at wrong paths too: `unknown_source`

    def grant(self, request: Request, step: Step) -> Answer:
        if request.path != self.path:
            raise Refused(401, "unknown_source", f"Unknown Source {request.path}")
        check_method(request, "GET")
        if request.header_values("Metadata") != ["true"]:
            raise Refused(400, "bad_request_102", "Required metadata header not specified")
        query = check_pairs(request.query, ("resource", "client_id"))
        resource = query.get("resource", "")
        if not resource:
            raise Refused(400, "invalid_request", "Required query variable 'resource' is missing")
        if not resource_known(self.world.settings, resource):
            raise Refused(400, "invalid_resource", "AADSTS50001: The application named "
                          f"{resource} was not found in the tenant.", "aad")
        try:
            identity = self.world.identities.select(
                "client_id" if "client_id" in query else None, query.get("client_id", ""))
        except NotFound as error:
            raise Refused(400, "invalid_request", error.description) from None
        token = take_token(self.world, identity, resource, False, step)
        return Answer(success(self.world, {
            "access_token": token.text, "refresh_token": "",
            "expires_in": expires_in(self.world, token), "expires_on": token.expires_on,
            "not_before": token.not_before, "resource": resource, "token_type": "Bearer",
        }, step), token)
