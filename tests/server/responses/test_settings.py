"""What `forefront serve` makes of `[responses]` and of the encryption key."""

import base64
import os
from pathlib import Path

import pytest

from tests.cli.commands.in_process import run_here
from tests.support.server import KEY, run_server

FIELDS = {"model": "tiny", "input": "a secret sentence", "max_output_tokens": 1}


@pytest.mark.slow
def test_responses_are_stored_by_default_encrypted_and_within_a_quota(tiny_gguf: Path, tmp_path: Path) -> None:
    home, key = tmp_path / "home", base64.b64encode(os.urandom(32)).decode()
    variables = {"FOREFRONT_RESPONSES_STORE": "true", "FOREFRONT_RESPONSES_PROJECT_RESPONSES": "1"}
    encrypted = variables | {"FOREFRONT_ENCRYPTION_KEY": key}
    with run_server([f"tiny={tiny_gguf}"], home, environment=encrypted) as server, server.client() as client:
        made = client.post("/v1/responses", json=FIELDS).json()
        assert made["store"] is True
        refused = client.post("/v1/responses", json=FIELDS)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "storage_full")
        assert client.post("/v1/responses", json=FIELDS | {"store": False}).status_code == 200
        assert client.get(f"/v1/responses/{made['id']}").json() == made
    assert not any(b"secret sentence" in file.read_bytes() for file in home.glob("forefront.db*"))
    for environment, problem in (
        (variables, "but FOREFRONT_ENCRYPTION_KEY is not set"),
        (variables | {"FOREFRONT_ENCRYPTION_KEY": "short"}, "must be 32 random bytes in base64"),
    ):
        whole = {"FOREFRONT_API_KEY": KEY} | environment
        ended = run_here("serve", f"tiny={tiny_gguf}", "--port", "0", home=home, **whole)
        assert ended.exit_code == 1
        assert problem in ended.stderr
