"""What a fine-tuning run leaves on disk while it goes: a checkpoint to go on from, and a line of metrics now and then."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from orchestra.errors import ConfigError

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.jsonl"


@dataclass(kw_only=True)
class Progress:
    """What a checkpoint and `training.json` say about a run."""

    step: int = 0
    tokens: int = 0
    """Tokens seen, padding not counted."""
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    """Every `--log-every` steps: step, tokens, loss (mean over the last of them), rate; validation loss where it was measured."""


def save_checkpoint(
    out: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, arguments: Mapping[str, Any]
) -> None:
    """Everything that the next run needs; the old checkpoint stays until the new one is whole."""
    unfinished = out / f"{CHECKPOINT}.part"
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": asdict(progress),
        "arguments": dict(arguments),
    }
    torch.save(state, unfinished)
    unfinished.rename(out / CHECKPOINT)


def load_checkpoint(out: Path, model: nn.Module, optimizer: torch.optim.Optimizer, arguments: Mapping[str, Any]) -> Progress:
    """Go on from the checkpoint in `out`, or start at step 0. `arguments` are those that must not have changed, as JSON values.

    Raises `ConfigError` for a checkpoint of other arguments, and for a damaged one.
    """
    path = out / CHECKPOINT
    if not path.exists():
        return Progress()
    if not zipfile.is_zipfile(path):  # torch raises anything for what is cut short or none of its own
        raise ConfigError(f"{path} is damaged: remove it to begin again")
    state = torch.load(path, map_location=next(model.parameters()).device, weights_only=True)
    before = state.get("arguments", {})
    if others := {name for name in before.keys() | arguments.keys() if before.get(name) != arguments.get(name)}:
        name = min(others)
        raise ConfigError(
            f"{path} is of a run with {name} {before.get(name)!r}, not {arguments.get(name)!r}: give the same arguments to go on, or"
            " another --out, or remove it to begin again"
        )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])


def forget_after(out: Path, step: int) -> None:
    """Metrics of steps that will be taken again."""
    path = out / METRICS
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _step(line) <= step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except ValueError:
        return float("inf")  # a line that a kill cut short


def report(out: Path, entry: Mapping[str, float]) -> None:
    with (out / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
