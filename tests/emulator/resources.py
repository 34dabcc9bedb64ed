"""What the resources share that take a token: they verify it as Azure's do, and say 401.

Verified are signature, issuer, audience, `nbf`, `exp` and that it wasn't revoked. A resource is
an origin like a token source, but steps of a script touch it only with `at NAME`.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Dict, NoReturn, Sequence, Tuple

import verify
from behaviour import Step
from message import Request, Response, json_response
from source import Answer, CheckedSource, Refused


class Resource(CheckedSource):
    scheme = "https"
    shape = "nested"
    audiences: Sequence[str] = ()
    codes: Dict[str, str] = {}  # error codes for: missing, invalid, expired, audience

    def challenge(self, error: str, description: str, claims: str) -> str:
        """The WWW-Authenticate header of a 401."""
        raise NotImplementedError

    def grant(self, request: Request, step: Step) -> Answer:
        claims = self._authenticate(request)
        return self.serve(request, claims, step)

    def serve(self, request: Request, claims: Dict[str, Any], step: Step) -> Answer:
        raise NotImplementedError

    def failure(self, status: int, step: Step) -> Response:
        response = super().failure(status, step)
        if status == 401:
            response.headers.append(("WWW-Authenticate", self.challenge(
                "invalid_token", "Refused by the script.", "")))
        return response

    def _authenticate(self, request: Request) -> Dict[str, Any]:
        """The token's claims. Raises Refused."""
        sent = request.header_values("Authorization")
        if not sent:
            self._refuse("missing", "", "The 'Authorization' header is missing.")
        scheme, _, token = sent[0].partition(" ")
        if len(sent) > 1 or scheme.lower() != "bearer":
            self._refuse("invalid", "invalid_token", "The 'Authorization' header is malformed.")
        issuer = self.world.issuer
        try:
            claims = verify.verify_token(token, [{**issuer.key.jwk,
                                                  "issuer": issuer.issuer_url}])
        except verify.Rejected as reason:
            self._refuse("invalid", "invalid_token", f"The access token {reason}.")
        now = time.time()
        if not now < claims.get("exp", 0):
            self._refuse("expired", "invalid_token", "The access token expired.")
        if claims.get("nbf", 0) > now:
            self._refuse("invalid", "invalid_token", "The access token is not yet valid.")
        audience = str(claims.get("aud", ""))
        if audience.rstrip("/") not in [each.rstrip("/") for each in self.audiences]:
            self._refuse("audience", "invalid_token", f"The access token is for the wrong "
                         f"audience '{audience}'.")
        revocation = issuer.revocation(token)
        if revocation:
            if revocation.claims:
                self._refuse("invalid", "insufficient_claims", "Continuous access evaluation "
                             "resulted in challenge.", revocation.since)
            self._refuse("invalid", "invalid_token", "The access token has been revoked.")
        return claims

    def _refuse(self, code: str, error: str, description: str, claims_since: int = 0) -> NoReturn:
        claims = ""
        if claims_since:
            wanted = {"access_token": {"nbf": {"essential": True, "value": str(claims_since)}}}
            claims = base64.b64encode(json.dumps(wanted).encode()).decode()
        raise Refused(401, self.codes[code], description, headers=[
            ("WWW-Authenticate", self.challenge(error, description, claims))])


def quoted(*pairs: Tuple[str, str]) -> str:
    """`name="value", …` without those that have no value."""
    return ", ".join(f'{name}="{value}"' for name, value in pairs if value)


def answer_json(status: int, document: Any, *headers: Tuple[str, str]) -> Answer:
    response = json_response(status, document)
    response.headers += headers
    return Answer(response)
