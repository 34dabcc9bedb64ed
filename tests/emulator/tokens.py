"""Token issuing: RS256-signed JWTs with the claims of a managed identity, and the cache.

The times in a token are true: `iat` and `nbf` lie five minutes back, as Entra's do, and `exp`
is `lifetime` after now.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Deque, Dict, Optional, Tuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from identities import Identity

NOT_BEFORE_SKEW_S = 300
CACHE_IDLE_S_MAX = 3600  # IMDS asks anew when the last call is more than about an hour ago


@dataclass(frozen=True)
class Token:
    text: str
    identity: Identity
    resource: str
    granted_at: int  # seconds since 1970, as are the next two
    not_before: int
    expires_on: int
    uti: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Revocation:
    claims: bool  # the resource answers with a claims challenge
    since: int


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64url_decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def base64url_number(number: int) -> str:
    return base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


class SigningKey:
    """An RSA-2048 key with the public half as a JWK."""

    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        self._private = private
        numbers = private.public_key().public_numbers()
        public = {"e": base64url_number(numbers.e), "kty": "RSA", "n": base64url_number(numbers.n)}
        canonical = json.dumps(public, separators=(",", ":"), sort_keys=True).encode()
        self.key_id = base64url(hashlib.sha256(canonical).digest())  # RFC 7638
        self.jwk: Dict[str, str] = {**public, "use": "sig", "alg": "RS256", "kid": self.key_id}

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @classmethod
    def load_or_create(cls, path: str) -> "SigningKey":
        """Reads a PEM file, or writes a new key there with mode 0600."""
        try:
            with open(path, "rb") as stream:
                private = serialization.load_pem_private_key(stream.read(), password=None)
            if not isinstance(private, rsa.RSAPrivateKey):
                raise ValueError(f"{path}: not an RSA key")
            return cls(private)
        except FileNotFoundError:
            key = cls.generate()
            pem = key._private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption())
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(pem)
            return key

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data, padding.PKCS1v15(), hashes.SHA256())


class Issuer:
    """Signs tokens and hands the same one out again while it is good, as IMDS does."""

    def __init__(self, key: SigningKey, tenant_id: str, lifetime_s: float,
                 token_size: int = 0, cached: bool = True) -> None:
        self.key = key
        self.tenant_id = tenant_id
        self.lifetime_s = lifetime_s
        self.token_size = token_size
        self.cached = cached
        self.issued_count = 0
        self._lock = threading.Lock()
        self._issued: Deque[Token] = deque(maxlen=1000)
        self._revoked: Dict[str, Revocation] = {}  # by SHA-256
        self._cache: Dict[Tuple[str, str, str], Tuple[Token, float]] = {}

    @property
    def issuer_url(self) -> str:
        return f"https://sts.windows.net/{self.tenant_id}/"

    def get(self, identity: Identity, resource: str, bypass_cache: bool = False,
            extra: Optional[Dict[str, Any]] = None) -> Token:
        """The cached token while it is valid and asked for often enough, else a new one.

        `extra` are claims beside the usual; tokens with other claims are cached apart.
        """
        now = time.time()
        slot = (identity.client_id, resource, json.dumps(extra or {}, sort_keys=True))
        with self._lock:
            token, asked_at = self._cache.get(slot, (None, 0.0))
            usable = token is not None and token.expires_on > now \
                and now - asked_at <= CACHE_IDLE_S_MAX
            if not (self.cached and usable) or bypass_cache:
                token = self.issue(identity, resource, extra=extra)
            assert token is not None
            self._cache[slot] = (token, now)
            return token

    def forget(self) -> None:
        """Empties the cache: the next answer is a new token."""
        with self._lock:
            self._cache.clear()

    def issue(self, identity: Identity, resource: str, lifetime_s: Optional[float] = None,
              token_size: Optional[int] = None,
              extra: Optional[Dict[str, Any]] = None) -> Token:
        """A new token, whatever the cache holds; a negative lifetime gives an expired one."""
        now = int(time.time())
        lifetime = self.lifetime_s if lifetime_s is None else lifetime_s
        expires_on = now + int(lifetime)
        not_before = min(now, expires_on) - NOT_BEFORE_SKEW_S
        claims: Dict[str, Any] = {
            "aud": resource, "iss": self.issuer_url, "iat": not_before, "nbf": not_before,
            "exp": expires_on, "aio": base64url(secrets.token_bytes(24)),
            "appid": identity.client_id, "appidacr": "2", "idp": self.issuer_url,
            "idtyp": "app", "oid": identity.object_id, "sub": identity.object_id,
            "tid": self.tenant_id, "uti": base64url(secrets.token_bytes(16)), "ver": "1.0",
            "xms_mirid": identity.resource_id, **(extra or {}),
        }
        text = self._sign(claims)
        size = self.token_size if token_size is None else token_size
        if len(text) < size:
            missing = max(0, size - len(self._sign({**claims, "padding": ""})))
            text = self._sign({**claims, "padding": "x" * ((missing * 3 + 3) // 4)})
        self.issued_count += 1
        token = Token(text, identity, resource, now, not_before, expires_on, claims["uti"])
        self._issued.append(token)
        return token

    def revoke(self, name: str = "", claims: bool = False) -> int:
        """Resources refuse what is named: a SHA-256, a `uti`, or with "" all tokens so far.

        `claims`: they say which claims a token must have. The number of tokens meant. The cache
        is as it was: only a forced refresh gets another token.
        """
        with self._lock:
            meant = [each for each in self._issued if name in ("", each.sha256, each.uti)]
            for each in meant:
                self._revoked[each.sha256] = Revocation(claims, int(time.time()))
            return len(meant)

    def revocation(self, text: str) -> Optional[Revocation]:
        with self._lock:
            return self._revoked.get(hashlib.sha256(text.encode()).hexdigest())

    def _sign(self, claims: Dict[str, Any]) -> str:
        return sign_jwt(self.key, {"typ": "JWT", "alg": "RS256", "x5t": self.key.key_id,
                                   "kid": self.key.key_id}, claims)


def sign_jwt(key: SigningKey, header: Dict[str, str], claims: Dict[str, Any]) -> str:
    signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode())
                      for part in (header, claims))
    return signed + "." + base64url(key.sign(signed.encode()))
