"""Grammars of the built-in model's own vocabulary, with its engine."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from forefront.chat.grammar import grammar_worker
from forefront.chat.grammar.compiler import Grammars
from forefront.chat.grammar.grammar_source import (
    GrammarRefusedError,
    GrammarSource,
    Kind,
    expand,
    json_schema_source,
    schema_lark,
)
from forefront.chat.grammar.grammar_worker import CheckedGrammar, GrammarWorker
from forefront.chat.grammar.vocabulary import Vocabulary
from forefront.fairness.tenant import Tenant
from forefront.wire.errors import ERRORS, RequestError
from tests.chat.bound import Bound

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 150}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("kind", "text", "pattern"),
    [
        ("regex", "[a-c]{3}-[0-9]+x", r"^[a-c]{3}-[0-9]+x$"),
        ("lark", 'start: "yes" | "no" | other\nother: /[x-z]+/ "!"', r"^(yes|no|[x-z]+!)$"),
        ("gbnf", 'root ::= "<" item ("," item)* ">"\nitem ::= [a-z]+', r"^<[a-z]+(,[a-z]+)*>$"),
    ],
)
async def test_each_kind_of_grammar(mini: Bound, kind: Kind, text: str, pattern: str) -> None:
    grammar = await mini.compile(text, kind)
    for seed in range(4):
        answer, _, _ = await mini.answer(grammar, 60, seed)
        jsonschema.validate(answer, {"type": "string", "pattern": pattern})


async def test_json_object_is_an_object_in_the_models_own_style(mini: Bound) -> None:
    grammar = await mini.compile('{"type": "object"}')
    for seed in range(6):
        answer, _, _ = await mini.answer(grammar, 60, seed)
        value = json.loads(answer)
        assert isinstance(value, dict)
        assert answer == answer.strip()


async def test_an_answer_at_max_tokens_is_complete_with_finish_reason_length(mini: Bound) -> None:
    grammar = await mini.compile(json.dumps(PERSON))
    assert grammar.shortest is not None
    endings = set()
    for extra in range(12):
        answer, finish, _ = await mini.answer(grammar, grammar.shortest + extra, seed=extra)
        jsonschema.validate(json.loads(answer), PERSON)
        endings.add(finish)
    assert "length" in endings


async def test_too_few_tokens_truncate_the_answer(mini: Bound) -> None:
    grammar = await mini.compile(json.dumps(PERSON))
    assert grammar.shortest is not None
    for max_tokens in (1, grammar.shortest // 2):
        answer, finish, _ = await mini.answer(grammar, max_tokens, seed=1)
        assert finish == "length"
        assert answer.startswith("{")


async def test_grammars_exclude_control_tokens(mini: Bound) -> None:
    grammar = await mini.compile("start: /(.|\\n){20}/ ~/a/", "lark")
    for seed in range(3):
        _, _, tokens = await mini.answer(grammar, 60, seed)
        assert not set(tokens[:-1]) & set(mini.vocabulary.control.values())


BAD: list[tuple[Kind, str]] = [
    ("json_schema", "null"),
    ("json_schema", '{"type": "strin"}'),
    ("json_schema", '{"$ref": "https://example.com/schema"}'),
    ("json_schema", '{"type": "array", "uniqueItems": true}'),
    ("json_schema", '{"type": "integer", "minimum": 5, "maximum": 3}'),
    ("json_schema", '{"allOf": [{"type": "string"}, {"type": "integer"}]}'),
    ("json_schema", '{"properties": {"a": ' * 300 + "{}" + "}}" * 300),
    ("json_schema", '{"enum": [' + '"' + "x" * 300_000 + '"]}'),
    ("regex", "["),
    ("regex", "(?=a)b"),
    ("regex", "(" * 5_000 + "a" + ")" * 5_000),
    ("lark", ""),
    ("lark", "strat: /a/"),
    ("lark", "start: start"),
    ("lark", 'start: A\nA: A "b"'),
    ("lark", "start: " + "(" * 5_000 + '"a"' + ")" * 5_000),
    ("gbnf", "root ::= [a"),
    ("gbnf", 'root ::= "\\'),
    ("gbnf", "root ::= " + "(" * 10_000 + '"a"' + ")" * 10_000),
]


@pytest.mark.parametrize(("kind", "text"), BAD, ids=[f"{kind} {text[:40]}" for kind, text in BAD])
async def test_an_invalid_grammar_error_is_short(mini: Bound, kind: Kind, text: str) -> None:
    with pytest.raises(RequestError) as caught:
        path = "response_format.json_schema.schema"
        source = GrammarSource(kind, text)
        if kind == "json_schema":
            source = json_schema_source(json.loads(text), path, strict=True)
        await mini.grammars.compile(source, path)
    assert (ERRORS[caught.value.code].status, caught.value.code) == (422, "invalid_value")
    assert (caught.value.param or "").startswith(path)
    assert len(caught.value.message) < 400


async def test_an_infinitely_recursive_schema_is_refused(mini: Bound) -> None:
    endless = {"type": "object", "properties": {"c": {"$ref": "#"}}, "required": ["c"]}
    with pytest.raises(RequestError, match=r"no value|seconds"):
        await mini.compile(json.dumps(endless))


async def test_a_regex_with_catastrophic_backtracking_is_linear(mini: Bound) -> None:
    grammar = await mini.compile("(a+)+$", "regex")
    answer, _, _ = await mini.answer(grammar, 20, 1)
    assert set(answer) == {"a"}


@pytest.mark.slow
async def test_a_slow_compilation_is_ended_and_the_next_grammar_compiles(
    mini: Bound, monkeypatch: pytest.MonkeyPatch
) -> None:
    runaway = "start: A\nA: /(a?){2000}a{2000}/ & ~/(b?){2000}b{2000}/"
    with monkeypatch.context() as patch, pytest.raises(RequestError, match="seconds to compile"):
        patch.setattr(grammar_worker, "TIME_LIMIT", 0.05)
        await mini.compile(runaway, "lark")
    await mini.compile(json.dumps(PERSON | {"title": "after"}))


async def test_a_loose_schema_that_is_too_complex_is_relaxed(mini: Bound, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = GrammarWorker._attempt

    def failing_first(worker: GrammarWorker, source: GrammarSource, relaxation: int) -> CheckedGrammar:
        if relaxation == 0:
            raise GrammarRefusedError("it is too complex")
        return attempt(worker, source, relaxation)

    monkeypatch.setattr(GrammarWorker, "_attempt", failing_first)
    pattern = "^a{2000}b$"
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}, "required": ["a"]}
    source = json_schema_source(schema, "schema", strict=False)
    compiled = await mini.grammars.compile(source, "response_format")
    assert compiled.left_out == ("schema.properties.a.pattern",)
    answer, _, _ = await mini.answer(compiled, 40, seed=1)
    assert list(json.loads(answer)) == ["a"]
    with pytest.raises(RequestError, match="complex"):
        await mini.grammars.compile(json_schema_source(schema, "response_format", strict=True), "response_format")


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "object", "properties": {"a": {"pattern": "(?<=x)y"}}}, "properties.a.pattern"),
        ({"anyOf": [{"type": "integer", "multipleOf": 10**9}]}, "anyOf[0].multipleOf"),
        ({"$defs": {"t": {"uniqueItems": True}}, "$ref": "#/$defs/t"}, "$defs.t.uniqueItems"),
        ({"type": "object", "if": {"required": ["a"]}}, "if"),
        ({"items": {"$ref": "https://example.com/x"}}, "items.$ref"),
    ],
)
async def test_a_strict_schema_names_what_cannot_be_enforced(mini: Bound, schema: Any, path: str) -> None:
    with pytest.raises(RequestError) as caught:
        await mini.grammars.compile(json_schema_source(schema, "response_format.x", strict=True), "response_format.x")
    assert caught.value.param == f"response_format.x.{path}"
    assert f"`{path.rpartition('.')[2]}`" in caught.value.message
    compiled = await mini.grammars.compile(json_schema_source(schema, "x", strict=False), "x")
    assert f"x.{path}" in compiled.left_out


async def test_equal_compilations_share_one(mini: Bound) -> None:
    text = json.dumps(PERSON | {"title": "shared"})
    grammars = await asyncio.gather(*(mini.compile(text) for _ in range(5)))
    assert len({id(grammar) for grammar in grammars}) == 1


async def test_many_distinct_schemas_leave_a_bounded_cache(mini: Bound) -> None:
    before = _memory()
    for i in range(300):
        await mini.compile(json.dumps(PERSON | {"title": f"number {i}"}))
    assert _memory() - before < 200 * 2**20


async def test_large_schemas_leave_a_bounded_cache(mini: Bound) -> None:
    """Each takes some 5 MiB; by the eighth, threads and their heaps have been made."""
    sizes = []
    for i in range(24):
        sizes.append(_memory())
        properties = {f"{i}x{name}": {"enum": [f"value {i} {name} {n}" for n in range(40)]} for name in range(250)}
        schema = {"type": "object", "properties": properties}
        await mini.compile(json.dumps(schema | {"additionalProperties": False}))
    assert _memory() - sizes[8] < 30 * 2**20


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


CALL = f'start: "\\n" call "\\n</tool_call>"\ncall: {schema_lark(PERSON, "tools", strict=True)}\n'


async def test_text_is_free_until_the_trigger_and_bound_behind_it(mini: Bound) -> None:
    grammar = await mini.compile(CALL, "lark", triggers=("e",))
    called = 0
    for seed in range(6):
        answer, finish, _ = await mini.answer(grammar, 150, seed, "<|im_start|>assistant\nTell me of the weather")
        *calls, rest = answer.split("</tool_call>")
        for text in calls:
            # Free text may hold the words of an end too.
            _, trigger, arguments = text.partition("e")
            if trigger:
                jsonschema.validate(json.loads(arguments), PERSON)
                called += 1
        assert "e" not in rest or finish == "length"
    assert called


async def test_a_trigger_inside_a_token_is_found_and_the_rest_must_match(mini: Bound) -> None:
    grammar = await mini.compile('start: "e" /[0-9]{3}/ ";"', "lark", triggers=("th",))
    assert any(piece.find(b"the") > 0 for piece in mini.vocabulary.pieces)
    for seed in range(6):
        answer, finish, _ = await mini.answer(grammar, 80, seed)
        for part in answer.split("th")[1:]:
            complete = len(part) >= 5
            assert complete or finish == "length"
            if complete:
                assert (part[0], part[1:4].isdigit(), part[4]) == ("e", True, ";")


async def test_a_control_token_can_be_a_trigger(mini: Bound) -> None:
    grammar = await mini.compile('start: "ok" /[0-9]/', "lark", triggers=("<|im_start|>",))
    constraint = grammar.start()
    assert constraint.mask(50) is None
    constraint.accept(mini.vocabulary.control["<|im_start|>"], 50)
    mask = constraint.mask(49)
    assert mask is not None
    allowed = [i for i in range(len(mini.vocabulary.pieces)) if mask[i >> 5] >> (i & 31) & 1]
    assert {mini.vocabulary.pieces[token] for token in allowed} <= {b"o", b"ok"}
    for token in mini.tokenizer.encode("ok7"):
        constraint.accept(token, 48)
    assert constraint.mask(40) is None


async def test_closing_fails_waiting_compilations(monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, go_on = threading.Semaphore(0), threading.Event()

    def check(_self: GrammarWorker, _source: GrammarSource) -> CheckedGrammar:
        under_way.release()
        go_on.wait()
        return CheckedGrammar(expand(GrammarSource("regex", "a")).llguidance, None, ())

    monkeypatch.setattr(GrammarWorker, "check", check)
    grammars = Grammars(Vocabulary([b"a", b""], {"<end>": 1}, frozenset({1})))
    begun = [
        asyncio.create_task(grammars.compile(GrammarSource("regex", text), "regex", Tenant(text)))
        for text in ("a", "aa")
    ]
    for _ in begun:
        await asyncio.to_thread(under_way.acquire)
    waits = asyncio.create_task(grammars.compile(GrammarSource("regex", "aaa"), "regex"))
    await asyncio.sleep(0)
    closing = [asyncio.create_task(asyncio.to_thread(grammars.close)) for _ in range(2)]
    for late in (waits, grammars.compile(GrammarSource("regex", "aaaa"), "regex")):
        with pytest.raises(RequestError) as caught:
            await late
        assert caught.value.code == "shutting_down"
    go_on.set()
    await asyncio.gather(*begun, *closing)


@pytest.fixture
def held_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is being tried, which goes on until the test is over."""
    tried: list[str] = []
    go_on = threading.Event()

    def check(_self: GrammarWorker, source: GrammarSource) -> CheckedGrammar:
        tried.append(source.text)
        go_on.wait()
        return CheckedGrammar(expand(GrammarSource("regex", "a")).llguidance, None, ())

    monkeypatch.setattr(GrammarWorker, "check", check)
    yield tried
    go_on.set()


async def test_a_grammar_without_waiting_requests_is_not_compiled(held_workers: list[str]) -> None:
    grammars = Grammars(Vocabulary([b"a", b""], {"<end>": 1}, frozenset({1})))
    begun = asyncio.create_task(grammars.compile(GrammarSource("regex", "a"), "regex"))
    left = [asyncio.create_task(grammars.compile(GrammarSource("regex", "aa"), "regex")) for _ in range(2)]
    stays = asyncio.create_task(grammars.compile(GrammarSource("regex", "aaa"), "regex"))
    while not held_workers:
        await asyncio.sleep(0.01)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    other = asyncio.create_task(grammars.compile(GrammarSource("regex", "aaaa"), "regex", Tenant("other")))
    while len(held_workers) < 2:
        await asyncio.sleep(0.01)
    assert held_workers == ["a", "aaaa"]
    assert not stays.done()
    for task in (begun, stays, other):
        task.cancel()


async def test_waiting_grammars_of_a_tenant_leave_room_for_another(held_workers: list[str]) -> None:
    grammars = Grammars(Vocabulary([b"a", b""], {"<end>": 1}, frozenset({1})))
    greedy = [
        asyncio.create_task(grammars.compile(GrammarSource("regex", "a" * length), "regex", Tenant("greedy")))
        for length in range(1, 100)
    ]
    modest = asyncio.create_task(grammars.compile(GrammarSource("regex", "b"), "regex", Tenant("modest")))
    while len(held_workers) < 2:
        await asyncio.sleep(0.01)
    assert "b" in held_workers
    errors = [task.exception() for task in greedy if task.done()]
    assert {error.code for error in errors if isinstance(error, RequestError)} == {"overloaded"}
    for task in (*greedy, modest):
        task.cancel()
    await asyncio.gather(*greedy, modest, return_exceptions=True)
