r"""Answers without the noise around them, and keys for those that are simple: numbers, fractions, choices and words.

A key is a number in lowest terms ("42", "-1/2"), the letter of a choice ("C"), or words in lower case ("no solution"). Signs of
degree, currency and percent and the names of units say what is counted: a problem asks for them or not, and answers to one problem do
not differ in them. So they are dropped, and "50%" is "50".
"""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction

_MAX_CHARS = 10_000
"""Longer answers are no answers: they have no key."""
_MAX_DIGITS = 400
"""Of a number that needs arithmetic. Plain integers are only copied."""
_MAX_EXPONENT = 300
_MAX_WORDS = 200
"""Characters: more is not an answer but an explanation."""
_MAX_KEY = 300
"""Characters; longer keys are hashed."""

_CHARACTERS = str.maketrans(
    {
        "−": "-", "–": "-", "‐": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\0": " ", "，": ",", "％": "%", "°": r"^\circ",
        "×": r"\times ", "·": r"\cdot ", "π": r"\pi ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "∪": r"\cup ",
        "²": "^{2}", "³": "^{3}",
    }
)  # fmt: skip
_DROPPED = re.compile(
    r"\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?|displaystyle|textstyle)(?![a-zA-Z])|(?<!\\)\\!|(?<!\\)\\?\$|(?<!\\)\\[()\[\]]"
)
_THOUSANDS = re.compile(r", ?\\! ?(?=\d{3}(?!\d))")  # as MATH writes them
_OTHER_DIGIT = re.compile(r"[^\D0-9]")  # full width, Arabic, bold…
_SPACE = re.compile(r"(?:(?<!\\)\\[,;:> ]|\\q?quad(?![a-zA-Z])|~|\s)+")
_ALIASES = {r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\varnothing": r"\emptyset"}
_ALIAS = re.compile(r"\\(?:[dtc]frac|varnothing)(?![a-zA-Z])")
_TEXT = r"\\(?:mbox|text(?:bf|it|rm|sf|tt|normal|up)?|mathrm|operatorname)(?![a-zA-Z])"
_IN_TEXT = re.compile(_TEXT)
_WRAPPER = re.compile(rf"(?:(?:{_TEXT}|\\(?:boxed|fbox|math(?:bf|it|sf|tt)))\s*)?\{{")
_MAX_WRAPPERS = 8

_DIGITS = r"(?:\d{1,3}(?:(?:,|\{,\}| )\d{3})+(?!\d)|\d+)"
_UNSIGNED = rf"(?:{_DIGITS}(?:\.\d*)?|\.\d+)"
_BRACED = (
    rf"(?:\{{ ?(?P<over>-? ?{_UNSIGNED}) ?\}}|(?P<over_digit>\d)) ?(?:\{{ ?(?P<under>-? ?{_UNSIGNED}) ?\}}|(?P<under_digit>\d))"
)
_NUMBER = re.compile(
    rf"(?P<sign>[-+]?) ?(?:(?P<whole>\d+)? ?\\frac ?{_BRACED}"
    rf"|(?:(?P<mixed>\d+) )?(?P<top>\d+) ?/ ?(?P<bottom>\d+)"
    rf"|(?P<decimal>{_UNSIGNED})(?:\\(?:overline|bar) ?\{{ ?(?P<period>\d+) ?\}}"
    rf"| ?(?:\\times|\\cdot) ?10 ?\^ ?(?:\{{ ?(?P<power>-?\d{{1,3}}) ?\}}|(?P<power_digit>\d)))?)"
)
_ASSIGNMENT = re.compile(r"(?:[a-zA-Z]|\\[a-z]+)(?:_(?:\w|\{\w+\}))? ?= ?(?=[-+.\d\\])")
_UNIT = re.compile(
    r" ?(?:(?:\^ ?(?:\\circ|\{ ?\\circ ?\})|\\degree) ?[CF]?|\\?%|degrees?|percent"
    r"|(?:(?<=[ \d])(?:cm|mm|km|kg|mg|ml|mph|inch(?:es)?|feet|foot|ft|miles?|met(?:er|re)s?|dollars?|cents?|euros?"
    r"|hours?|minutes?|seconds?|days?|weeks?|months?|years?|units?|square units|people|students?|ways?))(?: ?\^ ?(?:[23]|\{ ?[23] ?\}))?"
    r"|\\(?:text|mbox|mathrm|textrm|textbf) ?\{ ?(?P<word>[a-zA-Z][a-zA-Z/ .-]*)(?:\^ ?\{?[23]\}?)? ?\}(?: ?\^ ?(?:[23]|\{ ?[23] ?\}))?)"
)
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SCALE = re.compile(r" ?(?:\\(?:text|mbox|mathrm) ?\{ ?)?(hundred|thousand|million|billion|trillion)(?: [a-z]+)? ?\}?")
_MULTIPLIERS = re.compile(r"\b(?:dozen|and|or|pi|over|plus|minus|times|to|base|mod|radians?)\b", re.IGNORECASE)

_CHOICE = re.compile(r"\(([a-jA-J])\)|(?:[Oo]ption|[Cc]hoice) \(?([a-zA-Z])\)?|\(?([A-Z])\)?")
_WORDS = re.compile(r"[^\W\d_]+(?:[ '’-][^\W\d_]+)*")
_BETWEEN_WORDS = re.compile(r"[ '-]")
_SHORT_WORDS = frozenset({"yes", "no", "true", "false", "odd", "even", "none", "both"})
_MATHS_WORDS = frozenset(
    {"infinity", "infty", "sqrt", "alpha", "beta", "gamma", "delta", "theta", "lambda", "sigma", "omega", "epsilon", "frac"}
)


def clean(answer: str) -> str:
    r"""`answer` on one line, without dollars, sizes, spacing and full stop, out of a `\boxed`, `\text` or braces around all of it."""
    text = _THOUSANDS.sub("{,}", answer.translate(_CHARACTERS))
    text = _ALIAS.sub(lambda found: _ALIASES[found[0]], _DROPPED.sub("", text))
    if not text.isascii():
        text = _OTHER_DIGIT.sub(lambda found: str(int(found[0])), text)
    text = _SPACE.sub(" ", text)
    for _ in range(_MAX_WRAPPERS):
        text = text.lstrip(" *").rstrip(" *.,;:")
        opening = _WRAPPER.match(text)
        if opening is None or not _wraps(text, opening.end()):
            break
        text = text[opening.end() : -1]
    return text


def _wraps(text: str, start: int) -> bool:
    """Whether the brace that ends before `start` is closed by the last character."""
    depth = 1
    for place, character in enumerate(text[start:], start):
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return place == len(text) - 1
    return False


def quick_key(answer: str) -> str | None:
    r"""The key of an answer that can be read without a library; None for one that cannot, which may still have a key.

    Integers, decimals, fractions, mixed numbers and powers of ten in LaTeX or plain, alone or as `x = …`, with or without thousands
    separators, units and signs; letters of choices; words. A decimal of six places or more that a fraction rounds to is that fraction;
    without such a fraction it has no quick key, since it may stand for a root or for π.
    """
    if len(answer) > _MAX_CHARS:
        return None
    text = clean(answer)
    return _number_key(text) or _word_key(text, in_text=bool(_IN_TEXT.search(answer)))


def written_key(answer: str) -> str | None:
    """The key of an answer that nothing here understands: how it is written, without noise and spaces. None if it has been cut off."""
    text = "".join(clean(answer).split())
    return short_key(text) if text and _balanced(text) else None


def short_key(key: str) -> str:
    """`key`, or its beginning and its hash when it is long."""
    if len(key) <= _MAX_KEY:
        return key
    return key[:40] + "… " + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_percent(answer: str) -> bool:
    """Whether a sign or a word says that the number is a percentage."""
    return len(answer) <= _MAX_CHARS and bool(re.search(r"(?:%|percent)[\s$.})\]\\]*$", answer[-40:]))


def rational_key(value: Fraction) -> str:
    """The key of a number: lowest terms, no denominator of 1."""
    return str(value)


def _balanced(text: str) -> bool:
    brackets = text.count("(") + text.count("["), text.count(")") + text.count("]")  # in sum: `[0, 1)` is an interval
    return text.count("{") == text.count("}") and brackets[0] == brackets[1]


def _number_key(text: str) -> str | None:
    if assignment := _ASSIGNMENT.match(text):
        text = text[assignment.end() :]
    found = _NUMBER.match(text)
    if found is None:
        return None
    scale = _SCALE.fullmatch(text, found.end())
    if scale is None and not _is_unit(text, found.end()):
        return None
    sign = "-" if found["sign"] == "-" else ""
    plain = not (scale or found["power"] or found["power_digit"] or found["period"])
    if plain and (decimal := found["decimal"]):
        integer, _, places = _plain(decimal).partition(".")
        if not places.strip("0"):
            digits = integer.lstrip("0") or "0"
            return digits if digits == "0" else sign + digits
    if len(found[0]) > _MAX_DIGITS:
        return None
    value = _value(found)
    if value is None:
        return None
    return rational_key((-value if sign else value) * (10 ** _SCALES[scale[1]] if scale else 1))


def _is_unit(text: str, start: int) -> bool:
    """Whether nothing but a unit follows."""
    if start == len(text):
        return True
    unit = _UNIT.fullmatch(text, start)
    return unit is not None and not (unit["word"] and _MULTIPLIERS.search(unit["word"]))


def _plain(number: str) -> str:
    return number.replace("{,}", "").replace(",", "").replace(" ", "")


def _value(found: re.Match[str]) -> Fraction | None:
    if decimal := found["decimal"]:
        value = Fraction(_plain(decimal) + "0" if decimal.endswith(".") else _plain(decimal))
        if period := found["period"]:
            places = len(decimal.partition(".")[2])
            return value + Fraction(int(period), (10 ** len(period) - 1) * 10**places) if "." in decimal else None
        power = int(found["power"] or found["power_digit"] or 0)
        if abs(power) > _MAX_EXPONENT:
            return None
        return value * Fraction(10) ** power if power else _exact(value, len(decimal.partition(".")[2]))
    over = Fraction(_plain(found["over"] or found["over_digit"] or found["top"]))
    under = Fraction(_plain(found["under"] or found["under_digit"] or found["bottom"]))
    whole = found["whole"] or found["mixed"]
    if under == 0 or (whole and (over < 0 or under < 0)):
        return None
    return int(whole or 0) + over / under


def _exact(value: Fraction, places: int) -> Fraction | None:
    """What a decimal stands for: itself when it is short, the simple fraction that it approximates, or None."""
    if places < 6:  # math-verify rounds to six places: no shorter decimal equals a fraction that it only approximates
        return value
    # One number in about 200 is so near to so simple a fraction by chance.
    simple = value.limit_denominator(10 ** (min(places, 16) // 2 - 1))
    error = abs(simple - value) * 10**places
    return simple if simple and error <= (Fraction(1, 2) if places == 6 else 1) else None


def _word_key(text: str, *, in_text: bool) -> str | None:
    if choice := _CHOICE.fullmatch(text):
        return (choice[1] or choice[2] or choice[3]).upper()
    text = text.casefold().replace("’", "'")
    if len(text) > _MAX_WORDS or not _WORDS.fullmatch(text):
        return None
    words = _BETWEEN_WORDS.split(text)
    if not any(len(word) > 3 or word in _SHORT_WORDS for word in words) and not (in_text and "-" not in text):
        return None  # `abc` is a product and `x-y` a difference, `Tuesday` and `\text{abc}` are words
    if not in_text and _MATHS_WORDS.intersection(words):
        return None
    return text
