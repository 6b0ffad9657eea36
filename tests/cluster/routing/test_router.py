"""Which replica gets a generation."""

import random
import sys
from collections import Counter
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.cluster.routing.replica_state import ReplicaLoad
from forefront.cluster.routing.router import NoReplicaError, Placement, PrefixRouter
from forefront.fairness.tenant import Tenant
from tests.cluster.routing.replicas import TEAM, Bench, Clock, prompt, state


def test_the_continuation_of_a_conversation_goes_to_its_replica() -> None:
    bench = Bench(count=8)
    for name in "abcdefghij":
        first = bench.run(prompt(name, 300))
        second = bench.run(prompt(name, 400))
        assert second.replica.name == first.replica.name
        assert second.known_tokens == 288  # the full blocks of 299 tokens
        assert second.prompt_work == 400 - 288


def test_the_output_is_part_of_the_known_prefix() -> None:
    bench = Bench()
    tokens = prompt("a", 500)
    bench.run(tokens[:100], output=tuple(tokens[100:300]))
    assert bench.run(tokens).known_tokens == 288


def test_the_longest_prefix_wins() -> None:
    bench = Bench(count=3)
    tokens = prompt("a", 640)
    bench.run(tokens[:200])
    everywhere = {"replica-0", "replica-1", "replica-2"}
    longest = bench.router.place(tokens, TEAM, 16, without={bench.run(tokens[:200]).replica.name})
    longest.prefilled()
    longest.end()
    assert longest.replica.name in everywhere
    assert bench.run(tokens).replica.name == longest.replica.name


def test_the_same_prompt_of_another_tenant_is_unknown() -> None:
    bench = Bench()
    bench.run(prompt("a", 320))
    assert bench.run(prompt("a", 320), Tenant("other")).known_tokens == 0


def test_an_uncomputed_prompt_is_unknown() -> None:
    bench = Bench()
    bench.router.place(prompt("a", 320), TEAM, 16).end()
    assert bench.run(prompt("a", 320)).known_tokens == 0


def test_the_prompt_of_a_running_request_is_known() -> None:
    bench = Bench()
    first = bench.router.place(prompt("a", 320), TEAM, 16)
    second = bench.router.place(prompt("a", 320), TEAM, 16)
    assert (second.replica.name, second.known_tokens) == (first.replica.name, 288)


def test_evicted_blocks_are_not_found() -> None:
    bench = Bench(count=1)
    bench.run(prompt("old", 320))
    bench.clock.now += 2
    bench.run(prompt("new", 320))
    bench.clock.now += 2
    bench.router.update(state("replica-0", ReplicaLoad(retained_seconds=3)))
    assert bench.router.place(prompt("old", 320), TEAM, 16).known_tokens == 0
    assert bench.router.place(prompt("new", 320), TEAM, 16).known_tokens == 288


def test_load_beyond_the_bound_goes_elsewhere() -> None:
    bench = Bench(count=4)
    places = Counter(bench.router.place(prompt("hot", 320), TEAM, 256).replica.name for _ in range(200))
    assert len(places) == 4
    assert max(places.values()) < 1.3 * 200 / 4


def test_the_load_of_other_servers_counts() -> None:
    bench = Bench(count=2)
    name = bench.run(prompt("a", 320)).replica.name
    bench.router.update(state(name, ReplicaLoad(work=100_000)))
    assert bench.run(prompt("a", 320)).replica.name != name


def test_own_load_is_not_counted_twice() -> None:
    bench = Bench(count=1)
    placement = bench.router.place(prompt("a", 320), TEAM, 16)
    bench.router.update(state("replica-0", ReplicaLoad(work=320 + 16 + 50)))
    (replica,) = bench.router.replicas()
    assert replica.work == 320 + 16 + 50
    placement.prefilled()
    assert replica.work == 16 + 50
    placement.end()
    assert replica.work == 50


def test_servers_agree_on_unknown_prompts() -> None:
    benches = [Bench(count=50), Bench(count=50)]
    placed = [[bench.run(prompt(f"{number}", 64)).replica.name for number in range(100)] for bench in benches]
    assert placed[0] == placed[1]
    assert len(set(placed[0])) > 30


def test_a_removed_replica_moves_only_its_own_prompts() -> None:
    whole, reduced = Bench(count=20), Bench(count=20)
    reduced.router.forget("replica-7")
    for number in range(200):
        before, after = (bench.run(prompt(f"{number}", 64)).replica.name for bench in (whole, reduced))
        assert before == after or before == "replica-7"


def test_draining_lost_and_forgotten_replicas_get_nothing() -> None:
    bench = Bench(count=5)
    bench.router.update(state("replica-0", draining=True))
    bench.router.drain("replica-1")
    bench.router.lose("replica-2")
    bench.router.forget("replica-3")
    names = {bench.run(prompt(str(number), 64)).replica.name for number in range(50)}
    assert names == {"replica-4"}
    bench.router.update(state("replica-1"))  # a heartbeat that was sent before the drain
    bench.router.update(state("replica-2"))
    names = {bench.run(prompt(f"new {number}", 64)).replica.name for number in range(50)}
    assert names == {"replica-2", "replica-4"}


def test_a_silent_replica_gets_nothing_until_its_next_heartbeat() -> None:
    bench = Bench(count=2)
    bench.clock.now += 4
    bench.router.update(state("replica-0"))
    bench.clock.now += 4
    assert {bench.run(prompt(str(number), 64)).replica.name for number in range(50)} == {"replica-0"}
    bench.clock.now += 60
    with pytest.raises(NoReplicaError):
        bench.run(prompt("a", 64))
    bench.router.update(state("replica-1"))
    assert bench.run(prompt("a", 64)).replica.name == "replica-1"


def test_a_generation_migrates_to_a_replica_with_its_fingerprint() -> None:
    bench = Bench(count=3)
    for name in ("new-0", "new-1"):
        bench.router.update(state(name, fingerprint="new"))
    for number in range(50):
        tokens = prompt(str(number), 64)
        assert bench.router.place(tokens, TEAM, 16, fingerprint="new", without={"new-0"}).replica.name == "new-1"
    assert not bench.router.available("new", {"new-0", "new-1"})
    with pytest.raises(NoReplicaError):
        bench.router.place(prompt("a", 64), TEAM, 16, fingerprint="new", without={"new-0", "new-1"})


def test_counts() -> None:
    bench = Bench(count=2)
    for length in (10, 320, 400):
        bench.run(prompt("a", length))
    counts = bench.router.counts
    assert (counts.load, counts.hash, counts.prefix) == (1, 1, 1)
    assert (counts.tokens, counts.known_tokens) == (730, 288)


def test_one_tenant_does_not_displace_the_prefixes_of_others() -> None:
    bench = Bench(count=2, capacity=100)
    bench.run(prompt("quiet", 320), Tenant("quiet"))
    for number in range(100):
        bench.run(prompt(str(number), 640), Tenant("loud"))
    assert bench.run(prompt("quiet", 320), Tenant("quiet")).known_tokens == 288


def test_the_cost_of_a_decision_does_not_grow_with_replicas() -> None:
    assert _calls(Bench(count=4000)) < 1.2 * _calls(Bench(count=20))


def _calls(bench: Bench) -> int:
    """Python and C calls of 20 placements of long prompts, half of them known."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    prompts = [prompt(str(number % 10), 2000) for number in range(20)]
    bench.run(prompt("warm", 64))
    sys.setprofile(count)
    try:
        for tokens in prompts:
            bench.run(tokens)
    finally:
        sys.setprofile(None)
    return calls


NAMES = [f"replica-{number}" for number in range(5)]
STEPS = st.one_of(
    st.tuples(st.just("place"), st.sampled_from("abc"), st.integers(1, 200), st.sampled_from(["one", "two"])),
    st.tuples(st.sampled_from(["prefilled", "end"]), st.integers(0, 30)),
    st.tuples(st.just("update"), st.sampled_from(NAMES), st.booleans(), st.integers(0, 5000)),
    st.tuples(st.sampled_from(["drain", "lose", "forget"]), st.sampled_from(NAMES)),
    st.tuples(st.just("wait"), st.floats(0, 4)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_any_order_of_events(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    clock = Clock()
    router = PrefixRouter(capacity=20, clock=clock, chance=random.Random(0))
    allowed: dict[str, float] = {}
    draining: set[str] = set()
    running: list[Placement] = []
    for kind, *values in steps:
        if kind == "place":
            alive = {name for name, heard in allowed.items() if clock.now - heard <= 5}
            try:
                placement = router.place(prompt(values[0], values[1]), Tenant(values[2]), 100)
            except NoReplicaError:
                assert not alive
            else:
                assert placement.replica.name in allowed
                assert placement.known_tokens < values[1]
                running.append(placement)
        elif kind in ("prefilled", "end"):
            if values[0] < len(running):
                getattr(running[values[0]], kind)()
        elif kind == "update":
            name, drains, work = values
            router.update(state(name, ReplicaLoad(work=work), draining=drains))
            draining |= {name} if drains else set()
            if name in draining:
                allowed.pop(name, None)
            else:
                allowed[name] = clock.now
        elif kind == "wait":
            clock.now += values[0]
        else:
            getattr(router, kind)(values[0])
            allowed.pop(values[0], None)
            if kind == "drain":
                draining |= {replica.state.name for replica in router.replicas()} & {values[0]}
            if kind == "forget":
                draining.discard(values[0])
        known = list(router.replicas())
        available = [replica for replica in known if replica.available]
        assert router.work == sum(replica.work for replica in available)
    for placement in running:
        placement.end()
        placement.end()
    assert all(replica.own_work == replica.requests == 0 for replica in router.replicas())
