"""Workload identity federation: the authority's token endpoint, and a cluster that signs.

`Cluster` stands for the issuer that a pod's tokens come from: it writes the file that
AZURE_FEDERATED_TOKEN_FILE names. `WorkloadIdentity` is Entra's v2.0 endpoint, which verifies
what is brought: signature, issuer, subject, audience and times.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Dict, Optional

import verify
from behaviour import Step
from identities import Identity, NotFound
from message import Request
from source import (Answer, CheckedSource, Refused, World, check_method, expires_in,
                    resource_known, success, take_token)
from tokens import SigningKey, sign_jwt

ISSUER = "https://oidc.emulator.example/cluster/"
SUBJECT = "system:serviceaccount:default:workload"
AUDIENCE = "api://AzureADTokenExchange"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REQUIRED = ("grant_type", "client_id", "scope", "client_assertion_type", "client_assertion")
# What Microsoft's libraries add, and what a claims challenge brings.
KNOWN = (*REQUIRED, "claims", "client_info", "client-request-id", "return-client-request-id")
KNOWN_BEGINNINGS = ("x-client-", "x-ms-", "x-app-")


class Cluster:
    """Writes the federated token's file, again whenever it is told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.key = SigningKey.generate()
        self._lock = threading.Lock()
        self.rotate()

    def rotate(self, lifetime_s: float = 3600.0, issuer: str = ISSUER, subject: str = SUBJECT,
               audience: str = AUDIENCE, other_key: bool = False, begins_s: float = 0.0,
               content: Optional[str] = None, link: bool = False) -> None:
        """A new file in the old one's place, as the kubelet does; or `content`, as it is."""
        now = int(time.time())
        claims: Dict[str, Any] = {
            "iss": issuer, "sub": subject, "aud": [audience], "iat": now + int(begins_s),
            "nbf": now + int(begins_s), "exp": now + int(lifetime_s), "jti": str(uuid.uuid4())}
        key = SigningKey.generate() if other_key else self.key
        text = sign_jwt(key, {"alg": "RS256", "kid": self.key.key_id}, claims) \
            if content is None else content
        with self._lock:
            temporary = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
            if link:
                kept = temporary.with_suffix(".data")
                os.rename(temporary, kept)
                os.symlink(kept.name, temporary)
            os.rename(temporary, self.path)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


class WorkloadIdentity(CheckedSource):
    name = "workload-identity"
    scheme = "https"
    shape = "aad"
    failures = {
        400: ("invalid_request", "AADSTS900144: The request body must contain the following "
                                 "parameter: 'scope'."),
        401: ("invalid_client", "AADSTS70021: No matching federated identity record found for "
                                "presented assertion."),
        429: ("temporarily_unavailable", "AADSTS50196: The server terminated an operation "
                                         "because it encountered a client request loop."),
        500: ("server_error", "AADSTS90033: A transient error has occurred. Please try again."),
        503: ("temporarily_unavailable", "AADSTS90033: A transient error has occurred. Please "
                                         "try again."),
    }
    descriptions = {
        "invalid_client": failures[401][1],
        "invalid_resource": "AADSTS500011: The resource principal was not found in the tenant.",
        "invalid_scope": "AADSTS70011: The provided value for the input parameter 'scope' is "
                         "not valid.",
        "unauthorized_client": "AADSTS700016: The application was not found in the directory.",
    }

    def __init__(self, world: World, cluster: Cluster) -> None:
        super().__init__(world)
        self._cluster = cluster

    def serves(self, path: str) -> bool:
        return path.endswith("/oauth2/v2.0/token")

    def endpoint(self, base_url: str) -> str:
        return base_url + "/"

    def environment(self, base_url: str) -> Dict[str, str]:
        identities = self.world.identities
        known = identities.users + ([identities.system] if identities.system else [])
        return {"AZURE_FEDERATED_TOKEN_FILE": str(self._cluster.path),
                "AZURE_CLIENT_ID": known[0].client_id if known else str(uuid.uuid4()),
                "AZURE_TENANT_ID": self.world.issuer.tenant_id,
                "AZURE_AUTHORITY_HOST": self.endpoint(base_url)}

    def grant(self, request: Request, step: Step) -> Answer:
        check_method(request, "POST")
        tenant = request.path[1:-len("/oauth2/v2.0/token")]
        if tenant != self.world.issuer.tenant_id:
            raise Refused(400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
        form = _check_form(request)
        resource = _resource_of(form["scope"])
        if not resource_known(self.world.settings, resource):
            raise Refused(400, "invalid_resource", f"AADSTS500011: The resource principal named "
                          f"{resource} was not found in the tenant.")
        identity = self._client(form["client_id"])
        self._check_assertion(form["client_assertion"])
        token = take_token(self.world, identity, resource, "claims" in form, step)
        left = expires_in(self.world, token)
        return Answer(success(self.world, {
            "token_type": "Bearer", "expires_in": left, "ext_expires_in": left,
            "access_token": token.text,
        }, step, numbers=True), token)

    def _client(self, client_id: str) -> Identity:
        try:
            return self.world.identities.select("client_id", client_id)
        except NotFound:
            raise Refused(400, "unauthorized_client", f"AADSTS700016: Application with "
                          f"identifier '{client_id}' was not found in the directory.") from None

    def _check_assertion(self, text: str) -> None:
        try:
            claims = verify.verify_token(text, [self._cluster.key.jwk])
        except verify.Rejected as reason:
            number = "700027: The certificate" if "wrong signature" in str(reason) \
                else "50027: JWT token"
            raise Refused(401, "invalid_client", f"AADSTS{number} is invalid or malformed: it "
                          f"{reason}.") from None
        now = time.time()
        if not claims.get("nbf", 0) <= now + 300 or not now < claims.get("exp", 0):
            raise Refused(401, "invalid_client", "AADSTS700024: Client assertion is not within "
                          "its valid time range.")
        audience = claims.get("aud")
        expected = {"Issuer": (claims.get("iss"), ISSUER), "Subject": (claims.get("sub"), SUBJECT),
                    "Audience": (audience[0] if isinstance(audience, list) and audience
                                 else audience, AUDIENCE)}
        for name, (found, wanted) in expected.items():
            if found != wanted:
                raise Refused(401, "invalid_client", "AADSTS70021: No matching federated "
                              "identity record found for presented assertion. Assertion "
                              f"{name}: '{found}'.")


def _check_form(request: Request) -> Dict[str, str]:
    for name, _ in request.query:
        if name in REQUIRED or not _known(name):
            raise Refused(400, "invalid_request", "AADSTS90100: The parameter "
                          f"'{name}' is not valid in the query.")
    pairs = request.form
    names = [name for name, _ in pairs]
    for name in REQUIRED:
        if not dict(pairs).get(name):
            raise Refused(400, "invalid_request", "AADSTS900144: The request body must contain "
                          f"the following parameter: '{name}'.")
    for name in names:
        if names.count(name) > 1:
            raise Refused(400, "invalid_request", "AADSTS9000411: The request is not properly "
                          f"formatted. The parameter '{name}' is duplicated.")
        if not _known(name):
            raise Refused(400, "invalid_request", "AADSTS90100: The parameter "
                          f"'{name}' is not valid.")
    form = dict(pairs)
    if form["grant_type"] != "client_credentials":
        raise Refused(400, "unsupported_grant_type", "AADSTS70003: The app requested an "
                      "unsupported grant type.")
    if form["client_assertion_type"] != ASSERTION_TYPE:
        raise Refused(401, "invalid_client", "AADSTS50027: The client_assertion_type is "
                      "invalid.")
    if "claims" in form:
        try:
            json.loads(form["claims"])
        except ValueError:
            raise Refused(400, "invalid_request", "AADSTS50123: The claims are no JSON.") from None
    return form


def _known(name: str) -> bool:
    return name in KNOWN or name.startswith(KNOWN_BEGINNINGS)


def _resource_of(scope: str) -> str:
    match = re.fullmatch(r"(\S+)/\.default", scope)
    if not match:
        raise Refused(400, "invalid_scope", "AADSTS1002012: The provided value for scope "
                      f"{scope} is not valid. Client credential flows must have a scope value "
                      "with /.default suffixed to the resource identifier.")
    return match[1]
