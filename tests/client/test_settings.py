"""The sources of the key and the URL, and invalid values."""

import pytest

from forefront import AsyncForefrontClient, ForefrontClient, ForefrontError
from forefront.client.settings import resolve_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOREFRONT_API_KEY", raising=False)
    monkeypatch.delenv("FOREFRONT_BASE_URL", raising=False)


def test_defaults() -> None:
    settings = resolve_settings("k", None, None, None)
    assert settings.base_url == "http://127.0.0.1:8000"


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREFRONT_API_KEY", "from-env\n")
    monkeypatch.setenv("FOREFRONT_BASE_URL", "https://env.example/v1/")
    settings = resolve_settings(None, None, None, None)
    assert (settings.api_key, settings.base_url) == ("from-env", "https://env.example")
    assert resolve_settings("given", None, "http://given", None).api_key == "given"
    assert resolve_settings("given", None, "http://given", None).base_url == "http://given"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREFRONT_BASE_URL", "")
    assert resolve_settings("k", None, None, None).base_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "//"])
@pytest.mark.parametrize("base", ["http://h:1", "https://h/api", "http://[::1]:80"])
def test_base_url_with_or_without_v1(base: str, suffix: str) -> None:
    assert resolve_settings("k", None, base + suffix, None).base_url == base


@pytest.mark.parametrize("kind", [ForefrontClient, AsyncForefrontClient])
def test_a_missing_key_is_an_error_at_once(kind: type[ForefrontClient]) -> None:
    for key in (None, "", "  "):
        with pytest.raises(ForefrontError, match="FOREFRONT_API_KEY"):
            kind(api_key=key)


@pytest.mark.parametrize("key", ["secret\nkey", "sécret", "secret key"])
def test_an_unusable_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ForefrontError) as caught:
        ForefrontClient(key)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["h:8000", "ftp://h", "http://", "http://h:99999", "http://[::1", "http://h:0"])
def test_an_invalid_url_is_shown(url: str) -> None:
    with pytest.raises(ForefrontError) as caught:
        ForefrontClient("k", base_url=url)
    assert url in str(caught.value)


@pytest.mark.parametrize("url", ["http://u:hunter2@h", "http://h?a=b", "http://h#f", "u:hunter2@h"])
def test_a_base_url_with_query_or_fragment_is_refused(url: str) -> None:
    with pytest.raises(ForefrontError) as caught:
        ForefrontClient("k", base_url=url)
    assert "hunter2" not in str(caught.value)


def test_the_key_is_in_no_repr() -> None:
    with ForefrontClient("sk-canary", "m") as client:
        assert repr(client) == "ForefrontClient(base_url='http://127.0.0.1:8000', default_model='m')"
        assert "sk-canary" not in repr(resolve_settings("sk-canary", None, None, None))
