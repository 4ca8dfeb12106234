"""Asynchronous training runs with the real TRL on a tiny policy: weights change, reports say what happened, broken runs go on."""

from __future__ import annotations

import dataclasses
import json
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("trl", reason="asynchronous training needs TRL")
pytest.importorskip("datasets", reason="TRL needs datasets")

from orchestra.training.async_grpo import run as async_grpo
from orchestra.training.async_grpo.arguments import parse
from orchestra.training.async_grpo.report import Apart, last_position
from orchestra.training.async_grpo.rows import Row
from orchestra.training.async_grpo.weights import ServerTransfer
from orchestra.training.async_grpo.worker import THREAD
from orchestra.training.checkpoint import Interrupted
from orchestra.training.grpo import policy as grpo_policy
from orchestra.training.grpo.countdown import Countdown
from orchestra.training.grpo.update import BadBatch
from orchestra.training.run_folder import FACTS, METRICS
from tiny_policy import WINDOW, untrained, write_countdown, write_planner

from orchestra.errors import ConfigError, EngineError

pytestmark = pytest.mark.timeout(240)  # importing TRL takes seconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy")
    write_countdown(path)
    return path


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Any:
    yield
    assert THREAD not in [thread.name for thread in threading.enumerate()]


def arguments(model: Path, out: Path, *more: str) -> Any:
    sizes = (
        "--group",
        "3",
        "--problems-per-round",
        "2",
        "--size",
        "3",
        "--window",
        str(WINDOW),
        "--eval-every",
        "0",
        "--ahead",
        "2",
    )
    learning = ("--token-budget", "128", "--accumulate", "1", "--lr", "1e-3", "--warmup", "0")
    reward = "--reward=-work(price=0.001, max=none, when=always)"
    return parse(["--model", str(model), "--out", str(out), "--engine", "transformers", *sizes, *learning, reward, *more])


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / METRICS).read_text().splitlines()]


def test_a_run_changes_the_weights_reports_what_it_did_and_saves_a_model_that_loads(folder: Path, tmp_path: Path) -> None:
    async_grpo.train(arguments(folder, tmp_path, "--steps", "3", "--eval-every", "3", "--eval-problems", "2", "--save-every", "3"))
    before, *steps, after = lines(tmp_path)
    assert before["step"] == 0 and after["step"] == 3 and set(before["evaluation"]) == set(after["evaluation"])
    assert [line["step"] for line in steps] == [1, 2, 3]
    first = steps[0]
    assert first["rollouts"] >= 6 and first["dropped"] == 0 and first["staleness"] == 0
    assert first["reward"] == pytest.approx(-0.001 * first["work"]) and first["sampler_kl"] < 1e-6
    named = {
        "accuracy",
        "span",
        "parallelism",
        "children",
        "format_errors",
        "clip_share",
        "grad_norm",
        "silent_share",
        "packing_ratio",
    }
    assert named <= set(first)
    # What is a step old was sampled by other weights, and TRL says so.
    assert all(line["sampler_kl"] > 1e-7 for line in steps if line["staleness"] > 0)
    saved = grpo_policy.load_policy(tmp_path, attention="sdpa", device=torch.device("cpu")).state_dict()
    start = untrained().state_dict()
    assert max(float((saved[name] - tensor).abs().max()) for name, tensor in start.items()) > 5e-4
    facts = json.loads((tmp_path / FACTS).read_text())
    assert facts["steps"] == 3 and facts["best"]["step"] in (0, 3)


def test_the_first_evaluation_may_be_left_out_and_the_log_says_what_the_first_step_waits_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async_grpo.train(arguments(folder, tmp_path, "--steps", "2", "--eval-every", "2", "--eval-problems", "1", "--no-first-eval"))
    assert [(line["step"], "evaluation" in line) for line in lines(tmp_path)] == [(1, False), (2, False), (2, True)]
    said = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines() if line.startswith("[")]
    phases = [
        "importing TRL",
        "starting the engine",
        "making the trainer",
        "weights: sending",
        "waiting for the rows of step 1",
        "learning step 1",
    ]
    found = [next(place for place, line in enumerate(said) if line.startswith(phase)) for phase in phases]
    assert found == sorted(found)
    assert not any("step 2" in line for line in said), "what goes well is not said"


def test_plans_are_trained_by_the_same_loop(tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    write_planner(model)
    sizes = ("--group", "3", "--problems-per-round", "2", "--token-budget", "256", "--accumulate", "1", "--eval-problems", "2")
    reward = "--reward=-format_errors(price=0.01, max=none) - work(price=0.001, max=none, when=always)"
    steps = ("--steps", "2", "--eval-every", "2", "--lr", "1e-3")
    async_grpo.train(parse(["--model", str(model), "--out", str(out), "--engine", "transformers", *sizes, reward, *steps]))
    assert [line["step"] for line in lines(out)] == [0, 1, 2, 2]
    assert grpo_policy.domain_of(out) == "planner"


def test_a_run_whose_engine_died_goes_on_from_its_checkpoint(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Countdown.rollouts
    seen: list[int] = []

    async def fails_at_seven(self: Countdown, engine: Any, *, step: int, seed: int | None) -> Any:
        seen.append(step)
        if step == 7:
            raise EngineError("the server is gone")
        return await original(self, engine, step=step, seed=seed)

    monkeypatch.setattr(Countdown, "rollouts", fails_at_seven)
    with pytest.raises(EngineError, match=r"the server is gone\. The same command goes on .* up to step \d+ is saved"):
        async_grpo.train(arguments(folder, tmp_path, "--steps", "99", "--save-every", "1"))
    found = last_position(tmp_path)
    done, next_round = found.step, found.next_round
    assert 1 <= done < 99 and next_round <= 8

    seen.clear()
    monkeypatch.setattr(
        Countdown,
        "rollouts",
        lambda self, engine, *, step, seed: (seen.append(step), original(self, engine, step=step, seed=seed))[1],
    )
    async_grpo.train(arguments(folder, tmp_path, "--steps", str(done + 2)))
    assert seen[0] == next_round
    assert [line["step"] for line in lines(tmp_path)] == list(range(1, done + 3))
    assert lines(tmp_path)[done]["sampler_kl"] < 1e-6, "the engine must sample with the checkpoint's weights"
    async_grpo.train(arguments(folder, tmp_path, "--steps", str(done + 2)))  # nothing to do
    with pytest.raises(ConfigError, match="--group 3, not 4"):
        async_grpo.train(arguments(folder, tmp_path, "--steps", "9", "--group", "4"))


def test_a_resumed_run_learns_at_the_rate_that_it_is_given(folder: Path, tmp_path: Path) -> None:
    async_grpo.train(arguments(folder, tmp_path, "--steps", "1", "--lr", "1e-4"))
    async_grpo.train(arguments(folder, tmp_path, "--steps", "2", "--lr", "1e-7"))
    assert [line["rate"] for line in lines(tmp_path)] == [1e-4, 1e-7]
    optimizer = torch.load(tmp_path / "checkpoint-2" / "optimizer.pt", weights_only=True)
    assert [group["lr"] for group in optimizer["param_groups"]] == [1e-7] * len(optimizer["param_groups"])


def test_a_resumed_run_is_still_warmed_up(folder: Path, tmp_path: Path) -> None:
    async_grpo.train(arguments(folder, tmp_path, "--steps", "2", "--warmup", "4", "--lr", "1e-3"))
    async_grpo.train(arguments(folder, tmp_path, "--steps", "5", "--warmup", "4", "--lr", "1e-4"))
    assert [line["rate"] for line in lines(tmp_path)] == pytest.approx([0, 2.5e-4, 5e-5, 7.5e-5, 1e-4])


def test_a_run_that_was_killed_after_its_last_checkpoint_still_leaves_its_model(folder: Path, tmp_path: Path) -> None:
    evaluated = ("--eval-every", "2", "--eval-problems", "1")
    async_grpo.train(arguments(folder, tmp_path, "--steps", "2", *evaluated))
    facts = json.loads((tmp_path / FACTS).read_text())
    weights = (tmp_path / "model.safetensors").read_bytes()
    for name in (FACTS, "model.safetensors", "config.json"):
        (tmp_path / name).unlink()
    async_grpo.train(arguments(folder, tmp_path, "--steps", "2", *evaluated))
    assert (tmp_path / "model.safetensors").read_bytes() == weights
    again = json.loads((tmp_path / FACTS).read_text())
    assert {name: again[name] for name in ("steps", "best", "reward", "arguments")} == {
        name: facts[name] for name in ("steps", "best", "reward", "arguments")
    }


def test_a_step_is_saved_before_its_evaluation_which_is_made_up_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated = ("--eval-every", "1", "--eval-problems", "1")
    original, calls = Countdown.answers, iter([True, False])

    async def second_fails(self: Countdown, engine: Any, split: str) -> Any:
        found = await original(self, engine, split)
        return found if next(calls) else [dataclasses.replace(one, error="the server is gone") for one in found]

    monkeypatch.setattr(Countdown, "answers", second_fails)
    with pytest.raises(EngineError, match=r"the server is gone.*up to step 1 is saved"):
        async_grpo.train(arguments(folder, tmp_path, "--steps", "2", *evaluated))
    monkeypatch.undo()
    async_grpo.train(arguments(folder, tmp_path, "--steps", "2", *evaluated))
    assert [(line["step"], "evaluation" in line) for line in lines(tmp_path)] == [
        (0, True),
        (1, False),
        (1, True),
        (2, False),
        (2, True),
    ]


def test_ctrl_c_ends_the_run_after_its_step_with_everything_saved(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Countdown.rollouts

    async def interrupted(self: Countdown, engine: Any, *, step: int, seed: int | None) -> Any:
        if step == 2:
            signal.raise_signal(signal.SIGINT)
        return await original(self, engine, step=step, seed=seed)

    monkeypatch.setattr(Countdown, "rollouts", interrupted)
    with pytest.raises(Interrupted, match=r"stopped after step \d+: the same command goes on"):
        async_grpo.train(arguments(folder, tmp_path, "--steps", "99"))
    assert 0 < last_position(tmp_path).step == lines(tmp_path)[-1]["step"] < 99


def test_a_batch_that_is_no_number_is_saved_and_not_learned(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Countdown.rollouts

    async def spoilt(self: Countdown, engine: Any, *, step: int, seed: int | None) -> Any:
        found = await original(self, engine, step=step, seed=seed)
        return [
            dataclasses.replace(
                one, units=tuple(dataclasses.replace(unit, logprobs=(float("nan"),) * len(unit.sampled)) for unit in one.units)
            )
            for one in found
        ]

    monkeypatch.setattr(Countdown, "rollouts", spoilt)
    with pytest.raises(BadBatch, match=r"step 1: the loss is nan.*stopped\.pt"):
        async_grpo.train(arguments(folder, tmp_path, "--steps", "2"))
    assert {"input_ids", "old_log_probs", "advantages"} <= set(torch.load(tmp_path / "stopped.pt"))


def test_an_engine_that_does_not_take_the_weights_stops_the_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_grpo.LocalPolicy, "copy", lambda self, weights: None)
    with pytest.raises(Apart, match="nats a token apart"):
        async_grpo.train(arguments(folder, tmp_path, "--steps", "20", "--lr", "0.3", "--max-sampler-kl", "0.01"))


def test_a_row_has_what_trl_reads_of_its_own() -> None:
    trl = pytest.importorskip("trl.experimental.async_grpo.async_rollout_worker", reason="the class is TRL's")
    assert {field.name for field in dataclasses.fields(Row)} == {field.name for field in dataclasses.fields(trl.RolloutSample)}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--reward", "corect"), "did you mean correct"),
        (("--token-budget", "47"), "--token-budget 47 is less than .*--window 48"),
        (("--baseline", "batch", "--problems-per-round", "1"), "--problems-per-round 2"),
        (("--server", "http://localhost:1"), "--server needs a GPU"),
        (("--hard", "0.5", "--size", "3"), "--hard knows problems of 4 numbers, got --size 3"),
        (("--eval-split", "test", "--eval-every", "1"), "--eval-split validation test"),
        (("--method", "weave"), "not weave"),
    ],
)
def test_arguments_that_cannot_work_are_refused_with_the_flag_to_change(
    folder: Path, tmp_path: Path, more: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        async_grpo.train(arguments(folder, tmp_path, "--steps", "1", *more))


def test_a_server_that_cannot_be_reached_ends_the_run_before_it_begins(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_grpo, "_checked", lambda args: None)  # there is no second GPU here
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(EngineError, match=f"{url}.*nothing is saved yet"):
            async_grpo.train(arguments(folder, tmp_path, "--steps", "1", "--server", url, "--patience", "0.01"))


class _Client:
    """TRL's client of a server that went away after the first weights."""

    def init_weight_transfer(self) -> None:
        pass

    def pause(self) -> None:
        raise ConnectionError("refused")

    def send_weights(self, iterator: Any) -> None:
        raise AssertionError("it was never paused")

    resume = destroy = init_weight_transfer


def test_a_server_that_dies_between_rollouts_is_an_engine_error_of_the_weight_transfer() -> None:
    transfer = ServerTransfer(_Client(), "http://there:8000")
    transfer.init_weight_transfer()
    with pytest.raises(EngineError, match=r"http://there:8000 failed \(pause\): ConnectionError: refused.*VLLM_SERVER_DEV_MODE=1"):
        transfer.pause()
    transfer.destroy()
