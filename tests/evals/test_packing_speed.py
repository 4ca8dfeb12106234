"""The packing benchmark: every way trains the same tokens of the same requests, and its table says what was measured."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="packing is measured with torch")
pytest.importorskip("transformers", reason="packing is measured on models of transformers")

from orchestra.evals.benchmarks import packing_speed
from orchestra.evals.benchmarks.packing_kept import ROLLOUTS, keep, kept
from orchestra.evals.benchmarks.packing_scenarios import Way, filled, row_tokens, scenarios, ways
from orchestra.evals.benchmarks.packing_table import speedup, table
from orchestra.training.rollout import Rollout, Unit

from orchestra.errors import ConfigError


@pytest.fixture(scope="module")
def rollouts() -> list[Rollout]:
    return kept(ROLLOUTS)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """So that the test does not wait for cores that others use."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def unit(*ids: int) -> Unit:
    return Unit(ids, (7, 8), (-0.5, -0.25), "0")


def test_kept_rollouts_are_whole_groups_of_both_temperatures(rollouts: list[Rollout]) -> None:
    sizes: dict[str, int] = {}
    for rollout in rollouts:
        sizes[rollout.group] = sizes.get(rollout.group, 0) + 1
    assert set(sizes.values()) == {8}
    assert {group.rpartition(" at ")[2] for group in sizes} == {"1.0", "2.0"}
    assert ROLLOUTS.stat().st_size < 1_000_000


def test_what_is_kept_comes_back_with_the_same_ids(rollouts: list[Rollout], tmp_path: Path) -> None:
    keep(tmp_path / "a.gz", rollouts[:3])
    assert kept(tmp_path / "a.gz") == rollouts[:3]


@pytest.mark.parametrize("damage", [b"", b"no gzip", ROLLOUTS.read_bytes()[:5000]])
def test_a_damaged_file_of_rollouts_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(damage)
    with pytest.raises(ConfigError, match=r"a\.gz"):
        kept(tmp_path / "a.gz")


def test_repeated_families_share_nothing() -> None:
    units = filled([[unit(1, 2, 3), unit(1, 2, 4)]], tokens=60)
    assert len({one.prompt[0] for one in units}) == len(units) / 2 == 5
    (row,) = ways(flex=False)["trie, sdpa"].make(units, 1024)
    assert len(row) == 5 * (4 + 1 + 2)


def test_every_way_trains_each_sampled_token_once_and_only_the_trie_forwards_less(rollouts: list[Rollout]) -> None:
    for name, families in scenarios(rollouts, vocabulary=packing_speed.VOCABULARY).items():
        units = families[0]
        rows = {kind: way.make(units, row_tokens(units, way.attention)) for kind, way in ways(flex=True).items()}
        targets = {kind: sorted(int(token) for row in made for token in row.target) for kind, made in rows.items()}
        assert all(found == targets["padded"] for found in targets.values())
        forwarded = {kind: sum(map(len, made)) for kind, made in rows.items()}
        assert forwarded["padded"] == forwarded["bins, sdpa"] == forwarded["bins, flex"]
        assert forwarded["trie, sdpa"] < forwarded["padded"], name


def test_bins_are_never_more_than_one_request_each_would_need() -> None:
    units = [unit(*range(1, 1 + length)) for length in (300, 100, 400, 200, 500)]
    rows = ways(flex=False)["bins, sdpa"].make(units, 512)
    assert [len(row) for row in rows] == [501, 401 + 101, 301 + 201]


@pytest.mark.usefixtures("one_thread")
def test_all_ways_agree_on_what_the_model_thinks_of_the_tokens(rollouts: list[Rollout]) -> None:
    units = filled([list(rollouts[0].units[:3])], tokens=1)
    trained = packing_speed.trainer("tiny", device="cpu", slots=1024, longest=1024)
    found = packing_speed.measured(trained, units, rounds=5, until=time.monotonic())
    assert found["surprise_spread"] < 1e-4
    assert found["sampled_tokens"] == sum(len(one.sampled) for one in units)
    assert all(len(way["seconds"]) == 3 and "error" not in way for way in found["ways"].values())


@pytest.mark.usefixtures("one_thread")
def test_a_way_that_runs_out_of_memory_is_left_out_with_its_error(rollouts: list[Rollout], monkeypatch: pytest.MonkeyPatch) -> None:
    trained = packing_speed.trainer("tiny", device="cpu", slots=1024, longest=1024)

    def step(self: packing_speed.Trainer, rows: Any, way: Way) -> float:
        if way.equal:
            raise torch.OutOfMemoryError("no room\nfor it")
        return 1.0

    monkeypatch.setattr(packing_speed.Trainer, "step", step)
    found = packing_speed.measured(trained, list(rollouts[0].units[:2]), rounds=3, until=time.monotonic() + 60)["ways"]
    assert found["padded"]["error"] == "OutOfMemoryError: no room"
    assert all(len(way["seconds"]) == 3 for name, way in found.items() if name != "padded")


def test_memory_that_runs_out_in_a_later_round_takes_only_that_way(
    rollouts: list[Rollout], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = packing_speed.trainer("tiny", device="cpu", slots=1024, longest=1024)
    steps: list[bool] = []

    def step(self: packing_speed.Trainer, rows: Any, way: Way) -> float:
        steps.append(way == ways(flex=False)["padded"])
        if steps[-1] and sum(steps) == 3:
            raise torch.OutOfMemoryError("no room\nfor it")
        return 1.0

    monkeypatch.setattr(packing_speed.Trainer, "step", step)
    found = packing_speed.measured(trained, list(rollouts[0].units[:2]), rounds=3, until=time.monotonic() + 60)["ways"]
    assert found["padded"]["error"] == "round 2: OutOfMemoryError: no room"
    assert "seconds" not in found["padded"] and sum(steps) == 3
    assert all(len(way["seconds"]) == 3 for name, way in found.items() if name != "padded")


def test_the_table_shows_what_each_way_took_and_what_failed(tmp_path: Path) -> None:
    way = {"forwarded_tokens": 10, "padded_tokens": 20, "trained_tokens_per_second": 5, "seconds": [2.0, 4.0]}
    failed = {"forwarded_tokens": 10, "padded_tokens": 20, "error": "OutOfMemoryError: too large"}
    quick = way | {"seconds": [1.0, 1.0], "peak_mib": 512}
    cell = {"ways": {"padded": way, "bins, sdpa": way, "trie, sdpa": quick, "bins, flex": failed, "trie, flex": quick}}
    result = {
        "machine": {"gpu": "GPU", "processor": "", "cores": 1},
        "versions": {"torch": "2"},
        "date": "today",
        "dtype": "bfloat16",
        "slots": 5,
        "models": {"6m": {"parameters": 6_000_000, "scenarios": {"one": cell}}},
    }
    (tmp_path / "a.json").write_text(json.dumps(result))
    lines = table(tmp_path / "a.json").splitlines()
    assert "| | trie, sdpa | 10 | 20 | 5 | 3.00 (2.00–4.00) | 3.00 (2.00–4.00) | 0.5 GiB |".replace("| |", "|  |") in lines
    assert any("OutOfMemoryError: too large" in line for line in lines)


def test_a_speedup_is_the_median_over_rounds_with_its_range() -> None:
    assert speedup([2.0, 4.0, 9.0], [1.0, 1.0, 1.0]) == "4.00 (2.00–9.00)"


def test_a_file_without_numbers_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text("[]")
    monkeypatch.setattr(sys, "argv", ["packing_speed", "--show", str(tmp_path / "a.json")])
    with pytest.raises(SystemExit, match="holds no numbers of packing_speed"):
        packing_speed.main()
