"""Reinforcement learning of a policy that forks, or plans, with TRL's asynchronous trainer: it learns from earlier rollouts while later ones run.

    python -m orchestra.training.async_grpo --model models/countdown-6m --method fork --reward "correct - work(price=0.0001)" \\
        --temperature 2 --group 8 --problems-per-round 8 --steps 200 --out runs/async
    python -m orchestra.training.async_grpo --server http://localhost:8000 --model models/countdown-6m --steps 200 --out runs/two-gpus

Hardware: one GPU, which vLLM in this process and the trainer share; or two, where a vLLM server has the other and gets new weights through
NCCL (`recipes/async_grpo.sh` starts both); or a CPU for tests (`--engine transformers`).
Result: with vLLM 0.25.1 in this process, one H200, 12 steps took 37 s (evals/recorded/nested-h200/async.jsonl): rows up to 4 steps old, engine and
trainer up to 1.8e-3 nats a token apart, new weights in 0.1 to 1.8 s. With a server on a second GPU no step has been taken: the
NCCL group was formed, the first weights arrived and several hundred requests were answered, when the time was over. Nothing ran for longer. Lines on
stderr that begin with seconds in brackets say what the run does, up to the first step, and later what it waits for when that lasts; `--no-first-eval`
lets the first step come sooner.

Rounds of `--problems-per-round` groups are sampled by the same code that answers users, at most `--ahead` of them at once. Each becomes rows as
soon as it is complete: rewards of what was executed, advantages over whole groups, a row for every request of every thread; errors are
dropped, groups without a difference are left out and counted. A step learns from `--accumulate` rows of `--token-budget` packed tokens each,
with the clipped loss on the recorded log-probabilities, as the mean over tokens (`async_grpo/trl.py`: of each forward pass); then the engine gets the new weights. Rows more than
`--max-staleness` steps old are dropped. What differs from `grpo`: steps are counted in tokens, not in problems; rows are a few steps old; there
is no KL to a reference. `--baseline batch` takes its standard deviation over a round.

OUT gets what `grpo` writes: `metrics.jsonl` with the same names (and TRL's own figures), the policy as a model folder, `best`, `training.json`;
checkpoints are TRL's, `checkpoint-STEP`, of which the last two stay. `--report-to` reports to trackio or W&B as well. A run that was broken off,
by Ctrl-C or because the server died, goes on from its last checkpoint when it is started again with the same arguments; more `--steps`
prolong it. A loss that is no number stops the run before it is learned, with its batch in `stopped.pt`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from orchestra.engine import Engine
from orchestra.engine.http import HttpEngine
from orchestra.errors import ConfigError, EngineError, OrchestraError

from ..checkpoint import Interrupted, heeding_ctrl_c
from ..grpo.arguments import arguments, with_window
from ..grpo.best import Best
from ..grpo.domain import Domain
from ..grpo.domains import check_asked, domain_from
from ..grpo.policy import domain_of, load_policy, open_sampler, save_policy, tokenizer_digest
from ..memory import first_line, ran_out
from ..rewards import read_reward
from ..run_folder import FACTS, claim, evaluated, finished, forget_after, replace_text
from ..versions import ASYNC, check_versions
from .arguments import MAY_CHANGE, check, parse
from .progress import Progress
from .report import Position, Report, last_position
from .weights import Announced, LocalPolicy, LocalTransfer
from .worker import Teaching, Worker


def train(args: argparse.Namespace) -> None:
    """Raises `ConfigError` for arguments and packages that cannot work and when memory runs out, `EngineError` when the engine or its server died or
    cannot be reached, `BadBatch` for a batch that must not be learned, `Apart` when the engine does not sample with the trainer's weights, and `Interrupted`
    after Ctrl-C, when the last step is saved."""
    _checked(args)
    with heeding_ctrl_c() as heard:
        try:
            _run(args, heard)
        except (EngineError, RuntimeError) as error:
            saved = last_position(args.out).step
            whole = f"everything up to step {saved} is saved" if saved else "nothing is saved yet"
            if isinstance(error, EngineError):
                raise EngineError(
                    f"{error}. The same command goes on from the last checkpoint: {whole}", status=error.status
                ) from error
            if ran_out(error):
                raise ConfigError(
                    f"memory ran out: lower --token-budget, --max-requests or --gpu-memory; {whole} ({first_line(error)})"
                ) from error
            raise


def _checked(args: argparse.Namespace) -> None:
    if args.server is not None and not torch.cuda.is_available():
        raise ConfigError(
            "--server needs a GPU for the trainer, because weights go through NCCL: leave --server out to sample in this process"
        )
    check_versions(ASYNC, vllm=args.server is None and _kind(args) == "vllm", transfer=args.server is not None)
    if args.report_to != "none" and find_spec(args.report_to) is None:
        raise ConfigError(f"--report-to {args.report_to} needs a package that is not installed. Run: pip install {args.report_to}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("async_grpo trains in one process: start it with `python -m`, without a launcher")
    if torch.cuda.device_count() > 1:
        raise ConfigError(
            f"{torch.cuda.device_count()} GPUs are visible and the trainer takes one: set CUDA_VISIBLE_DEVICES to it; with --server the server"
            " needs another one"
        )


@dataclass(frozen=True, slots=True)
class _Sampling:
    """Where rollouts are sampled."""

    open_engine: Callable[[], AbstractAsyncContextManager[Engine]]
    seed: int | None
    policy: LocalPolicy | None
    """None where TRL sends the weights."""


def _run(args: argparse.Namespace, heard: list[bool]) -> None:
    position = last_position(args.out)
    # vLLM reads what is saved of it, and needs no GPU memory for that.
    device = torch.device("cuda" if torch.cuda.is_available() and _kind(args) == "transformers" else "cpu")
    model = load_policy(args.model, attention="sdpa", device=device)
    domain_name = domain_of(args.model)
    check_asked(args, domain_name)
    args = with_window(args, domain_name, model.config.max_position_embeddings)
    check(args)
    domain, reward = domain_from(args, domain_name, problems=args.problems_per_round), read_reward(args.reward)
    ended = finished(args.out, arguments(args), may_change=MAY_CHANGE)
    claim(args.out, arguments(args) | {"tokenizer": tokenizer_digest(args.model)}, may_change=MAY_CHANGE)
    if ended is not None and ended["steps"] >= args.steps:
        sys.stderr.write(f"{args.out} has had its {args.steps} steps: more --steps prolong it\n")
        return
    if ended is not None and position.checkpoint is None:
        raise ConfigError(f"{args.out} is trained already, and its checkpoints to go on from are gone: give another --out")
    forget_after(args.out, position.step)
    if position.checkpoint is not None and position.step >= args.steps:
        _end_after_all(args, position, reward=str(reward))
        return
    sampling = _sampling(args, model, position.step)
    worker = Worker(
        sampling.open_engine,
        domain,
        Teaching(
            reward=reward,
            baseline=args.baseline,
            normalise=args.normalise,
            credit=args.credit,
            thread_price=args.thread_price,
            max_silent=args.max_silent,
        ),
        seed=sampling.seed,
        ahead=args.ahead,
        first_round=position.next_round,
        heard=heard,
    )
    with Progress(worker.status) as progress:
        trainer, report = _trained(args, worker, sampling.policy, domain, position, heard, progress)
        progress.doing("saving the policy")
        save_policy(trainer.model, args.model, args.out)
    step = trainer.state.global_step
    if step < args.steps:
        raise Interrupted(f"stopped after step {step}: the same command goes on from here")
    _write_facts(args, reward=str(reward), step=step, best=report.best, seconds=report.seconds)


def _trained(
    args: argparse.Namespace,
    worker: Worker,
    policy: LocalPolicy | None,
    domain: Domain,
    position: Position,
    heard: Sequence[bool],
    progress: Progress,
) -> tuple[Any, Report]:
    """The trainer at the end of its run, and what was reported of it."""
    progress.doing("importing TRL")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are importing from 'trl.experimental'")
        warnings.filterwarnings("ignore", "TRL currently supports vLLM")  # `versions` says where that matters
        from .trl import make_trainer
    progress.doing(f"connecting to {args.server}" if args.server else f"starting the engine ({_kind(args)}) in this process")
    with worker:
        progress.doing("making the trainer")
        report = Report(
            worker,
            domain,
            source=args.model,
            out=args.out,
            eval_every=args.eval_every,
            max_kl=args.max_sampler_kl,
            heard=heard,
            start=position,
            progress=progress,
            first_evaluation=args.first_eval,
        )
        trainer = make_trainer(
            args.model,
            args.out,
            worker,
            LocalTransfer(worker, policy) if policy else None,
            server=args.server,
            flash3=args.attention == "flash3",
            callbacks=[report],
            max_steps=args.steps,
            gradient_accumulation_steps=args.accumulate,
            token_budget=args.token_budget,
            learning_rate=args.lr,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=args.warmup,
            adam_beta2=0.95,
            max_grad_norm=args.max_grad_norm,
            epsilon=args.clip_low,
            epsilon_high=args.clip_high,
            temperature=args.temperature,
            max_staleness=args.max_staleness,
            heartbeat_stale_after_s=args.stale_after,
            save_steps=args.save_every,
            report_to=args.report_to,
            seed=args.seed,
        )
        trainer.weight_transfer = Announced(trainer.weight_transfer, progress)
        trainer.model_version = position.step  # one more after the first transfer: the step that is sampled for
        trainer.train(resume_from_checkpoint=position.checkpoint and str(position.checkpoint))
    return trainer, report


def _end_after_all(args: argparse.Namespace, position: Position, *, reward: str) -> None:
    """Of a run that was killed after its last checkpoint."""
    assert position.checkpoint is not None
    if args.eval_every and not evaluated(args.out, position.step):
        sys.stderr.write(f"step {position.step} was saved and not evaluated: evaluate {args.out} as docs/training.md says\n")
    model: Any = AutoModelForCausalLM.from_pretrained(position.checkpoint, dtype=torch.float32, local_files_only=True)
    save_policy(model, args.model, args.out)
    best = Best(args.out, fresh=False, until=position.step)
    _write_facts(args, reward=reward, step=position.step, best=best, seconds=position.seconds)


def _write_facts(args: argparse.Namespace, *, reward: str, step: int, best: Best, seconds: float) -> None:
    facts = {
        "arguments": arguments(args),
        "reward": reward,
        "steps": step,
        "best": best.summary,
        "seconds": seconds,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
    }
    replace_text(args.out / FACTS, json.dumps(facts, indent=1) + "\n")


def _sampling(args: argparse.Namespace, model: Any, step: int) -> _Sampling:
    if args.server is not None:
        return _Sampling(partial(HttpEngine, args.server, patience_s=args.patience), None, None)
    open_here = partial(
        open_sampler,
        model,
        kind=_kind(args),
        source=args.model,
        out=args.out.absolute(),  # vLLM reads it from another process
        max_requests=args.max_requests,
        gpu_memory=args.gpu_memory,
        dtype=getattr(torch, args.sampler_dtype),
        seed=args.seed + step,
    )
    policy = LocalPolicy(model, open_here)
    return _Sampling(policy.open, args.seed if _kind(args) == "transformers" else None, policy)


def _kind(args: argparse.Namespace) -> Any:
    """The model that is sampled with lies on the CPU when vLLM reads it from a folder, so the choice cannot be left to `open_sampler`."""
    if args.engine != "auto":
        return args.engine
    return "vllm" if torch.cuda.is_available() else "transformers"


def main() -> None:
    torch.set_float32_matmul_precision("high")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        train(parse(description=__doc__))
    except Interrupted as stop:
        sys.stderr.write(f"{stop}\n")
        raise SystemExit(130) from None
    except OrchestraError as error:
        raise SystemExit(str(error)) from None
