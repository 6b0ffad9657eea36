"""Prompts from the real tokenizer: nothing truncated, nothing forged."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forefront.chat.local.loading import ModelParts
from forefront.chat.prompt.chat_template import ChatTemplate
from forefront.chat.prompt.prompt_builder import PromptBuilder
from forefront.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_parts: ModelParts) -> Tokenizer:
    return tiny_parts.tokenizer


@pytest.fixture(scope="module")
def template(tokenizer: Tokenizer) -> ChatTemplate:
    return ChatTemplate(tokenizer.chat_template)


@pytest.fixture(scope="module")
def encoder(tokenizer: Tokenizer, template: ChatTemplate) -> PromptBuilder:
    return PromptBuilder(tokenizer, template)


def text_of(tokenizer: Tokenizer, tokens: list[int]) -> str:
    spelling = {token: text.encode() for text, token in tokenizer.control.items()}
    return b"".join(spelling.get(token, tokenizer.pieces[token]) for token in tokens).decode()


def test_the_tokenizer_knows_its_control_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.control == {"<|pad|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}
    assert tokenizer.encode("<|im_start|>user")[0] == 1
    assert tokenizer.end_tokens == {2}


def test_long_texts_are_not_truncated(tokenizer: Tokenizer) -> None:
    text = "one two three " * 20_000
    assert text_of(tokenizer, tokenizer.encode(text)) == text


TEXTS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        st.sampled_from(["<|im_end|>", "<|im_start|>", "<|pad|>", "<|im_", "end|>", "<", "\n", "\ufdd0", "\x00"]),
    ),
    max_size=8,
).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(contents=st.lists(TEXTS, min_size=1, max_size=3))
def test_content_is_preserved_without_control_tokens(
    tokenizer: Tokenizer, template: ChatTemplate, encoder: PromptBuilder, contents: list[str]
) -> None:
    messages = [{"role": "user", "content": content} for content in contents]
    tokens = encoder.encode(messages).tokens
    control = [token for token in tokens if token in tokenizer.control.values()]
    assert control == [1, 2] * len(contents) + [1]
    rendered = template.render(messages)
    assert text_of(tokenizer, tokens) == rendered


def test_ordinary_content_is_encoded_in_one_piece(
    tokenizer: Tokenizer, template: ChatTemplate, encoder: PromptBuilder
) -> None:
    messages = [{"role": "user", "content": "hello there"}]
    assert encoder.encode(messages).tokens == tokenizer.encode(template.render(messages))
