"""Images, sounds and files of Responses requests, as an upstream gets them."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from forefront.upstream.spec import UpstreamSpec
from tests.support.backends.instant import KEY, Nursery
from tests.support.upstreams.faulty_upstream import FaultyUpstream, run_faulty_upstream

IMAGE: dict[str, Any] = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}
SOUND: dict[str, Any] = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
FILE: dict[str, Any] = {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}
ITEMS: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "What is it?"}, IMAGE, SOUND, FILE]}]
SENT = [
    {"type": "text", "text": "What is it?"},
    {"type": "image_url", "image_url": {"url": IMAGE["image_url"], "detail": "low"}},
    {"type": "input_audio", "input_audio": SOUND["input_audio"]},
    {"type": "file", "file": {"file_data": FILE["file_data"], "filename": "a.pdf"}},
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    with run_faulty_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def client(upstream: FaultyUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("media")
    kinds: Any = {"all": frozenset({"images", "audio", "files"}), "images": frozenset({"images"})}
    specs = [
        UpstreamSpec(name, (upstream.url,), "m", dialect="generic", context_length=4096, capabilities=capabilities)
        for name, capabilities in kinds.items()
    ]
    with (
        Nursery().serve(f"sqlite:///{folder / 'f.db'}", folder / "log", upstreams=specs) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as opened,
    ):
        yield opened


def sent(upstream: FaultyUpstream) -> list[dict[str, Any]]:
    """The messages of the last completion that the upstream got."""
    messages: list[dict[str, Any]] = json.loads(upstream.completions[-1].body)["messages"]
    return messages


def test_parameters_are_passed_on(client: Any, upstream: FaultyUpstream) -> None:
    assert client.responses.create(model="all", input=ITEMS).output_text
    assert sent(upstream) == [{"role": "user", "content": SENT}]


def test_media_of_a_tool_result_follow_it(client: Any, upstream: FaultyUpstream) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = [{"type": "input_text", "text": "Here"}, IMAGE]
    items: Any = [ITEMS[0], call, {"type": "function_call_output", "call_id": "c", "output": output}]
    client.responses.create(model="all", input=items)
    _, _, result, media = sent(upstream)
    assert (result["role"], media) == ("tool", {"role": "user", "content": [SENT[1]]})


def test_stored_media_are_sent_again_and_listed(client: Any, upstream: FaultyUpstream) -> None:
    name = client.conversations.create(items=ITEMS).id
    made = client.responses.create(model="all", input="And now?", conversation=name, store=True)
    assert sent(upstream)[0] == {"role": "user", "content": SENT}
    [item, *_] = client.conversations.items.list(name, order="asc")
    assert [part.type for part in item.content] == ["input_text", "input_image", "input_audio", "input_file"]
    first = client.responses.create(model="all", input=ITEMS, store=True)
    [item] = client.responses.input_items.list(first.id)
    assert item.content[1].image_url == IMAGE["image_url"]
    client.responses.create(model="all", input="And now?", previous_response_id=first.id)
    assert sent(upstream)[0] == {"role": "user", "content": SENT}
    assert made.conversation.id == name


@pytest.mark.parametrize(("index", "kind"), [(2, "input_audio"), (3, "input_file")])
def test_an_unsupported_kind_is_named(client: Any, index: int, kind: str) -> None:
    part = ITEMS[0]["content"][index]
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model="images", input=[{"role": "user", "content": [IMAGE, part]}])
    assert (raised.value.code, raised.value.param) == ("unsupported_parameter", "input[0].content[1].type")
    assert kind == part["type"]
