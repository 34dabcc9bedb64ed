"""A small certification authority of one run, and certificates that a client must refuse.

    authority = Authority(folder, ["vault.example"])
    authority.ca_path                     # the root, as PEM: what a client is to trust
    authority.context("good", "any")      # for a server
    authority.paths("rsa")                # PEM files: chain, key

The root signs an intermediate, the intermediate signs leaves for 127.0.0.1, localhost and the
names given. KINDS has what there is; each is made when it is first asked for.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
import threading
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = Union[ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey]
DAY = timedelta(days=1)
VERSIONS = {
    "any": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
    "1.2": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
    "1.3": (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
}


@dataclass(frozen=True)
class Kind:
    """How a leaf and its chain differ from a good one's."""

    rsa: bool = False  # leaf and intermediate have RSA keys
    begins: timedelta = -DAY
    ends: timedelta = 30 * DAY
    names: bool = True  # False: for another host
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH
    digest: hashes.HashAlgorithm = hashes.SHA256()
    signer: str = "intermediate"  # intermediate | root | itself | stranger
    send_intermediate: bool = True


KINDS = {
    "good": Kind(),
    "rsa": Kind(rsa=True),
    "root-signed": Kind(signer="root"),
    "expired": Kind(begins=-30 * DAY, ends=-DAY),
    "not-yet-valid": Kind(begins=DAY),
    "self-signed": Kind(signer="itself"),
    "other-self-signed": Kind(signer="itself", rsa=True),
    "untrusted": Kind(signer="stranger"),
    "other-name": Kind(names=False),
    "other-purpose": Kind(usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    "weak-signature": Kind(digest=hashes.SHA1(), rsa=True),
    "incomplete": Kind(send_intermediate=False),
}


@dataclass(frozen=True)
class Signer:
    certificate: x509.Certificate
    key: Key


class Authority:
    """Makes certificates in a folder that only this user can read. Safe to use from threads."""

    def __init__(self, folder: Path, names: Sequence[str] = ()) -> None:
        self._folder = folder
        self._names = ["localhost", "127.0.0.1", *names]
        self._lock = threading.RLock()
        self._signers: Dict[str, Signer] = {}
        self._contexts: Dict[Tuple[str, str], ssl.SSLContext] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = _authority("emulator root", None, False)
        self.ca_path = folder / "ca.pem"
        self.ca_path.write_bytes(_pem(self._root.certificate))

    def context(self, kind: str, version: str = "any") -> ssl.SSLContext:
        """For a server that shows this certificate and speaks these versions of TLS."""
        with self._lock:
            context = self._contexts.get((kind, version))
            if context is None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL would not show SHA-1
                context.minimum_version, context.maximum_version = VERSIONS[version]
                context.load_cert_chain(*self.paths(kind))
                self._contexts[kind, version] = context
            return context

    def paths(self, kind: str) -> Tuple[Path, Path]:
        """The PEM files of the chain that is sent, leaf first, and of the leaf's key."""
        chain, key = self._folder / f"{kind}.pem", self._folder / f"{kind}.key"
        with self._lock:
            if not chain.exists():
                self._make(KINDS[kind], chain, key)
        return chain, key

    def thumbprint(self, kind: str) -> str:
        """SHA-1 of the leaf's DER, as Service Fabric gives it: 40 hex digits, upper case."""
        leaf = x509.load_pem_x509_certificate(self.paths(kind)[0].read_bytes())
        der = leaf.public_bytes(serialization.Encoding.DER)
        return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()

    def _make(self, kind: Kind, chain: Path, key_path: Path) -> None:
        key = _key(kind.rsa)
        signer = self._signer(kind)
        sent = [_leaf(kind, key, signer, self._names)]
        if signer and kind.signer != "root" and kind.send_intermediate:
            sent.append(signer.certificate)
        _write_private(key_path, key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        chain.write_bytes(b"".join(map(_pem, sent)))

    def _signer(self, kind: Kind) -> Optional[Signer]:
        if kind.signer == "root":
            return self._root
        if kind.signer == "itself":
            return None
        name = f"{kind.signer}{' RSA' if kind.rsa else ''}"
        if name not in self._signers:
            above = _authority("stranger root", None, False) if kind.signer == "stranger" \
                else self._root
            self._signers[name] = _authority(f"emulator {name}", above, kind.rsa)
        return self._signers[name]


def _authority(name: str, above: Optional[Signer], with_rsa: bool) -> Signer:
    key = _key(with_rsa)
    subject = _name(name)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = _builder(Kind(ends=60 * DAY), subject,
                       above.certificate.subject if above else subject, key) \
        .add_extension(x509.BasicConstraints(True, None if above is None else 0), True) \
        .add_extension(_usage(True), True) \
        .add_extension(identifier, False)
    signing = above.key if above else key
    return Signer(builder.sign(signing, hashes.SHA256()), key)


def _leaf(kind: Kind, key: Key, signer: Optional[Signer], names: List[str]) -> x509.Certificate:
    """Signed by itself where there is no signer."""
    subject = _name("emulator")
    if not kind.names:
        names = ["elsewhere.example"]
    alternatives: List[x509.GeneralName] = []
    for name in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alternatives.append(x509.DNSName(name))
    issuer, signing = (signer.certificate.subject, signer.key) if signer else (subject, key)
    builder = _builder(kind, subject, issuer, key) \
        .add_extension(x509.SubjectAlternativeName(alternatives), False) \
        .add_extension(x509.BasicConstraints(False, None), True) \
        .add_extension(_usage(False), True) \
        .add_extension(x509.ExtendedKeyUsage([kind.usage]), False) \
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False) \
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
            signing.public_key()), False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SHA-1, which is the point
        return builder.sign(signing, kind.digest)


def _builder(kind: Kind, subject: x509.Name, issuer: x509.Name,
             key: Key) -> x509.CertificateBuilder:
    now = datetime.utcnow()
    return x509.CertificateBuilder().subject_name(subject).issuer_name(issuer) \
        .public_key(key.public_key()).serial_number(x509.random_serial_number()) \
        .not_valid_before(now + kind.begins).not_valid_after(now + kind.ends)


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=signs_certificates, crl_sign=signs_certificates, encipher_only=False,
        decipher_only=False)


def _key(with_rsa: bool) -> Key:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048) if with_rsa \
        else ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
