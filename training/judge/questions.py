"""Questions to a judge in training, with the rows of token ids that it reads, and what is left of them when the loss is no number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from orchestra.errors import ConfigError
from orchestra.sample.judges.reading import Reader

from ..run_folder import replace_text
from .pairs import Example

NAN_BATCH = "nan-batch.json"


@dataclass(frozen=True, slots=True)
class Questions:
    """Examples, and the rows of token ids that the model reads."""

    examples: Sequence[Example]
    rows: Sequence[Sequence[int]]

    @classmethod
    def read(cls, found: Sequence[Example], reader: Reader) -> Questions:
        pieces: dict[tuple[str, int, float], list[int]] = {}
        rows = []
        for example in found:
            keys = [(example.problem.id, place, example.length) for place in example.traces]
            for key, place in zip(keys, example.traces, strict=True):
                if key not in pieces:
                    pieces[key] = reader.prefix(example.problem.traces[place], example.length)
            rows.append(reader.row(example.problem.text, [pieces[key] for key in keys]))
        return cls(found, rows)


def stop_at_nan(norms: Sequence[torch.Tensor], batches: Sequence[Sequence[int]], read: Questions, done: int, out: Path) -> None:
    """Norms and batches are of the last steps up to `done`. Looked at late, because reading one makes the CPU wait for the GPU.

    Raises `ConfigError` for one that is no number, when its questions are in `NAN_BATCH`.
    """
    finite = torch.isfinite(torch.stack(list(norms))).tolist()
    if all(finite):
        return
    bad = finite.index(False)
    asked = [
        {
            "problem": read.examples[i].problem.id,
            "traces": read.examples[i].traces,
            "length": read.examples[i].length,
            "row": read.rows[i],
        }
        for i in batches[bad]
    ]
    replace_text(out / NAN_BATCH, json.dumps(asked) + "\n")
    raise ConfigError(
        f"the loss or its gradient is no number at step {done - len(norms) + bad + 1}: its questions are in {out / NAN_BATCH}, and no"
        " checkpoint has it; look at them, or lower --lr, and begin in another --out"
    )
