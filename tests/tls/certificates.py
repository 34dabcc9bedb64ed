#!/usr/bin/python3
"""Makes the certificates of the TLS tests: certificates.py FOLDER.

For each NAME: NAME.crt (the server's own), NAME.chain (the CAs between it and the root, where there
are any) and NAME.key. The roots: ROOT.pem.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Optional

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.utcnow().replace(microsecond=0)
HOST = "host.miagent.test"


def rsa_key(bits: int) -> Any:
    return rsa.generate_private_key(65537, bits)


def ec_key(curve: Any = ec.SECP256R1()) -> Any:
    return ec.generate_private_key(curve)


@dataclass
class Issued:
    certificate: x509.Certificate
    key: Any
    issuer: Optional["Issued"] = None


def issue(name: str, key: Any, issuer: Optional[Issued] = None, *, is_ca: bool = False,
          begin: datetime.datetime = NOW - DAY, end: datetime.datetime = NOW + 90 * DAY,
          host: str = HOST, usage: Any = ExtendedKeyUsageOID.SERVER_AUTH,
          hash_: Any = hashes.SHA256()) -> Issued:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (x509.CertificateBuilder().subject_name(subject)
               .issuer_name(issuer.certificate.subject if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(begin).not_valid_after(end)
               .add_extension(x509.BasicConstraints(is_ca, None), critical=True))
    if not is_ca:
        names: List[x509.GeneralName] = [x509.DNSName(host), x509.DNSName("*.wild.test"),
                                         x509.IPAddress(ipaddress.ip_address("::1"))]
        if host == HOST:
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        builder = (builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
                   .add_extension(x509.ExtendedKeyUsage([usage]), critical=False))
    signer = issuer.key if issuer else key
    is_ed25519 = isinstance(signer, ed25519.Ed25519PrivateKey)
    return Issued(builder.sign(signer, None if is_ed25519 else hash_), key, issuer)


def pem(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(serialization.Encoding.PEM)


def keep(folder: Path, name: str, issued: Issued) -> None:
    (folder / f"{name}.crt").write_bytes(pem(issued))
    (folder / f"{name}.key").write_bytes(issued.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    between = []
    above = issued.issuer
    while above is not None and above.issuer is not None:
        between.append(pem(above))
        above = above.issuer
    if between:
        (folder / f"{name}.chain").write_bytes(b"".join(between))
    der = issued.certificate.public_bytes(serialization.Encoding.DER)
    (folder / f"{name}.sha1").write_text(hashlib.sha1(der).hexdigest().upper())


def chain(root: Issued, size: int, make_key: Any) -> Issued:
    """A server's certificate below `size` - 1 CAs below the root."""
    issuer = root
    for depth in range(size - 1):
        issuer = issue(f"CA {depth}", make_key(), issuer, is_ca=True)
    return issue("leaf", make_key(), issuer)


def make(folder: Path) -> None:
    ec_root = issue("EC root", ec_key(), is_ca=True)
    rsa_root = issue("RSA root", rsa_key(2048), is_ca=True)
    sha1_root = issue("SHA-1 root", rsa_key(2048), is_ca=True, hash_=hashes.SHA1())
    for name, root in (("ec", ec_root), ("rsa", rsa_root), ("sha1root", sha1_root)):
        (folder / f"{name}.pem").write_bytes(pem(root))
    large = rsa_key(4096)
    key = ec_key()
    good = issue("leaf", key, ec_root)
    keep(folder, "p256", good)
    keep(folder, "p384", issue("leaf", ec_key(ec.SECP384R1()), ec_root, hash_=hashes.SHA384()))
    keep(folder, "rsa2048", issue("leaf", rsa_key(2048), rsa_root))
    keep(folder, "rsa4096", issue("leaf", large, rsa_root))
    keep(folder, "below_sha1root", issue("leaf", key, sha1_root))
    for size in (2, 3, 4):
        keep(folder, f"chain{size}", chain(ec_root, size, ec_key))
    keep(folder, "chain4_rsa4096", chain(rsa_root, 4, lambda: large))

    keep(folder, "expired", issue("leaf", key, ec_root, begin=NOW - 9 * DAY, end=NOW - DAY))
    keep(folder, "expires_soon", issue("leaf", key, ec_root, end=NOW + DAY / 24))
    keep(folder, "future", issue("leaf", key, ec_root, begin=NOW + DAY))
    keep(folder, "self_signed", issue("leaf", key))
    keep(folder, "other_name", issue("leaf", key, ec_root, host="other.miagent.test"))
    keep(folder, "for_clients", issue("leaf", key, ec_root, usage=ExtendedKeyUsageOID.CLIENT_AUTH))
    keep(folder, "sha1", issue("leaf", key, rsa_root, hash_=hashes.SHA1()))
    keep(folder, "md5", issue("leaf", key, rsa_root, hash_=hashes.MD5()))
    keep(folder, "rsa1024", issue("leaf", rsa_key(1024), rsa_root))
    keep(folder, "rsa512", issue("leaf", rsa_key(512), rsa_root))
    keep(folder, "below_leaf", issue("leaf", key, good))
    weak_ca = issue("weak CA", rsa_key(1024), rsa_root, is_ca=True)
    keep(folder, "below_weak", issue("leaf", key, weak_ca))
    old_ca = issue("old CA", key, ec_root, is_ca=True, begin=NOW - 9 * DAY, end=NOW - DAY)
    keep(folder, "below_expired", issue("leaf", key, old_ca))
    # Below CAs with keys of kinds that aren't compiled in.
    for kind, ca_key in (("ed25519", ed25519.Ed25519PrivateKey.generate()),
                         ("p521", ec_key(ec.SECP521R1()))):
        ca = issue(f"{kind} CA", ca_key, ec_root, is_ca=True)
        keep(folder, f"below_{kind}", issue("leaf", key, ca))
    # The same name as the root that is trusted, another key.
    keep(folder, "forged", issue("leaf", key, issue("EC root", ec_key(), is_ca=True)))
    # The same, and the trusted root beside it, as if it had signed.
    keep(folder, "forged_with_root", issue("leaf", key, issue("EC root", ec_key(), is_ca=True)))
    (folder / "forged_with_root.chain").write_bytes(pem(ec_root))
    # Roots of that name, as a root that is renewed leaves them; and one that can't be read.
    for number in range(4):
        (folder / f"older{number}.pem").write_bytes(pem(issue("EC root", ec_key(), is_ca=True)))
    (folder / "older_p521.pem").write_bytes(
        pem(issue("EC root", ec_key(ec.SECP521R1()), is_ca=True)))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
