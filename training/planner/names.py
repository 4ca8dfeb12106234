"""Names of things that do not exist, from syllables. Each made-up word belongs to one split for ever, by a hash of it, so that no name of a
test was ever seen in training, and none of its words was."""

from __future__ import annotations

import random
from collections.abc import Callable
from zlib import crc32

from orchestra.tools.facts.table import key_of

HELD_OUT = 10
"""One made-up word in so many is kept for tests."""

_ONSETS = (
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p pl pr qu r s sc sh sk sl sm sn sp st str sv t th tr v vl w y z zh"
)
_NUCLEI = "a a a e e e i i o o o u u ai au ea ee ei ia ie io oa oe oo ou ue ui y á é è ê í ó ö ø ü å ä ã ñe ô"
_CODAS = "b ck d f g k l l l ld lk ll lm lt m m n n n nd ng nk ns nt p r r r rd rg rk rl rn rs rt s s sh ss st t th v x z ł ž ş"
_ENDINGS = "a berg by dale don en er essa ford grad hal heim holm ia ika in ing ior is ium ley mar mere mond mouth o on ona or ova stad ton um us vik ville wick y"
PLACES = ("Mount", "Lake", "Port", "San", "Fort", "New", "Upper", "Cape", "River", "Saint", "El", "Pico")
SUFFIXES = ("City", "Tower", "Falls", "Bridge", "Island", "Group", "Labs", "Hall", "Peak", "Motors", "Valley", "Park", "Station")
PARTICLES = ("de", "van", "von", "al", "del", "of", "di")

onsets, nuclei, codas, endings = (text.split() for text in (_ONSETS, _NUCLEI, _CODAS, _ENDINGS))


def is_held_out(word: str) -> bool:
    return crc32(word.casefold().encode()) % HELD_OUT == 0


def word(rng: random.Random, *, held_out: bool) -> str:
    """A made-up word of the split, in small letters."""
    while True:
        if rng.random() < 0.12:  # no syllables at all: the model has to copy letters, not to know them
            made = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 7)))
        else:
            made = "".join(_syllable(rng) for _ in range(rng.choice((1, 1, 2, 2, 2, 3))))
            if rng.random() < 0.5 or len(made) < 3:
                made += rng.choice(endings)
        if is_held_out(made) == held_out and 3 <= len(made) <= 14:
            return made


def _syllable(rng: random.Random) -> str:
    nucleus = rng.choice(nuclei if rng.random() < 0.12 else nuclei[:13])
    return (rng.choice(onsets) if rng.random() < 0.85 else "") + nucleus + (rng.choice(codas) if rng.random() < 0.4 else "")


def namer(rng: random.Random, *, held_out: bool) -> Callable[[], str]:
    """What gives the names of one task: most are of one style, as in real questions, and no two are the same to a table."""
    styles = tuple(_STYLES)
    usual = rng.choice(styles)
    given = set[str]()

    def name() -> str:
        style = usual if rng.random() < 0.8 else rng.choice(styles)
        while True:
            made = _STYLES[style](rng, lambda: _capital(word(rng, held_out=held_out)))
            known = style != "code" or is_held_out(made) == held_out  # the letters of a code are no whole word
            if known and key_of(made) not in given:
                given.add(key_of(made))
                return made

    return name


_Make = Callable[[random.Random, Callable[[], str]], str]
_STYLES: dict[str, _Make] = {
    "plain": lambda rng, new: new(),
    "plain again": lambda rng, new: new(),
    "person": lambda rng, new: f"{new()} {new()}",
    "noble": lambda rng, new: f"{new()} {rng.choice(PARTICLES)} {new()}",
    "initial": lambda rng, new: f"{rng.choice('ABCDEFGHIJKLMNOPRSTUVWZ')}. {new()}",
    "place": lambda rng, new: f"{rng.choice(PLACES)} {new()}",
    "suffix": lambda rng, new: f"{new()} {rng.choice(SUFFIXES)}",
    "twin": lambda rng, new: f"{new()}-{new()}",
    "model": lambda rng, new: f"{new()} {rng.randint(1, 999)}",
    "code": lambda rng, new: f"{new()[: rng.randint(1, 3)].upper()}{rng.choice(('', '-', ' '))}{rng.randint(1, 9999)}",
    "apostrophe": lambda rng, new: f"{rng.choice('ODL')}'{new()}",
    "article": lambda rng, new: f"the {new()}",
    "small": lambda rng, new: new().lower(),
    "long": lambda rng, new: f"{rng.choice(PLACES)} {new()} {rng.choice(SUFFIXES)}",
}


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
