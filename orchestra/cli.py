"""The `orchestra` command. Each subcommand is loaded when it is asked for, so that `orchestra --help` stays instant."""

from __future__ import annotations

import argparse
import logging
import math
import sys
import time
from importlib import import_module
from pathlib import Path

from .errors import ConfigError, OrchestraError, ProblemError

_EPILOG = """\
examples:
  orchestra solve --numbers 3 5 7 11 --target 24
  orchestra eval countdown --method fork --join first --limit 100 --out runs/fork-first
  orchestra report runs/serial runs/fork-first
"""


class _Retries(logging.Handler):
    """Says, at most every ten seconds, that a server is being waited for. Without it each retry of each request would print a line."""

    def __init__(self) -> None:
        super().__init__()
        self._said = -math.inf

    def emit(self, record: logging.LogRecord) -> None:
        if (now := time.monotonic()) - self._said >= 10:
            self._said = now
            sys.stderr.write(f"orchestra: no answer, trying again ({getattr(record, 'stamina.caused_by', record.getMessage())})\n")


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns its exit status: 0, 1 for a failure, 2 for wrong arguments or set-up, 130 after Ctrl-C."""
    parser = build_parser()
    args = parser.parse_args(argv)
    module, function = args.run.split(":")
    retries = logging.getLogger("stamina")
    retries.handlers, retries.propagate = [_Retries()], False
    try:
        # By name, so that the core never imports `orchestra.evals` by statement.
        return int(getattr(import_module(module), function)(args))
    except (ConfigError, ProblemError) as error:
        sys.stderr.write(f"orchestra: {error}\n")
        return 2
    except OrchestraError as error:
        sys.stderr.write(f"orchestra: {error}\n")
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone (`orchestra report … | head`): nothing is left to say, also not at interpreter exit.
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        kept = "; finished rows are kept, and the same command goes on from there" if "eval" in args.run else ""
        sys.stderr.write(f"\norchestra: interrupted{kept}\n")
        return 130


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orchestra",
        description="Parallel reasoning with language models: fork, join and measure threads on vLLM.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    solve = commands.add_parser("solve", help="watch a model solve one Countdown problem")
    solve.set_defaults(run="orchestra.countdown.command:solve")
    solve.add_argument("--numbers", type=int, nargs="+", required=True, metavar="N", help="3 to 6 numbers from 1 to 99")
    solve.add_argument("--target", type=int, required=True, help="10 to 100")
    solve.add_argument("--page", type=Path, metavar="FILE.html", help="also write the thread timeline as a self-contained page")
    _add_search(solve, method="fork", join="first")
    _add_engine(solve)

    evaluate = commands.add_parser("eval", help="measure a method on a benchmark; run the same command again to resume")
    evaluate.set_defaults(run="orchestra.evals.command:evaluate")
    evaluate.add_argument("benchmark", choices=["countdown"])
    evaluate.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run: config.json, samples.jsonl")
    problems = evaluate.add_argument_group("problems")
    source = problems.add_mutually_exclusive_group()
    source.add_argument("--problems", type=Path, metavar="FILE.jsonl", help='one {"numbers": [3, 5, 7, 11], "target": 24} a line')
    source.add_argument(
        "--split", choices=["train", "validation", "test"], default="test", help="generated problems (default: test)"
    )
    problems.add_argument(
        "--problem-seed", "--seed", dest="problem_seed", type=int, default=0, metavar="S", help="of the split (default: 0)"
    )
    problems.add_argument("--size", type=int, default=4, choices=[3, 4, 5, 6], help="numbers in a generated problem (default: 4)")
    problems.add_argument("--limit", type=_positive, metavar="N", help="only the first N (default: 100 of a split, all of a file)")
    problems.add_argument("--epochs", type=_positive, default=1, metavar="N", help="tries at each problem (default: 1)")
    evaluate.add_argument("--concurrency", type=_positive, default=16, metavar="N", help="problems at once (default: 16)")
    evaluate.add_argument(
        "--timelines", type=_positive, metavar="N", help="also write DIR/timeline.html of the first N finished problems"
    )
    _add_search(evaluate, method="fork", join="all")
    _add_engine(evaluate)

    report = commands.add_parser("report", help="compare finished runs")
    report.set_defaults(run="orchestra.evals.command:report")
    report.add_argument("runs", type=Path, nargs="+", metavar="DIR")
    report.add_argument("--json", action="store_true", help="numbers instead of a table")

    demo = commands.add_parser(
        "demo", help="a small model forks threads before your eyes: serial against fork, with a timeline page"
    )
    demo.set_defaults(run="orchestra.evals.demo:demo")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="default: runs/demo")
    demo.add_argument("--limit", type=_positive, default=8, metavar="N", help="problems in the comparison (default: 8)")
    _add_engine(demo)

    doctor = commands.add_parser("doctor", help="what is installed, which engine would run, what is missing")
    doctor.set_defaults(run="orchestra.doctor:command")
    return parser


def _add_search(parser: argparse.ArgumentParser, *, method: str, join: str) -> None:
    group = parser.add_argument_group("search")
    group.add_argument("--method", choices=["serial", "fork"], default=method, help=f"default: {method}")
    group.add_argument(
        "--join",
        choices=["all", "first"],
        default=join,
        help=f"wait for all children, or cancel the rest at the first success (default: {join})",
    )
    group.add_argument("--beam", type=_positive, metavar="N", help="successors visited at the root (default: 24 forked, 5 serial)")
    group.add_argument(
        "--child-beam", type=_positive, default=12, metavar="N", help="successors visited below it by a child (default: 12)"
    )
    group.add_argument("--window", type=_positive, default=160, metavar="TOKENS", help="context of one thread (default: 160)")
    group.add_argument("--temperature", type=float, default=0.0, help="0 is greedy (default: 0)")
    group.add_argument("--sampling-seed", type=int, metavar="S", help="makes sampling at a temperature repeatable")
    group.add_argument(
        "--tree-tokens", type=_positive, metavar="N", help="most tokens all threads of a problem may sample together"
    )
    group.add_argument("--seconds", type=float, metavar="S", help="most seconds a problem may take")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("engine")
    group.add_argument(
        "--engine",
        default="auto",
        metavar="NAME|URL",
        help="vllm, transformers, scripted (a flawless symbolic player, no model), or a server's URL (default: the best installed)",
    )
    group.add_argument("--model", type=Path, metavar="DIR", help="model folder (default: the one shipped with the repository)")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
