"""Reinforcement learning of a policy that forks, or plans: rollouts, rewards from what was executed, clipped policy gradient. Synchronous.

    python -m orchestra.training.grpo --model models/countdown-6m --method fork --reward "correct + 0.5*acceleration(max=0.2)" \\
        --baseline centred --group 8 --problems-per-step 32 --steps 200 --out runs/fork
    python -m orchestra.training.grpo --model models/countdown-6m --method serial --reward correct --group 8 --steps 200 --out runs/serial
    python -m orchestra.training.grpo --model models/countdown-6m --method fork --join all --credit thread --steps 200 --out runs/threads
    python -m orchestra.training.grpo --model models/planner-12m --reward "correct - wasted(price=0.1) - span(price=0.02)" \\
        --hard 0.5 --group 8 --problems-per-step 64 --eval-split names combinations deeper wider --steps 100 --out runs/planner

Hardware: one GPU, which vLLM and the trainer share; or a CPU for tests (`--engine transformers`, sizes of a few problems).
Duration on an H200 that three runs shared (eight programs on 64 cores): 75 to 140 s until the first step (start of vLLM, first evaluation), then for
Countdown 11 to 16 s of sampling (about 15,000 tokens/s, bound by the CPU), 0.2 to 0.5 s of learning and 0.1 s of new weights a step; for the
planner 2.7, 0.1 and 0.1 s. The CPU decides: set OMP_NUM_THREADS=2, or each trainer's threads spin on all cores.
Result (evals/recorded/rl-h200, curves in docs/training.md; `recipes/grpo.sh` and `planner_grpo.sh`), from countdown-6m after a second stage of SFT with
free widths: serial, 31 steps of 128 problems x 16: greedy 61 -> 67 % of 400 held-out problems. Fork, join first, 22 steps of 32 x 8: 87 -> 93 % of
the training problems at temperature 1, and no gain greedy (96.5 -> 95 %). Planner, 33 steps of 64 x 8: 84.2 -> 85.1 % of 1,000 held-out tasks,
which is within their noise. `--baseline centred_std` collapsed to one child in 30 steps (86 -> 49 %): divided by
the standard deviation, a tiny difference in price between right answers weighs as much as right against wrong.

The model's card says which domain it is of. A step: (1) every problem of the step is tried `--group` times, by the same code that answers
users; (2) executed trees or plans become rewards and advantages, errors are dropped, groups without a difference are left out and counted (with
`--credit thread` a child is paid for what it found itself: `grpo/credit.py`, which says why that wants `--join all`); (3) the rest is trained
in `--minibatches` optimizer steps on trie-packed rows, against the log-probabilities that the engine recorded; (4) the engine gets the new
weights, so nothing is ever stale. There is no value model and no entropy bonus, and by default no KL to the start.

OUT gets `metrics.jsonl` (a line for each step and each evaluation), every `--save-every` steps `checkpoint.pt` and the policy as a model folder,
after each evaluation that is better than all before (accuracy first, then less work) the policy as `best`, and at the end `training.json`. A
run that was broken off, by Ctrl-C or a dead engine too, goes on from its checkpoint when it is started again with the same arguments; more `--steps` prolong
it. Problems and minibatches depend on seed and step alone; rollouts too, except on vLLM, which draws from a generator of its own. A loss that
is no number stops the run before it is learned, with its batch in `stopped.jsonl`; so does an engine that does not sample with the trainer's
weights.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from transformers.utils import logging as transformers_logging

from orchestra.errors import ConfigError, EngineError, OrchestraError, first_cause

from ..checkpoint import Checkpoint, Interrupted, heeding_ctrl_c
from ..rewards import read_reward
from ..rollout import Rollout
from ..run_folder import FACTS, METRICS, claim, evaluated, finished, replace_text
from ..versions import check_versions
from .arguments import MAY_CHANGE, arguments, check, parse, with_window
from .best import Best
from .domain import evaluate
from .domains import check_asked, domain_from
from .failure import advised, diverged, unchanged
from .lesson import Lesson, make_lesson
from .loss import Objective
from .policy import Sampler, domain_of, load_policy, open_sampler, save_policy, tokenizer_digest
from .update import BadBatch, Learner, Packing, Update, summary

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STOPPED = "stopped.jsonl"


def train(args: argparse.Namespace) -> None:
    """Raises `ConfigError` for arguments that cannot work and when memory runs out, `EngineError` when all rollouts of a step failed or the engine
    died, `BadBatch` for a batch that must not be learned, and `Interrupted` after Ctrl-C, when everything up to the last step is saved."""
    run: _Run | None = None
    try:
        with heeding_ctrl_c() as heard:
            run = _Run(args)
            asyncio.run(run.to_the_end(heard))
    except (EngineError, RuntimeError, BaseExceptionGroup) as error:
        cause = first_cause(error) if isinstance(error, BaseExceptionGroup) else error
        if run and isinstance(cause, EngineError) and not diverged(cause):
            run.save_what_is_whole()
        if (advice := advised(cause, saved=run.saved if run else 0)) is None:
            raise
        raise advice from error


class _Run:
    """One training run from its checkpoint on."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Whatever can be wrong with the arguments is found here, before an engine starts."""
        check(args)
        self._reward = read_reward(args.reward)
        objective = Objective(clip_low=args.clip_low, clip_high=args.clip_high, kl=args.kl)
        packing = Packing(row_tokens=args.row_tokens, slots=args.slots, attention=args.attention, temperature=args.temperature)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model: PreTrainedModel = load_policy(args.model, attention=args.attention, device=device)
        name = domain_of(args.model)
        check_asked(args, name)
        self._args = args = with_window(args, name, self._model.config.max_position_embeddings)
        self._domain = domain_from(args, name, problems=args.problems_per_step)
        reference = load_policy(args.model, attention=args.attention, device=device).requires_grad_(False) if args.kl else None
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=args.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
        self._learner = Learner(
            self._model, self._optimizer, objective, packing, reference=reference, max_grad_norm=args.max_grad_norm
        )
        which = {name: value for name, value in arguments(args).items() if name not in MAY_CHANGE}
        which["tokenizer"] = tokenizer_digest(args.model)
        ended = finished(args.out, arguments(args), may_change=MAY_CHANGE)
        claim(args.out, which, may_change=MAY_CHANGE)
        self._checkpoint = Checkpoint(args.out, which)
        self.ended = ended is not None and ended["steps"] >= args.steps
        """Whether there is nothing left to do."""
        if ended and ended["steps"] and not self.ended and not self._checkpoint.path.exists():
            raise ConfigError(
                f"{args.out} is trained already, and {self._checkpoint.path} to go on from is gone: give another --out"
            )
        self._step: int = args.steps
        seconds = 0.0
        if not self.ended:
            self._step, seconds = self._checkpoint.load(self._model, self._optimizer)
        self._started = time.monotonic() - seconds
        self._best = Best(args.out, fresh=not self.ended and self._step == 0, until=self._step)
        self._half = False
        """Whether the weights are between two steps."""
        self.saved = self._step
        """The last step that a checkpoint holds."""

    async def to_the_end(self, heard: Sequence[bool]) -> None:
        args = self._args
        if self.ended:
            sys.stderr.write(f"{args.out} has had its {args.steps} steps: more --steps prolong it\n")
            return
        if self._step < args.steps or self._lacks_evaluation:
            await self._steps(heard)
        else:  # it was killed after its last checkpoint
            save_policy(self._model, args.model, args.out)
        facts = {
            "arguments": arguments(args),
            "reward": str(self._reward),
            "steps": self._step,
            "best": self._best.summary,
            "seconds": time.monotonic() - self._started,
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "torch": torch.__version__,
        }
        replace_text(args.out / FACTS, json.dumps(facts, indent=1) + "\n")
        if told := unchanged(args.out):
            sys.stderr.write(f"{told}\n")

    def save_what_is_whole(self) -> None:
        """A checkpoint of the last step, unless a later one has begun to change the weights."""
        if self._step > self.saved and not self._half:
            self._save()

    async def _steps(self, heard: Sequence[bool]) -> None:
        args = self._args
        async with open_sampler(
            self._model,
            kind=args.engine,
            source=args.model,
            out=args.out.absolute(),  # vLLM reads it from another process
            max_requests=args.max_requests,
            gpu_memory=args.gpu_memory,
            dtype=getattr(torch, args.sampler_dtype),
            seed=args.seed + self._step,
        ) as sampler:
            if self._step >= args.steps:
                save_policy(self._model, args.model, args.out)
            if self._lacks_evaluation:
                await self._evaluate(sampler)
            while self._step < args.steps:
                line = await self._one_step(sampler, self._step + 1)
                self._step, self._half = self._step + 1, False
                self._report({"step": self._step, "seconds": round(time.monotonic() - self._started, 3)} | line)
                last = self._step == args.steps
                # Before an evaluation, which may fail, and whose best policy must not be of a step that could be lost.
                if last or heard or self._is_evaluated or self._step % args.save_every == 0:
                    self._save()
                if heard and not last:
                    raise Interrupted(f"stopped after step {self._step}: the same command goes on from here")
                if self._is_evaluated:
                    await self._evaluate(sampler)

    @property
    def _is_evaluated(self) -> bool:
        """Whether this step is one of those that are."""
        args = self._args
        return bool(args.eval_every) and (self._step in (0, args.steps) or self._step % args.eval_every == 0)

    @property
    def _lacks_evaluation(self) -> bool:
        """Whether the run begins, or was broken off between a step and its evaluation."""
        if self._best.record is None:
            return bool(self._domain.held_out)
        return self._is_evaluated and not evaluated(self._args.out, self._step)

    def _save(self) -> None:
        self._checkpoint.save(self._model, self._optimizer, self._step, time.monotonic() - self._started)
        self.saved = self._step
        save_policy(self._model, self._args.model, self._args.out)

    async def _one_step(self, sampler: Sampler, step: int) -> dict[str, Any]:
        args = self._args
        clock = [time.monotonic()]
        rollouts = await self._domain.rollouts(sampler.engine, step=step, seed=args.seed if sampler.seeded else None)
        clock.append(time.monotonic())
        lesson = make_lesson(
            rollouts,
            self._reward,
            step=step,
            baseline=args.baseline,
            normalise=args.normalise,
            credit=args.credit,
            thread_price=args.thread_price,
            minibatches=args.minibatches,
            seed=args.seed,
        )
        rate = args.lr * min(1.0, step / args.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._half = True
        updates = await asyncio.to_thread(self._learn, lesson, step)
        clock.append(time.monotonic())
        if updates:
            await sampler.sync()
        clock.append(time.monotonic())
        sample_s, learn_s, sync_s = (after - before for before, after in itertools.pairwise(clock))
        return _line(rollouts, lesson) | {
            **summary(updates, seconds=learn_s),
            "updates": len(updates),
            "staleness": 0,
            "rate": rate,
            "sampled_tokens_per_second": round(sum(rollout.num_sampled for rollout in rollouts) / sample_s),
            "sample_seconds": round(sample_s, 3),
            "learn_seconds": round(learn_s, 3),
            "sync_seconds": round(sync_s, 3),
        }

    def _learn(self, lesson: Lesson, step: int) -> list[Update]:
        updates: list[Update] = []
        for minibatch in lesson.minibatches:
            try:
                # Only before the first update has the trainer the weights that sampled.
                updates.append(self._learner.learn(minibatch, max_sampler_kl=None if updates else self._args.max_sampler_kl))
            except BadBatch as error:
                path = self._args.out / STOPPED
                rows = [asdict(one) | {"weights": own} for one, own in zip(minibatch.rollouts, minibatch.values, strict=True)]
                path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
                raise BadBatch(
                    f"step {step}: {error}. The batch is in {path}; the run can go on from its last checkpoint"
                ) from error
        return updates

    async def _evaluate(self, sampler: Sampler) -> None:
        if self._domain.held_out:
            found = await evaluate(self._domain, sampler.engine)
            self._report({"step": self._step, "evaluation": found})
            self._best.offer(self._model, self._args.model, self._step, found)

    def _report(self, line: dict[str, Any]) -> None:
        text = json.dumps(line)
        with (self._args.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        sys.stderr.write(text + "\n")


def _line(rollouts: Sequence[Rollout], lesson: Lesson) -> dict[str, Any]:
    return {
        "rollouts": len(lesson.scored.rollouts),
        "dropped": lesson.scored.dropped,
        "groups": lesson.advantages.groups,
        **{name: part / whole for name, (part, whole) in lesson.shares.items()},
        **lesson.means,
        "sampled_tokens": sum(rollout.num_sampled for rollout in rollouts),
    }


def main() -> None:
    torch.set_float32_matmul_precision("high")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        args = parse(description=__doc__)
        check_versions(vllm=args.engine == "vllm")
        train(args)
    except Interrupted as stop:
        sys.stderr.write(f"{stop}\n")
        raise SystemExit(130) from None
    except OrchestraError as error:
        raise SystemExit(str(error)) from None
