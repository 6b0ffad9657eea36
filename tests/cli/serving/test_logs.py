"""Nothing that is logged steers a terminal, ends a line or hides text, in either format."""

import json
import logging
import sys
import unicodedata
from collections.abc import Iterator

import pytest

from forefront.cli.serving.logs import set_up_logging

UNSEEN = [
    chr(number)
    for number in range(sys.maxunicode + 1)
    if unicodedata.category(chr(number)) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")
    and (number < 0x3000 or number % 509 == 0 or unicodedata.category(chr(number)) == "Cf")
]
TEXT = "".join(f"{char}x" for char in UNSEEN)
FORGED = "2026-01-01 00:00:00,000 INFO forefront.server.middleware.request_context: request"


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """The handlers of other tests."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    yield
    root.handlers = before
    root.setLevel(level)


def log_everything(form: str) -> None:
    """The text as a message, an argument, a field, an exception's text, and the same in a chain of exceptions."""
    set_up_logging(form, "info", prompts=True)  # type: ignore[arg-type]
    log = logging.getLogger("forefront.test")
    log.info(TEXT)
    log.info("an argument: %s", TEXT)
    log.info("fields", extra={"path": TEXT, "model": TEXT, "key": TEXT, "prompt": [TEXT]})
    try:
        try:
            raise ValueError(f"{TEXT}\n{FORGED}")
        except ValueError as cause:
            raise RuntimeError(TEXT) from cause
    except RuntimeError:
        log.exception("failed", stack_info=True)


def test_lines_for_people_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    log_everything("human")
    written = capsys.readouterr().err
    assert all(line.isprintable() for line in written.split("\n"))
    records = [line for line in written.split("\n") if line and not line.startswith("    ")]
    assert len(records) == 4
    assert all(line.split(" ", 3)[3].startswith("forefront.test: ") for line in records)
    assert "\\u202e" in written
    assert "Traceback" in written


def test_json_is_printable_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    log_everything("json")
    written = capsys.readouterr().err.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in written)
    lines = [json.loads(line) for line in written]
    assert [line["message"] for line in lines] == [TEXT, f"an argument: {TEXT}", "fields", "failed"]
    assert (lines[2]["path"], lines[2]["model"], lines[2]["prompt"]) == (TEXT, TEXT, [TEXT])
    assert f"{TEXT}\n{FORGED}" in lines[3]["exception"]
