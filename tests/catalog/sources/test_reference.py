"""References to models that must be pulled."""

import pytest

from forefront.catalog.sources.known_models import KNOWN_MODELS
from forefront.catalog.sources.reference import HubReference, UrlReference, parse_reference
from forefront.catalog.sources.source import SourceError, parse_source

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("hf:owner/repo", HubReference("owner/repo")),
        ("hf:Owner/repo-1.5_B:Q4_K_M", HubReference("Owner/repo-1.5_B", "Q4_K_M")),
        ("hf:owner/repo:dir/file.gguf@v1", HubReference("owner/repo", "dir/file.gguf", "v1")),
        ("hf:owner/repo@refs/pr/3", HubReference("owner/repo", "", "refs/pr/3")),
        (f"https://host/a/b.gguf#sha256={DIGEST}", UrlReference("https://host/a/b.gguf", DIGEST)),
        (f"https://host/b.gguf#sha256:{DIGEST.upper()}", UrlReference("https://host/b.gguf", DIGEST)),
        (f"http://127.0.0.1:80/b.gguf#sha256={DIGEST}", UrlReference("http://127.0.0.1:80/b.gguf", DIGEST)),
        ("path/to/model.gguf", None),
        ("smollm2", None),
    ],
)
def test_references_are_parsed(text: str, reference: object) -> None:
    assert parse_reference(text) == reference
    if reference is not None and text.isascii() and "sha256:" not in text:
        assert str(parse_reference(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("hf:", "hf:repo", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a/b--c", "hf:a /b", "hf:a/b:", "hf:a/b@", "hf:-a/b"),
        *(
            "hf:a/b:../x.gguf",
            "hf:a/b:/etc/passwd",
            "hf:a/b:x\x1b.gguf",
            "hf:a/b@../x",
            "hf:a/b@a/../../x",
            "hf:a/b@a b",
        ),
        *(
            "https://host/b.gguf",
            "https://host/b.gguf#sha256=ab",
            f"https://host/#sha256={DIGEST}",
            "https://[x/b.gguf",
        ),
        *(f"https://host/b.bin#sha256={DIGEST}", f"http://host/b.gguf#sha256={DIGEST}", "https://"),
        *(f"http://127.0.0.1.evil.org/b.gguf#sha256={DIGEST}", "https://huggingface.co/owner/repo"),
    ],
)
def test_a_malformed_reference_gives_a_short_error(text: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_reference(text)
    assert "\n" not in str(raised.value)
    with pytest.raises(SourceError, match=r"^hf:|^http"):
        parse_source(text)


def test_the_url_of_a_hub_page_gets_a_hint() -> None:
    with pytest.raises(ValueError, match=r"written as hf:owner/repo\[:file-or-quantisation\]\[@revision\]$"):
        parse_reference("https://huggingface.co/owner/repo")


def test_secrets_in_a_url_are_not_shown() -> None:
    reference = parse_reference(f"https://user:password@host/m.gguf?signature=x#sha256={DIGEST}")
    assert str(reference) == f"https://host/m.gguf#sha256={DIGEST}"


def test_names_in_requests() -> None:
    assert parse_source("hf:owner/repo:Q4_K_M@main").name == "owner/repo"
    assert parse_source(f"https://host/m.gguf?a=b#sha256={DIGEST}").name == "m"
    assert parse_source("small=hf:owner/repo").name == "small"
    assert parse_source(f"small=https://host/m.gguf#sha256={DIGEST}").remote == UrlReference(
        "https://host/m.gguf", DIGEST
    )
    assert parse_source("qwen3-4b").name == "qwen3-4b"
    assert parse_source("qwen3-4b").remote == HubReference("Qwen/Qwen3-4B-GGUF")


def test_known_names_are_names() -> None:
    assert all(parse_source(name).name == name for name in KNOWN_MODELS)
    assert all(name == known.name for name, known in KNOWN_MODELS.items())
