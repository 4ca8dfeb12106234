"""Reading rows of public files: fields that have other names in other copies, and what is said of a row that is not right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestra.answers import extract
from orchestra.errors import ProblemError

PROBLEM = ("problem", "question", "Problem", "Question", "prompt")
"""What copies call the text of a problem."""
ANSWER = ("answer", "Answer", "expected_answer", "final_answer", "ground_truth", "target", "gold")
"""What copies call its answer."""
SOLUTION = ("solution", "Solution")
"""What copies call the way to it: most have both, and of those that have no answer it is what the way puts into a box."""
NAME = ("id", "unique_id", "ID", "problem_idx", "idx", "name")

_LONGEST_ANSWER = 100
"""Characters of a solution that is an answer."""


def field(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first of `names` that the row has and that is not empty. Raises `ProblemError` that says what was looked for."""
    for name in names:
        if (value := row.get(name)) is not None and value != "":
            return value
    have = ", ".join(map(repr, list(row)[:12])) or "none"
    raise ProblemError(f"it needs a field {' or '.join(map(repr, names[:4]))}, and has {have}")


def text(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """A field that holds text."""
    value = field(row, names)
    if not isinstance(value, str) or not value.strip():
        raise ProblemError(f"{_first(row, names)!r} must be text, got {value!r:.80}")
    return value.strip()


def answer_text(row: Mapping[str, Any], names: Sequence[str] = ANSWER) -> str:
    """A field that holds an answer: text or a number; 204.0, as some tables have it, is 204."""
    value = field(row, names)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        raise ProblemError(f"{_first(row, names)!r} must be text or a number, got {value!r:.80}")
    return str(value).strip()


def gold_answer(row: Mapping[str, Any]) -> str:
    """The answer; of a row that has none, what its solution puts into a box, or the solution itself when it is one line."""
    if any(row.get(key) not in (None, "") for key in ANSWER):
        return answer_text(row)
    if not any(row.get(key) for key in SOLUTION):
        field(row, ANSWER)
    solution = answer_text(row, SOLUTION)
    found = extract(solution) or (solution if len(solution) <= _LONGEST_ANSWER and "\n" not in solution else None)
    if found is None:
        raise ProblemError("it has no answer, and its solution puts none into a box")
    return found


def name(row: Mapping[str, Any], names: Sequence[str] = NAME) -> str:
    """What the file calls the problem; empty when it says nothing."""
    found = next((row[key] for key in names if isinstance(row.get(key), str | int)), "")
    return str(found)[:80]


def integers(value: Any, what: str) -> list[int]:
    """A list of whole numbers, of a table also as text with spaces or commas between them."""
    if isinstance(value, str):
        value = value.strip("[] ").replace(",", " ").split()
    try:
        found = [int(item) for item in value if not isinstance(item, bool | float)]
        if len(found) != len(value) or not found:
            raise TypeError
    except (TypeError, ValueError):
        raise ProblemError(f"{what} must be a list of whole numbers, got {value!r:.80}") from None
    return found


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return next(key for key in names if row.get(key) not in (None, ""))
