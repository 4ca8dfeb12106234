"""A training run that was broken off: what it needs to go on, kept beside what it has reported, and Ctrl-C heard between two steps."""

from __future__ import annotations

import signal
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from orchestra.errors import ConfigError

from .run_folder import METRICS, forget_after, refuse_others

__all__ = ["CHECKPOINT", "METRICS", "Checkpoint", "Interrupted", "heeding_ctrl_c"]

CHECKPOINT = "checkpoint.pt"


class Interrupted(ConfigError):
    """Ctrl-C; everything up to the last step is saved."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file in a judge's folder. `arguments` say which run it is of, as JSON values."""

    folder: Path
    arguments: Mapping[str, Any]

    @property
    def path(self) -> Path:
        return self.folder / CHECKPOINT

    def save(self, model: Any, optimizer: torch.optim.Optimizer, step: int, seconds: float) -> None:
        """The old checkpoint stays until the new one is whole."""
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "seconds": seconds,
            "arguments": dict(self.arguments),
        }
        unfinished = self.folder / f"{CHECKPOINT}.part"
        torch.save(state, unfinished)
        unfinished.rename(self.path)

    def load(self, model: Any, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
        """Steps done and seconds taken, after the checkpoint or (0, 0.0). What was reported after it is forgotten, so the folder must be known to be
        the run's (`run_folder.claim`).

        Raises `ConfigError` for a checkpoint of other arguments, and for a damaged one.
        """
        if not self.path.exists():
            (self.folder / METRICS).unlink(missing_ok=True)
            return 0, 0.0
        if not zipfile.is_zipfile(self.path):  # torch raises anything for what is cut short or none of its own
            raise ConfigError(f"{self.path} is damaged: remove it to begin again")
        state = torch.load(self.path, map_location=next(model.parameters()).device, weights_only=True)
        before = state["arguments"]
        refuse_others(
            self.folder, before, {name: self.arguments.get(name) for name in before}
        )  # one that is new since had no effect
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        forget_after(self.folder, state["step"])
        return state["step"], state["seconds"]


@contextmanager
def heeding_ctrl_c() -> Iterator[list[bool]]:
    """Within, the first Ctrl-C puts True into the list, and the second interrupts as always."""
    heard: list[bool] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(True)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)
