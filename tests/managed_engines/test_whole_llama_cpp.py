"""llama.cpp with its own chat layer, for models with a projector or a tokenizer that is not known here."""

import asyncio
import base64
import json
import os
import signal
import struct
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from forefront.managed_engines.engine_backend import EngineBackend
from forefront.managed_engines.engine_process import ProcessLimits
from forefront.managed_engines.errors import EngineStartError
from forefront.managed_engines.llama_cpp.loading import LlamaCppOptions, load_llama_cpp
from forefront.managed_engines.model_header import read_model_header
from forefront.wire.errors import RequestError
from tests.managed_engines.answers import Model
from tests.support.models.llama_cpp_families import write_mixture, write_projector


def _picture(shade: int) -> str:
    """A picture of 8 x 8 pixels as a data URL."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes([shade, 255 - shade, 0] * 8) for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _message(url: str) -> list[dict[str, Any]]:
    parts = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


@pytest.fixture(scope="module")
async def seeing(files: dict[str, Path]) -> AsyncIterator[Model]:
    """A model with a projector."""
    projector = files["llama"].with_name("projector.gguf")
    write_projector(projector)
    options = LlamaCppOptions(threads=1, arguments=("--mmproj", str(projector)))
    backend = load_llama_cpp("eye", read_model_header(files["llama"]), options, limits=ProcessLimits(first_pause=0.2))
    backend.start()
    yield Model(backend)
    await backend.close()


async def test_images_are_part_of_the_prompt(seeing: Model) -> None:
    dark, light = [await seeing.chat(messages=_message(_picture(shade)), max_tokens=20) for shade in (0, 255)]
    assert dark.tokens == light.tokens == 20
    assert dark.text != light.text
    assert dark.prompt_tokens > 16  # of the picture alone


async def test_broken_images_are_a_request_error(seeing: Model) -> None:
    for url in ("data:image/png;base64,AAAA", "data:text/plain;base64,AAAA"):
        with pytest.raises(RequestError) as raised:
            await seeing.chat(messages=_message(url), max_tokens=5)
        assert raised.value.code not in ("engine_failed", "internal_error"), raised.value


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/a.png", "HTTPS://example.org/a.png", "file:///etc/hostname", "/etc/hostname", "AAAA"]
)
async def test_remote_images_are_never_loaded(seeing: Model, url: str) -> None:
    with pytest.raises(RequestError) as raised:
        await seeing.chat(messages=_message(url), max_tokens=5)
    assert raised.value.code == "invalid_value"
    assert raised.value.param == "messages[0].content[1].image_url.url"


async def test_schemas_and_text(seeing: Model) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    answer = await seeing.chat(response_format=form, max_tokens=100)
    jsonschema.validate(json.loads(answer.text), schema)


async def test_a_killed_child_is_one_error_and_restarts(seeing: Model) -> None:
    backend = seeing.backend
    assert isinstance(backend, EngineBackend)
    running = [asyncio.create_task(seeing.chat(ignore_eos=True, max_tokens=1500)) for _ in range(3)]
    async with asyncio.timeout(60):
        while backend.stats().running < 3:
            await asyncio.sleep(0.001)
    pid = backend._process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    for result in await asyncio.gather(*running, return_exceptions=True):
        assert isinstance(result, RequestError)
        # The second one is that of a request that had not reached the child.
        assert result.code in ("upstream_failed", "upstream_unavailable")
    deadline = time.monotonic() + 60
    while True:
        try:
            assert (await seeing.chat(max_tokens=5)).tokens == 5
            break
        except RequestError as error:
            assert error.code in ("upstream_failed", "upstream_unavailable", "not_ready")
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    await backend.probe()


def test_an_unknown_tokenizer_is_left_to_llama_cpp(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """llama.cpp refuses the rule of this file too, with a reason in the error."""
    path = tmp_path / "model.gguf"
    write_mixture(path, pre="no-such-rule")
    with caplog.at_level("INFO"), pytest.raises(EngineStartError, match=r"(?s)before it was ready.*no-such-rule"):
        load_llama_cpp("new", read_model_header(path), LlamaCppOptions(threads=1))
    assert "llama.cpp renders and parses its conversations itself" in caplog.text
