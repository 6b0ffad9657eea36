"""Patterns of the `format`s of strings that are enforced. Every other format is an annotation, as JSON Schema has it.

Each pattern is a part of what its format allows, such that the strict validators of Pydantic and Ajv accept every text.
"""

from typing import Final

_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_HEX: Final = "[0-9a-f]{1,4}"
_IPV6: Final = f"(?:{_HEX}(?::{_HEX}){{7}}|{_HEX}(?::{_HEX}){{0,2}}::(?:{_HEX}(?::{_HEX}){{0,2}})?|::{_HEX})"
_DAY: Final = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DATE: Final = f"(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{{2}}|[1-9][0-9]{{3}})-{_DAY}"
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_ZONE: Final = "(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9]|-[A-Za-z0-9]){0,30}"
_HOST: Final = rf"(?:{_LABEL}\.){{1,6}}[A-Za-z]{{2,12}}"
_PATH: Final = "[A-Za-z0-9._~-]*"
_URI: Final = rf"https?://{_HOST}(?::[1-9][0-9]{{0,3}})?(?:/{_PATH})*(?:\?{_PATH}(?:={_PATH})?)?(?:#{_PATH})?"
_DURATION: Final = "P(?:[0-9]{1,5}D(?:T{0})?|T{0})".replace(
    "{0}", "(?:[0-9]{1,5}H(?:[0-9]{1,5}M)?(?:[0-9]{1,5}S)?|[0-9]{1,5}M(?:[0-9]{1,5}S)?|[0-9]{1,5}S)"
)
_POINTER: Final = "(?:/[A-Za-z0-9_. -]*)*"

# Of ASCII text, in groups of three characters.
_BASE64: Final = "(?:[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9])*"


def _uuid(version: str) -> str:
    return f"[0-9a-f]{{8}}-[0-9a-f]{{4}}-{version}[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}"


FORMATS: Final = {
    "date": _DATE,
    "time": f"{_CLOCK}{_ZONE}",
    "date-time": f"{_DATE}T{_CLOCK}{_ZONE}",
    "duration": _DURATION,
    "email": rf"[A-Za-z0-9](?:[A-Za-z0-9_]|[.+-][A-Za-z0-9]){{0,30}}@{_HOST}",
    "idn-email": rf"[A-Za-z0-9](?:[A-Za-z0-9_]|[.+-][A-Za-z0-9]){{0,30}}@{_HOST}",
    "hostname": rf"{_LABEL}(?:\.{_LABEL}){{0,6}}",
    "idn-hostname": rf"{_LABEL}(?:\.{_LABEL}){{0,6}}",
    "ipv4": _IPV4,
    "ipv4interface": f"{_IPV4}/(?:[12]?[0-9]|3[0-2])",
    "ipv4network": rf"(?:{_IPV4}/32|(?:{_OCTET}\.){{3}}0/24|(?:{_OCTET}\.){{2}}0\.0/16|{_OCTET}\.0\.0\.0/8)",
    "ipv6": _IPV6,
    "ipv6interface": f"{_IPV6}/(?:[1-9]?[0-9]|1[01][0-9]|12[0-8])",
    "ipv6network": f"{_IPV6}/128",
    "ipvanyaddress": _IPV4,
    "ipvanyinterface": f"{_IPV4}/(?:[12]?[0-9]|3[0-2])",
    "ipvanynetwork": rf"(?:{_IPV4}/32|{_OCTET}\.{_OCTET}\.{_OCTET}\.0/24)",
    "uuid": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    **{f"uuid{version}": _uuid(str(version)) for version in range(1, 9)},
    "uri": _URI,
    "iri": _URI,
    "url": _URI,
    "uri-reference": f"(?:{_URI}|(?:/{_PATH})+)",
    "iri-reference": f"(?:{_URI}|(?:/{_PATH})+)",
    "json-pointer": _POINTER,
    "relative-json-pointer": f"(?:0|[1-9][0-9]{{0,5}})(?:#|{_POINTER})",
    "base64url": _BASE64,
    "base64": _BASE64,
    "byte": _BASE64,
    "binary": "[\\n -~]*",
    "json-string": "(?:-?(?:0|[1-9][0-9]{0,9})|true|false|null)",
}
