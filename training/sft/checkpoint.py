"""What a fine-tuning run leaves on disk while it goes: a checkpoint to go on from, and a line of metrics now and then."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from orchestra.errors import ConfigError

from ..run_folder import METRICS, refuse_others

CHECKPOINT = "checkpoint.pt"


@dataclass(kw_only=True)
class Progress:
    """What a checkpoint and `training.json` say about a run."""

    step: int = 0
    tokens: int = 0
    """Tokens seen, padding not counted."""
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    """Every `--log-every` steps: step, tokens, loss (mean over the last of them), rate; validation loss where it was measured."""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """From a `training.json`."""
        return cls(**{one.name: facts[one.name] for one in fields(cls) if one.name in facts})


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
    refuse_others(out, state.get("arguments", {}), arguments)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])


def report(out: Path, entry: Mapping[str, float]) -> None:
    with (out / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
