"""The command line of `grpo`: what can be said, what cannot work, and what a resumed run may say anew."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from orchestra.countdown.attempt import METHODS, Setup
from orchestra.errors import ConfigError
from orchestra.thread import Join

from ..advantage import Baseline
from ..arguments import number
from ..run_folder import as_json
from .credit import Credit
from .lesson import Normalise
from .policy import Kind

MAY_CHANGE = {
    *("out", "steps", "save_every", "max_requests", "gpu_memory", "row_tokens", "slots"),
    *("lr", "max_grad_norm", "max_sampler_kl", "sampler_dtype"),
}
"""Arguments that a resumed run may give anew: those that decide how long and how fast it runs, and those that `BadBatch` says to change."""
_OF_COUNTDOWN = ("method", "join", "beam", "child_beam", "size", "credit", "thread_price")


def check(args: argparse.Namespace) -> None:
    """Raises `ConfigError` for numbers and folders that cannot work."""
    if args.model.resolve() == args.out.resolve():
        raise ConfigError(f"--model and --out are the same folder, {args.out}: give another --out")
    if args.temperature <= 0:
        raise ConfigError(f"--temperature must be positive, got {args.temperature}: greedy rollouts are all alike")
    for name in ("group", "problems_per_step", "window", "minibatches", "warmup", "save_every", "row_tokens", "slots"):
        value, least = getattr(args, name), 2 if name == "group" else 1
        if value is not None and value < least:
            raise ConfigError(f"--{name.replace('_', '-')} must be at least {least}, got {value}")
    if not 0 <= args.hard <= 1:
        raise ConfigError(f"--hard is a share from 0 to 1, got {args.hard}")
    for name in ("eval_every", "eval_problems", "steps"):
        if getattr(args, name) < 0:
            raise ConfigError(f"--{name.replace('_', '-')} must not be negative, got {getattr(args, name)}")


def refuse_others(args: argparse.Namespace, domain: str) -> None:
    """Raises `ConfigError` for an argument of another domain than the model's."""
    parser = _parser()
    for name in _OF_COUNTDOWN if domain == "planner" else ():
        if (value := getattr(args, name)) != parser.get_default(name):
            raise ConfigError(f"--{name.replace('_', '-')} {value} means nothing to the {domain} model {args.model}: leave it out")


def check_credit(args: argparse.Namespace) -> None:
    """Raises `ConfigError` for thread-level credit where no two threads begin alike, and for what means nothing without it."""
    if args.credit == "thread" and args.method != "fork":
        raise ConfigError(
            f"--credit thread compares children that begin with the same prompt, and --method {args.method} has none: give --method fork,"
            " or --credit rollout"
        )
    if args.credit == "rollout" and args.thread_price:
        raise ConfigError(
            f"--thread-price {args.thread_price} means nothing to --credit rollout: give --credit thread, or a price in --reward"
        )


def with_window(args: argparse.Namespace, domain: str, context: int) -> argparse.Namespace:
    """`args` with the window that they mean for a model with so many tokens of context. Raises `ConfigError` for one that is more."""
    window = args.window or (context if domain == "planner" else Setup(method=args.method).effective_window)
    if window > context:
        raise ConfigError(f"--window {window} is more than the {context} tokens of {args.model}")
    return argparse.Namespace(**vars(args) | {"window": window})


def arguments(args: argparse.Namespace) -> dict[str, Any]:
    """As JSON values. Credit is named where it is a thread's: the folders of runs that had no choice name none, and go on."""
    unnamed = ("credit", "thread_price") if args.credit == "rollout" else ()
    return as_json({name: value for name, value in vars(args).items() if name not in unnamed})


def parse(argv: Sequence[str] | None = None, *, description: str | None = None) -> argparse.Namespace:
    return _parser(description).parse_args(argv)


def _parser(description: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orchestra.training.grpo", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument_group("policy and output").add_argument
    add("--model", type=Path, required=True, help="Countdown or planner model to start from: its card says which")
    add("--out", type=Path, required=True, help="folder of the run")
    add("--engine", choices=get_args(Kind), default="auto")
    add("--sampler-dtype", choices=("bfloat16", "float32"), default="bfloat16", help="of vLLM's copy of the weights")
    add = parser.add_argument_group("rollouts").add_argument
    add(
        "--window",
        type=int,
        help="tokens that one thread, or prompt and plan, may hold (default: 160, or 3,072 to weave; a planner's context)",
    )
    add("--group", type=int, default=8, help="rollouts of a problem")
    add("--problems-per-step", type=int, default=32)
    add("--temperature", type=float, default=1.0, help="of the policy that is trained: sampled from, and differentiated")
    add_task_and_reward(parser)
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
    add("--eval-every", type=int, default=10, help="steps between greedy evaluations; 0: none, and no best policy")
    add("--eval-problems", type=int, default=200, help="held-out problems of each split")
    add(
        "--eval-split",
        nargs="+",
        help="held-out splits (default: validation; the planner's: names); all but test choose the best policy",
    )
    add("--save-every", type=int, default=10, help="steps")
    return parser


def add_task_and_reward(parser: argparse.ArgumentParser) -> None:
    """What is sampled and how it is scored, the same in both trainers."""
    add = parser.add_argument_group("Countdown's rollouts").add_argument
    add("--method", choices=METHODS, default="fork")
    add("--join", choices=get_args(Join), default="all")
    add("--beam", type=int, help="0: the model decides")
    add("--child-beam", type=int, help="0: the model decides (default: 12, or 0 with --beam 0)")
    add("--size", type=int, default=4, help="numbers of a problem")
    add = parser.add_argument_group("problems").add_argument
    add(
        "--hard",
        type=float,
        default=0.0,
        help="share of Countdown problems that take large numbers; of planning tasks at which the policy's likeliest plan fails, or else long ones",
    )
    add = parser.add_argument_group("reward").add_argument
    add("--reward", default="correct", help="as `training.rewards.spec` reads it; one that begins with a minus as --reward=-…")
    add("--baseline", choices=get_args(Baseline), default="centred")
    add("--normalise", choices=get_args(Normalise), default="token", help="what weighs the same: each token, or each rollout")
    add(
        "--credit",
        choices=get_args(Credit),
        default="rollout",
        help="what a child's tokens are paid by: its rollout's advantage, or whether it found a solution where others with its prompt did not",
    )
    add("--thread-price", type=number(least=0), default=0.0, help="of a token that a child samples; its success is worth 1")
