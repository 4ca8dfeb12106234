"""The few tools that a task needs, out of hundreds, found without a model.

A planner that reads hundreds of tool descriptions is slow and picks badly. As in TURA (arXiv 2508.04604) the query is split into intents,
and each intent is matched with what tools say of themselves and with queries that somebody wrote for them; here the words decide (BM25),
and an embedding model may be added.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, islice, zip_longest
from operator import mul
from typing import Any

from ..errors import ConfigError
from .tool import Tool, ToolSet

Embed = Callable[[list[str]], Sequence[Sequence[float]]]
"""Texts to vectors of one length, which need not be normalised."""

# BM25's usual constants: how soon repetition stops to count, and how much long texts are held back.
_K1 = 1.5
_B = 0.75
# A word in a tool's name says more than one in its description; a word in the name of an argument says as much.
_WEIGHTS = {"name": 3, "description": 1, "arguments": 1, "queries": 1}
_RRF = 60  # of reciprocal rank fusion, as its authors chose it (Cormack et al. 2009)

_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SPLIT = re.compile(r"[.!?;]+(?:\s+|$)|\n+|,\s+|\s+(?:and then|and also|and|then|also|plus|as well as)\s+", re.IGNORECASE)
_STOP = frozenset(
    _WORD.findall(
        "a an and are as at be by can could do does for from get give has have how i if in into is it its me my of on or our out please show "
        "so some tell that the their them then there these they this to us use using want was we what when where which who will with would "
        "you your"
    )
)


class Shortlist:
    """Picks tools for queries. The same tools and the same query always give the same list."""

    def __init__(
        self,
        tools: Iterable[Tool],
        *,
        queries: Mapping[str, Sequence[str]] | None = None,
        always: Collection[str] = (),
        embed: Embed | None = None,
    ) -> None:
        """`queries` are examples of what users ask when they need a tool, by its name; `always` are names of tools that every list holds.

        `embed` is called once with everything that is said of the tools, and once a pick; it may take its time, so pick off the event loop
        then. Raises `ConfigError` for names that are no tool's.
        """
        self._tools = ToolSet(tools)
        queries = queries or {}
        if unknown := sorted({*queries, *always} - set(self._tools)):
            raise ConfigError(f"there are no tools called {', '.join(unknown)}, for which `queries` or `always` was given")
        self._always = [name for name in self._tools if name in always]
        self._words = _Words({name: _counts(tool, queries.get(name, ())) for name, tool in self._tools.items()})
        self._meaning = (
            _Meaning({name: _texts(tool, queries.get(name, ())) for name, tool in self._tools.items()}, embed) if embed else None
        )

    def pick(self, query: str | Sequence[str], k: int = 8) -> list[Tool]:
        """At most `k` tools, the best first, after those that are always there.

        A text is split into intents, a list holds them already. The best tools for the whole text and for each intent are taken in turn, so
        that none is crowded out. Fewer than `k` when no more share a word with the query or, with `embed`, have a positive similarity.
        """
        if k < 1:
            raise ValueError(f"`k` must be positive, got {k}")
        parts = [query, *intents(query)] if isinstance(query, str) else query  # a part alone may have lost what it is about
        parts = list(dict.fromkeys(parts))
        rankings = [self._words.rank(part) for part in parts]
        if self._meaning:
            rankings = [_fused(words, meaning) for words, meaning in zip(rankings, self._meaning.rank(parts), strict=True)]
        in_turn = (name for name in chain.from_iterable(zip_longest(*rankings)) if name is not None and name not in self._always)
        return [self._tools[name] for name in (*self._always, *islice(dict.fromkeys(in_turn), k))]


def intents(query: str) -> list[str]:
    """The parts of a query that may want different tools: its sentences, and what "and", "then" and commas join. None of a query that says
    nothing. Wrong splits do little harm, because the whole is matched beside its parts."""
    parts = [part.strip() for part in _SPLIT.split(query)]
    return [part for part in dict.fromkeys(parts) if tokens(part)]


def tokens(text: str) -> list[str]:
    """Words for matching: camelCase and snake_case taken apart, common words left out, endings cut off."""
    words = (word.casefold() for part in _CAMEL.split(text) for word in _WORD.findall(part))
    return [_stem(word) for word in words if word not in _STOP]


def _stem(word: str) -> str:
    """Plurals, -ing, -ed and -er, roughly; it only has to treat tools and queries alike."""
    if not word.isascii():
        return word
    for ending, instead, shortest in (
        ("ies", "y", 5),
        ("ing", "", 6),
        ("sses", "ss", 6),
        ("ed", "", 5),
        ("er", "", 6),
        ("es", "e", 5),
        ("s", "", 4),
    ):
        if word.endswith(ending) and len(word) >= shortest and not word.endswith("ss"):
            word = word[: -len(ending)] + instead
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def _counts(tool: Tool, queries: Sequence[str]) -> Counter[str]:
    spec = tool.spec
    arguments = " ".join(f"{name} {_described(schema)}" for name, schema in spec.properties.items())
    fields = {"name": spec.name, "description": spec.description, "arguments": arguments, "queries": " ".join(queries)}
    counts: Counter[str] = Counter()
    for field, text in fields.items():
        for word in tokens(text):
            counts[word] += _WEIGHTS[field]
    return counts


def _described(schema: Any) -> str:
    return str(schema.get("description", "")) if isinstance(schema, Mapping) else ""


def _texts(tool: Tool, queries: Sequence[str]) -> list[str]:
    """What an embedding model reads of a tool: itself, and each query written for it."""
    words = " ".join(_WORD.findall(_CAMEL.sub(" ", tool.name)))
    return [f"{words}: {tool.spec.description}", *queries]


class _Words:
    """BM25 over tools as bags of words."""

    def __init__(self, documents: Mapping[str, Counter[str]]) -> None:
        lengths = {name: counts.total() for name, counts in documents.items()}
        mean = sum(lengths.values()) / max(1, len(lengths)) or 1.0
        frequency = Counter(word for counts in documents.values() for word in counts)
        self._postings: dict[str, list[tuple[str, float]]] = {word: [] for word in frequency}
        for name, counts in documents.items():
            held_back = _K1 * (1 - _B + _B * lengths[name] / mean)
            for word, count in counts.items():
                rarity = math.log(1 + (len(documents) - frequency[word] + 0.5) / (frequency[word] + 0.5))
                self._postings[word].append((name, rarity * count * (_K1 + 1) / (count + held_back)))
        self._order = {name: place for place, name in enumerate(documents)}

    def rank(self, query: str) -> list[str]:
        """Tools that share a word with `query`, the best first; the order in which they were given decides between equals."""
        scores: Counter[str] = Counter()
        for word in dict.fromkeys(tokens(query)):
            for name, score in self._postings.get(word, ()):
                scores[name] += score  # type: ignore[assignment] # a counter of floats
        return sorted(scores, key=lambda name: (-scores[name], self._order[name]))


class _Meaning:
    """Tools by the nearest of their texts."""

    def __init__(self, texts: Mapping[str, Sequence[str]], embed: Embed) -> None:
        self._embed = embed
        vectors = iter(self._vectors([text for mine in texts.values() for text in mine]))
        self._tools = {name: list(islice(vectors, len(mine))) for name, mine in texts.items()}

    def rank(self, queries: Sequence[str]) -> list[list[str]]:
        return [self._nearest(vector) for vector in self._vectors(list(queries))]

    def _nearest(self, query: Sequence[float]) -> list[str]:
        scores = {name: max(sum(map(mul, query, vector)) for vector in vectors) for name, vectors in self._tools.items()}
        related = [name for name, score in scores.items() if score > 0]
        return sorted(related, key=lambda name: -scores[name])  # stable: the given order decides between equals

    def _vectors(self, texts: list[str]) -> list[list[float]]:
        vectors = self._embed(texts)
        if len(vectors) != len(texts):
            raise ConfigError(f"`embed` returned {len(vectors)} vectors for {len(texts)} texts: it has to return one for each")
        return [_unit(vector) for vector in vectors]


def _unit(vector: Sequence[float]) -> list[float]:
    norm = math.hypot(*vector) or 1.0
    return [float(value) / norm for value in vector]


def _fused(*rankings: Sequence[str]) -> list[str]:
    """Reciprocal rank fusion: needs no scale that words and vectors have in common."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, name in enumerate(ranking, start=1):
            scores[name] = scores.get(name, 0.0) + 1 / (_RRF + place)
    return sorted(scores, key=lambda name: -scores[name])
