"""The best policy of a run is the one with the highest held-out accuracy, of equals the one with least work, and survives what breaks runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from orchestra.training.grpo import run as grpo
from orchestra.training.grpo.best import BEST, RECORD, Best
from orchestra.training.grpo.domain import Answer, evaluate, score
from orchestra.training.grpo.policy import load_policy
from orchestra.training.rollout import Facts, Rollout
from tiny_policy import arguments, untrained, write_countdown

from orchestra.engine.scripted import ScriptedEngine
from orchestra.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy")
    write_countdown(path)
    return path


def found(accuracy: float, work: float) -> dict[str, Any]:
    return {"accuracy": accuracy, "work": work}


def offered(best: Best, folder: Path, *evaluations: dict[str, Any]) -> list[bool]:
    return [best.offer(untrained(), folder, step, evaluation) for step, evaluation in enumerate(evaluations)]


def test_accuracy_comes_first_then_less_work_and_the_first_of_equals_stays(folder: Path, tmp_path: Path) -> None:
    best = Best(tmp_path, fresh=True)
    assert best.summary is None
    rounds = (found(0.5, 10), found(0.4, 1), found(0.5, 9), found(0.5, 9), found(0.6, 50))
    assert offered(best, folder, *rounds) == [True, False, True, False, True]
    assert best.summary == {"folder": BEST, "step": 4, "accuracy": 0.6, "work": 50}
    load_policy(best.folder, attention="sdpa", device=torch.device("cpu"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST]


def test_a_resumed_run_keeps_the_best_and_a_new_one_forgets_it(folder: Path, tmp_path: Path) -> None:
    offered(Best(tmp_path, fresh=True), folder, found(0.5, 10))
    resumed = Best(tmp_path, fresh=False)
    assert offered(resumed, folder, found(0.4, 1)) == [False]
    resumed.folder.rename(tmp_path / f"{BEST}.before")
    assert Best(tmp_path, fresh=False).record == {"step": 0, "evaluation": found(0.5, 10)}
    assert Best(tmp_path, fresh=True).record is None and not resumed.folder.exists()


def test_the_best_of_a_step_that_will_be_taken_again_is_dropped(folder: Path, tmp_path: Path) -> None:
    offered(Best(tmp_path, fresh=True), folder, found(0.5, 10), found(0.6, 10))
    assert Best(tmp_path, fresh=False, until=1).record == {"step": 1, "evaluation": found(0.6, 10)}
    lost = Best(tmp_path, fresh=False, until=0)
    assert lost.record is None and not lost.folder.exists()


def test_the_test_split_is_measured_and_chooses_nothing() -> None:
    right, wrong = (Answer(Facts(correct=correct, answer=None, ended="finished", work=5, span=5)) for correct in (True, False))

    class Measured:
        held_out = ("validation", "test")

        async def rollouts(self, engine: object, *, step: int, seed: int | None) -> list[Rollout]:
            return []

        async def answers(self, engine: object, split: str) -> list[Answer]:
            return [wrong] * 3 if split == "test" else [right]

    async def evaluation() -> dict[str, Any]:
        async with ScriptedEngine(lambda prompt: [0]) as engine:
            return await evaluate(Measured(), engine)

    measured = asyncio.run(evaluation())
    assert measured["accuracy"] == 1 and measured["splits"]["test"]["accuracy"] == 0
    assert score(measured) == score(measured["splits"]["validation"])


def test_a_damaged_record_is_named(folder: Path, tmp_path: Path) -> None:
    offered(Best(tmp_path, fresh=True), folder, found(0.5, 10))
    (tmp_path / BEST / RECORD).write_text("{")
    with pytest.raises(ConfigError, match=r"evaluation\.json is damaged"):
        Best(tmp_path, fresh=False)


def test_a_run_keeps_the_policy_of_its_best_evaluation(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([found(0.1, 5), found(0.7, 5), found(0.7, 6)])

    async def evaluated(domain: object, engine: object) -> dict[str, Any]:
        return next(scores)

    monkeypatch.setattr(grpo, "evaluate", evaluated)
    grpo.train(arguments(folder, tmp_path, "--steps", "2", "--eval-every", "1", "--eval-problems", "1"))
    assert json.loads((tmp_path / grpo.FACTS).read_text())["best"]["step"] == 1
    best, last = (load_policy(one, attention="sdpa", device=torch.device("cpu")) for one in (tmp_path / BEST, tmp_path))
    assert not torch.equal(best.lm_head.weight, last.lm_head.weight)
