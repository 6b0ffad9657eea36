"""What a child process for strangers' inputs is given."""

import pytest

from forefront.chat.subprocess_worker import child_environment


@pytest.mark.parametrize("name", ["FOREFRONT_API_KEY", "FOREFRONT_DATABASE_URL", "FOREFRONT_REDIS_URL"])
def test_a_child_process_receives_no_secrets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "a-secret-password")
    monkeypatch.setenv("FOREFRONT_HOME", "/a/home")
    environment = child_environment()
    assert "a-secret-password" not in environment.values()
    assert environment["FOREFRONT_HOME"] == "/a/home"
