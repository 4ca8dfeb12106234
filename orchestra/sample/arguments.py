"""The arguments of `orchestra sample`, `orchestra replay` and `orchestra policies`. Nothing else is imported before one of them runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from ..argument_types import add_gpu_memory, number, positive, seconds
from .named import RECOMMENDED

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_sample(commands: Commands) -> None:
    sample = commands.add_parser("sample", help="try one problem many times at once, prune, and vote")
    sample.set_defaults(run="orchestra.countdown.sample_command:run")
    sample.add_argument("problem", nargs="?", help="in words; or give --numbers and --target for the shipped Countdown model")
    countdown = sample.add_argument_group("Countdown")
    countdown.add_argument("--numbers", type=number, nargs="+", metavar="N", help="3 to 6 numbers from 1 to 99")
    countdown.add_argument("--target", type=int, help="10 to 100, or to 1,000 for five and six numbers")
    countdown.add_argument("--method", choices=["serial", "fork", "weave"], help="of each trace (default: serial)")
    sample.add_argument("--policy", default=RECOMMENDED, metavar="SPEC", help=f"see `orchestra policies` (default: {RECOMMENDED})")
    model = sample.add_argument_group("model")
    model.add_argument(
        "--model",
        metavar="URL|NAME",
        default="auto",
        help="an OpenAI-compatible endpoint (http://HOST:PORT/v1), vllm, transformers, or recorded:FILE (default: the best installed)",
    )
    model.add_argument("--model-name", metavar="NAME|DIR", help="which model of the endpoint, or the folder of the model")
    add_gpu_memory(model)
    sampling = sample.add_argument_group("sampling")
    sampling.add_argument("--max-tokens", type=positive, metavar="N", help="of one trace of a problem in words (default: 16384)")
    sampling.add_argument("--temperature", type=float, help="default: 0.6; 1 for Countdown")
    sampling.add_argument("--top-p", type=float, help="default: 0.95; 1 for Countdown")
    sampling.add_argument("--seed", type=int, metavar="S", help="makes sampling repeatable, where the engine can")
    sampling.add_argument("--slots", type=positive, metavar="N", help="traces at once (default: as the policy launches them)")
    sampling.add_argument("--seconds", type=seconds, metavar="S", help="after which the answer of the moment is the answer")
    sample.add_argument("--page", type=Path, metavar="FILE.html", help="also write the traces' timeline as a self-contained page")
    sample.add_argument("--json", action="store_true", help="the whole result for programs, on standard output")


def add_policies(commands: Commands) -> None:
    policies = commands.add_parser("policies", help="the sampling policies: what they take, and where they come from")
    policies.set_defaults(run="orchestra.sample.command:policies")


def add_replay(commands: Commands) -> None:
    replay = commands.add_parser(
        "replay",
        help="compare policies on recorded traces: accuracy against tokens and span",
        description="Compare sampling policies on recorded traces, without a model: every policy gets the same draws of the same traces.",
        epilog=_REPLAY_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    replay.set_defaults(run="orchestra.evals.replay.command:replay")
    replay.add_argument(
        "pools",
        type=Path,
        nargs="+",
        metavar="POOL",
        help="a pool file (.jsonl, .jsonl.gz), a folder of them, or a folder that `orchestra eval --epochs N --out` wrote",
    )
    replay.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="SPEC",
        help="see `orchestra policies`; may be given again (default: one or two of each kind that the pool can express)",
    )
    replay.add_argument(
        "--baseline",
        metavar="SPEC",
        help="what the others are compared with (default: self_consistency:n=64, or with as many traces as there are)",
    )
    replay.add_argument(
        "--resamples", type=positive, default=200, metavar="N", help="draws of the traces of each problem (default: 200)"
    )
    replay.add_argument(
        "--slots", type=positive, metavar="N", help="traces that decode at once (default: all that a policy launches)"
    )
    replay.add_argument("--seed", type=int, default=0, metavar="S", help="of the draws and of the intervals (default: 0)")
    replay.add_argument("--processes", type=positive, metavar="N", help="default: one a core; the numbers do not depend on it")
    replay.add_argument("--out", type=Path, metavar="DIR", help="also write results.json, frontier.svg and frontier.html there")
    replay.add_argument(
        "--json", action="store_true", help="the whole report for programs, on standard output, in place of the table"
    )


_REPLAY_EPILOG = """\
examples:
  orchestra replay pool.jsonl.gz --out reports/pool
  orchestra replay aime24.jsonl.gz aime25.jsonl.gz --policy asc_events:n=16 --policy short_m:n=16,m=8
  orchestra replay runs/serial --policy staged:5,11@7 --baseline self_consistency:n=16
"""
