"""The arguments of `orchestra eval`, from the command line and from a config file. Nothing else is imported before it runs."""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from .argument_types import add_gpu_memory, add_tools, positive, seconds
from .errors import ConfigError
from .search_arguments import add_extent, add_join, add_scouts

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_LIMITS = ("tokens", "span", "seconds")
_EPILOG = """\
examples:
  orchestra eval list
  orchestra eval countdown --method fork --join first --limit 100 --out runs/fork-first
  orchestra eval countdown --method fork --policy short_m:n=8,m=4 --out runs/short
  orchestra eval aime25 --engine http://localhost:8000/v1 --policy adaptive:n=14,m=9 --epochs 4 --out runs/aime25
  orchestra eval parallelqa --data parallelqa_dataset.json --method plan --engine http://localhost:8000/v1 --out runs/plan
  orchestra eval aime25 --config aime.toml --shard 0/4 --out runs/aime25-0

A config file holds the same options by their long names: `epochs = 4`, `policy = "adaptive:n=14,m=9"`. The command line wins.
"""


def add_eval(commands: Commands) -> None:
    parser = commands.add_parser(
        "eval",
        help="measure a method on a benchmark; run the same command again to resume",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run="orchestra.evals.command:evaluate")
    parser.add_argument("benchmark", nargs="?", help="`list` describes all")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run: config.json, rows.jsonl, traces.jsonl.gz")
    parser.add_argument("--config", type=Path, metavar="FILE", help="options in TOML or JSON; the command line wins")
    parser.add_argument("--dry-run", action="store_true", help="say what would run and what it may take, and stop")
    _add_problems(parser)
    _add_method(parser)
    _add_sampling(parser)
    _add_model(parser)
    run = parser.add_argument_group("run")
    run.add_argument("--concurrency", type=positive, default=16, metavar="N", help="problems at once (default: 16)")
    run.add_argument(
        "--traces",
        type=_traces,
        default=100,
        metavar="N|all|none",
        help="keep threads, texts and plans of so many tries (default: 100)",
    )
    run.add_argument("--timelines", type=positive, metavar="N", help="also write DIR/timeline.html of the first N tries")


def _add_problems(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("problems")
    group.add_argument("--data", "--problems", dest="data", type=Path, metavar="FILE", help="in place of the benchmark's home")
    group.add_argument("--limit", type=positive, metavar="N", help="only the first N")
    group.add_argument("--epochs", type=positive, default=1, metavar="N", help="tries at each problem (default: 1)")
    group.add_argument(
        "--shard", type=_shard, metavar="I/N", help="only part I of N, counted from 0; `orchestra report` takes all parts"
    )
    group.add_argument(
        "--problem-seed", type=int, metavar="S", help="of generated problems (default: 0), or of the order of others"
    )
    group.add_argument("--split", choices=["train", "validation", "test"], help="of generated Countdown problems (default: test)")
    group.add_argument("--size", type=int, choices=[3, 4, 5, 6], help="numbers in a Countdown problem (default: 4)")


def _add_method(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("method")
    group.add_argument(
        "--method",
        choices=["serial", "fork", "weave", "plan"],
        help="one chain of thought, threads that the model forks (weave: which see what it wrote), or a plan of tool calls (default: fork where the"
        " model can, else serial)",
    )
    group.add_argument(
        "--policy", metavar="SPEC", help="many tries of the method and an answer made of them; see `orchestra policies`"
    )
    add_join(group, default="all", of="of fork and weave: ")
    group.add_argument(
        "--budget", type=_budget, default={}, metavar="LIMITS", help="of a try: tokens=N,span=N,seconds=S, one or several of them"
    )
    group.add_argument("--tree-tokens", type=positive, metavar="N", help="the same as --budget tokens=N")
    group.add_argument("--seconds", type=seconds, metavar="S", help="the same as --budget seconds=S")
    add_tools(group, of="of plans: ")
    countdown = parser.add_argument_group("Countdown's own model")
    add_extent(countdown)
    add_scouts(countdown)


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sampling")
    group.add_argument(
        "--max-tokens", type=positive, metavar="N", help="of one trace (default: 16384) or one reply of a plan (2048)"
    )
    group.add_argument(
        "--temperature", type=float, metavar="T", help="default: 0.6; 0 for plans and Countdown, 1 for policies on Countdown"
    )
    group.add_argument("--top-p", type=float, default=0.95, metavar="P", help="default: 0.95; of models in words")
    group.add_argument(
        "--seed", "--sampling-seed", dest="seed", type=int, metavar="S", help="makes sampling repeatable, where the engine can"
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--engine",
        default="auto",
        metavar="NAME|URL",
        help="vllm, transformers, a server's URL, recorded:FILE, pool:FILE (recorded traces), or scripted (a flawless Countdown player;"
        " default: the best installed)",
    )
    group.add_argument(
        "--model",
        metavar="DIR|NAME",
        help="model folder, or the server's name for it (default: the shipped Countdown model, or the only one)",
    )
    add_gpu_memory(group)
    group.add_argument(
        "--tokenizer", metavar="DIR", help="of a server's model: sample its tokens and not its text, with log-probabilities"
    )
    group.add_argument("--chat", action="store_true", help="ask a server in words also where Countdown's own model could be meant")


def with_config(argv: Sequence[str], parser: argparse.ArgumentParser, args: argparse.Namespace) -> argparse.Namespace:
    """`argv`, which was parsed to `args`, parsed again with the options of its config file ahead of its own.

    Raises `ConfigError` for a file that cannot be read and for what is no option.
    """
    path: Path = args.config
    options = _options(path)
    switches = _flags(parser)
    known = {option.lstrip("-").replace("-", "_"): option for option in switches}
    benchmark = options.pop("benchmark", None)
    given: list[str] = [str(benchmark)] if benchmark is not None and args.benchmark is None else []
    for name, value in options.items():
        option = known.get(name.replace("-", "_"))
        if option is None:
            close = get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"there are benchmark, {', '.join(sorted(known))}"
            raise ConfigError(f"{path}: {name!r} is no option of `orchestra eval`: {hint}")
        if value is True and not switches[option]:
            raise ConfigError(f"{path}: {name!r} takes a value, and true is none")
        given += _as_arguments(path, name, option, value)
    place = list(argv).index("eval") + 1
    return parser.parse_args([*argv[:place], *given, *argv[place:]])


def _flags(parser: argparse.ArgumentParser) -> dict[str, bool]:
    """The long options, and whether they are switches without a value."""
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    found = {option: action.nargs == 0 for action in commands.choices["eval"]._actions for option in action.option_strings}
    return {option: switch for option, switch in found.items() if option.startswith("--") and option not in ("--config", "--help")}


def _options(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"the config {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"the config {path} is neither TOML nor, as a .json file, JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"the config {path} must hold options by name, got {value!r:.60}")
    return value


def _as_arguments(path: Path, name: str, option: str, value: Any) -> list[str]:
    match value:
        case True:
            return [option]
        case False | None:
            return []
        case str() | int() | float():
            return [f"{option}={value}"]
        case dict():
            return [f"{option}={','.join(f'{key}={one}' for key, one in value.items())}"]
        case list() if all(isinstance(one, str | int | float) for one in value):
            return [f"{option}={one}" for one in value]
    raise ConfigError(f"{path}: {name!r} must be text, a number, true, false, or a list of these, got {value!r:.60}")


def _shard(text: str) -> tuple[int, int]:
    number, slash, shards = text.partition("/")
    if not (slash and number.isdigit() and shards.isdigit() and int(number) < int(shards)):
        raise argparse.ArgumentTypeError(f"expected a shard such as 0/4, the first of four, got {text!r}")
    return int(number), int(shards)


def _traces(text: str) -> int | None:
    """None for all."""
    if text in ("all", "none"):
        return None if text == "all" else 0
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a number, `all` or `none`, got {text!r}")
    return int(text)


def _budget(text: str) -> dict[str, float]:
    limits: dict[str, float] = {}
    for item in text.split(","):
        name, _, value = item.strip().partition("=")
        if name not in _LIMITS:
            raise argparse.ArgumentTypeError(f"expected tokens=N, span=N or seconds=S with commas between them, got {item!r}")
        limits[name] = seconds(value) if name == "seconds" else positive(value)
    return limits
