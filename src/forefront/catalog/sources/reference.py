"""References to model files that must be pulled: `hf:owner/repo[:file-or-quantisation][@revision]`, `https://…#sha256=…`."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

_HUB: Final = re.compile(r"hf:(?://)?(?P<repository>[^/:@]+/[^/:@]+)(?::(?P<file>[^@]+))?(?:@(?P<revision>.+))?")
# The hub's rules for the names of owners and repositories.
_HUB_NAME: Final = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_REVISION: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+/-]{0,199}")
_FRAGMENT: Final = re.compile(r"sha256[=:]([0-9a-fA-F]{64})")
_FORM: Final = "hf:owner/repo[:file-or-quantisation][@revision]"
_MAX_NAME: Final = 255


@dataclass(frozen=True, slots=True)
class HubReference:
    """A model of a repository on the hub.

    `file` is a path in the repository or the name of a quantisation; "" chooses. `revision` is a branch, a tag or a
    commit; "" is the default branch.
    """

    repository: str
    file: str = ""
    revision: str = ""

    def __str__(self) -> str:
        file, revision = self.file and f":{self.file}", self.revision and f"@{self.revision}"
        return f"hf:{self.repository}{file}{revision}"

    @property
    def model_name(self) -> str:
        """The default name of the model in requests."""
        return self.repository


@dataclass(frozen=True, slots=True)
class UrlReference:
    """A GGUF file at a URL. `sha256`: in lower-case hexadecimal."""

    url: str
    sha256: str

    def __str__(self) -> str:
        """Without a password and without the query, which may hold a signature."""
        parts = urlsplit(self.url)
        shown = SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", f"sha256={self.sha256}")
        return shown.geturl()

    @property
    def file_name(self) -> str:
        """The last part of the URL's path."""
        return urlsplit(self.url).path.rpartition("/")[2]

    @property
    def model_name(self) -> str:
        """The default name of the model in requests."""
        return self.file_name.removesuffix(".gguf")


Reference = HubReference | UrlReference


def parse_reference(text: str) -> Reference | None:
    """The reference, or None for a text of another kind, such as a path. Raises `ValueError` with a reason."""
    if text.startswith("hf:"):
        return _parse_hub(text)
    if text.startswith(("https://", "http://")):
        return _parse_url(text)
    return None


def _parse_hub(text: str) -> HubReference:
    match = _HUB.fullmatch(text)
    if match is None or not all(_HUB_NAME.fullmatch(part) for part in match["repository"].split("/")):
        raise ValueError(f"a model on the Hugging Face hub is written as {_FORM}")
    file, revision = match["file"] or "", match["revision"] or ""
    if file and not is_safe_path(file):
        raise ValueError(f"{file!r} is not the path of a file in a repository")
    if revision and not (_REVISION.fullmatch(revision) and is_safe_path(revision)):
        raise ValueError(f"{revision!r} is not a branch, a tag or a commit")
    return HubReference(match["repository"], file, revision)


def _parse_url(text: str) -> UrlReference:
    url, _, fragment = text.partition("#")
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or not url.isprintable() or " " in url:
        raise ValueError("it is not a URL")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("models are pulled over https:// only")
    match = _FRAGMENT.fullmatch(fragment)
    if match is None:
        hint = f"; a repository of the hub is written as {_FORM}" if host in ("huggingface.co", "hf.co") else ""
        raise ValueError(f"a URL must end with the file's SHA-256, as in {parts.path or '/'}#sha256=…{hint}")
    reference = UrlReference(url, match[1].lower())
    if not reference.file_name.endswith(".gguf") or not is_safe_path(reference.file_name):
        raise ValueError("the path of a URL must end with the name of a GGUF file")
    return reference


def is_safe_path(path: str) -> bool:
    """Whether `path` is relative, stays inside its folder and has only plain names."""
    names = path.split("/")
    return (
        path.isprintable()
        and "\\" not in path
        and all(0 < len(name.encode()) <= _MAX_NAME and set(name) != {"."} for name in names)
    )


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
