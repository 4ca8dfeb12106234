"""Measure the headline for one seed: a serial and a forking policy of one size, data and budget, and the model that RL began with.

    python -m orchestra.evals.benchmarks.headline --serial runs/serial-0 --fork runs/fork-0 --start runs/sft-0 \\
        --serial-beam 0 --fork-beam 0 --child-beam 0 --seed-name 0 --gpu-memory 0.2 --out runs/headline-0

Each part writes `OUT/PART.json.gz`; `python -m orchestra.evals.benchmarks.headline.table runs/headline-*/*.json.gz` makes the tables. The part
`window` comes first, and the others, which read its file, may run in other processes, several of them on one GPU (each engine's front end
fills one core) with `--gpu-memory 0.1`; `samples` and `fork` can be divided further. `clock` wants the GPU for itself:

    headline … --parts window
    headline … --parts samples --shard 0/2 &  headline … --parts samples --shard 1/2 &
    headline … --parts fork race &  headline … --parts serial start five &  wait
    headline … --parts clock

The policies know three and four numbers. A model for five (`countdown_demos --size 5 --window 160`, then `sft`) is measured in its own window
and twice that, by about 12M tokens: `headline … --parts five --five-model runs/five --five-window 160`.

A part whose file exists is skipped, so that the same command goes on where it was ended; `--repeat` measures it again.

The parts before the clock sample about 15M tokens in all, half of them `samples`; `--rounds 2 --loads 1 4 16 64 256` halves the clock.
Without a model, to see it work: `--engine scripted --limit 20`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from orchestra.engine.open import choose
from orchestra.errors import ConfigError, OrchestraError

from ...origin import commit
from ...pools import shard_of
from ..machine import facts
from .clock import LOADS
from .models import Models
from .parts import PARTS, Measuring
from .plan import Plan
from .record import Recording, Role, joined, read, write


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--serial", type=Path, help="model folder of the serial policy (default: the shipped model)")
    add("--fork", type=Path, help="of the forking policy (default: the shipped model)")
    add("--start", type=Path, help="of the model that RL began with; without one the part start is left out")
    add("--five-model", type=Path, help="of five numbers, both ways, as wide as it likes (default: the two policies)")
    add("--serial-beam", type=int, default=0, help="0: as the model likes")
    add("--wide-beam", type=int, help="of serial search in its whole context (default: as --serial-beam)")
    add(
        "--fork-beam",
        type=int,
        nargs="+",
        default=[0],
        help="the first is the operating point, the others are measured beside it, the last one several times",
    )
    add("--child-beam", type=int, nargs="+", default=[0], help="one for each --fork-beam, or one for all")
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--repeat", action="store_true", help="measure parts again whose files exist")
    add(
        "--shard",
        type=shard_of,
        default=(0, 1),
        metavar="I/N",
        help="every N-th problem from the I-th on; window is not divided",
    )
    add("--window", type=int, help="default: where the serial policy has 57 to 60 %% on validation problems")
    add("--limit", type=int, default=1000, help="test problems")
    add("--validation", type=int, default=500, help="problems that decide the window")
    add("--swept", type=int, default=100, help="validation problems on which temperatures and ways to fork are tried")
    add("--temperatures", type=float, nargs="+", default=[0.6, 1.0, 1.4, 2.0])
    add("--again", type=float, default=1.0, metavar="TEMPERATURE", help="of second and later tries")
    add("--serial-tries", type=int, default=4, help="most of them in the whole context, until one is right")
    add("--fork-tries", type=int, default=4, help="of the last --fork-beam")
    add("--fork-temperature", type=float, default=0.5, help="of these tries")
    add("--scouts", type=int, default=8, help="serial searches beside a fork in the race")
    add("--scout-temperature", type=float, default=1.0)
    add("--five", type=int, default=100, help="problems of five numbers")
    add("--five-window", type=int, help="for five numbers, and twice as many tokens (default: as for four)")
    add("--alone", type=int, default=40, help="problems of a round that run one at a time")
    add("--loads", type=int, nargs="+", default=list(LOADS), help="problems at once")
    add("--rounds", type=int, default=3)
    add("--requests", type=int, default=512, help="decoded together by one engine")
    add("--engine", default="auto")
    add("--gpu-memory", type=float, help="share of the GPU's memory for each engine of this process")
    add("--seed-name", required=True, help="of the training seed; files of one seed are merged")
    add("--commit", help="where the checkout cannot say")
    add("--out", type=Path, required=True)
    return parser


def plan_of(args: argparse.Namespace) -> Plan:
    """Raises `ConfigError` for options that do not fit together."""
    child_beams = args.child_beam * len(args.fork_beam) if len(args.child_beam) == 1 else args.child_beam
    if len(child_beams) != len(args.fork_beam):
        raise ConfigError(
            f"--child-beam wants one value, or as many as --fork-beam, got {len(child_beams)} and {len(args.fork_beam)}"
        )
    return Plan(
        limit=args.limit,
        validation=args.validation,
        swept=min(args.swept, args.validation),
        temperatures=tuple(args.temperatures),
        serial_beam=args.serial_beam,
        wide_beam=args.serial_beam if args.wide_beam is None else args.wide_beam,
        dials=tuple(zip(args.fork_beam, child_beams, strict=True)),
        again=args.again,
        serial_tries=args.serial_tries,
        fork_tries=args.fork_tries,
        fork_temperature=args.fork_temperature,
        scouts=args.scouts,
        scout_temperature=args.scout_temperature,
        five=args.five,
        five_window=args.five_window,
        alone=args.alone,
        loads=tuple(args.loads),
        rounds=args.rounds,
        requests=args.requests,
        shard=args.shard,
    )


def _file(out: Path, part: str, shard: tuple[int, int]) -> Path:
    end = "-{}of{}".format(*shard) if shard != (0, 1) and part != "window" else ""
    return out / f"{part}{end}.json.gz"


def _owed(args: argparse.Namespace, shard: tuple[int, int], log: Console) -> list[str]:
    """The parts that are to be measured, in their order."""
    parts = sorted((part for part in args.parts if part != "start" or args.start), key=PARTS.index)
    owed = []
    for part in parts:
        path = _file(args.out, part, shard)
        if args.repeat or not path.exists():
            owed.append(part)
        else:
            log.print(f"{part}: skipped, {path} exists (--repeat measures it again)", markup=False, soft_wrap=True)
    return owed


def _earlier(out: Path, parts: Sequence[str], seed: str) -> list[Recording]:
    """What other processes have written of the parts that are not measured now. Raises `ConfigError` for files of another seed."""
    found = {path: read(path) for path in sorted(out.glob("*.json.gz"))}
    for path, recording in found.items():
        if recording.seed != seed:
            raise ConfigError(f"{path} is of seed {recording.seed}, not {seed}: give each seed an --out of its own")
    owed = tuple(f"{part}{end}" for part in parts for end in (".", "-"))
    return [recording for path, recording in found.items() if not path.name.startswith(owed)]


async def measure(args: argparse.Namespace, log: Console) -> list[Path]:
    """Returns the files written, one a part."""
    folders: dict[Role, Path | None] = {"serial": args.serial, "fork": args.fork, "start": args.start, "five": args.five_model}
    plan, written = plan_of(args), list[Path]()
    parts = _owed(args, plan.shard, log)
    earlier = _earlier(args.out, parts, args.seed_name)
    if not parts:
        return written
    engine = choose() if args.engine == "auto" else args.engine
    async with Models(folders, engine=engine, requests=args.requests, gpu_memory=args.gpu_memory) as models:
        measuring = Measuring(plan, models, log, window=args.window)
        if earlier:
            measuring.take(joined(earlier))
        await measuring.prepare(parts)
        for part in parts:
            done_points, done_timed = len(measuring.points), len(measuring.timed)
            models.used.clear()
            await measuring.run(part)
            assert measuring.window is not None
            recording = Recording(
                seed=args.seed_name,
                window=measuring.window,
                engine=models.name,
                models=dict(models.used),
                points=measuring.points[done_points:],
                timed=measuring.timed[done_timed:],
                origin={**facts("vllm", "torch"), "commit": args.commit or commit(), "command": sys.argv[1:]},
            )
            written.append(_file(args.out, part, plan.shard))
            write(written[-1], recording)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    log = Console(stderr=True, highlight=False)
    try:
        written = asyncio.run(measure(args, log))
    except OrchestraError as error:
        log.print(f"headline: {error}", markup=False, soft_wrap=True)
        return 1
    log.print("written: " + (", ".join(map(str, written)) or "nothing, all parts are there"), markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
