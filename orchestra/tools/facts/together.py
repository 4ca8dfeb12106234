"""Sums that are asked for by "together": the same said with "the total", which is how a small planner learned them.

How long are Ada, Bob and Cleo together?      What is the total length of Ada, Bob and Cleo?
Is Ada taller than Bob and Cleo together?     Is Ada taller than the total height of Bob and Cleo?
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from .mentions import Mentions
from .name_slots import any_of
from .names import Vocabulary

_TOGETHER = r"(?:all )?(?:together|combined|in total)\b"


def in_total(text: str, names: Iterable[str], attributes: Mapping[str, str], vocabulary: Vocabulary) -> str:
    """`text` with "the total"; as it is where it says no such thing of a plain list of `names`, or where its words leave open what is added.

    `attributes` are those that are numbers, by their keys.
    """
    name = rf"(?:the )?(?:{any_of(names)})"
    listed = rf"(?P<list>{name}(?:(?:,| and) {name})*,? and {name})"
    forms = {form: own for key, own in attributes.items() for form in (key, f"{key}s", f"{key}es", f"{key.removesuffix('y')}ies")}
    for pattern, instead in (
        (rf"\bhow (?P<word>\w+) are {listed},? {_TOGETHER}", "what is the total {attribute} of {list}"),
        (rf"\bthe (?P<named>{any_of(forms)}) of {listed},? {_TOGETHER}", "the total {attribute} of {list}"),
        (
            rf"\b(?P<word>\w+er)(?P<what> is {name})? than {listed},? {_TOGETHER}",
            "{word}{what} than the total {attribute} of {list}",
        ),
    ):
        if (found := re.search(pattern, text, re.IGNORECASE)) is None:
            continue
        said = found.groupdict()
        meant = [forms[said["named"].casefold()]] if "named" in said else _asked_by(said["word"], attributes, vocabulary)
        if len(meant) == 1:
            items = re.findall(name, said["list"], re.IGNORECASE)
            listing = {"list": f"{', '.join(items[:-1])} and {items[-1]}", "what": said.get("what") or ""}
            new = instead.format(**said | listing, attribute=meant[0])
            new = new[:1].upper() + new[1:] if found[0][:1].isupper() else new
            head = re.sub(r"\b(what) are $", r"\1 is ", text[: found.start()], flags=re.IGNORECASE)
            return head + new + text[found.end() :]
    return text


def _asked_by(word: str, attributes: Mapping[str, str], vocabulary: Vocabulary) -> list[str]:
    return [own for key, own in attributes.items() if word.casefold() in vocabulary.asking.get(key, ())]


def hint(mentions: Mentions) -> str | None:
    """How to ask for the sum that a question seems to be for; None where it says no "together"."""
    if mentions.heard.keys().isdisjoint(("together", "combined")):
        return None
    asked, names = [key for key, places in mentions.attributes.items() if places], [*_named(mentions)]
    if len(asked) != 1 or len(names) < 2 or "than" in mentions.heard or "which" in mentions.heard:
        return 'For a sum ask for "the total length of A, B and C", or of what else they have, and compare it in a question of its own.'
    return f'For a sum ask as in "What is the total {asked[0]} of {", ".join(names[:-1])} and {names[-1]}?"'


def _named(mentions: Mentions) -> Iterator[str]:
    """With their articles."""
    for begin, end, known in mentions.words:
        if known is not None and known.kind == "name":
            yield mentions.text[begin - 4 if mentions.text[:begin].casefold().endswith("the ") else begin : end]
