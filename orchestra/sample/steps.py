"""The steps of a trace's reasoning, and how unsure the model was in each."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import overload

from ..chat.detokenizer import Detokenizer
from ..engine.scores import Scores
from .events import Step

_AFTER = re.compile(r"(\n[ \t]*\n|</think>|</tool_call>|</tool_response>)\s*\Z")
_BEFORE = ("<tool_call>", "</think>")
_TAIL = 64  # characters: longer runs of white space are no step of anything


def step_starts(detokenizer: Detokenizer, token_ids: Sequence[int]) -> list[int]:
    """For each step how many tokens stand before it: the first begins at 0, others after a blank line, after a thought or a tool's answer,
    and before a tool call. No step begins inside a character."""
    starts = [0] if token_ids else []
    tail, begun, held = "", False, 0
    for index, token in enumerate(token_ids):
        piece = detokenizer.feed([token])
        if not piece:
            continue
        if piece.strip():
            if begun and (_AFTER.search(tail) or piece.lstrip().startswith(_BEFORE)):
                starts.append(held)
            begun = True
        tail = (tail + piece)[-_TAIL:]
        held = index + 1
    return starts


def uncertainty(scores: Scores) -> float:
    """exp of the mean entropy of the renormalised candidates, in nats: 1 where the model was certain (ParallelMuse, arXiv 2510.24698, with
    candidates renormalised both times)."""
    nats = (entropy / mass * math.log(2) + math.log(mass) for entropy, mass in zip(scores.entropy, scores.mass, strict=True))
    return math.exp(math.fsum(max(0.0, value) for value in nats) / len(scores))


class Steps(Sequence[Step]):
    """Computed when somebody looks: finding the steps of a long trace takes tens of milliseconds, and most policies never ask."""

    def __init__(self, detokenizer: Detokenizer, token_ids: Sequence[int], scores: Scores) -> None:
        assert len(token_ids) == len(scores), (len(token_ids), len(scores))
        self._detokenizer = detokenizer
        self._token_ids = token_ids
        self._scores = scores

    @cached_property
    def _steps(self) -> list[Step]:
        starts = step_starts(self._detokenizer, self._token_ids)
        return [Step(start, uncertainty(self._scores[start:end])) for start, end in pairwise([*starts, len(self._token_ids)])]

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Step: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Step]: ...

    def __getitem__(self, index: int | slice) -> Step | Sequence[Step]:
        return self._steps[index]
