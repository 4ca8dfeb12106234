"""What a scheduler costs: ours and others', in one run, interleaved, each number from fresh processes.

    python -m venv peers && peers/bin/pip install langgraph langgraph-checkpoint-sqlite pydantic-graph haystack-ai ray
    git clone https://github.com/SqueezeAILab/LLMCompiler
    python -m orchestra.evals.benchmarks.scheduling.run --peers-python peers/bin/python --llmcompiler LLMCompiler --out scheduling.json

Without the first two lines it measures raw asyncio and orchestra; whoever is not installed has a row that says so. Round r uses seed r, all
peers take their turns within a round and each round begins with another, so that noise hits all alike. The default event loop for all, no
tracing, no telemetry; imports and building are not in the time. Pin the cores from outside (`taskset -c 0,1 python …`): children inherit it.
Use one version of Python for both sides; the JSON file names them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .peers import BASELINE, LLMCOMPILER, PEERS, Peer
from .table import markdown, summary
from .workloads import POINTS, Workload

TIMEOUT_S = 180.0
"""For one process; the longest run that was seen took 5 s."""


def measure(peer: Peer, workload: Workload, python: Path, *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """What the peer's process printed, or `error` with the last thing it said."""
    command = [str(python), "-m", "scheduling.peers", peer.module, *peer.arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}  # it hides the working directory
    try:
        done = subprocess.run(
            command,
            check=False,
            input=json.dumps(dataclasses.asdict(workload)),
            cwd=Path(__file__).parents[1],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not finished after {timeout_s:g} s"}
    lines = (done.stderr if done.returncode else done.stdout).splitlines()
    if done.returncode or not lines:
        return {"error": lines[-1] if lines else f"exit status {done.returncode} without a word"}
    result: dict[str, Any] = json.loads(lines[-1])
    return result


class Benchmark:
    """Asks every peer for every point in every round, and remembers who is not there."""

    def __init__(
        self,
        peers: Mapping[str, Peer],
        points: Mapping[str, Mapping[int, Workload]],
        *,
        peers_python: Path | None,
        absent: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.peers = peers
        self.points = points
        """The workload of each round, counted from 1."""
        self.absent = dict(absent)
        """Why a peer is not measured."""
        self.runs: dict[str, dict[str, list[dict[str, Any]]]] = {point: {} for point in points}
        self._peers_python = peers_python

    def round(self, number: int, progress: Progress) -> None:
        first = number % len(self.peers)
        names = [*self.peers][first:] + [*self.peers][:first]
        bar = progress.add_task("", total=len(names) * len(self.points))
        for point, workloads in self.points.items():
            for name in names:
                progress.update(bar, description=f"round {number}: {point}, {name}")
                self._run(name, point, number, workloads[number])
                progress.advance(bar)
        progress.update(bar, description=f"round {number}")

    def _run(self, name: str, point: str, number: int, workload: Workload) -> None:
        peer = self.peers[name]
        too_large = peer.most_nodes is not None and len(workload.seconds) > peer.most_nodes
        if name in self.absent or workload.kind not in peer.kinds or too_large:
            return
        python = self._peers_python if peer.in_environment else Path(sys.executable)
        if python is None:
            self.absent[name] = "not measured: --peers-python says where it is installed"
            return
        result = measure(peer, workload, python)
        if "missing" in result:
            self.absent[name] = f"not installed ({result['missing']})"
        else:
            self.runs[point].setdefault(name, []).append({"round": number, **result})

    def result(self) -> dict[str, Any]:
        return {
            "date": time.strftime("%Y-%m-%d"),
            "commit": _commit(),
            "machine": _machine(),
            "absent": self.absent,
            "points": {
                point: {
                    "kind": workloads[1].kind,
                    "tasks": len(workloads[1].seconds),
                    "slots": workloads[1].slots,
                    "gap_s": workloads[1].gap_s,
                    "bounds": {
                        number: {name: getattr(workload, name) for name in ("critical_path_s", "lower_bound_s", "barrier_s")}
                        for number, workload in workloads.items()
                    },
                }
                for point, workloads in self.points.items()
            },
            "summary": summary(self.points, self.runs),
            "runs": self.runs,
        }

    def table(self) -> str:
        kinds = {point: workloads[1].kind for point, workloads in self.points.items()}
        return markdown(kinds, summary(self.points, self.runs), [*self.peers], self.absent)


def _machine() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "system": platform.platform(),
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
    }


def _commit() -> str | None:
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, check=False, cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip() or None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", type=Path, help="the python of the environment where the peers are installed")
    parser.add_argument("--llmcompiler", type=Path, help="a checkout of its repository")
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes for each number (5)")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER", help=f"of {', '.join(PEERS)}")
    parser.add_argument(
        "--points", nargs="+", choices=POINTS, default=list(POINTS), metavar="POINT", help=f"of {', '.join(POINTS)}"
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    peers = {name: peer for name, peer in PEERS.items() if name == BASELINE or name in args.peers}
    absent = {}
    if LLMCOMPILER in peers:
        if args.llmcompiler:
            peers[LLMCOMPILER] = dataclasses.replace(peers[LLMCOMPILER], arguments=(str(args.llmcompiler.absolute()),))
        else:
            absent[LLMCOMPILER] = "not measured: --llmcompiler says where its checkout is"
    points = {point: {number: POINTS[point](number) for number in range(1, args.rounds + 1)} for point in args.points}
    # Not `resolve`: the python of a virtual environment is a link, and knows its environment by its own path.
    benchmark = Benchmark(peers, points, peers_python=args.peers_python and args.peers_python.absolute(), absent=absent)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for number in range(1, args.rounds + 1):
            benchmark.round(number, progress)
            args.out.write_text(json.dumps(benchmark.result(), indent=1) + "\n")
    sys.stdout.write(benchmark.table())


if __name__ == "__main__":
    main()
