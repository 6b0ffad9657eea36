"""Validation of the server's TLS certificate and key."""

import ssl
from pathlib import Path

# OpenSSL reports a key of another type as a missing certificate.
_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


def find_certificate_error(certificate: str, key: str) -> str | None:
    """The reason why the two files cannot be used, with the name of the setting; None if they are valid."""
    for setting, file in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            Path(file).open("rb").close()
        except OSError as error:
            return f"`server.{setting}`: {file} cannot be read: {error.strerror}"
        except ValueError:
            return f"`server.{setting}`: {file!r} is not a valid path"
    encrypted: list[bool] = []

    def passphrase() -> str:
        # Without this function OpenSSL would prompt on the terminal.
        encrypted.append(True)
        return ""

    problem = None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, passphrase)
    except ssl.SSLError as error:
        problem = _explain(error.reason, certificate, key)
    if encrypted:
        return f"`server.tls_key`: {key} is encrypted; it must be unencrypted, as `openssl pkey -in {key}` writes it"
    return problem


def _explain(reason: str | None, certificate: str, key: str) -> str:
    if reason in _MISMATCHES:
        return f"`server.tls_key`: {key} is not the key of the certificate in {certificate}"
    # OpenSSL does not name the invalid file.
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(certificate)
    except ssl.SSLError:
        return f"`server.tls_certificate`: {certificate} has no complete certificate chain in PEM"
    if reason is None:
        return f"`server.tls_key`: {key} has no private key in PEM"
    return f"`server.tls_certificate`: {certificate}, with the key {key}: {reason.lower().replace('_', ' ')}"
