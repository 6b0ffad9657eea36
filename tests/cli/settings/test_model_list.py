"""The models of the command line and of the file: their order, their options, errors."""

from pathlib import Path

import msgspec
import pytest

from forefront.catalog.sources.model_settings import ModelSettings, parse_keep
from forefront.catalog.sources.source import BUILT_IN_NAME, BUILT_IN_PATH, SourceError
from forefront.chat.local.loading import ModelOptions
from forefront.cli.settings.errors import ConfigError
from forefront.cli.settings.model_list import list_models

MINI = ModelSettings(source=BUILT_IN_NAME)
REMOTE = ModelSettings(upstream="http://gpu-1:8000/v1")


def test_the_command_line_comes_first(tiny_gguf: Path) -> None:
    tables = {"a": MINI, "b": MINI, "c": REMOTE}
    models = list_models(["b", str(tiny_gguf), f"own={BUILT_IN_NAME}"], tables, ModelOptions())
    assert [model.name for model in models] == ["b", "tiny", "own", "a", "c"]
    assert [model.on_command_line for model in models] == [True, True, True, False, False]
    assert models[0].source is not None
    assert models[0].source.path == BUILT_IN_PATH
    assert models[4].source is None


def test_the_built_in_model_is_served_without_others() -> None:
    [model] = list_models([], {}, ModelOptions())
    assert (model.name, model.on_command_line) == (BUILT_IN_NAME, True)
    assert [model.name for model in list_models([], {"a": MINI}, ModelOptions())] == ["a"]


def test_a_table_overrides_the_options_of_the_command() -> None:
    changed = msgspec.structs.replace(
        MINI, threads=3, kv_cache_gib=0.5, inter_token_seconds=0.05, first_token_seconds=3, chat_template="plain"
    )
    tables = {"a": changed, "b": MINI}
    command = ModelOptions(threads=1, inference_precision="bf16")
    a, b = list_models([], tables, command, "command's template")
    assert (a.options.threads, a.options.kv_cache_bytes, a.options.inference_precision) == (3, 2**29, "bf16")
    assert a.options.inter_token_latency == 0.05
    assert a.options.first_token_latency == 3
    assert b.options == command
    assert a.chat_template is not None
    assert "messages" in a.chat_template
    assert b.chat_template == "command's template"


@pytest.mark.parametrize(
    ("fallbacks", "message"),
    [
        ({"a": ["b"], "b": ["bb"]}, "`models.b.fallback`: there is no model `bb`; did you mean `b`?"),
        ({"a": ["a"]}, "`models.a.fallback` leads back to the model: a, a"),
        ({"a": ["b"], "b": ["c", "d"], "c": [], "d": ["a"]}, "leads back to the model"),
        ({f"m{i}": [f"m{(i + 1) % 3000}"] for i in range(3000)}, "leads back to the model"),
    ],
)
def test_invalid_fallbacks(fallbacks: dict[str, list[str]], message: str) -> None:
    tables = {name: msgspec.structs.replace(REMOTE, fallback=others) for name, others in fallbacks.items()}
    with pytest.raises(ConfigError) as error:
        list_models([], tables, ModelOptions())
    assert message in str(error.value)


def test_several_ways_to_a_fallback_are_no_loop(tiny_gguf: Path) -> None:
    fallbacks = {"a": ["b", "c"], "b": ["d", "tiny"], "c": ["d"], "d": []}
    tables = {name: msgspec.structs.replace(REMOTE, fallback=others) for name, others in fallbacks.items()}
    assert len(list_models([str(tiny_gguf)], tables, ModelOptions())) == 5


def test_errors_name_the_model() -> None:
    with pytest.raises(SourceError, match=r'models."a.b": /none: there is no such file'):
        list_models([], {"a.b": ModelSettings(source="/none")}, ModelOptions())
    with pytest.raises(SourceError, match="two models are named a"):
        list_models([f"a={BUILT_IN_NAME}"], {"a": MINI}, ModelOptions())


def test_times_to_keep_a_model() -> None:
    assert [parse_keep(text) for text in ("0", "30s", "10m", "2h", "1d")] == [0, 30, 600, 7200, 86_400]
    assert parse_keep("always") is None
