"""Log formats: text or JSON. Every line is masked, so that no API key is ever logged."""

import json
import logging
import re
import sys
import time
from typing import Any, Literal

import msgspec

from forefront.cli.terminal.printable import printable

# Generated keys; adopted keys are passed as `secrets`.
_KEY = re.compile(r"ff-[A-Za-z0-9]{16,}")
_EXTRAS = ("request_id", "method", "path", "status", "ms", "key", "project", "model", "completion", "prompt")


def set_up_logging(form: Literal["human", "json"], level: str, *, prompts: bool, secrets: tuple[str, ...] = ()) -> None:
    """Log to standard error. `secrets` are masked in every line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(secrets) if form == "json" else _Human(secrets))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for library in ("uvicorn", "alembic", "httpx", "httpx2", "asyncio"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("forefront.prompts").setLevel(logging.INFO if prompts else logging.CRITICAL)
    # No format shows the thread and the process.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class _Masking(logging.Formatter):
    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        # Prompts are logged as JSON, where quotes are escaped.
        self._secrets = {form for text in secrets for form in (text, json.dumps(text, ensure_ascii=False)[1:-1])}

    def mask(self, text: str) -> str:
        """Replace keys and secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _KEY.sub("ff-***", text)


class _Human(_Masking):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name in logging
        return printable(super().formatMessage(record).rstrip("\n"))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return _indented(super().formatStack(stack_info))

    def format(self, record: logging.LogRecord) -> str:
        given = vars(record)
        extras = [f"{name}={_shown(name, given[name])}" for name in _EXTRAS if name in given]
        return self.mask(" ".join([super().format(record), *extras]))


class _Json(_Masking):
    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{seconds}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        given = vars(record)
        line |= {name: given[name] for name in _EXTRAS if name in given}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return self.mask(printable(_to_json(line)))


def _shown(name: str, value: object) -> str:
    """The value in a text line. Clients cannot end the line, add a field or control a terminal."""
    text = _to_json(value) if name == "prompt" else str(value)
    if name == "path":
        text = text.replace("\\", "\\\\").replace(" ", "\\u0020")
    return printable(text)


def _indented(text: str) -> str:
    """Indent all lines, so that an exception's text, which may come from a client, cannot imitate a log line."""
    return "\n".join("    " + printable(line) for line in text.split("\n"))


def _plain(value: object) -> object:
    """The JSON value of a record: an object of its fields that are set."""
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        fields: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field is not None else {}
        fields |= {name: getattr(value, name) for name in value.__struct_fields__}
        return {name: field for name, field in fields.items() if field is not None and field is not msgspec.UNSET}
    return str(value)


_to_json = json.JSONEncoder(ensure_ascii=False, default=_plain).encode
