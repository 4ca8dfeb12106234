"""Reinforcement learning of a policy that forks, or plans: rollouts, rewards from what was executed, clipped policy gradient. Synchronous.

    python -m orchestra.training.grpo --model models/countdown-6m --method fork --reward "correct + 0.5*acceleration(max=0.2)" \\
        --baseline centred --group 8 --problems-per-step 32 --steps 200 --out runs/fork
    python -m orchestra.training.grpo --model models/countdown-6m --method serial --reward correct --group 8 --steps 200 --out runs/serial
    python -m orchestra.training.grpo --model models/planner-12m --reward "correct - wasted(price=0.1) - span(price=0.02)" \\
        --hard 0.5 --group 8 --problems-per-step 64 --eval-split names combinations deeper wider --steps 100 --out runs/planner

Hardware: one GPU, which vLLM and the trainer share; or a CPU for tests (`--engine transformers`, sizes of a few problems).
Duration: to be measured.
Expected result: to be measured.

The model's card says which domain it is of. A step: (1) every problem of the step is tried `--group` times, by the same code that answers
users; (2) executed trees or plans become rewards and advantages, errors are dropped, groups without a difference are left out and counted;
(3) the rest is trained in `--minibatches` optimizer steps on trie-packed rows, against the log-probabilities that the engine recorded; (4) the
engine gets the new weights, so nothing is ever stale. There is no value model and no entropy bonus, and by default no KL to the start.

OUT gets `metrics.jsonl` (a line for each step and each evaluation), every `--save-every` steps `checkpoint.pt` and the policy as a model folder,
after each evaluation that is better than all before (accuracy first, then less work) the policy as `best`, and at the end `training.json`. A
run that was broken off, by Ctrl-C too, goes on from its checkpoint when it is started again with the same arguments; more `--steps` prolong
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

from orchestra.countdown.attempt import Setup
from orchestra.countdown.model import read_card
from orchestra.errors import ConfigError, EngineError, OrchestraError, first_cause

from .grpo_arguments import MAY_CHANGE, arguments, check, parse, refuse_others, with_window
from .grpo_best import Best
from .grpo_countdown import Countdown
from .grpo_domain import Domain, evaluate, means
from .grpo_lesson import Lesson, make_lesson
from .grpo_loss import Objective
from .grpo_planner import Planner
from .grpo_policy import Sampler, domain_of, load_policy, open_sampler, save_policy, tokenizer_digest
from .grpo_update import BadBatch, Learner, Packing, Update, summary
from .judge_checkpoint import METRICS, Checkpoint, Interrupted, heeding_ctrl_c
from .rewards import read_reward
from .rollout import Rollout
from .versions import check_versions

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FACTS = "training.json"
STOPPED = "stopped.jsonl"


def train(args: argparse.Namespace) -> None:
    """Raises `ConfigError` for arguments that cannot work and when memory runs out, `EngineError` when all rollouts of a step failed or the engine
    died, `BadBatch` for a batch that must not be learned, and `Interrupted` after Ctrl-C, when everything up to the last step is saved."""
    run: _Run | None = None
    try:
        with heeding_ctrl_c() as heard:
            run = _Run(args)
            asyncio.run(run.to_the_end(heard))
    except (EngineError, torch.OutOfMemoryError, BaseExceptionGroup) as error:
        cause = first_cause(error) if isinstance(error, BaseExceptionGroup) else error
        whole = f"everything up to step {run.saved} is saved" if run and run.saved else "there is no checkpoint yet"
        if isinstance(cause, torch.OutOfMemoryError):
            raise ConfigError(f"memory ran out: lower --slots, --row-tokens or --gpu-memory; {whole} ({cause})") from error
        if isinstance(cause, EngineError):
            message = f"{cause}. {_advice(str(cause))}; {whole}"
            raise EngineError(message, status=cause.status) from error
        if isinstance(cause, OrchestraError):
            raise cause from error
        raise


def _advice(failure: str) -> str:
    """What to do about an engine that failed."""
    if "out of memory" in failure:
        return "Lower --max-requests, --slots or --row-tokens, which the same run may change"
    if "no numbers" in failure:
        return "The policy has diverged: lower --lr"
    return "The same command goes on from the last checkpoint, with a new engine"


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
        self._args = args = with_window(args, domain_of(args.model), self._model.config.max_position_embeddings)
        self._domain = _domain(args)
        args.out.mkdir(parents=True, exist_ok=True)
        reference = load_policy(args.model, attention=args.attention, device=device).requires_grad_(False) if args.kl else None
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=args.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
        self._learner = Learner(
            self._model, self._optimizer, objective, packing, reference=reference, max_grad_norm=args.max_grad_norm
        )
        which = {name: value for name, value in arguments(args).items() if name not in MAY_CHANGE}
        self._checkpoint = Checkpoint(args.out, which | {"tokenizer": tokenizer_digest(args.model)})
        self._step, self._seconds = self._checkpoint.load(self._model, self._optimizer)
        self._best = Best(args.out, fresh=self._step == 0)
        self.saved = self._step
        """The last step that a checkpoint holds."""

    async def to_the_end(self, heard: Sequence[bool]) -> None:
        args = self._args
        started = time.monotonic() - self._seconds
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
            if self._step == 0:
                await self._evaluate(sampler)
            while self._step < args.steps:
                line = await self._one_step(sampler, self._step + 1)
                self._step += 1
                self._report({"step": self._step, "seconds": round(time.monotonic() - started, 3)} | line)
                last = self._step == args.steps
                if args.eval_every and (last or self._step % args.eval_every == 0):
                    await self._evaluate(sampler)
                if last or heard or self._step % args.save_every == 0:
                    self._checkpoint.save(self._model, self._optimizer, self._step, time.monotonic() - started)
                    self.saved = self._step
                    save_policy(self._model, args.model, args.out)
                if heard and not last:
                    raise Interrupted(f"stopped after step {self._step}: the same command goes on from here")
        facts = {
            "arguments": arguments(args),
            "reward": str(self._reward),
            "steps": self._step,
            "best": self._best.summary,
            "seconds": time.monotonic() - started,
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "torch": torch.__version__,
        }
        (args.out / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

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
            minibatches=args.minibatches,
            seed=args.seed,
        )
        rate = args.lr * min(1.0, step / args.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
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
                rows = [asdict(one) | {"advantage": value} for one, value in zip(minibatch.rollouts, minibatch.values, strict=True)]
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


def _domain(args: argparse.Namespace) -> Domain:
    domain = domain_of(args.model)
    refuse_others(args, domain)
    sizes = {"problems": args.problems_per_step, "group": args.group, "seed": args.seed, "held_out": args.eval_split}
    sizes["held_out_problems"] = args.eval_problems if args.eval_every else 0
    if domain == "planner":
        return Planner(args.model, window=args.window, temperature=args.temperature, hard=args.hard, **sizes)
    beams = {"beam": args.beam, "child_beam": args.child_beam}
    setup = Setup(method=args.method, join=args.join, window=args.window, temperature=args.temperature, **beams)
    read_card(args.model).check(args.model, setup)
    return Countdown(setup, size=args.size, **sizes)


def _line(rollouts: Sequence[Rollout], lesson: Lesson) -> dict[str, Any]:
    scored, found = lesson.scored, lesson.advantages
    return {
        "rollouts": len(scored.rollouts),
        "dropped": scored.dropped,
        "groups": found.groups,
        "silent_share": found.silent_share,
        "reward": sum(scored.rewards) / len(scored.rewards),
        **{f"reward/{name}": value for name, value in scored.means.items()},
        **means([rollout.facts for rollout in scored.rollouts]),
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


if __name__ == "__main__":
    main()
