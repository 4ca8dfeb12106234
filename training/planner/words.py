"""The words of the domain: attributes with their adjectives, relations with their verbs, and nouns for attributes that nobody has heard of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Adjective:
    """One of an attribute's: base, comparative and superlative, and the last two of its opposite."""

    base: str
    more: str
    most: str
    less: str
    least: str


def _regular(base: str, stem: str, opposite: str) -> Adjective:
    return Adjective(base, f"{stem}er", f"{stem}est", f"{opposite}er", f"{opposite}est")


def _compound(base: str, less: str = "less {}", least: str = "least {}") -> Adjective:
    return Adjective(base, f"more {base}", f"most {base}", less.format(base), least.format(base))


ADJECTIVES: dict[str, tuple[Adjective, ...]] = {
    "height": (_regular("tall", "tall", "low"), _regular("high", "high", "low")),
    "depth": (_regular("deep", "deep", "shallow"),),
    "length": (_regular("long", "long", "short"),),
    "diameter": (Adjective("wide", "wider", "widest", "narrower", "narrowest"),),
    "area": (
        Adjective("large", "larger", "largest", "smaller", "smallest"),
        Adjective("big", "bigger", "biggest", "smaller", "smallest"),
    ),
    "population": (_compound("populous"),),
    "weight": (Adjective("heavy", "heavier", "heaviest", "lighter", "lightest"),),
    "age": (_regular("old", "old", "young"),),
    "speed": (_regular("fast", "fast", "slow"),),
    "price": (
        Adjective("expensive", "more expensive", "most expensive", "cheaper", "cheapest"),
        Adjective("costly", "more costly", "most costly", "less costly", "least costly"),
    ),
    "power": (_compound("powerful"),),
    "temperature": (Adjective("hot", "hotter", "hottest", "colder", "coldest"),),
    "brightness": (_regular("bright", "bright", "dimm"),),
    "volume": (Adjective("loud", "louder", "loudest", "quieter", "quietest"),),
}
"""No adjective belongs to two attributes: what a question asks for is never left open."""
NOUNS = (
    *("duration", "capacity", "budget", "revenue", "salary", "rating", "cost", "score", "income", "density", "rank", "yield"),
    *("elevation", "profit", "debt", "staff size", "melting point", "boiling point", "market value", "page count", "wingspan"),
    *("founding year", "birth rate", "fuel use", "seating capacity", "average rainfall", "shoe size", "battery life", "mass"),
)
"""Attributes without adjectives."""
FORMS = ("score", "index", "level", "rate", "value", "count", "size", "number", "quota", "factor", "limit", "year")
"""What attributes with made-up names end in."""

RELATIONS = (
    *(
        "mother",
        "father",
        "boss",
        "teacher",
        "spouse",
        "neighbour",
        "rival",
        "partner",
        "employer",
        "best friend",
        "coach",
        "doctor",
    ),
    *("capital", "mayor", "twin city", "largest city", "country", "home town", "birthplace", "highest mountain", "longest river"),
    *(
        "founder",
        "owner",
        "author",
        "architect",
        "designer",
        "director",
        "composer",
        "discoverer",
        "inventor",
        "maker",
        "parent company",
    ),
    *(
        "head office",
        "source",
        "mouth",
        "successor",
        "predecessor",
        "sister ship",
        "captain",
        "patron",
        "main supplier",
        "flagship",
    ),
)
VERBS = {
    "founder": "founded",
    "owner": "owns",
    "author": "wrote",
    "architect": "built",
    "designer": "designed",
    "director": "directed",
    "composer": "composed",
    "discoverer": "discovered",
    "inventor": "invented",
    "teacher": "taught",
    "mayor": "governs",
    "captain": "commands",
    "employer": "employs",
    "coach": "coaches",
}
"""The person who … something stands in the relation to it."""
ROLES = ("guardian", "keeper", "warden", "envoy", "steward", "agent", "judge", "chair", "sponsor", "deputy")
"""What relations with made-up names end in."""
