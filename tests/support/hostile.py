"""Requests with expensive fields, and a probe of the server's response time meanwhile."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from forefront.graph.gguf.gguf_file import GgufFile
from forefront.server.http.parsed_size import MAX_MEMBERS, parsed_size
from forefront.tokenizer.files.gguf import gguf_tokenizer

CHAT: Final = "/v1/chat/completions"
PREFLIGHT: Final = f"{CHAT}/preflight"
TEXT: Final = "/v1/completions"
MESSAGES: Final = "/v1/messages"

_BODY = 8 * 2**20 - 4096
_PARSED = 37 * 2**20  # what a body may take once it is parsed is a little more


@dataclass(frozen=True)
class Hostile:
    """A request, and the statuses that may answer it."""

    path: str
    body: bytes
    statuses: tuple[int, ...]
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()


def _repeated(unit: str, size: int) -> str:
    """As many of `unit`, with commas between them, as a body of `size` may have."""
    parsed, members = parsed_size(f"{unit},".encode(), _PARSED), unit.count('":')
    maximum = min(size // (len(unit) + 1), _PARSED // parsed)
    return ",".join([unit] * min(maximum, (MAX_MEMBERS - 20) // max(members, 1)))


def _chat(extra: str = "", content: str = '"x"') -> bytes:
    return (
        '{"model":"tiny","max_tokens":2,"temperature":0,"logit_bias":{"2":-100},"messages":[{"role":"user","content":'
        f"{content}}}]{',' if extra else ''}{extra}}}"
    ).encode()


def _text(prompt: str, extra: str = "") -> bytes:
    return f'{{"model":"tiny","max_tokens":2,"prompt":{prompt}{"," if extra else ""}{extra}}}'.encode()


def _message(content: str) -> bytes:
    return f'{{"model":"tiny","max_tokens":2,"messages":[{{"role":"user","content":[{content}]}}]}}'.encode()


def _new_key(model: str) -> bytes:
    return f'{{"name":"x","models":[{_repeated(model, _BODY)}]}}'.encode()


def _schema(schema: str) -> str:
    return f'"response_format":{{"type":"json_schema","json_schema":{{"schema":{schema}}}}}'


def _anagrams() -> list[str]:
    """As many names as may be unknown, each of the letters of a known one."""
    known = ("frequency_penalty", "presence_penalty", "response_format", "parallel_tool_calls")
    letters = ["".join(sorted(name)) for name in known]
    return [f"{text[at:]}{text[:at]}" for text in letters for at in range(15)]


def _tools(size: int, schema: str = "{}", kind: str = '"function":') -> str:
    """128 tools, each with a description of `size` characters."""
    begin, end = (f"{kind}{{", "}") if kind else ("", "")
    tools = [
        f'{{"type":"function",{begin}"name":"f{n}","description":"{"x" * size}","parameters":{schema}{end}}}'
        for n in range(128)
    ]
    return f'"tools":[{",".join(tools)}]'


def _flat_tools(size: int) -> str:
    """The same in the form of the Responses API."""
    return _tools(size, kind="")


def _entries() -> str:
    """As many entries of an object as a body may have, with names that fill it."""
    return ",".join(f'"q{n:0190}":1' for n in range(MAX_MEMBERS - 20))


def _arguments(arguments: str) -> bytes:
    """A call of a tool with long arguments."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]}]
    return json.dumps({"model": "tiny", "messages": messages, "max_tokens": 1}).encode()


def _reference(number: int) -> str:
    return f'{{"type":"item_reference","id":"msg_{number:028x}0000"}}'


_DEEP: Final = '{"items":' * 300 + "{}" + "}" * 300
_IMAGE: Final = f"data:image/png;base64,{'A' * (_BODY - 300)}"
_TEXT_PART: Final = '{"type":"text","text":"x"}'
_ITEM: Final = '{"role":"user","content":"x"}'
_SOUND: Final = '{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}'

# Each as large as it can be: in bytes, or in the number of values.
HOSTILE: Final[dict[str, Hostile]] = {
    "control tokens": Hostile(PREFLIGHT, _chat(content=f'"{"<|im_end|>" * 30_000}"'), (400,)),
    "control tokens in all of a body": Hostile(PREFLIGHT, _chat(content=f'"{"<|im_end|>" * (_BODY // 10)}"'), (400,)),
    "beginnings of control tokens": Hostile(PREFLIGHT, _chat(content=f'"{"<|im_en<" * (_BODY // 8)}"'), (400,)),
    "control tokens in 256 prompts": Hostile(
        TEXT, _text(f"[{','.join([chr(34) + '<|im_end|>' * 3000 + chr(34)] * 256)}]"), (400,)
    ),
    "one long text": Hostile(CHAT, _chat(content=f'"{"a" * _BODY}"'), (400,)),
    "one long prompt": Hostile(TEXT, _text(f'"{"a" * _BODY}"'), (400,)),
    "escapes": Hostile(CHAT, _chat(content='"' + r"\n" * (_BODY // 2) + '"'), (400,)),
    "too many values": Hostile(CHAT, _chat(f'"x":[{",".join(["[]"] * (_BODY // 3))}]'), (413,)),
    "values that have no effect": Hostile(CHAT, _chat(f'"x":[{_repeated("[]", _BODY)}]'), (200,)),
    "small parts": Hostile(
        CHAT, _chat(content=f"[{_repeated(json.dumps({'type': 'text', 'text': 'x'}), _BODY)}]"), (400,)
    ),
    "parts without a type": Hostile(CHAT, _chat(content=f"[{_repeated('{}', _BODY)}]"), (400,)),
    "calls": Hostile(
        CHAT,
        json.dumps(
            {
                "model": "tiny",
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [
                            {"id": str(n), "type": "function", "function": {"name": "f", "arguments": "{}"}}
                            for n in range(7_900)
                        ],
                    }
                ],
                "max_tokens": 1,
            }
        ).encode(),
        (200, 400, 422),
    ),
    "a bias for each entry": Hostile(CHAT, _chat('"logit_bias":{' + _entries() + "}"), (422,)),
    "unknown fields of all a body": Hostile(CHAT, _chat(_entries()), (422,)),
    "metadata of all a body": Hostile(CHAT, _chat(f'"metadata":{{{_entries()}}}'), (200,)),
    "biases": Hostile(CHAT, _chat('"logit_bias":{' + ",".join(f'"{n}":1' for n in range(250_000)) + "}"), (413,)),
    "unknown fields": Hostile(CHAT, _chat(",".join(f'"q{n}":1' for n in range(250_000))), (413,)),
    "50,000 unknown fields": Hostile(CHAT, _chat(",".join(f'"q{n}":1' for n in range(50_000))), (413,)),
    "long unknown fields": Hostile(CHAT, _chat(",".join(f'"{"max_token" * 14_000}{n}":1' for n in range(64))), (200,)),
    "anagrams of known names": Hostile(CHAT, _chat(",".join(f'"{name}":1' for name in _anagrams())), (200,)),
    "a long role": Hostile(CHAT, _chat().replace(b'"user"', b'"' + b" - at `$." * (_BODY // 9) + b'"'), (422,)),
    "a long model": Hostile(CHAT, _chat().replace(b'"tiny"', b'"' + b"t" * _BODY + b'"'), (404,)),
    "JSON that breaks off": Hostile(CHAT, b'{"model":"' + rb"\n" * (_BODY // 2), (400,)),
    "dashes": Hostile(CHAT, b"[" + b"-" * _BODY, (400,)),
    "trailing commas": Hostile(CHAT, _chat(f'"x":[{_repeated("[1,]", 500_000)}]'), (200,)),
    "a long schema": Hostile(
        CHAT, _chat(_schema(f'{{"enum":[{_repeated(chr(34) + "abc" + chr(34), _BODY)}]}}')), (422,)
    ),
    "a long title": Hostile(CHAT, _chat(_schema(f'{{"title":"{"a" * _BODY}"}}')), (422,)),
    "a long regex": Hostile(CHAT, _chat(f'"regex":"{"a|" * (_BODY // 2)}"'), (422,)),
    "a long grammar": Hostile(CHAT, _chat(f'"grammar":"{"a ::= b " * (_BODY // 8)}"'), (422,)),
    "metadata": Hostile(CHAT, _chat('"metadata":{' + ",".join(f'"k{n}":"v"' for n in range(190_000)) + "}"), (413,)),
    "schemas of tools": Hostile(
        CHAT,
        json.dumps(
            {
                "model": "forefront-mini",
                "messages": [{"role": "user", "content": "x"}],
                "max_tokens": 1,
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": f"f{n}", "parameters": {"properties": {"a": {"enum": [1] * 2000}}}},
                    }
                    for n in range(128)
                ],
            }
        ).encode(),
        (400,),
    ),
    "token ids": Hostile(TEXT, _text(f"[{_repeated('1', _BODY)}]"), (400,)),
    "empty prompts": Hostile(TEXT, _text(f"[{_repeated('[]', _BODY)}]"), (422,)),
    "a scored prompt": Hostile(
        TEXT, _text(f"[{_repeated('5', 3900)}]", '"echo":true,"logprobs":20,"n":16,"logit_bias":{"2":-100}'), (200,)
    ),
    "log-probabilities": Hostile(
        CHAT, _chat('"n":16,"logprobs":true,"top_logprobs":20').replace(b'"max_tokens":2', b'"max_tokens":400'), (200,)
    ),
    "a long body with an idempotency key": Hostile(
        CHAT, _chat(content=f'"{"a" * _BODY}"'), (400,), headers=(("idempotency-key", "long"),)
    ),
    "a new key with many models": Hostile("/admin/keys", _new_key('"m"'), (422,)),
    "a new key with many values": Hostile("/admin/keys", _new_key("[]"), (422,)),
    "a project with many values": Hostile(
        "/admin/projects/x", f'{{"budget":[{_repeated("{}", _BODY)}]}}'.encode(), (422,), method="PUT"
    ),
    "blocks of a message": Hostile(MESSAGES, _message(_repeated('{"type":"text","text":""}', _BODY)), (400,)),
    "blocks without a type": Hostile(MESSAGES, _message(_repeated("{}", _BODY)), (400,)),
    "texts of a result": Hostile(
        MESSAGES,
        _message(
            '{"type":"tool_result","tool_use_id":"a","content":['
            + _repeated('{"type":"text","text":""}', _BODY // 2)
            + "]}"
        ),
        (400,),
    ),
    "messages of one role": Hostile(
        f"{MESSAGES}/count_tokens",
        json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}] * 4096}).encode(),
        (200,),
    ),
    "a long prediction": Hostile(CHAT, _chat(f'"prediction":{{"type":"content","content":"{"a" * _BODY}"}}'), (400,)),
    "parts of a prediction": Hostile(
        CHAT,
        _chat(f'"prediction":{{"type":"content","content":[{_repeated(_TEXT_PART, _BODY)}]}}'),
        (422,),
    ),
    "a prediction within a grammar": Hostile(
        CHAT,
        _chat(f'"n":16,"regex":"(a b )*","prediction":{{"type":"content","content":"{"a b " * 700}"}}').replace(
            b'"max_tokens":2', b'"max_tokens":200'
        ),
        (200,),
    ),
    "a text to tokenise": Hostile(
        "/v1/tokenize", json.dumps({"model": "tiny", "prompt": "<|im_end|>" * (_BODY // 10)}).encode(), (422,)
    ),
    "tokens to decode": Hostile(
        "/v1/detokenize", f'{{"model":"tiny","tokens":[{_repeated("5", _BODY)}]}}'.encode(), (200,)
    ),
    "sounds of a response": Hostile(
        "/v1/responses",
        f'{{"model":"tiny","input":[{{"role":"user","content":[{_repeated(_SOUND, _BODY)}]}}]}}'.encode(),
        (422,),
    ),
    "items of a response": Hostile(
        "/v1/responses", f'{{"model":"tiny","input":[{_repeated(_ITEM, _BODY)}]}}'.encode(), (422,)
    ),
    "items of a conversation": Hostile(
        "/v1/conversations", f'{{"items":[{_repeated(_ITEM, _BODY)}]}}'.encode(), (422,)
    ),
    "nested inputs to embed": Hostile(
        "/v1/embeddings", f'{{"model":"tiny","input":[{_repeated("[]", _BODY)}]}}'.encode(), (422,)
    ),
    "documents to rank": Hostile(
        "/v1/rerank",
        f'{{"model":"tiny","query":"x","documents":[{_repeated(json.dumps({"text": "x"}), _BODY)}]}}'.encode(),
        (422,),
    ),
    "token ids in 256 prompts": Hostile(
        TEXT, _text(f"[{','.join(['[' + ','.join(['5'] * 1500) + ']'] * 255)},[999999]]"), (422,)
    ),
    "stop tokens": Hostile(CHAT, _chat(f'"stop_token_ids":[{_repeated("5", 200_000)}]'), (422,)),
    "all biases": Hostile(
        CHAT, _chat().replace(b'{"2":-100}', json.dumps({str(n): -100 for n in range(2, 250)}).encode()), (200,)
    ),
    "tools that are not used": Hostile(CHAT, _chat(f'"tool_choice":"none",{_tools(60_000)}'), (200,)),
    "tools of a streamed response": Hostile(
        "/v1/responses",
        f'{{"model":"tiny","input":"x","stream":true,"max_output_tokens":2,"tool_choice":"none",{_flat_tools(60_000)}}}'.encode(),
        (422,),
    ),
    "many tools of a streamed response": Hostile(
        "/v1/responses",
        f'{{"model":"tiny","input":"x","stream":true,"max_output_tokens":2,"tool_choice":"none",{_flat_tools(7_000)}}}'.encode(),
        (200,),
    ),
    "deep tools": Hostile(CHAT, _chat(f'"tool_choice":"none",{_tools(0, _DEEP)}'), (200, 400)),
    "a deep schema": Hostile(CHAT, _chat(_schema(_DEEP)), (200, 400, 422)),
    "a deep value": Hostile(CHAT, _chat(f'"x":{"[" * (_BODY // 2)}{"]" * (_BODY // 2)}'), (400, 413)),
    "arguments of a call": Hostile(CHAT, _arguments("x" * (_BODY - 2000)), (400,)),
    "an image": Hostile(CHAT, _chat(content=f'[{{"type":"image_url","image_url":{{"url":"{_IMAGE}"}}}}]'), (400,)),
    "an image of a response": Hostile(
        "/v1/responses",
        f'{{"model":"tiny","input":[{{"role":"user","content":[{{"type":"input_image","image_url":"{_IMAGE}"}}]}}]}}'.encode(),
        (400, 422),
    ),
    "an image of a message": Hostile(
        MESSAGES,
        _message(
            f'{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{"A" * (_BODY - 200)}"}}}}'
        ),
        (400,),
    ),
    "escaped characters": Hostile(CHAT, _chat(content='"' + r"\u00e9" * (_BODY // 6) + '"'), (400,)),
    "escaped pairs of surrogates": Hostile(
        CHAT, _chat(content='"' + r"\ud83d\ude00" * (_BODY // 12 - 99) + '"'), (400,)
    ),
    "characters of four bytes": Hostile(CHAT, _chat(content=f'"{"😀" * (_BODY // 4)}"'), (400,)),
    "a long integer": Hostile(CHAT, _chat(f'"seed":{"1" * _BODY}'), (413,)),
    "a long fraction": Hostile(CHAT, _chat(f'"temperature":0.{"1" * _BODY}'), (413,)),
    "numbers near the largest": Hostile(CHAT, _chat(f'"x":[{_repeated("1e308", _BODY)}]'), (200,)),
    "numbers near the smallest": Hostile(CHAT, _chat(f'"x":[{_repeated("5e-324", _BODY)}]'), (200,)),
    "numbers of all digits": Hostile(CHAT, _chat(f'"x":[{_repeated("1.7976931348623157e308", _BODY)}]'), (200,)),
    "numbers before an error": Hostile(CHAT, _chat(f'"x":[{_repeated("1e308", _BODY)}')[:-1], (400,)),
    "integers before an error": Hostile(CHAT, _chat(f'"x":[{_repeated("5", _BODY)}')[:-1], (400,)),
    "long integers": Hostile(CHAT, _chat(f'"x":[{",".join(["1" * 4000] * 2000)}]'), (413,)),
    "integers of 120 digits": Hostile(CHAT, _chat(f'"x":[{",".join(["1" * 120] * 65_000)}]'), (200,)),
    "numbers as arguments": Hostile(CHAT, _arguments("[" + "1e308," * 20_000 + "1]"), (200, 400)),
    "small numbers": Hostile(CHAT, _chat('"x":[' + ",".join(["1e308"] * 2600) + "]"), (200,)),
    "a text of characters without a token": Hostile(
        "/v1/tokenize",
        json.dumps(
            {"model": "tiny", "prompt": "\U0001f9ff" * (2**20), "return_token_strs": True}, ensure_ascii=False
        ).encode(),
        (200, 400, 422, 429),
    ),
    "a text of letters to tokenise": Hostile(
        "/v1/tokenize",
        json.dumps({"model": "tiny", "prompt": "zq" * (2**19), "return_token_strs": True}).encode(),
        (200, 429),
    ),
    "bytes that are no character": Hostile(
        "/v1/detokenize", f'{{"model":"tiny","tokens":[{_repeated("250", _BODY)}]}}'.encode(), (200, 422)
    ),
    "text of a conversation": Hostile(
        "/v1/conversations", f'{{"items":[{{"role":"user","content":"{"x" * (4 * 2**20 - 4096)}"}}]}}'.encode(), (200,)
    ),
    "escapes of a conversation": Hostile(
        "/v1/conversations",
        ('{"items":[{"role":"user","content":"' + r"\n" * (2 * 2**20 - 4096) + '"}]}').encode(),
        (200,),
    ),
    "input of a stored response": Hostile(
        "/v1/responses",
        f'{{"model":"tiny","store":true,"input":"{"x" * (4 * 2**20 - 4096)}"}}'.encode(),
        (400,),
    ),
    "messages of a response": Hostile(
        "/v1/responses",
        f'{{"model":"tiny","store":true,"max_output_tokens":2,"input":[{",".join([_ITEM] * 4000)}]}}'.encode(),
        (200, 400),
    ),
    "references of a response": Hostile(
        "/v1/responses",
        f'{{"model":"tiny","input":[{",".join(_reference(n) for n in range(4096))}]}}'.encode(),
        (422,),
    ),
    "long stops": Hostile(CHAT, _chat(f'"stop":[{",".join([chr(34) + "z" * 60_000 + chr(34)] * 16)}]'), (422,)),
}


def matching_stops(gguf: Path, length: int) -> Hostile:
    """A request whose answer repeats one token, and whose 16 stop strings of `length` characters begin with just that:
    their beginnings always match, and none of them ever comes."""
    pieces = gguf_tokenizer(GgufFile(gguf).metadata).pieces
    token = max((token for token, piece in enumerate(pieces) if piece.isascii()), key=lambda token: len(pieces[token]))
    piece = pieces[token].decode()
    repeated = (piece * (length // len(piece) + 1))[: length - 1]
    fields: dict[str, Any] = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "x"}],
        "temperature": 0,
        "logit_bias": {str(token): 100},
        "max_tokens": 400,
        "n": 16,
        "stop": [f"{repeated}{character}" for character in "0123456789ABCDEF"],
    }
    return Hostile(CHAT, json.dumps(fields).encode(), (200, 422))


class Watch:
    """How long `/health` was silent, at the longest."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self.longest = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.longest = 0.0
        self._over.clear()
        thread = threading.Thread(target=self._poll)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _poll(self) -> None:
        with httpx.Client(base_url=self._url, timeout=120) as client:
            while not self._over.is_set():
                begin = time.monotonic()
                assert client.get("/health").status_code == 200
                self.longest = max(self.longest, time.monotonic() - begin)
                time.sleep(0.005)
