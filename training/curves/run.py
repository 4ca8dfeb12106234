"""Draw training curves as small multiples: reward, accuracy, cost and health of one or many runs of grpo, or the loss of runs of sft.

    python -m orchestra.training.curves runs/fork --out curves.svg
    python -m orchestra.training.curves fork=runs/fork-seed0 fork=runs/fork-seed1 serial=runs/serial-seed0 serial=runs/serial-seed1 \\
        --over tokens --smooth 5 --panels reward accuracy span --out docs/curves.svg --json docs/curves.json
    python -m orchestra.training.curves models/countdown-6m/training.json --out loss.svg

Runs of one label (seeds) are averaged, as far as all of them have come, and the band spans the lowest and the highest. A run without `LABEL=`
has its folder's name for a label, without `-seed3` at its end. Lines are the rollouts that were trained on, sampled at the training's
temperature; dots are the greedy evaluations on held-out problems, so the two need not meet. Where there are several held-out splits they have
a panel of their own, `accuracy/splits`. Work and span are tokens; of plans, calls. A panel that no run has numbers for is left out. `--panels`
takes any number of metrics.jsonl, such as `grad_norm`, `reward/correct` or `work/splits`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from orchestra.errors import ConfigError, OrchestraError

from .picture import COLOURS, Line, Panel, picture
from .runs import Kind, Over, Run, averaged, held_out, read_runs, splits


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number that runs report, and how it is shown."""

    key: str
    title: str
    percent: bool = False
    may_be_log: bool = False


_GRPO = (
    Quantity(key="reward", title="reward"),
    Quantity(key="accuracy", title="accuracy, %", percent=True),
    Quantity(key="accuracy/splits", title="held-out accuracy, %", percent=True),
    Quantity(key="work", title="work a problem"),
    Quantity(key="span", title="span a problem"),
    Quantity(key="children", title="children a problem"),
    Quantity(key="entropy", title="entropy, nats a token"),
    Quantity(key="sampler_kl", title="sampler KL, nats a token", may_be_log=True),
    Quantity(key="clip_share", title="clipped tokens, %", percent=True),
    Quantity(key="silent_share", title="silent groups, %", percent=True),
)
_SFT = (
    Quantity(key="loss", title="loss, nats a trained token", may_be_log=True),
    Quantity(key="gradient_norm", title="gradient norm", may_be_log=True),
    Quantity(key="lr", title="learning rate"),
)
SHOWN: dict[Kind, tuple[Quantity, ...]] = {"grpo": _GRPO, "sft": _SFT}
_TOKENS: dict[Kind, str] = {"grpo": "sampled tokens", "sft": "training tokens"}


@dataclass(frozen=True, slots=True)
class Curves:
    """The numbers of a picture."""

    kind: Kind
    over: Over
    smooth: int
    runs: dict[str, list[Run]]
    """By label, in the order in which labels were named."""
    panels: list[tuple[Quantity, list[Line]]]

    def svg(self, *, title: str = "", columns: int = 3) -> str:
        labels = [f"{label} ({len(runs)} runs)" if len(runs) > 1 else label for label, runs in self.runs.items()]
        panels = [
            Panel(title=shown.title, lines=lines, percent=shown.percent, may_be_log=shown.may_be_log)
            for shown, lines in self.panels
        ]
        across = "steps" if self.over == "steps" else _TOKENS[self.kind]
        return picture(panels, labels, across=across, caption=self._caption(), title=title, columns=columns)

    def _caption(self) -> str:
        said = ["lines: training rollouts" if self.kind == "grpo" else "lines: training rows"]
        if self.smooth > 1:
            said[0] += f", running mean of {self.smooth} reports"
        if any(line.dots for _, lines in self.panels for line in lines):
            said.append("dots: held-out problems, greedy" if self.kind == "grpo" else "dots: held-out rows")
        if any(len(runs) > 1 for runs in self.runs.values()):
            said.append("bands: lowest and highest run")
        return " · ".join(said)

    def numbers(self) -> dict[str, Any]:
        """As JSON values."""
        labels = list(self.runs)
        return {
            "kind": self.kind,
            "over": self.over,
            "smooth": self.smooth,
            "runs": {label: [str(run.path) for run in runs] for label, runs in self.runs.items()},
            "curves": {
                shown.key: {
                    f"{labels[line.label]} {line.name}".strip(): {
                        "training": [asdict(point) for point in line.points],
                        "held_out": [asdict(point) for point in line.dots],
                    }
                    for line in lines
                }
                for shown, lines in self.panels
            },
        }


def curves(asked: Sequence[str], *, over: Over = "steps", panels: Sequence[str] = (), smooth: int = 1) -> Curves:
    """Read and average the runs that `asked` names (`curves.runs.read_run`). `panels` are keys of metrics; none means the usual ones.

    Raises `ConfigError` for runs that cannot be read or do not go together, and for a panel that no run reports.
    """
    if smooth < 1:
        raise ConfigError(f"--smooth must be at least 1, got {smooth}")
    runs: dict[str, list[Run]] = {}
    for run in read_runs(asked):
        runs.setdefault(run.label, []).append(run)
    if len(runs) > len(COLOURS):
        raise ConfigError(f"{len(COLOURS)} labels can be told apart in a picture, got {len(runs)}: {', '.join(runs)}")
    kind = next(iter(runs.values()))[0].kind
    usual = {shown.key: shown for shown in SHOWN[kind]}
    made = []
    for key in panels or usual:
        lines = [line for number, own in enumerate(runs.values()) for line in _lines(own, key, number, over=over, smooth=smooth)]
        if lines := [line for line in lines if line.points or line.dots]:
            made.append((usual.get(key) or Quantity(key=key, title=key), lines))
        elif panels:
            known = {name for own in runs.values() for run in own for line in run.steps.values() for name in line}
            raise ConfigError(f"no run reports {key!r}; these do: {', '.join(sorted(known - {'step'}))}")
    return Curves(kind, over, smooth, runs, made)


def _lines(runs: Sequence[Run], key: str, label: int, *, over: Over, smooth: int) -> list[Line]:
    """What one label has in the panel of `key`: one line, or one for each held-out split."""
    number, _, wanted = key.rpartition("/")
    if wanted == "splits":
        return [
            Line(label=label, name=split, dots=held_out(runs, f"{number}/{split}", over=over)) for split in splits(runs, number)
        ]
    return [Line(label=label, points=averaged(runs, key, over=over, smooth=smooth), dots=held_out(runs, key, over=over))]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="orchestra.training.curves", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="[LABEL=]RUN", help="--out of a run, its metrics.jsonl, or a training.json")
    parser.add_argument("--out", type=Path, required=True, help="the picture, an SVG")
    parser.add_argument("--json", type=Path, help="where the drawn numbers go")
    parser.add_argument("--over", choices=get_args(Over), default="steps", help="tokens: sampled so far (grpo), seen so far (sft)")
    parser.add_argument("--panels", nargs="+", default=(), metavar="KEY", help="what to draw instead of the usual panels")
    parser.add_argument("--smooth", type=int, default=1, metavar="N", help="running mean of N reports")
    parser.add_argument("--title", default="")
    parser.add_argument("--columns", type=int, default=3, choices=range(1, 5))
    args = parser.parse_args()
    try:
        found = curves(args.runs, over=args.over, panels=args.panels, smooth=args.smooth)
        args.out.write_text(found.svg(title=args.title, columns=args.columns), encoding="utf-8")
        if args.json:
            args.json.write_text(json.dumps(found.numbers(), indent=1) + "\n", encoding="utf-8")
    except OrchestraError as error:
        raise SystemExit(str(error)) from None
    except OSError as error:
        raise SystemExit(f"cannot write {error.filename}: {error.strerror}") from None
    sys.stderr.write(f"{args.out}: {len(found.panels)} panels of {', '.join(found.runs)}\n")
