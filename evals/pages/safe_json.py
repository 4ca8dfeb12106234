"""JSON that a page can hold: inside a script element, readable by every browser, whatever a model wrote."""

from __future__ import annotations

import json
from typing import Any


def compact(value: Any) -> str:
    """`value` as JSON without spaces. Numbers that JSON has no word for (NaN, infinities) become null; what JSON cannot say becomes its text."""
    try:
        return _dumped(value, allow_nan=False)
    except ValueError:
        return _dumped(json.loads(_dumped(value, allow_nan=True), parse_constant=lambda _: None), allow_nan=False)


def in_script(value: Any) -> str:
    """`value` as JSON in which nothing can end a script element or open a comment: `<`, `>` and `&` are written as escapes."""
    # ASCII only: lone surrogates have no UTF-8, and a page's encoding can be guessed wrong.
    return compact(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def moment(seconds: float | None) -> float | None:
    # Microseconds: the other ten digits of a float are noise, and noise does not compress.
    return None if seconds is None else round(seconds, 6)


def _dumped(value: Any, *, allow_nan: bool) -> str:
    return json.dumps(value, separators=(",", ":"), default=str, allow_nan=allow_nan)
