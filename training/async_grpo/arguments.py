"""The command line of `async_grpo`: what can be said, what cannot work, and what a resumed run may say anew. Shared names mean what they mean in `grpo`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from orchestra.errors import ConfigError

from ..arguments import number, whole
from ..grpo.arguments import add_task_and_reward
from ..grpo.policy import Kind

MAY_CHANGE = {
    *("out", "steps", "save_every", "eval_every", "eval_problems", "report_to", "stale_after", "patience", "server", "engine"),
    "first_eval",
    *(
        "max_requests",
        "gpu_memory",
        "token_budget",
        "ahead",
        "max_staleness",
        "lr",
        "max_grad_norm",
        "max_sampler_kl",
        "sampler_dtype",
    ),
}
"""Arguments that a resumed run may give anew: those that decide how long, how fast and where it runs, and those that errors say to change."""


def check(args: argparse.Namespace) -> None:
    """Raises `ConfigError` for arguments that cannot work together. The window must be known (`grpo.arguments.with_window`)."""
    if args.model.resolve() == args.out.resolve():
        raise ConfigError(f"--model and --out are the same folder, {args.out}: give another --out")
    if args.baseline == "batch" and args.problems_per_round == 1:
        raise ConfigError("--baseline batch compares the groups of a round: give --problems-per-round 2 or more")
    if args.window > args.token_budget:
        raise ConfigError(
            f"--token-budget {args.token_budget} is less than a thread's --window {args.window}: longer requests would be dropped"
        )


def parse(argv: Sequence[str] | None = None, *, description: str | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="orchestra.training.async_grpo", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument_group("policy and output").add_argument
    add("--model", type=Path, required=True, help="Countdown or planner model to start from: its card says which")
    add("--out", type=Path, required=True, help="folder of the run")
    add("--report-to", choices=("none", "trackio", "wandb"), default="none")
    add = parser.add_argument_group("where rollouts are sampled").add_argument
    add(
        "--server",
        help="URL of a vLLM server on another GPU, started as recipes/async_grpo.sh does; without it an engine in this process",
    )
    add("--patience", type=number(above=0), default=120.0, help="seconds to go on trying when the server does not answer")
    add("--engine", choices=get_args(Kind), default="auto", help="in this process")
    add(
        "--sampler-dtype", choices=("bfloat16", "float32"), default="bfloat16", help="of vLLM's copy of the weights in this process"
    )
    add("--max-requests", type=whole(), default=512, help="decoded together, in this process")
    add("--gpu-memory", type=number(above=0, most=1), default=0.4, help="vLLM's share, in this process")
    add = parser.add_argument_group("rollouts").add_argument
    add("--window", type=whole(), help="tokens that one thread, or prompt and plan, may hold (default: 160; a planner's context)")
    add("--group", type=whole(2), default=8, help="rollouts of a problem")
    add("--problems-per-round", type=whole(), default=8, help="groups that are sampled and scored together")
    add("--ahead", type=whole(), default=4, help="rounds that are sampled or wait to be learned from, at most")
    add("--max-staleness", type=whole(0), default=4, help="steps after which a row is too old")
    add("--max-silent", type=whole(), default=512, help="groups in a row without a difference after which the run stops")
    add("--stale-after", type=number(above=0), default=300.0, help="seconds without a finished round after which the run stops")
    add("--temperature", type=number(above=0), default=1.0, help="of the policy that is trained: sampled from, and differentiated")
    add_task_and_reward(parser)
    add = parser.add_argument_group("optimisation").add_argument
    add("--steps", type=whole(), required=True)
    add("--token-budget", type=whole(), default=8192, help="packed tokens of a forward pass")
    add("--accumulate", type=whole(), default=8, help="forward passes of a step; all of them should hold several groups")
    add("--attention", choices=("sdpa", "flash3"), default="sdpa", help="of the trainer; flash3 fetches its kernel from the Hub")
    add("--lr", type=number(above=0), default=2e-5)
    add("--warmup", type=whole(0), default=5, help="steps, of which the first has a rate of 0")
    add("--clip-low", type=number(above=0, most=1), default=0.2)
    add("--clip-high", type=number(above=0), default=0.28)
    add("--max-grad-norm", type=number(above=0), default=1.0)
    add(
        "--max-sampler-kl",
        type=number(above=0),
        default=0.5,
        help="nats a token between sampler and trainer at which the run stops",
    )
    add("--seed", type=int, default=0)
    add = parser.add_argument_group("evaluation and checkpoints").add_argument
    add("--eval-every", type=whole(0), default=10, help="steps between greedy evaluations; 0: none, and no best policy")
    add(
        "--first-eval",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="evaluate before the first step; without it the first step comes sooner, and `best` knows nothing of the start",
    )
    add("--eval-problems", type=whole(), default=200, help="held-out problems of each split")
    add(
        "--eval-split",
        nargs="+",
        help="held-out splits (default: validation; the planner's: names); all but test choose the best policy",
    )
    add("--save-every", type=whole(), default=10, help="steps")
    return parser.parse_args(argv)
