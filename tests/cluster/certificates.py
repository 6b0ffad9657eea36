"""Certificates of a cluster's nodes."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write_certificates(folder: Path, name: str) -> dict[str, str]:
    """An authority, and a certificate of loopback by it with its key: Ray's variables for them."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.datetime.now(datetime.UTC)

    def make(subject: str, public: ec.EllipticCurvePublicKey, *, authority: bool) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([loopback, x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(authority_key, hashes.SHA256())
        )

    files = {part: str(folder / f"{name}-{part}.pem") for part in ("authority", "certificate", "key")}
    certificates = {
        "authority": make("authority", authority_key.public_key(), authority=True),
        "certificate": make("node", key.public_key(), authority=False),
    }
    for part, certificate in certificates.items():
        Path(files[part]).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    Path(files["key"]).write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return {
        "RAY_USE_TLS": "1",
        "RAY_TLS_SERVER_CERT": files["certificate"],
        "RAY_TLS_SERVER_KEY": files["key"],
        "RAY_TLS_CA_CERT": files["authority"],
    }
