"""The certificate and the key that a server with TLS shows."""

import ssl
from pathlib import Path

# A key of another kind counts as one without a certificate.
_OF_ANOTHER = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


def pair_fault(certificate: str, key: str) -> str | None:
    """Why the two files cannot be used, with the setting that is to blame; None if they can."""
    for setting, file in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            Path(file).open("rb").close()
        except OSError as error:
            return f"`server.{setting}`: {file} cannot be read: {error.strerror}"
    asked: list[bool] = []

    def passphrase() -> str:
        # Without this OpenSSL would ask whoever sits at the terminal.
        asked.append(True)
        return ""

    fault = None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, passphrase)
    except ssl.SSLError as error:
        fault = _explain(error.reason, certificate, key)
    if asked:
        return f"`server.tls_key`: {key} is encrypted; it must be unencrypted, as `openssl pkey -in {key}` writes it"
    return fault


def _explain(reason: str | None, certificate: str, key: str) -> str:
    if reason in _OF_ANOTHER:
        return f"`server.tls_key`: {key} is not the key of the certificate in {certificate}"
    # OpenSSL does not say which of the two it could not read.
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(certificate)
    except ssl.SSLError:
        return f"`server.tls_certificate`: {certificate} does not hold a whole certificate chain in PEM"
    if reason is None:
        return f"`server.tls_key`: {key} does not hold a private key in PEM"
    return f"`server.tls_certificate`: {certificate}, with the key {key}: {reason.lower().replace('_', ' ')}"
