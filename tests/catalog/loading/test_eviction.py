"""Which models go to make room for another."""

import random
from dataclasses import dataclass

import pytest

from forefront.catalog.loading.eviction import PATIENCE, plan_eviction


@dataclass(eq=False)
class Loaded:
    """A loaded model of so many bytes."""

    held_bytes: int
    used_at: float = 0.0
    running: int = 0
    settled_at: float = 0.0
    draining: bool = False


def test_the_least_recently_used_idle_models_go() -> None:
    old, newer, newest = Loaded(4, 1.0), Loaded(4, 2.0), Loaded(4, 3.0)
    assert plan_eviction([newest, old, newer], 4, 10.0, 10.0).unload == [old]
    assert plan_eviction([newest, old, newer], 5, 10.0, 10.0).unload == [old, newer]


def test_a_running_model_stays_while_idle_ones_suffice() -> None:
    running, idle = Loaded(4, 1.0, running=1), Loaded(4, 2.0)
    assert plan_eviction([running, idle], 4, 100.0, 0.0).unload == [idle]


def test_a_running_model_takes_no_more_requests_after_a_while() -> None:
    running, idle = Loaded(4, 1.0, running=1), Loaded(4, 2.0)
    early = plan_eviction([running, idle], 8, 1.0, 0.0)
    assert (early.unload, early.drain, early.next_at) == ((), (), PATIENCE)
    late = plan_eviction([running, idle], 8, PATIENCE, 0.0)
    assert (list(late.unload), set(late.drain)) == ([], {running, idle})


def test_a_recently_loaded_model_is_not_evicted() -> None:
    fresh = Loaded(4, settled_at=20.0)
    plan = plan_eviction([fresh], 4, 15.0, 0.0)
    assert (plan.unload, plan.drain, plan.next_at) == ((), (), 20.0)
    assert plan_eviction([fresh], 4, 20.0, 0.0).unload == [fresh]


def test_nothing_is_unloaded_if_that_cannot_free_enough() -> None:
    plan = plan_eviction([Loaded(4), Loaded(4, running=1)], 9, 100.0, 0.0)
    assert (plan.unload, plan.drain, plan.next_at) == ((), (), None)


@pytest.mark.parametrize("seed", range(30))
def test_every_plan_keeps_the_rules(seed: int) -> None:
    chance = random.Random(seed)
    models = [
        Loaded(
            chance.randrange(1, 6),
            chance.uniform(0, 50),
            running=chance.choice([0, 0, 1, 3]),
            settled_at=chance.uniform(0, 100),
            draining=chance.random() < 0.2,
        )
        for _ in range(chance.randrange(8))
    ]
    missing, now, since = chance.randrange(-2, 20), 50.0, chance.uniform(0, 50)
    plan = plan_eviction(models, missing, now, since)
    assert not (plan.unload and plan.drain)
    for model in plan.unload:
        assert not model.running
        assert model.settled_at <= now
    for chosen in (plan.unload, plan.drain):
        if chosen:
            assert sum(model.held_bytes for model in chosen) >= missing
            assert sum(model.held_bytes for model in chosen[:-1]) < missing
    for model in plan.drain:
        assert max(model.settled_at, since + PATIENCE if model.running else 0.0) <= now
    # A running model is among them only if all idle ones do not suffice, except for those that take no requests.
    if any(model.running and not model.draining for model in (*plan.unload, *plan.drain)):
        assert sum(m.held_bytes for m in models if m.draining or not m.running) < missing
    if plan.next_at is not None:
        assert plan.next_at > now
