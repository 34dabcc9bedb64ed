"""Cloud Shell's endpoint: a form posted to localhost, no api-version, no choice of identity."""

from __future__ import annotations

from typing import Dict

from behaviour import Step
from identities import NotFound
from message import Request
from source import (Answer, CheckedSource, Refused, check_method, check_pairs, expires_in,
                    resource_known, success, take_token)


class CloudShell(CheckedSource):
    name = "cloud-shell"
    path = "/oauth2/token"
    shape = "nested"
    failures = {
        400: ("AudienceNotSupported", "Audience https://nowhere.example/ is not a supported MSI "
                                      "token audience."),
        401: ("Unauthorized", "The session has no identity."),
        429: ("TooManyRequests", "Too many requests"),
        500: ("InternalServerError", "The token could not be acquired."),
    }

    def environment(self, base_url: str) -> Dict[str, str]:
        return {"MSI_ENDPOINT": self.endpoint(base_url)}

    def grant(self, request: Request, step: Step) -> Answer:
        check_method(request, "POST")
        if request.header_values("Metadata") != ["true"]:
            raise Refused(400, "MissingMetadataHeader", "Required metadata header not specified")
        if request.query:
            raise Refused(400, "InvalidRequest", "The request has a query")
        if not request.form:
            raise Refused(400, "InvalidRequest", "The body is not a form")
        resource = check_pairs(request.form, ("resource",)).get("resource", "")
        if not resource_known(self.world.settings, resource):
            raise Refused(400, "AudienceNotSupported", f"Audience {resource} is not a supported "
                          "MSI token audience.")
        try:
            identity = self.world.identities.select(None, "")
        except NotFound as error:
            raise Refused(400, "Unauthorized", error.description) from None
        token = take_token(self.world, identity, resource, False, step)
        return Answer(success(self.world, {
            "access_token": token.text, "refresh_token": "",
            "expires_in": expires_in(self.world, token), "expires_on": token.expires_on,
            "not_before": token.not_before, "resource": resource, "token_type": "Bearer",
        }, step), token)
