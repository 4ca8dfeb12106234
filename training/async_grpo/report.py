"""What an asynchronous run writes down beside what TRL reports: `metrics.jsonl` in the words of `grpo`, evaluations, the best policy, and in each
checkpoint where the rollouts go on."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from orchestra.errors import ConfigError, OrchestraError

from ..grpo.best import Best
from ..grpo.domain import Domain, evaluate
from ..run_folder import METRICS, evaluated, read_object, replace_text
from .progress import Progress
from .worker import Worker

if TYPE_CHECKING:
    from transformers import PreTrainedModel

POSITION = "rollouts.json"
"""In a checkpoint, written last: one without it is not whole."""
_WORDS = {
    "kl": "sampler_kl",
    "clip_ratio/region_mean": "clip_share",
    "sample/staleness_mean": "staleness",
    "sample/staleness_max": "staleness_max",
    "sample/dropped_stale_total": "dropped_stale",
    "batch/packing_ratio": "packing_ratio",
    "batch/trained_tokens_per_step": "trained_tokens",
    "batch/forwarded_tokens_per_step": "packed_tokens",
    "perf/rollout_wait_s": "wait_seconds",
    "perf/fwd_bwd_s": "learn_seconds",
    "perf/weight_sync_s": "sync_seconds",
    "learning_rate": "rate",
    "rollouts_total": "rollouts",
    "dropped_total": "dropped",
    "groups_total": "groups",
    "sampled_tokens_total": "sampled_tokens",
}
"""TRL's names, and ours for the same; the others stay as they are."""


class Apart(OrchestraError):
    """Sampler and trainer are not of one policy any more. The step that showed it has been learned; no checkpoint holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a run goes on."""

    step: int = 0
    """The last that was taken."""
    next_round: int = 1
    seconds: float = 0.0
    """Since the run began."""
    checkpoint: Path | None = None
    """None at the beginning."""


class Report(TrainerCallback):
    """Called by the trainer. `heard` gets an element when the run is to end after the step (Ctrl-C)."""

    def __init__(
        self,
        worker: Worker,
        domain: Domain,
        *,
        source: Path,
        out: Path,
        eval_every: int,
        max_kl: float,
        heard: Sequence[bool],
        start: Position,
        progress: Progress,
        first_evaluation: bool = True,
    ) -> None:
        """`first_evaluation` False: none before the first step."""
        self.best = Best(out, fresh=start.checkpoint is None, until=start.step)
        self._worker, self._domain, self._source, self._out = worker, domain, source, out
        self._eval_every, self._max_kl, self._heard = eval_every, max_kl, heard
        self._first_evaluation, self._progress = first_evaluation, progress
        self._started = time.monotonic() - start.seconds

    @property
    def seconds(self) -> float:
        """Since the run began, without the time between a break and its resumption."""
        return time.monotonic() - self._started

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        use_rate(args.learning_rate, others["optimizer"], others["lr_scheduler"])
        step = state.global_step
        due = self._is_evaluated(state) and not evaluated(self._out, step)
        if (due and step) or (self._first_evaluation and (due or self.best.record is None)):
            self._evaluate(step, others["model"])
        self._wait(args, step)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        self._progress.doing(f"learning step {state.global_step + 1}")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        self._progress.quiet = True
        self._wait(args, state.global_step)
        if self._heard:
            control.should_save = control.should_training_stop = True

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Raises `Apart` when sampler and trainer are not of one policy any more."""
        logs: dict[str, Any] = others["logs"]
        if "loss" not in logs:  # the summary at the end
            return
        step = state.global_step
        line = {_WORDS.get(name, name): value for name, value in logs.items() if name != "epoch"}
        numbers = {name: value for name, value in line.items() if isinstance(value, (int, float)) and math.isfinite(value)}
        counts = {"dropped": 0.0, "dropped_stale": 0.0}
        self._write({"step": step, "seconds": round(self.seconds, 3)} | counts | numbers)
        if (apart := numbers.get("sampler_kl", 0.0)) > self._max_kl:
            raise Apart(
                f"step {step}: sampler and trainer are {apart:.3g} nats a token apart, more than {self._max_kl}: the engine did not take the"
                " weights, rounds too coarsely (--sampler-dtype float32), or the rows are too old (lower --ahead or --max-staleness)"
            )
        if self._is_evaluated(state):
            # First: an evaluation may fail, and the best policy must not be of a step that could be lost.
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        position = {"step": state.global_step, "next_round": self._worker.next_round, "seconds": self.seconds}
        replace_text(self._out / f"checkpoint-{state.global_step}" / POSITION, json.dumps(position) + "\n")
        if self._is_evaluated(state) and not (self._heard and state.global_step < state.max_steps):
            self._evaluate(state.global_step, others["model"])
            self._wait(args, state.global_step)

    def _wait(self, args: TrainingArguments, step: int) -> None:
        budget = getattr(args, "token_budget", None)  # of TRL's arguments
        self._progress.doing(
            f"waiting for the rows of step {step + 1}: {args.gradient_accumulation_steps} passes of {budget} packed tokens"
        )

    def _is_evaluated(self, state: TrainerState) -> bool:
        step = state.global_step
        return bool(self._eval_every) and (step in (0, state.max_steps) or step % self._eval_every == 0)

    def _evaluate(self, step: int, model: PreTrainedModel) -> None:
        if self._domain.held_out:
            self._progress.doing(f"evaluating the policy of step {step}")
            found = self._worker.call(lambda: evaluate(self._domain, self._worker.engine))
            self._write({"step": step, "evaluation": found})
            self.best.offer(model, self._source, step, found)

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line)
        with (self._out / METRICS).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        sys.stderr.write(text + "\n")


def use_rate(rate: float, optimizer: Any, scheduler: Any) -> None:
    """Make `rate` the peak of the schedule from here on: a checkpoint brings back the one that it was saved with."""
    scheduler.base_lrs = [rate] * len(scheduler.base_lrs)
    now = [rate * factor(scheduler.last_epoch) for factor in scheduler.lr_lambdas]
    for group, value in zip(optimizer.param_groups, now, strict=True):
        group["initial_lr"], group["lr"] = rate, value
    scheduler._last_lr = now


def last_position(out: Path) -> Position:
    """Of the newest whole checkpoint, or the beginning. Raises `ConfigError` for a damaged one."""
    whole = [path for path in out.glob("checkpoint-*") if (path / POSITION).exists()]
    if not whole:
        return Position()
    newest = max(whole, key=lambda path: int(path.name.removeprefix("checkpoint-")))
    found = read_object(newest / POSITION)
    try:
        return Position(
            step=int(found["step"]), next_round=int(found["next_round"]), seconds=float(found["seconds"]), checkpoint=newest
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{newest / POSITION} is damaged ({error!r}): remove {newest} to go on from the checkpoint before it"
        ) from error
