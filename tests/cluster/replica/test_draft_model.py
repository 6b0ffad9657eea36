"""A replica with a draft model."""

from dataclasses import replace
from pathlib import Path
from unittest import mock

import msgspec
import pytest

from forefront.catalog.sources.source import SourceError
from forefront.chat.local.loading import EngineParts
from forefront.cluster.replica.running_replica import load_replica
from forefront.engine.request import GenerateRequest, SamplingParams
from tests.cluster.replicas import OPTIONS, spec_of
from tests.engine.engines import prompt, tokens_of
from tests.support.models.random_encoder import ENCODERS, write_encoder

VARIED = SamplingParams(temperature=0, frequency_penalty=1.0)


async def answer(parts: EngineParts) -> list[int]:
    parts.engine.start()
    try:
        return await tokens_of(parts.engine.submit(GenerateRequest(prompt(40), 50, VARIED)))
    finally:
        await parts.engine.stop()


async def test_the_draft_runs_and_the_answer_is_that_of_the_model_alone(tiny_gguf: Path, tmp_path: Path) -> None:
    plain = spec_of(tiny_gguf, tmp_path)
    drafted = msgspec.structs.replace(plain, options=replace(OPTIONS, draft=str(tiny_gguf)))
    alone, both = load_replica(plain)[0], load_replica(drafted)[0]
    assert isinstance(alone.parts, EngineParts)
    assert isinstance(both.parts, EngineParts)
    draft = both.parts.draft
    assert alone.parts.draft is None
    assert draft is not None
    with mock.patch.object(draft, "run", wraps=draft.run) as run:
        assert await answer(both.parts) == await answer(alone.parts)
    assert run.called
    for model in (alone.parts.model, both.parts.model, draft):
        model.close()


def test_a_draft_model_that_differs_from_the_deployment_is_refused(tiny_gguf: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, draft=str(tiny_gguf))
    spec = msgspec.structs.replace(spec_of(tiny_gguf, tmp_path), options=options, draft_weights="sha256:other")
    with pytest.raises(SourceError, match=r"its digest is sha256:.* and sha256:other where the model was deployed"):
        load_replica(spec)


def test_an_unsuitable_draft_model_is_refused(tiny_gguf: Path, tmp_path: Path) -> None:
    encoder = tmp_path / "encoder.gguf"
    write_encoder(encoder, ENCODERS["bert, mean"])
    for draft, reason in ((encoder, "an embedding model cannot draft"), ("relative.gguf", "relative.gguf")):
        spec = msgspec.structs.replace(spec_of(tiny_gguf, tmp_path), options=replace(OPTIONS, draft=str(draft)))
        with pytest.raises(SourceError, match=reason):
            load_replica(spec)
