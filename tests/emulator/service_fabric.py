"""Service Fabric's endpoint: https with a certificate of its own making, known by thumbprint.

A token that a resource rejected is named by `token_sha256_to_refresh`; only then, and only when
it is the one that would be given again, a new one is made.
"""

from __future__ import annotations

import hmac
import re
from typing import Callable, Dict

from behaviour import Step
from identities import NotFound
from message import Request
from source import (Answer, CheckedSource, Refused, World, check_method, check_pairs,
                    resource_known, success, take_token)

API_VERSION = "2019-07-01-preview"
NOT_FOUND = "Could not find a managed identity for the application, or the code is invalid."


class ServiceFabric(CheckedSource):
    name = "service-fabric"
    scheme = "https"
    path = "/metadata/identity/oauth2/token"
    shape = "fabric"
    failures = {
        400: ("ArgumentNullOrEmpty", "The parameter 'resource' should not be null or empty "
                                     "string."),
        404: ("ManagedIdentityNotFound", NOT_FOUND),
        429: ("TooManyRequests", "Too many requests"),
        500: ("InternalServerError", "An internal error occurred."),
    }
    descriptions = {"SecretHeaderNotFound": "Secret is not found in the request headers."}

    def __init__(self, world: World, thumbprint: Callable[[], str]) -> None:
        super().__init__(world)
        self._thumbprint = thumbprint

    def environment(self, base_url: str) -> Dict[str, str]:
        return {"IDENTITY_ENDPOINT": self.endpoint(base_url),
                "IDENTITY_HEADER": self.world.settings.header,
                "IDENTITY_SERVER_THUMBPRINT": self._thumbprint()}

    def grant(self, request: Request, step: Step) -> Answer:
        check_method(request, "GET")
        sent = request.header_values("Secret")
        if len(sent) != 1 or not sent[0]:
            raise Refused(400, "SecretHeaderNotFound", self.descriptions["SecretHeaderNotFound"])
        if not hmac.compare_digest(sent[0].encode(), self.world.settings.header.encode()):
            raise Refused(404, "ManagedIdentityNotFound", NOT_FOUND)
        query = check_pairs(request.query, ("api-version", "resource", "token_sha256_to_refresh",
                                            "xms_cc"))
        if query.get("api-version") != API_VERSION:
            raise Refused(400, "InvalidApiVersion", f"The api-version "
                          f"'{query.get('api-version', '')}' is not supported. Supported version "
                          f"is '{API_VERSION}'.")
        resource = query.get("resource", "")
        if not resource:
            raise Refused(400, "ArgumentNullOrEmpty", self.failures[400][1])
        if not resource_known(self.world.settings, resource):
            raise Refused(500, "InternalServerError", "AADSTS50001: The application was not "
                          "found in the tenant.")
        return self._token(query, resource, step)

    def _token(self, query: Dict[str, str], resource: str, step: Step) -> Answer:
        rejected = query.get("token_sha256_to_refresh")
        if rejected is not None and not re.fullmatch("[0-9a-f]{64}", rejected):
            raise Refused(400, "InvalidRequest", "token_sha256_to_refresh is no SHA-256")
        try:
            identity = self.world.identities.select(None, "")
        except NotFound:
            raise Refused(404, "ManagedIdentityNotFound", NOT_FOUND) from None
        capabilities = query.get("xms_cc")
        extra = {"xms_cc": capabilities.split(",")} if capabilities else None
        token = take_token(self.world, identity, resource, False, step, extra)
        if token.sha256 == rejected:
            token = take_token(self.world, identity, resource, True, step, extra)
        return Answer(success(self.world, {
            "token_type": "Bearer", "access_token": token.text, "expires_on": token.expires_on,
            "resource": resource,
        }, step, numbers=True), token)
