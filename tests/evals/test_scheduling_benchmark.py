"""The scheduler benchmark's own conduct: its workloads, what it refuses to believe, and peers that are not there."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.evals.benchmarks import scheduling
from orchestra.evals.benchmarks.scheduling import run as driver
from orchestra.evals.benchmarks.scheduling.peers import BASELINE, LLMCOMPILER, PEERS, Peer, llmcompiler, raw_asyncio
from orchestra.evals.benchmarks.scheduling.peers.record import Record
from orchestra.evals.benchmarks.scheduling.table import figure, markdown, summary
from orchestra.evals.benchmarks.scheduling.workloads import POINTS, Workload, chain, layered, leaves, stream, wide
from rich.console import Console
from rich.progress import Progress

FOLDER = Path(scheduling.__file__).parent

RUNTIME = """
import asyncio
class Task:
    def __init__(self, *, idx, name, tool, args, dependencies):
        self.idx, self.tool, self.args = idx, tool, args
class TaskFetchingUnit:
    def set_tasks(self, tasks):
        self.tasks = list(tasks.values())
    async def schedule(self):
        for task in self.tasks:
            await task.tool(*task.args)
    async def aschedule(self, queue, func):
        while task := await queue.get():
            await task.tool(*task.args)
"""
"""Has the interface of LLMCompiler's runtime that the benchmark uses, and runs one task after another."""


def bench(peers: Mapping[str, Peer], points: Mapping[str, Mapping[int, Workload]], **options: Any) -> driver.Benchmark:
    benchmark = driver.Benchmark(peers, points, **{"peers_python": None} | options)
    with Progress(console=Console(quiet=True)) as progress:
        benchmark.round(1, progress)
    return benchmark


@pytest.mark.parametrize("point", POINTS)
def test_a_seed_gives_the_same_workload_each_time_and_it_survives_json(point: str) -> None:
    workload = POINTS[point](3)
    assert workload == POINTS[point](3)
    assert Workload(**json.loads(json.dumps(dataclasses.asdict(workload)))) == workload


@given(seed=st.integers(0, 10_000), num_layers=st.integers(1, 8), width=st.integers(1, 8))
def test_a_layered_workload_needs_one_to_three_of_the_layer_before(seed: int, num_layers: int, width: int) -> None:
    workload = layered(seed, num_layers=num_layers, width=width)
    assert all(0 < seconds <= 0.5 for seconds in workload.seconds)
    for node, parents in enumerate(workload.parents):
        layer = node // width
        assert len(parents) in (range(1, 4) if layer else [0]) and len(set(parents)) == len(parents)
        assert all(parent // width == layer - 1 for parent in parents)


@given(seed=st.integers(0, 10_000), slots=st.integers(1, 5))
def test_the_bounds_are_in_order(seed: int, slots: int) -> None:
    for workload in (layered(seed, num_layers=4, width=4), leaves(seed, num_leaves=6, length=4, slots=slots)):
        assert (
            max(workload.seconds) <= workload.critical_path_s <= workload.lower_bound_s <= math.fsum(workload.seconds) * (1 + 1e-9)
        )
        assert workload.critical_path_s <= workload.barrier_s * (1 + 1e-9)


def test_the_bounds_of_a_known_graph() -> None:
    diamond = Workload(kind="layered", parents=[[], [0], [0], [1, 2]], seconds=[1.0, 2.0, 3.0, 1.0], slots=1)
    assert (diamond.critical_path_s, diamond.lower_bound_s, diamond.barrier_s) == (5.0, 7.0, 5.0)


def test_nodes_come_after_what_they_need() -> None:
    with pytest.raises(AssertionError):
        Workload(kind="chain", parents=[[1], []], seconds=[0.0, 0.0])


@given(st.data())
@settings(max_examples=30)
def test_raw_asyncio_runs_any_graph_in_order_and_within_its_slots(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    parents = [data.draw(st.lists(st.integers(0, node - 1), unique=True)) if node else [] for node in range(size)]
    workload = Workload(kind="layered", parents=parents, seconds=[1e-6] * size, slots=data.draw(st.sampled_from([None, 1, 3])))
    record = Record(workload)
    asyncio.run(_run(raw_asyncio.build(record)))
    record.check()


async def _run(job: Any) -> None:
    await job()


def test_a_streamed_node_waits_for_its_line_and_its_wait_is_counted_from_there() -> None:
    record = Record(stream(1, num_lines=4, gap_s=0.001))
    asyncio.run(_run(raw_asyncio.build(record)))
    record.check()
    assert record.given == sorted(record.given)
    assert all(delay >= 0 for delay in record.delays_s())


def test_a_peer_that_skips_a_node_is_not_believed() -> None:
    record = Record(wide(2))
    asyncio.run(record.node(0))
    with pytest.raises(ValueError, match="node 1 of 3 has not run"):
        record.check()


def test_a_peer_that_runs_a_node_too_early_is_not_believed() -> None:
    record = Record(chain(2))
    record.started, record.ended = [1.0, 1.5], [2.0, 3.0]
    with pytest.raises(ValueError, match=r"node 1 started before what it needs: \[0\]"):
        record.check()


def test_a_peer_that_guesses_a_line_is_not_believed() -> None:
    record = Record(stream(1, num_lines=1))
    asyncio.run(record.node(0))
    with pytest.raises(ValueError, match="node 0 started before"):
        record.check()


def test_a_peer_that_exceeds_its_slots_is_not_believed() -> None:
    record = Record(leaves(1, num_leaves=3, length=1, slots=2))
    record.started, record.ended = [0.0, 0.0, 1.0, 1.0], [2.0, 1.0, 2.0, 2.0]
    with pytest.raises(ValueError, match="3 nodes ran at one time, on 2 slots"):
        record.check()


@pytest.mark.parametrize("workload", [wide(3), stream(1, num_lines=3, gap_s=0.0)], ids=lambda workload: workload.kind)
def test_llmcompilers_runtime_comes_from_its_checkout(tmp_path: Path, workload: Workload) -> None:
    file = tmp_path / llmcompiler.FILE
    file.parent.mkdir(parents=True)
    file.write_text("from src.utils.logger_utils import log\n" + RUNTIME)
    record = Record(workload)
    asyncio.run(_run(llmcompiler.build(record, str(tmp_path))))
    record.check()


def test_a_peer_program_needs_nothing_but_the_standard_library() -> None:
    command = [sys.executable, "-S", "-m", "scheduling.peers", "raw_asyncio"]  # -S: no installed packages, so no orchestra
    workload = json.dumps(dataclasses.asdict(chain(3)))
    done = subprocess.run(command, input=workload, cwd=FOLDER.parent, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    assert result["tasks"] == 3 and result["seconds"] > 0 and {"cpu_seconds", "build_seconds", "versions"} <= result.keys()


def test_every_peer_has_its_program() -> None:
    assert {peer.module for peer in PEERS.values()} - {"ours"} <= {file.stem for file in (FOLDER / "peers").glob("*.py")}


def test_absent_peers_have_a_row_that_says_so_and_the_others_are_measured() -> None:
    nowhere = {
        "gone": Peer(module="gone", in_environment=False),
        "elsewhere": Peer(module="langgraph"),
        LLMCOMPILER: PEERS[LLMCOMPILER],
    }
    benchmark = bench({BASELINE: PEERS[BASELINE], **nowhere}, {"tiny": {1: chain(2)}}, absent={LLMCOMPILER: "no checkout"})
    assert benchmark.absent == {
        "gone": "not installed (scheduling.peers.gone)",
        "elsewhere": "not measured: --peers-python says where it is installed",
        LLMCOMPILER: "no checkout",
    }
    assert [run["tasks"] for run in benchmark.runs["tiny"][BASELINE]] == [2]
    assert "| gone | not installed (scheduling.peers.gone) |" in benchmark.table()
    json.dumps(benchmark.result())


def test_a_peer_that_fails_is_a_failed_cell_with_its_reason(tmp_path: Path) -> None:
    broken = Peer(module="llmcompiler", arguments=(str(tmp_path),), in_environment=False)
    benchmark = bench({BASELINE: PEERS[BASELINE], "broken": broken}, {"tiny": {1: chain(2)}})
    assert "FileNotFoundError" in benchmark.runs["tiny"]["broken"][0]["error"]
    assert "| broken | 1 failed |" in benchmark.table()


def test_a_peer_that_hangs_is_stopped_and_says_so() -> None:
    sleeper = Workload(kind="layered", parents=[[]], seconds=[60.0])
    assert driver.measure(PEERS[BASELINE], sleeper, Path(sys.executable), timeout_s=0.5) == {"error": "not finished after 0.5 s"}


def test_kinds_and_sizes_that_a_peer_cannot_express_are_left_out() -> None:
    peers = {
        BASELINE: PEERS[BASELINE],
        "small": Peer(module="raw_asyncio", in_environment=False, most_nodes=2),
        "wide only": Peer(module="raw_asyncio", in_environment=False, kinds=("wide",)),
    }
    benchmark = bench(peers, {"chain": {1: chain(3)}})
    assert list(benchmark.runs["chain"]) == [BASELINE]


def test_figures_have_the_unit_of_their_kind() -> None:
    assert figure({"seconds": 0.003}, chain(3)) == pytest.approx(1_000)
    assert figure({"seconds": 3.0}, Workload(kind="layered", parents=[[], [0]], seconds=[1.0, 1.0])) == pytest.approx(1.5)
    assert figure({"seconds": 3.0}, Workload(kind="leaves", parents=[[], []], seconds=[1.0, 1.0], slots=1)) == pytest.approx(1.5)
    assert figure({"seconds": 3.0, "worst_delay_s": 0.004}, stream(1)) == pytest.approx(4)


def test_the_table_has_medians_ranges_and_ratios_of_the_same_round() -> None:
    workloads = {"chain-2": dict.fromkeys((1, 2, 3), chain(2))}
    runs = {
        "chain-2": {
            BASELINE: [{"round": 1, "seconds": 2e-6}, {"round": 2, "seconds": 4e-6}, {"round": 3, "seconds": 6e-6}],
            "slow": [{"round": 1, "seconds": 20e-6}, {"round": 3, "seconds": 90e-6}, {"round": 2, "error": "boom"}],
        }
    }
    summaries = summary(workloads, runs)
    assert markdown(
        {"chain-2": "chain"}, summaries, [BASELINE, "slow", "gone", "never"], {"gone": "not installed"}
    ).splitlines() == [
        "| | chain-2: µs a link, × raw |",
        "|---|---|",
        "| raw asyncio | 2.00 (1.000–3.00), 1.000× |",
        "| slow | 27.5 (10.0–45.0), 12.5×, 1 failed |",
        "| gone | not installed |",
        "| never | – |",
    ]
