"""What the search tool knows: one quantity of each thing that ParallelQA asks about.

The dataset has no passages. The values are those of encyclopedias; where these differ, the one that the dataset's own answers were computed from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    quantity: str
    value: float
    unit: str


_TABLE: dict[tuple[str, str], dict[str, float]] = {
    ("depth", "m"): {
        "Mariana Trench": 10_984,
        "Puerto Rico Trench": 8_376,
        "Sunda Trench": 7_290,
        "South Sandwich Trench": 8_202,
        "Peru-Chile Trench": 8_065,
    },
    ("top speed", "km/h"): {"cheetah": 104, "peregrine falcon": 389, "greyhound": 72, "gazelle": 94, "ostrich": 70},
    ("area", "km²"): {
        "Sahara Desert": 9_200_000,
        "Arabian Desert": 2_330_000,
        "Kalahari Desert": 900_000,
        "Sonoran Desert": 260_000,
        "Atacama Desert": 105_000,
        "Amazon Rainforest": 5_500_000,
        "Congo Rainforest": 2_000_000,
        "Australian Forest": 1_470_000,
        "Borneo Rainforest": 748_168,
        "Black Forest": 6_009,
        "Pacific Ocean": 165_250_000,
        "Atlantic Ocean": 85_133_000,
        "Indian Ocean": 70_560_000,
        "Southern Ocean": 20_327_000,
        "Arctic Ocean": 14_060_000,
    },
    ("length", "km"): {
        "Yangtze River": 6_300,
        "Mekong River": 4_909,
        "Congo River": 4_700,
        "Mississippi River": 3_766,
        "Volga River": 3_530,
    },
    ("height", "m"): {
        "Mount Everest": 8_849,
        "K2": 8_611,
        "Aconcagua": 6_961,
        "Mount Kilimanjaro": 5_895,
        "Mount Elbert": 4_401,
        "Statue of Unity": 182,
        "Washington Monument": 169,
        "Ushiku Daibutsu": 120,
        "Motherland Calls": 85,
        "Christ the Redeemer": 38,
        "Burj Khalifa": 829.8,
        "Tokyo Skytree": 634,
        "Shanghai Tower": 632,
        "CN Tower": 553.3,
        "Ostankino Tower": 540,
        "Empire State Building": 443.2,
    },
    ("population", "million"): {"China": 1_412, "Japan": 125, "Vietnam": 98, "Thailand": 71.7, "South Korea": 51.7},
}

FACTS = {entity: Fact(quantity, value, unit) for (quantity, unit), values in _TABLE.items() for entity, value in values.items()}

_ALIASES = {
    "congo forest": "Congo Rainforest",
    "borneo forest": "Borneo Rainforest",
    "conga river": "Congo River",
    "ushiku faibutsu": "Ushiku Daibutsu",
}
"""Other names, and slips, of the dataset."""
_NAMES = {entity.lower(): entity for entity in FACTS} | _ALIASES
_MENTION = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, _NAMES), key=len, reverse=True)) + r")\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mention:
    entity: str
    start: int
    end: int


def mentions(text: str) -> list[Mention]:
    """The things of the table that `text` names, in its order, each as often as it is named."""
    return [Mention(_NAMES[found[0].lower()], found.start(), found.end()) for found in _MENTION.finditer(text)]
