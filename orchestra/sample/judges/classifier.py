"""A judge that is a trained sequence classifier: `ClassifierJudge` for live runs, `PoolClassifier` for replays, one reading for both.

Needs torch and transformers. Folders are made by `python -m orchestra.training.judge`. It samples nothing: what it costs is the prompt tokens
that it reads, once for every question.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError, EngineError
from ...model_files import check_model
from ..events import Group
from ..pool import PooledProblem, Recorded
from .base import Opinion, Question
from .reading import Reader

if TYPE_CHECKING:
    from torch import Tensor

BATCH_TOKENS = 16_384  # padded
GPU_BATCH_TOKENS = (
    65_536  # a small judge's forward pass is mostly launches of kernels; a billion parameters still have room for so many
)


class Classifier:
    """A judge's model and its reader.

    Args:
        folder: what the trainer wrote.
        device: such as "cuda:1"; by default CUDA, MPS or CPU, whichever is there first.

    Raises:
        ConfigError: when torch or transformers are missing, or the folder is no judge.
    """

    def __init__(self, folder: str | Path, *, device: str | None = None) -> None:
        self.folder = Path(folder)
        self.reader = Reader.open(self.folder)
        if problems := check_model(self.folder):
            raise ConfigError(f"{self.folder} cannot be loaded: {'; '.join(problems)}")
        try:
            import torch
            from transformers import AutoModelForSequenceClassification
        except ImportError as error:
            raise ConfigError(
                f"a trained judge needs torch and transformers ({error.name} is missing): `pip install 'orchestra[transformers]'`"
            ) from error
        self._device = torch.device(device or _best_device(torch))
        dtype = torch.bfloat16 if self._device.type == "cuda" else torch.float32
        try:
            model: Any = AutoModelForSequenceClassification.from_pretrained(self.folder, dtype=dtype)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ConfigError(f"{self.folder} holds no sequence classifier that transformers can load: {error}") from error
        self._model = model.to(self._device).eval()
        self._batch_tokens = GPU_BATCH_TOKENS if self._device.type == "cuda" else BATCH_TOKENS
        self._lock = threading.Lock()  # a cancelled question's thread may still compute when the next one starts

    def __repr__(self) -> str:
        return f"Classifier({str(self.folder)!r})"

    def scores(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """Probability that the answer is yes, for each row of token ids. Raises `EngineError` when the device fails."""
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        found = [0.0] * len(rows)
        with self._lock:
            for batch in _batches(order, rows, self._batch_tokens):
                for place, score in zip(batch, self._forward([rows[place] for place in batch]), strict=True):
                    found[place] = score
        return found

    def _forward(self, rows: list[Sequence[int]]) -> list[float]:
        import torch

        ids, mask = padded(rows, self._model.config.pad_token_id or 0)
        try:
            with torch.inference_mode():
                logits = self._model(input_ids=ids.to(self._device), attention_mask=mask.to(self._device)).logits
                scores: list[float] = probabilities(logits).tolist()
        except RuntimeError as error:  # out of memory and device faults among them
            raise EngineError(f"{self!r} failed on {len(rows)} questions of up to {ids.shape[1]} tokens: {error}") from error
        return scores


def probabilities(logits: Tensor) -> Tensor:
    """Of yes: logits [B, 1] are log-odds of it, logits [B, 2] are of no and yes."""
    logits = logits.float()
    if logits.shape[-1] == 1:
        return logits[:, 0].sigmoid()
    return logits.softmax(-1)[:, 1]


def padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, [B, T], padded at the end."""
    import torch

    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids, mask


def _batches(order: Sequence[int], rows: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
    """Rows of like length together, `tokens` at a time."""
    batches: list[list[int]] = []
    for place in order:  # ascending lengths: this row is the widest so far
        if not batches or (len(batches[-1]) + 1) * len(rows[place]) > tokens:
            batches.append([])
        batches[-1].append(place)
    return batches


def _best_device(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@dataclass(slots=True, eq=False)
class _Asked:
    row: list[int]
    score: float | None = None


class ClassifierJudge:
    """Answers the questions that wait together in one batch, in a thread.

    A question that is cancelled takes no other with it. A device that fails raises `EngineError` for each question that it was asked.
    """

    def __init__(self, folder: str | Path, *, device: str | None = None) -> None:
        self.classifier = Classifier(folder, device=device)
        self._waiting: list[_Asked] = []
        self._turn = asyncio.Lock()

    async def __call__(self, question: Question) -> Opinion:
        reader = self.classifier.reader
        asked = _Asked(reader.row(question.problem, [reader.text(text) for text in question.texts]))
        self._waiting.append(asked)
        try:
            async with self._turn:
                if asked.score is None:
                    await asyncio.sleep(0)  # those who ask in the same moment join the batch
                    await self._answer_all()
        finally:
            if asked in self._waiting:
                self._waiting.remove(asked)
        assert asked.score is not None
        return Opinion(score=asked.score, prefill=len(asked.row))

    async def _answer_all(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            scores = await asyncio.to_thread(self.classifier.scores, [asked.row for asked in batch])
            for asked, score in zip(batch, scores, strict=True):
                asked.score = score
        finally:
            # After a failure or a cancellation everybody else asks for itself.
            self._waiting[:0] = [asked for asked in batch if asked.score is None]


class PoolClassifier:
    """A `PoolJudge` that computes each score once, whatever the number of resamples; a replay is charged each time, as a live run would be."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self._known: dict[tuple[str, float | None, Group], Opinion] = {}

    def __call__(self, problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion:
        places = {id(trace): place for place, trace in enumerate(problem.traces)}
        [opinion] = self.ask(problem, [tuple(places[id(trace)] for trace in traces)], tokens)
        return opinion

    def ask(self, problem: PooledProblem, groups: Sequence[Group], tokens: float | None) -> list[Opinion]:
        """What it says about groups of places in `problem.traces`; those that are not known yet are computed together and kept."""
        keys = [_key(problem, group, tokens) for group in groups]
        missing = list(dict.fromkeys(key for key in keys if key not in self._known))
        reader = self.classifier.reader
        pieces = {place: reader.prefix(problem.traces[place], tokens) for place in {p for *_, group in missing for p in group}}
        rows = [reader.row(problem.text, [pieces[place] for place in group]) for *_, group in missing]
        for key, row, score in zip(missing, rows, self.classifier.scores(rows), strict=True):
            self._known[key] = Opinion(score=score, prefill=len(row))
        return [self._known[key] for key in keys]


def _key(problem: PooledProblem, group: Group, tokens: float | None) -> tuple[str, float | None, Group]:
    """Pairs are read in an order of their own, so both orders are one question."""
    return problem.id, tokens, tuple(sorted(group))
