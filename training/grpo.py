"""Reinforcement learning of a policy that forks: fork–join rollouts, rewards from executed threads, clipped policy gradient. Synchronous.

    python -m orchestra.training.grpo --model models/countdown-6m --method fork --reward "correct + 0.5*acceleration(max=0.2)" \\
        --baseline centred --group 8 --problems-per-step 32 --steps 200 --out runs/fork
    python -m orchestra.training.grpo --model models/countdown-6m --method serial --reward correct --group 8 --steps 200 --out runs/serial

Hardware: one GPU, which vLLM and the trainer share; or a CPU for tests (`--engine transformers`, sizes of a few problems).
Duration: to be measured.
Expected result: to be measured.

A step: (1) every problem of the step is tried `--group` times by the same `attempt` that answers users; (2) executed trees become rewards and
advantages, errors are dropped, groups without a difference are left out and counted; (3) the rest is trained in `--minibatches` optimizer
steps on trie-packed rows, against the log-probabilities that the engine recorded; (4) the engine gets the new weights, so nothing is ever
stale. There is no value model and no entropy bonus, and by default no KL to the start.

OUT gets `metrics.jsonl` (a line for each step and each evaluation), every `--save-every` steps `checkpoint.pt` and the policy as a model folder,
and at the end `training.json`. A run that was broken off, by Ctrl-C too, goes on from its checkpoint when it is started again with the same
arguments; more `--steps` prolong it. Problems and minibatches depend on seed and step alone; rollouts too, except on vLLM, which draws from
a generator of its own. A loss that is no number stops the run before it is learned, with its batch in `stopped.jsonl`; so does an engine that
does not sample with the trainer's weights.
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
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from transformers.utils import logging as transformers_logging

from orchestra.countdown.attempt import METHODS, Setup
from orchestra.errors import ConfigError, OrchestraError
from orchestra.thread import Join

from .advantage import Baseline
from .grpo_lesson import Lesson, Normalise, make_lesson
from .grpo_loss import Objective
from .grpo_policy import Kind, Sampler, load_policy, open_sampler, save_policy
from .grpo_rollouts import evaluate, means, problems, problems_of_step, sample_groups
from .grpo_update import BadBatch, Learner, Packing, Update, summary
from .judge_checkpoint import METRICS, Checkpoint, Interrupted, heeding_ctrl_c
from .rewards import read_reward
from .rollout import Rollout

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FACTS = "training.json"
STOPPED = "stopped.jsonl"
_MAY_CHANGE = {
    *("out", "steps", "save_every", "max_requests", "gpu_memory", "row_tokens", "slots"),
    *("lr", "max_grad_norm", "max_sampler_kl", "sampler_dtype"),
}
"""Arguments that a resumed run may give anew: those that decide how long and how fast it runs, and those that `BadBatch` says to change."""


def train(args: argparse.Namespace) -> None:
    """Raises `ConfigError` for arguments that cannot work, `EngineError` when all rollouts of a step failed, `BadBatch` for one that must not be
    learned, and `Interrupted` after Ctrl-C, when everything up to the last step is saved."""
    with heeding_ctrl_c() as heard:
        asyncio.run(_Run(args).to_the_end(heard))


class _Run:
    """One training run from its checkpoint on."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Whatever can be wrong with the arguments is found here, before an engine starts."""
        self._args = args
        if args.temperature <= 0:
            raise ConfigError(f"--temperature must be positive, got {args.temperature}: greedy rollouts are all alike")
        for name in ("group", "problems_per_step", "window", "minibatches", "warmup", "save_every"):
            if getattr(args, name) < (least := 2 if name == "group" else 1):
                raise ConfigError(f"--{name.replace('_', '-')} must be at least {least}, got {getattr(args, name)}")
        self._reward = read_reward(args.reward)
        self._setup = Setup(
            method=args.method,
            join=args.join,
            beam=args.beam,
            child_beam=args.child_beam,
            window=args.window,
            temperature=args.temperature,
            logprobs=True,
        )
        objective = Objective(clip_low=args.clip_low, clip_high=args.clip_high, kl=args.kl)
        packing = Packing(row_tokens=args.row_tokens, slots=args.slots, attention=args.attention, temperature=args.temperature)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        args.out.mkdir(parents=True, exist_ok=True)
        self._model: PreTrainedModel = load_policy(args.model, attention=args.attention, device=device)
        if args.window > (context := self._model.config.max_position_embeddings):
            raise ConfigError(f"--window {args.window} is more than the {context} tokens of {args.model}")
        reference = load_policy(args.model, attention=args.attention, device=device).requires_grad_(False) if args.kl else None
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=args.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
        self._learner = Learner(
            self._model, self._optimizer, objective, packing, reference=reference, max_grad_norm=args.max_grad_norm
        )
        self._checkpoint = Checkpoint(args.out, {k: v for k, v in arguments(args).items() if k not in _MAY_CHANGE})
        self._step, self._seconds = self._checkpoint.load(self._model, self._optimizer)
        self._held_out = problems("validation", args.eval_problems, seed=0, size=args.size) if args.eval_every else []

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
                    save_policy(self._model, args.model, args.out)
                if heard and not last:
                    raise Interrupted(f"stopped after step {self._step}: the same command goes on from here")
        facts = {
            "arguments": arguments(args),
            "reward": str(self._reward),
            "steps": self._step,
            "seconds": time.monotonic() - started,
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "torch": torch.__version__,
        }
        (args.out / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    async def _one_step(self, sampler: Sampler, step: int) -> dict[str, Any]:
        args = self._args
        clock = [time.monotonic()]
        asked = problems_of_step(args.problems_per_step, seed=args.seed, step=step, size=args.size)
        seed = args.seed if sampler.seeded else None
        rollouts = await sample_groups(sampler.engine, asked, self._setup, group=args.group, step=step, seed=seed)
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
            **summary(updates),
            "updates": len(updates),
            "staleness": 0,
            "rate": rate,
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
        if self._held_out:
            found = await evaluate(sampler.engine, self._held_out, self._setup)
            self._report({"step": self._step, "evaluation": found})

    def _report(self, line: dict[str, Any]) -> None:
        text = json.dumps(line)
        with (self._args.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        sys.stderr.write(text + "\n")


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


def arguments(args: argparse.Namespace) -> dict[str, Any]:
    """As JSON values."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument_group("policy and output").add_argument
    add("--model", type=Path, required=True, help="Countdown model to start from")
    add("--out", type=Path, required=True, help="folder of the run")
    add("--engine", choices=get_args(Kind), default="auto")
    add("--sampler-dtype", choices=("bfloat16", "float32"), default="bfloat16", help="of vLLM's copy of the weights")
    add = parser.add_argument_group("rollouts").add_argument
    add("--method", choices=METHODS, default="fork")
    add("--join", choices=get_args(Join), default="all")
    add("--window", type=int, default=Setup().window, help="tokens that one thread may hold, in training and evaluation")
    add("--beam", type=int)
    add("--child-beam", type=int, default=Setup().child_beam)
    add("--size", type=int, default=4, help="numbers of a problem")
    add("--group", type=int, default=8, help="rollouts of a problem")
    add("--problems-per-step", type=int, default=32)
    add("--temperature", type=float, default=1.0, help="of the policy that is trained: sampled from, and differentiated")
    add = parser.add_argument_group("reward").add_argument
    add("--reward", default="correct", help="as `training.rewards.spec` reads it; one that begins with a minus as --reward=-…")
    add("--baseline", choices=get_args(Baseline), default="centred")
    add("--normalise", choices=get_args(Normalise), default="token", help="what weighs the same: each token, or each rollout")
    add = parser.add_argument_group("optimisation").add_argument
    add("--steps", type=int, required=True)
    add("--minibatches", type=int, default=2, help="optimizer steps a step")
    add("--lr", type=float, default=2e-5)
    add("--warmup", type=int, default=5, help="steps")
    add("--clip-low", type=float, default=0.2)
    add("--clip-high", type=float, default=0.28)
    add("--kl", type=float, default=0.0, help="weight of the KL to the model that the run started from")
    add("--max-grad-norm", type=float, default=1.0)
    add("--max-sampler-kl", type=float, default=0.1, help="nats a token between engine and trainer at which the run stops")
    add("--seed", type=int, default=0)
    add = parser.add_argument_group("speed and memory").add_argument
    add("--max-requests", type=int, default=512, help="decoded together")
    add("--gpu-memory", type=float, default=0.4, help="vLLM's share")
    add("--row-tokens", type=int, default=1024, help="of a packed row")
    add("--slots", type=int, default=65_536, help="tokens of a forward pass")
    add("--attention", choices=("sdpa", "flex_attention"), default="sdpa", help="of the trainer")
    add = parser.add_argument_group("evaluation and checkpoints").add_argument
    add("--eval-every", type=int, default=10, help="steps between greedy evaluations; 0: none")
    add("--eval-problems", type=int, default=200, help="held-out problems")
    add("--save-every", type=int, default=10, help="steps")
    return parser.parse_args(argv)


def main() -> None:
    torch.set_float32_matmul_precision("high")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        train(parse())
    except Interrupted as stop:
        sys.stderr.write(f"{stop}\n")
        raise SystemExit(130) from None
    except OrchestraError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
