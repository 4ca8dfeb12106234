"""The card of a planner's checkpoint: how large its tasks were, and every word that they were worded with.

    python -m orchestra.training.planner.card models/planner-12m

writes it anew, for a checkpoint whose card is older than these words.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestra.agent.small_planner import PlannerCard
from orchestra.errors import ConfigError
from orchestra.tools.facts.names import words_of

from . import phrases
from .expression import FACTORS
from .grammar import CALLS, DEPTH, WIDTH
from .wording import plural
from .words import ADJECTIVES, NOUNS, RELATIONS, VERBS, Adjective

_SLOT = re.compile(r"\{\w+\}")
_ANY = frozenset({"more", "most", "less", "least"})
"""Words of adjectives that say nothing about which one it is."""
_UP = ("highest", "greatest", "largest", "biggest", "higher", "greater", "larger", "more", "above", "exceed", "maximum", "top")
_DOWN = ("lowest", "smallest", "least", "lower", "smaller", "less", "below", "short", "minimum")
_SIGNS = {
    "mean": ("average", "mean"),
    "percent": ("percent", "percentage"),
    "difference": ("difference", "gap", "distance", "apart"),
    "add": (*("sum", "total", "combined", "together", "added", "adding", "plus", "increased", "add"), *("more", "above")),
    "multiply": ("times", "multiplied", "multiply", "product", "twice", "double", "triple"),
    "divide": (
        *(
            "divided",
            "divide",
            "ratio",
            "quotient",
            "over",
            "many times",
            "often",
            "half",
            "third",
            "quarter",
            "fourth",
            "fifth",
            "tenth",
        ),
    ),
}


def card() -> PlannerCard:
    """Of planners that are trained on this generator."""
    templates = (_SLOT.sub(" ", text) for name, value in vars(phrases).items() if name.isupper() for text in _texts(value))
    forms = {attribute: {word for adjective in of for word in _words(adjective)} for attribute, of in ADJECTIVES.items()}
    attributes = (*ADJECTIVES, *NOUNS)
    plurals = filter(None, map(plural, attributes))
    units = (unit for pair in FACTORS for unit in pair)
    texts = (*templates, *attributes, *plurals, *RELATIONS, *VERBS.values(), *units, *_ANY, "an", "or")
    words = {word for text in texts for word in words_of(text)}.union(*forms.values())
    asking = {attribute: tuple(sorted(of - _ANY)) for attribute, of in forms.items()}
    asking |= {relation: tuple(words_of(verb)) for relation, verb in VERBS.items()}
    return PlannerCard(depth=DEPTH, width=WIDTH, calls=CALLS, words=tuple(sorted(words)), asking=asking, signs=_signs())


def _signs() -> dict[str, tuple[str, ...]]:
    """By tool: one of these is in every question that needs it."""
    of = [adjective for adjectives in ADJECTIVES.values() for adjective in adjectives]
    up = {word for adjective in of for word in words_of(f"{adjective.more} {adjective.most}")}.union(_UP)
    down = {word for adjective in of for word in words_of(f"{adjective.less} {adjective.least}")}.union(_DOWN)
    bases = {adjective.base for adjective in of}
    up, down = up - bases, (down - bases) | {"short"}
    either = dict.fromkeys(("argmax", "greater", "largest", "count_above"), up)
    either |= dict.fromkeys(("argmin", "less", "smallest", "count_below"), down)
    return _SIGNS | {tool: tuple(sorted(words)) for tool, words in either.items()}


def _words(adjective: Adjective) -> Iterator[str]:
    for form in (adjective.base, adjective.more, adjective.most, adjective.less, adjective.least):
        yield from words_of(form)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case tuple() | list():
            for item in value:
                yield from _texts(item)
        case Mapping():
            for item in value.values():
                yield from _texts(item)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of the checkpoint")
    folder: Path = parser.parse_args(argv).model
    if not (folder / "config.json").exists():
        raise ConfigError(f"{folder} is no model folder: it has no config.json")
    card().write(folder)


if __name__ == "__main__":
    main()
