"""Search as a tool: BM25 over the passages of the text files in a folder.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009); the inverse document frequency is the variant that
is never negative. Words are compared without regard to case, and not stemmed. The index lives in memory, about three times the text.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import logging
import math
import os
import re
import stat
import threading
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Protocol

from ..errors import ConfigError, ToolError

SUFFIXES = frozenset({".jsonl", ".md", ".rst", ".txt"})
PASSAGE_CHARACTERS = 1_000
"""A passage ends at the paragraph, or else the line, or else the word, that would make it longer."""
MAX_RESULTS = 100
MAX_QUERY = 1_000
"""Characters of a query."""
MAX_DEPTH = 32
"""Directories below directories; a walk holds one open for each."""

_K1, _B = 1.2, 0.75  # how soon repetitions stop to count, and how much length does: the usual values
_WORD = re.compile(r"[^\W_]+")
_HEADING = re.compile(r"#{1,6} ")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of a text file that matches a query."""

    path: str
    """Relative to the folder, with forward slashes."""
    first_line: int
    """From 1."""
    last_line: int
    """Included. In a .jsonl file a passage lies within one line, its record."""
    score: float
    """BM25: comparable within one query only."""
    text: str


class Search(Protocol):
    """What `folder_search` returns."""

    async def __call__(self, query: str, limit: int = 5) -> list[Passage]: ...


def folder_search(folder: str | PathLike[str], *, max_mb: int = 256) -> Search:
    """A search tool over the .txt, .md, .rst and .jsonl files (records with a `text` field) in a folder and those below it.

    The first search reads them, in a thread; later changes are not noticed. Links, and files and directories whose names begin with a
    dot, are left out. Bytes that are not UTF-8 are replaced.

    Args:
        folder: Where the files are.
        max_mb: The most text to index.

    Raises:
        ConfigError: There is no such folder; from the search, when the text is too much.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise ConfigError(f"{str(root)!r} is no directory: name the folder that holds the texts to search")
    index = _LazyIndex(root, max_mb * 2**20)

    async def search(query: str, limit: int = 5) -> list[Passage]:
        """Find the passages of the text collection that match a query best, by its words.

        Args:
            query: Words to look for; rare ones count more. Only exact words match, so add synonyms and other forms.
            limit: The most passages to return, up to 100.
        """
        if not 1 <= limit <= MAX_RESULTS:
            raise ToolError(f"`limit` must be from 1 to {MAX_RESULTS}, got {limit}")
        if len(query) > MAX_QUERY:
            raise ToolError(f"the query has {len(query):,} characters, at most {MAX_QUERY:,} are allowed: search for its key words")
        if not (words := list(dict.fromkeys(_words(query)))):
            raise ToolError(f"the query {query!r} holds no word: name words to look for")
        return await asyncio.to_thread(index.best, words, limit)

    return search


@dataclass(frozen=True, slots=True)
class _Piece:
    path: str
    first_line: int
    last_line: int
    text: str


class _LazyIndex:
    """Built by the first thread that asks; others wait for it. A build that fails is tried again by the next."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._index: _Index | None = None
        self._building = threading.Lock()

    def best(self, words: list[str], limit: int) -> list[Passage]:
        with self._building:
            if self._index is None:
                self._index = _Index(_pieces(self._root, self._max_bytes))
        return self._index.best(words, limit)


class _Index:
    def __init__(self, pieces: Iterator[_Piece]) -> None:
        self._pieces: list[_Piece] = []
        self._lengths = array("I")
        self._postings: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
        """For each word: a piece's number and the word's count in it, in turn."""
        for number, piece in enumerate(pieces):
            words = _words(piece.text)
            self._pieces.append(piece)
            self._lengths.append(len(words))
            for word, count in Counter(words).items():
                self._postings[word].extend((number, count))
        self._mean_length = sum(self._lengths) / max(len(self._lengths), 1)

    def best(self, words: list[str], limit: int) -> list[Passage]:
        scores: defaultdict[int, float] = defaultdict(float)
        for word in words:
            postings = self._postings.get(word, ())
            having = len(postings) // 2
            rarity = math.log(1 + (len(self._pieces) - having + 0.5) / (having + 0.5))
            for number, count in zip(postings[::2], postings[1::2], strict=True):
                length = 1 - _B + _B * self._lengths[number] / self._mean_length
                scores[number] += rarity * count * (_K1 + 1) / (count + _K1 * length)
        # Pieces are numbered in the order of the walk and of their lines, which decides between equals.
        best = heapq.nsmallest(limit, scores.items(), key=lambda scored: (-scored[1], scored[0]))
        return [_passage(self._pieces[number], score) for number, score in best]


def _passage(piece: _Piece, score: float) -> Passage:
    return Passage(path=piece.path, first_line=piece.first_line, last_line=piece.last_line, score=score, text=piece.text)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _pieces(root: Path, max_bytes: int) -> Iterator[_Piece]:
    for path, content in _files(root, max_bytes):
        lines = content.decode("utf-8-sig", errors="replace").split("\n")
        yield from _records(path, lines) if path.lower().endswith(".jsonl") else _paragraphs(path, lines)


def _files(root: Path, max_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Relative paths and contents, those of a directory before those below it. Raises `ConfigError` when they have more bytes.

    Walks by open directories, so that a link put there meanwhile leads nowhere either.
    """
    left = max_bytes
    for folder, directories, names, descriptor in os.fwalk(root):
        below = PurePosixPath(folder).relative_to(root)
        directories[:] = sorted(name for name in directories if not name.startswith(".") and len(below.parts) < MAX_DEPTH)
        for name in sorted(names):
            if name.startswith(".") or PurePosixPath(name).suffix.lower() not in SUFFIXES:
                continue
            try:
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
            except OSError as error:
                _log.warning("not indexed: %s: %s", below / name, error.strerror)
                continue
            with open(file, "rb") as opened:
                content = opened.read(left + 1) if stat.S_ISREG(os.fstat(file).st_mode) else b""
            left -= len(content)
            if left < 0:
                raise ConfigError(
                    f"{str(root)!r} holds more than {max_bytes / 2**20:,.0f} MB of text: name a smaller folder, or raise `max_mb` of "
                    "`folder_search`"
                )
            yield os.fsencode(below / name).decode(errors="replace"), content


def _records(path: str, lines: list[str]) -> Iterator[_Piece]:
    unusable = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        match record:
            case {"text": str(text)}:
                for part in _parts(text):
                    yield _Piece(path, number, number, part)
            case _:
                unusable += 1
    if unusable:
        _log.warning("not indexed: %s of the lines of %s, which are no JSON objects with a `text`", unusable, path)


def _paragraphs(path: str, lines: list[str]) -> Iterator[_Piece]:
    """Whole paragraphs together while they fit; a Markdown heading begins a new piece."""
    held: list[str] = []
    size = 0
    for number, line in enumerate([*lines, "# "], start=1):  # the last one ends the last piece
        begins_paragraph = bool(held) and not held[-1].strip()
        # More than half full, it ends with its paragraph: the next one might not fit.
        fits = size + len(line) <= PASSAGE_CHARACTERS and not (begins_paragraph and size > PASSAGE_CHARACTERS / 2)
        if held and (not fits or _HEADING.match(line)):
            yield from _trimmed(path, number - len(held), held)
            held, size = [], 0
        held.append(line)
        size += len(line) + 1


def _trimmed(path: str, first: int, lines: list[str]) -> Iterator[_Piece]:
    """Lines as pieces, without blank ones around; more than one piece only where a single line is too long."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    if filled:
        text = "\n".join(line.rstrip() for line in lines[filled[0] : filled[-1] + 1])
        for part in _parts(text):
            yield _Piece(path, first + filled[0], first + filled[-1], part)


def _parts(text: str) -> Iterator[str]:
    """Cut at white space where there is some."""
    while len(text) > PASSAGE_CHARACTERS:
        cut = text.rfind(" ", PASSAGE_CHARACTERS // 2, PASSAGE_CHARACTERS) + 1 or PASSAGE_CHARACTERS
        yield text[:cut].rstrip()
        text = text[cut:]
    if text.strip():
        yield text
