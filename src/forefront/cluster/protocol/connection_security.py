"""The protection of a cluster's connections: none on loopback, and token authentication and TLS everywhere else.

Both are Ray's own settings, environment variables of every process of the cluster. The connections between servers and
replicas use the same certificates.
"""

import ipaddress
import ssl
from collections.abc import Iterable, Mapping
from typing import Final

_CERTIFICATE: Final = "RAY_TLS_SERVER_CERT"
_KEY: Final = "RAY_TLS_SERVER_KEY"
_AUTHORITY: Final = "RAY_TLS_CA_CERT"
_TRUE: Final = ("1", "true")


class InsecureClusterError(Exception):
    """A cluster beyond this machine lacks protection, or its certificates cannot be used. The message has the
    reason."""


def is_loopback(address: str) -> bool:
    """Whether an address is of this machine alone."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def check_security(addresses: Iterable[str], environment: Mapping[str, str]) -> None:
    """Raises `InsecureClusterError` if a node has another address than loopback, and this process does not use token
    authentication and TLS."""
    outside = sorted({address for address in addresses if not is_loopback(address)})
    if not outside:
        return
    missing = []
    if environment.get("RAY_AUTH_MODE", "").lower() != "token":
        missing.append("token authentication (RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH)")
    if not _uses_tls(environment):
        missing.append(f"TLS (RAY_USE_TLS=1, {_CERTIFICATE}, {_KEY} and {_AUTHORITY})")
    if missing:
        raise InsecureClusterError(
            f"the cluster has the address {outside[0]}, which is not loopback, so every process of it needs "
            f"{' and '.join(missing)}"
        )


def server_context(environment: Mapping[str, str]) -> ssl.SSLContext | None:
    """The TLS of a replica: servers must have a certificate of the cluster's authority. None without TLS. Raises
    `InsecureClusterError`."""
    if not _uses_tls(environment):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _with_certificates(context, environment)


def client_context(environment: Mapping[str, str]) -> ssl.SSLContext | None:
    """The TLS of a server. A replica is identified by the authority and by its secret, not by a host name: addresses of
    nodes change. Raises `InsecureClusterError`."""
    if not _uses_tls(environment):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return _with_certificates(context, environment)


def _with_certificates(context: ssl.SSLContext, environment: Mapping[str, str]) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(environment[_CERTIFICATE], environment[_KEY])
        context.load_verify_locations(environment[_AUTHORITY])
    except OSError as error:  # also raised for files that OpenSSL refuses
        names = f"{_CERTIFICATE}, {_KEY} and {_AUTHORITY}"
        raise InsecureClusterError(f"the certificates of {names} cannot be used: {error.strerror or error}") from None
    return context


def _uses_tls(environment: Mapping[str, str]) -> bool:
    return environment.get("RAY_USE_TLS", "").lower() in _TRUE and all(
        environment.get(name) for name in (_CERTIFICATE, _KEY, _AUTHORITY)
    )
