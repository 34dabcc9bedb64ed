"""What a verifier asks for: the public keys and the OpenID configuration.

In Azure these live at login.microsoftonline.com; here they share the token endpoint's port, so
that one address is all that a test needs.
"""

from __future__ import annotations

from typing import Optional

from message import Request, Response, json_response
from tokens import Issuer

KEYS_PATH = "/common/discovery/keys"
_CONFIGURATION = "/.well-known/openid-configuration"


def answer(issuer: Issuer, base_url: str, request: Request) -> Optional[Response]:
    """None when the path is none of these."""
    paths = {"", "/common", f"/{issuer.tenant_id}"}
    if request.path == f"/{issuer.tenant_id}/v2.0{_CONFIGURATION}":
        authority = f"{base_url}/{issuer.tenant_id}"
        return _get_only(request, json_response(200, {
            "issuer": f"{authority}/v2.0",
            "jwks_uri": base_url + KEYS_PATH,
            "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{authority}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }))
    if request.path in {f"{prefix}/discovery/keys" for prefix in paths}:
        keys = {"keys": [{**issuer.key.jwk, "issuer": issuer.issuer_url}]}
        return _get_only(request, json_response(200, keys))
    if request.path in {prefix + _CONFIGURATION for prefix in paths}:
        return _get_only(request, json_response(200, {
            "issuer": issuer.issuer_url,
            "jwks_uri": base_url + KEYS_PATH,
            "token_endpoint": base_url + "/metadata/identity/oauth2/token",
            "response_types_supported": ["token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["aud", "iss", "iat", "nbf", "exp", "appid", "oid", "sub", "tid",
                                 "uti", "ver", "xms_mirid"],
        }))
    return None


def _get_only(request: Request, response: Response) -> Response:
    return response if request.method == "GET" else Response(405, [("Allow", "GET")])
