"""The policy with the best held-out score of a run, kept as a model folder beside the newest one."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestra.errors import ConfigError

from .domain import score
from .policy import save_policy

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BEST = "best"
RECORD = "evaluation.json"
"""In that folder: the step, and what its evaluation found."""


class Best:
    """`fresh` for a run that begins: what was left behind is removed, so the folder must be known to be the run's. Otherwise the best of
    before counts on, unless it is of a step after `until`, which is going to be taken again.

    Raises `ConfigError` for a damaged record.
    """

    def __init__(self, out: Path, *, fresh: bool, until: float = math.inf) -> None:
        self.folder = out / BEST
        self._before = out / f"{BEST}.before"
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.rmtree(self._before, ignore_errors=True)
        if self._before.exists() and not self.folder.exists():  # killed between two renames
            self._before.rename(self.folder)
        self.record: dict[str, Any] | None = self._read() if self.folder.exists() else None
        """`step` and `evaluation`; None before the first evaluation."""
        if self.record is not None and self.record["step"] > until:
            shutil.rmtree(self.folder)
            self.record = None

    def offer(self, model: PreTrainedModel, source: Path, step: int, evaluation: dict[str, Any]) -> bool:
        """Keep the policy if it beats the best so far, as one whole folder. The first of equals stays."""
        if self.record is not None and score(evaluation) <= score(self.record["evaluation"]):
            return False
        record = {"step": step, "evaluation": evaluation}
        unfinished = self.folder.with_name(f"{BEST}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        save_policy(model, source, unfinished)
        (unfinished / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(self._before, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(self._before)
        unfinished.rename(self.folder)
        shutil.rmtree(self._before, ignore_errors=True)
        self.record = record
        return True

    @property
    def summary(self) -> dict[str, Any] | None:
        """For `training.json`; None before the first evaluation."""
        if self.record is None:
            return None
        found = self.record["evaluation"]
        return {"folder": BEST, "step": self.record["step"], "accuracy": found["accuracy"], "work": found["work"]}

    def _read(self) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
            score(record["evaluation"]), int(record["step"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{self.folder / RECORD} is damaged ({error!r}): remove {self.folder} to go on without it") from error
        return record
