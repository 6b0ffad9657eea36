"""Keys: made once, shown once, kept as hashes."""

import json
import stat
from pathlib import Path

import pytest

from forefront.gateway.keys import KeyRing, KeyRingError, open_ring


def test_an_empty_home_gets_one_key_and_keeps_only_its_hash(tmp_path: Path) -> None:
    ring, made = open_ring(tmp_path / "home", None)
    assert made is not None
    assert made.startswith("ff-")
    assert len(made) >= 40
    assert ring.find(made) is not None
    stored = (tmp_path / "home" / "keys.json").read_text()
    assert made not in stored
    assert stat.S_IMODE((tmp_path / "home" / "keys.json").stat().st_mode) == 0o600
    again, made_again = open_ring(tmp_path / "home", None)
    assert made_again is None
    assert again.find(made) == ring.find(made)


def test_an_adopted_key_takes_the_place_of_the_one_adopted_before(tmp_path: Path) -> None:
    first, second = "first-key-of-twenty-or-more", "second-key-of-twenty-or-more"
    ring, made = open_ring(tmp_path, first)
    assert made is None
    assert ring.find(first) is not None
    assert open_ring(tmp_path, first)[0].find(first) == ring.find(first)
    ring, _ = open_ring(tmp_path, second)
    assert ring.find(first) is None
    assert ring.find(second) is not None


def test_a_made_key_stays_valid_beside_an_adopted_one(tmp_path: Path) -> None:
    _, made = open_ring(tmp_path, None)
    assert made is not None
    ring, _ = open_ring(tmp_path, "adopted-key-of-twenty-or-more")
    assert ring.find(made) is not None


@pytest.mark.parametrize(
    "key", ["short", "x" * 19, "with a blank in the middle", "umläut-in-it-0123456789", "x" * 19 + "\n"]
)
def test_an_unfit_key_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(KeyRingError, match="20 visible ASCII"):
        open_ring(tmp_path, key)
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize("text", ["{", '{"a": 1}', '[{"id": 1}]', "[1]"])
def test_a_broken_file_is_reported_and_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(KeyRingError, match=r"keys\.json"):
        open_ring(tmp_path, None)
    assert (tmp_path / "keys.json").read_text() == text


def test_other_texts_open_nothing(tmp_path: Path) -> None:
    ring, made = open_ring(tmp_path, None)
    assert made is not None
    for text in ("", made[:-1], made + "x", made.upper(), "' OR '1'='1", "\ud800", "ä" * 50):
        assert ring.find(text) is None
    assert KeyRing([]).find(made) is None


def test_tenants_differ_by_key(tmp_path: Path) -> None:
    _, made = open_ring(tmp_path, None)
    assert made is not None
    adopted = "adopted-key-of-twenty-or-more"
    ring, _ = open_ring(tmp_path, adopted)
    one, other = ring.find(made), ring.find(adopted)
    assert one is not None
    assert other is not None
    assert one.tenant != other.tenant
    assert len(json.loads((tmp_path / "keys.json").read_text())) == 2
