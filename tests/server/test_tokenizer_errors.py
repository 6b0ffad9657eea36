"""A text that the model's tokenizer cannot encode is the client's error, and the server goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

from tests.security.errors import check_error
from tests.support.models.random_model import CHATML
from tests.support.server import RunningServer, run_server
from tests.tokenizer.test_directories import CONFIG, save

HARD = "a" * 60


def backtracking() -> Tokenizer:
    """Bytes and no merges, split by a pattern that takes exponential time."""
    names = ["<|im_start|>", "<|im_end|>", "<s>"]
    pipeline = Tokenizer(
        models.BPE({text: token for token, text in enumerate([*names, *pre_tokenizers.ByteLevel.alphabet()])}, [])
    )
    pipeline.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    split = pre_tokenizers.Split(Regex("(a+)+b"), "isolated")
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return pipeline


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("/v1/completions", {"prompt": HARD}, "prompt"),
        ("/v1/completions", {"prompt": ["x", HARD]}, "prompt[1]"),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": HARD}]}, "messages"),
        ("/v1/chat/completions/preflight", {"messages": [{"role": "user", "content": HARD}]}, "messages"),
    ],
)
def test_an_unencodable_text(server_of_ir: RunningServer, path: str, fields: dict[str, Any], param: str) -> None:
    with server_of_ir.client() as client:
        response = client.post(path, json={"model": "ir", "max_tokens": 2} | fields)
        assert response.status_code == 422
        assert check_error(response.status_code, response.content)["param"] == param
        assert "retry-limit" not in response.text
        assert client.post("/v1/completions", json={"model": "ir", "max_tokens": 2, "prompt": "b"}).status_code == 200


@pytest.fixture(scope="module")
def server_of_ir(tiny_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("ir")
    for path in tiny_directory.iterdir():
        (folder / path.name).symlink_to(path)
    save(folder, backtracking(), CONFIG | {"chat_template": CHATML})
    with run_server([f"ir={folder}"], tmp_path_factory.mktemp("home")) as running:
        yield running
