"""Least outstanding tokens and affinity."""

from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.fairness.tenant import Tenant
from forefront.upstream.replicas.affinity import conversation_key, rank, replica_seed
from forefront.upstream.replicas.balance import Load, choose_within_bound, least_loaded
from forefront.wire.completions.message import Message
from forefront.wire.completions.request import ChatRequest, CompletionRequest

SEEDS = [replica_seed(f"http://gpu-{number}:8000/v1") for number in range(5)]
TENANT = Tenant("team")


def chat(*turns: str, role: str = "user", system: str | None = None) -> ChatRequest:
    """A conversation whose turns alternate between user and assistant."""
    messages = [] if system is None else [Message(role="system", content=system)]
    roles = ("user", "assistant")
    messages += [Message(role=roles[number % 2], content=turn) for number, turn in enumerate(turns)]  # type: ignore[arg-type]
    return ChatRequest(model="m", messages=messages)


def test_the_least_loaded_replica_gets_the_request() -> None:
    assert least_loaded([Load(50), Load(20), Load(30)], 10) == 1
    assert least_loaded([Load(50), Load(0, share=0.1), Load(30)], 10) == 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=200), st.integers(2, 5))
def test_replica_loads_differ_by_at_most_one_request(sizes: list[int], count: int) -> None:
    loads = [0] * count
    for tokens in sizes:
        loads[least_loaded([Load(load) for load in loads], tokens)] += tokens
    assert max(loads) - min(loads) <= max(sizes)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5000)), min_size=1, max_size=200), st.integers(2, 5))
def test_affinity_keeps_within_the_bound(requests: list[tuple[int, int]], count: int) -> None:
    """However many requests prefer the same replica."""
    loads, largest = [0] * count, max(tokens for _, tokens in requests)
    for favourite, tokens in requests:
        order = [favourite % count, *(other for other in range(count) if other != favourite % count)]
        loads[choose_within_bound([Load(load) for load in loads], tokens, order)] += tokens
        assert max(loads) <= 1.25 * (sum(loads) / count) + 3 * largest


def test_an_idle_preferred_replica_is_used() -> None:
    assert choose_within_bound([Load(0), Load(0)], 100, [1, 0]) == 1
    assert choose_within_bound([Load(0), Load(150)], 100, [1, 0]) == 1
    assert choose_within_bound([Load(0), Load(5000)], 100, [1, 0]) == 0


def test_a_returning_replica_gets_less_than_its_share() -> None:
    loads = [0, 0]
    for _ in range(110):
        loads[least_loaded([Load(loads[0]), Load(loads[1], share=0.1)], 100)] += 100
    assert loads[1] == 1000


def test_all_turns_of_a_conversation_have_one_affinity_key() -> None:
    first = conversation_key(chat("Hello", system="Be brief."), TENANT)
    assert first == conversation_key(chat("Hello", "Hi!", "And now?", system="Be brief."), TENANT)
    assert first != conversation_key(chat("Hallo", system="Be brief."), TENANT)
    assert first != conversation_key(chat("Hello", system="Be long."), TENANT)
    assert first != conversation_key(chat("Hello", system="Be brief."), Tenant("other"))


def test_the_salt_of_a_tenant_cannot_be_imitated_by_a_text() -> None:
    assert conversation_key(chat("x"), Tenant("a")) != conversation_key(chat("x"), Tenant("a\0user\0"))


def test_prompts_without_messages() -> None:
    text = "word " * 200
    key = conversation_key(CompletionRequest(model="m", prompt=text), TENANT)
    assert key is not None
    assert key == conversation_key(CompletionRequest(model="m", prompt=text + "more"), TENANT)
    assert conversation_key(CompletionRequest(model="m", prompt="short"), TENANT) is None
    tokens = list(range(300))
    assert conversation_key(CompletionRequest(model="m", prompt=list(tokens)), TENANT) == conversation_key(
        CompletionRequest(model="m", prompt=[*tokens, 5]), TENANT
    )
    assert conversation_key(CompletionRequest(model="m", prompt=list(tokens[:5])), TENANT) is None


def test_a_conversation_with_a_lone_surrogate_has_a_key() -> None:
    assert conversation_key(chat("\ud800"), TENANT)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=16, max_size=16), st.integers(0, 4))
def test_a_lost_replica_moves_only_its_conversations(key: bytes, lost: int) -> None:
    order = [SEEDS[position] for position in rank(key, SEEDS)]
    left = [seed for seed in SEEDS if seed != SEEDS[lost]]
    assert [left[position] for position in rank(key, left)] == [seed for seed in order if seed != SEEDS[lost]]


def test_conversations_spread_evenly() -> None:
    counts = [0] * 5
    for number in range(2000):
        key = conversation_key(chat(f"Question {number}"), TENANT)
        assert key is not None
        counts[rank(key, SEEDS)[0]] += 1
    assert 300 < min(counts) <= max(counts) < 500
