"""What a child process for strangers' inputs is given."""

import os
from pathlib import Path

import msgspec
import pytest

from forefront.chat.subprocess_worker import child_environment, start_child

SECRETS = [
    *("FOREFRONT_API_KEY", "FOREFRONT_DATABASE_URL", "FOREFRONT_REDIS_URL", "FOREFRONT_ENCRYPTION_KEY"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
]
OTHER_SECRETS = [
    *("UPSTREAM_KEY", "openai_api_key", "AWS_ACCESS_KEY_ID", "PGPASSWORD", "MYSQL_PWD", "GITHUB_PAT", "SERVICE_AUTH"),
    *(
        "API_KEYS",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "HTTPS_PROXY",
        "https_proxy",
        "PIP_INDEX_URL",
        "UPSTREAM",
        "PYTHON_LOGIN",
    ),
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_child_process_receives_no_secrets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "a-secret-password")
    monkeypatch.setenv("FOREFRONT_HOME", "/a/home")
    environment = child_environment()
    assert "a-secret-password" not in environment.values()
    assert environment["FOREFRONT_HOME"] == "/a/home"


def test_a_process_for_untrusted_input_receives_only_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SECRETS, *OTHER_SECRETS):
        monkeypatch.setenv(name, "https://user:a-secret-password@host")
    monkeypatch.setenv("TZ", "UTC-05:30")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    process, connection = start_child("forefront.chat.prompt.template_worker")
    try:
        content = Path(f"/proc/{process.pid}/environ").read_bytes()
        connection.send_bytes(msgspec.json.encode("{{ strftime_now('%z') }}"))
        assert "error" not in msgspec.json.decode(connection.recv_bytes())
        connection.send_bytes(b"{}")
        assert msgspec.json.decode(connection.recv_bytes()) == {"text": "+0530"}
    finally:
        connection.close()
        process.kill()
        process.wait()
    assert b"a-secret-password" not in content
    assert b"LC_ALL=C.UTF-8" in content.split(b"\0")
    assert f"PATH={os.environ['PATH']}".encode() in content.split(b"\0")
