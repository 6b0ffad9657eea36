"""What a child process for strangers' inputs is given."""

import pytest

from forefront.chat.subprocess_worker import child_environment, worker_environment

SECRETS = [
    *("FOREFRONT_API_KEY", "FOREFRONT_DATABASE_URL", "FOREFRONT_REDIS_URL", "FOREFRONT_ENCRYPTION_KEY"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_child_process_receives_no_secrets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "a-secret-password")
    monkeypatch.setenv("FOREFRONT_HOME", "/a/home")
    environment = child_environment()
    assert "a-secret-password" not in environment.values()
    assert environment["FOREFRONT_HOME"] == "/a/home"


@pytest.mark.parametrize("name", [*SECRETS, "UPSTREAM_KEY", "openai_api_key", "AWS_ACCESS_KEY_ID", "PGPASSWORD"])
def test_a_process_for_untrusted_input_receives_no_secrets_of_others(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "a-secret-password")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    environment = worker_environment()
    assert "a-secret-password" not in environment.values()
    assert environment["TOKENIZERS_PARALLELISM"] == "false"
