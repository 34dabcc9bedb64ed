#!/usr/bin/python3
"""Verifies published token files against an emulator's public keys, as a resource would.

    /usr/bin/python3 verify.py --jwks http://127.0.0.1:8169/common/discovery/keys \\
        --format raw --mode 0600 --audience https://vault.azure.net /run/tokens/vault

One line for each file, exit 0 when all are good, 1 otherwise, 64 for a wrong command line. A file
is good when it is a regular file with the expected mode and owner, its text has exactly the shape
of its format, the token in it bears a valid signature, its claims are those expected, and it has
not expired. The token itself is never printed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pwd
import re
import stat
import sys
import time
import urllib.request
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
except ImportError as missing:
    sys.exit(f"verify: {missing}; install Debian's python3-cryptography and start with "
             "/usr/bin/python3")

from tokens import base64url_decode

FORMATS = ("raw", "json", "env", "header")
JSON_NAMES = {"access_token", "refresh_token", "expires_in", "expires_on", "not_before",
              "resource", "token_type"}
ENV_NAMES = ("AZURE_ACCESS_TOKEN", "AZURE_TOKEN_EXPIRES_ON", "AZURE_TOKEN_RESOURCE",
             "access_token")


class Rejected(Exception):
    """The file is not good; the text says why and holds no secret."""


@dataclass(frozen=True)
class Expectation:
    """What a file must be; None stands for anything."""

    format: Optional[str] = None
    mode: Optional[int] = None
    owner: Optional[int] = None
    audience: Optional[str] = None
    client_id: Optional[str] = None
    seconds_left_min: float = 0.0


@dataclass(frozen=True)
class Published:
    """What a file's text says: the token, and the facts beside it where its format has them."""

    format: str
    token: str
    expires_on: Optional[int] = None
    resource: Optional[str] = None
    expires_in: Optional[int] = None


@dataclass(frozen=True)
class Verified:
    format: str
    mode: int
    owner: int
    claims: Dict[str, Any]
    token_sha256: str
    seconds_left: float


def fetch_keys(url: str) -> List[Dict[str, str]]:
    """The JWKS at a URL, never through a proxy, or in a file."""
    if "://" not in url:
        with open(url, encoding="utf-8") as stream:
            return list(json.load(stream)["keys"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return list(json.load(answer)["keys"])


def verify_file(path: str, keys: List[Dict[str, str]], expected: Expectation) -> Verified:
    """Raises Rejected. Opens the file once and judges the descriptor."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Rejected(f"cannot be opened: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as stream:
        facts = os.fstat(stream.fileno())
        content = stream.read()
    mode = stat.S_IMODE(facts.st_mode)
    _require(stat.S_ISREG(facts.st_mode), "is no regular file")
    _require(expected.mode in (None, mode), f"has mode {mode:04o}, expected "
             f"{expected.mode or 0:04o}")
    _require(expected.owner in (None, facts.st_uid), f"belongs to uid {facts.st_uid}, expected "
             f"{expected.owner}")
    published = parse_published(content, expected.format)
    claims = verify_token(published.token, keys)
    _check_claims(claims, published, expected)
    return Verified(published.format, mode, facts.st_uid, claims,
                    hashlib.sha256(published.token.encode()).hexdigest(),
                    float(claims["exp"]) - time.time())


def verify_token(token: str, keys: List[Dict[str, str]]) -> Dict[str, Any]:
    """The claims of a JWT whose RS256 signature one of the keys made. Raises Rejected."""
    try:
        head, payload, signature = token.split(".")
        header = json.loads(base64url_decode(head))
        claims = json.loads(base64url_decode(payload))
        signature_bytes = base64url_decode(signature)
    except ValueError:
        raise Rejected("holds no JWT") from None
    _require(isinstance(header, dict) and isinstance(claims, dict), "holds no JWT")
    _require(header.get("alg") == "RS256", "is not signed with RS256")
    jwk = next((key for key in keys if key["kid"] == header.get("kid")), None)
    if jwk is None:
        raise Rejected("is signed with a key that the JWKS doesn't have")
    modulus, exponent = (int.from_bytes(base64url_decode(jwk[name]), "big") for name in "ne")
    try:
        rsa.RSAPublicNumbers(exponent, modulus).public_key().verify(
            signature_bytes, f"{head}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise Rejected("has a wrong signature") from None
    _require(claims.get("iss") == jwk.get("issuer", claims.get("iss")), "has a wrong issuer")
    return dict(claims)


def parse_published(content: bytes, format_name: Optional[str] = None) -> Published:
    """The text of a file in one of the four formats; guessed when None. Raises Rejected."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise Rejected("is not ASCII") from None
    _require(bool(text), "is empty")
    name = format_name or _guess(text)
    return {"raw": _parse_raw, "json": _parse_json, "env": _parse_env,
            "header": _parse_header}[name](text)


def _guess(text: str) -> str:
    if text.startswith("Authorization:"):
        return "header"
    if text.startswith("{"):
        return "json"
    return "env" if "='" in text else "raw"


def _parse_raw(text: str) -> Published:
    _require(re.fullmatch(r"[\x21-\x7e]+", text) is not None, "is not in raw format: a token "
             "and nothing else")
    return Published("raw", text)


def _parse_header(text: str) -> Published:
    match = re.fullmatch(r"Authorization: Bearer ([\x21-\x7e]+)\n", text)
    if not match:
        raise Rejected("is not in header format: one line `Authorization: Bearer …`")
    return Published("header", match[1])


def _parse_env(text: str) -> Published:
    _require(text.endswith("\n"), "is not in env format: the last line has no end")
    values = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)='((?:[^']|'\\'')*)'", line)
        if not match or match[1] in values:
            raise Rejected("is not in env format: lines KEY='value'")
        values[match[1]] = match[2].replace("'\\''", "'")
    _require(set(values) == set(ENV_NAMES), f"is not in env format: expected {ENV_NAMES}, "
             f"found {tuple(values)}")
    _require(values["access_token"] == values["AZURE_ACCESS_TOKEN"], "holds two tokens")
    return Published("env", values["AZURE_ACCESS_TOKEN"],
                     _number(values["AZURE_TOKEN_EXPIRES_ON"]), values["AZURE_TOKEN_RESOURCE"])


def _parse_json(text: str) -> Published:
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except ValueError:
        raise Rejected("is not in json format") from None
    document = dict(pairs) if isinstance(pairs, list) else {}
    _require(len(document) == len(pairs), "has a name twice")
    _require(JSON_NAMES <= set(document), "lacks the fields "
             f"{', '.join(sorted(JSON_NAMES - set(document)))}")
    _require(all(isinstance(document[name], str) for name in JSON_NAMES), "has a field that is "
             "no string")
    return Published("json", document["access_token"], _number(document["expires_on"]),
                     document["resource"], _number(document["expires_in"]))


def _check_claims(claims: Dict[str, Any], published: Published, expected: Expectation) -> None:
    now = time.time()
    _require(isinstance(claims.get("exp"), int), "has no exp")
    left = claims["exp"] - now
    _require(left > 0, f"expired {-left:.0f} s ago")
    _require(left >= expected.seconds_left_min, f"expires in {left:.0f} s, expected at least "
             f"{expected.seconds_left_min:.0f} s")
    _require(claims.get("nbf", 0) <= now, "is not valid yet")
    audience = claims.get("aud")
    _require(expected.audience in (None, audience), f"is for {audience}, expected "
             f"{expected.audience}")
    _require(expected.client_id in (None, claims.get("appid")), "belongs to another identity: "
             f"{claims.get('appid')}")
    _require(published.expires_on in (None, claims["exp"]), "says another expires_on than the "
             "token")
    _require(published.resource in (None, audience), "says another resource than the token")
    _require(published.expires_in is None or published.expires_in >= left - 1,
             "says a smaller expires_in than the token has left")


def _number(text: str) -> int:
    _require(re.fullmatch(r"[0-9]{1,12}", text) is not None, "has a time that is no number")
    return int(text)


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Rejected(reason)


def _owner_id(text: str) -> int:
    return int(text) if text.isdigit() else pwd.getpwnam(text).pw_uid


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="verify.py", allow_abbrev=False,
                                     description="Verifies published token files.")
    add = parser.add_argument
    add("--jwks", metavar="URL|FILE", required=True, help="the emulator's keys")
    add("--format", choices=FORMATS, help="default: guessed from the text")
    add("--mode", type=lambda text: int(text, 8), help="octal, such as 0640")
    add("--owner", type=_owner_id, help="name or number (default: the caller)",
        default=os.geteuid())
    add("--audience", help="the resource that the token must be for")
    add("--client-id", help="the identity that the token must belong to")
    add("--seconds-left", type=float, default=0.0, help="how long it must be valid still")
    add("files", metavar="FILE", nargs="+")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leaving:
        return 64 if leaving.code else 0
    expected = Expectation(options.format, options.mode, options.owner, options.audience,
                           options.client_id, options.seconds_left)
    try:
        keys = fetch_keys(options.jwks)
    except (OSError, ValueError, KeyError) as error:
        print(f"verify: no keys from {options.jwks}: {error}", file=sys.stderr)
        return 1
    return max(_report(path, keys, expected) for path in options.files)


def _report(path: str, keys: List[Dict[str, str]], expected: Expectation) -> int:
    try:
        found = verify_file(path, keys, expected)
    except Rejected as reason:
        print(f"{path}: NOT GOOD: {reason}")
        return 1
    print(f"{path}: verified: {found.format}, mode {found.mode:04o}, uid {found.owner}, "
          f"signature RS256 valid, aud {found.claims['aud']}, expires in "
          f"{found.seconds_left:.0f} s, SHA-256 {found.token_sha256[:12]}…")
    return 0


if __name__ == "__main__":
    sys.exit(main())
