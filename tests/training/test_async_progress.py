"""What an asynchronous run says while nothing moves: its phases, what came of the sampling so far, and where its threads stand."""

from __future__ import annotations

import threading
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.async_grpo.progress import Progress
from orchestra.training.async_grpo.weights import Announced

PATIENCE_S = 30
"""Far more than anything here takes."""


def test_a_phase_that_lasts_is_said_again_with_what_came_of_it_and_once_where_the_threads_stand() -> None:
    said: list[str] = []
    stacks: list[int] = []
    enough = threading.Event()

    def write(line: str) -> None:
        said.append(line)
        if len(said) > 5:
            enough.set()

    with Progress(lambda: "3 rounds", write=write, stacks=lambda: stacks.append(len(said)), every_s=1e-4, stuck_s=0.0) as progress:
        progress.doing("waiting for rows")
        assert enough.wait(PATIENCE_S)
    assert said[0].endswith("s] waiting for rows\n")
    assert all("still waiting for rows (0 s): 3 rounds" in line for line in said[1:])
    assert len(stacks) == 1
    assert "orchestra progress" not in [thread.name for thread in threading.enumerate()]


def test_the_next_phase_may_be_stuck_too() -> None:
    stuck = threading.Semaphore(0)
    with Progress(write=lambda line: None, stacks=stuck.release, every_s=1e-4, stuck_s=0.0) as progress:
        for phase in ("one", "two"):
            progress.doing(phase)
            assert stuck.acquire(timeout=PATIENCE_S)


def test_after_the_first_step_phases_that_pass_are_not_said() -> None:
    said: list[str] = []
    with Progress(write=said.append) as progress:
        progress.doing("learning step 1")
        progress.quiet = True
        progress.doing("learning step 2")
    assert [line.partition("] ")[2] for line in said] == ["learning step 1\n"]


class _Transfer:
    """Notes what was called."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self.called.append(name)


def test_each_part_of_a_weight_transfer_is_said_before_it_may_hang() -> None:
    transfer, said = _Transfer(), list[str]()
    announced = Announced(transfer, Progress(write=lambda line: said.append(f"{len(transfer.called)} {line.partition('] ')[2]}")))
    announced.init_weight_transfer()
    announced.pause()
    announced.send_weights(iter(()))
    announced.resume()
    announced.destroy()
    assert transfer.called == ["init_weight_transfer", "pause", "send_weights", "resume", "destroy"]
    assert [line.split()[:2] for line in said] == [["0", "weights:"], ["1", "weights:"], ["2", "weights:"], ["3", "weights:"]]
