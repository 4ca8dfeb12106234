"""The mistakes that models make, made on purpose: seeded mutants of a valid text, whatever its format.

    for mutant in mutants(text, count=1_000, seed=1):
        parsed = format_.parse(mutant.text, tools)

A mutant has one to three changes; `changes` names them, so that a failing one can be understood. The same arguments give the
same mutants.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Change = Callable[[str, random.Random], str]

OTHERS = (
    '1. search("a")\n2. join()<END_OF_PLAN>\n',
    '{"id": "1", "tool": "search", "args": {"query": "a"}}\n{"output": "$1"}\n',
    '{"nodes": [{"kind": "tool", "id": "1", "tool": "search", "arguments": {}}], "output": null}\n',
    '[{"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{\\"query\\": \\"a\\"}"}}]\n',
    "## Goal 1: find it\n- Path 1.1: search\n - Success: found\n",
    '[{"name": "Subtask1", "source": ["N1"], "target": ["N2"], "dependencies": []}]\n',
    "Music: [list1 = FindSongs(#genre='rock')]\n",
    "Thought: I know enough.\nAction: Finish(42)\n",
    "<think>1. search first</think>\n",
)
PROSE = (
    "Sure! Here is the plan:",
    "Let me think step by step.",
    "1. First, I will search (twice).",
    "Note: this plan is optimal.",
    "I call search(query) and then join.",
    "Observation: 42",
    "###",
    "---",
    "Question: what else?",
)
REFERENCES = (
    "$0",
    "$1",
    "$2",
    "$3",
    "$7",
    "$99",
    "$100",
    "${1}",
    "${3}",
    "${99}",
    "$$1",
    "$1st",
    "$1.50",
    "$1,000",
    "$1.name",
    "$2[0]",
)
BROKEN_REFERENCES = ("$", "${", "${1", "$1[", "${a b}", "$name", "${name}", "$-1", "$1[x]", "$ 1", "$１")
UNICODE = ("é", "日本", "\u202e", "\u200b", "\u0301", "\u00a0", "\u2028", "\u0085", "\ufeff", "\ud800", "🙂", "“", "”", "‘", "\x7f")
NUMBERS = ("9" * 400, "9" * 5000, "1e999", "-1", "0", "007", "1_000", "NaN", "-Infinity", "0x1F", "1.", ".5", "1e5", "2147483648")
SYMBOLS = tuple("\"'`()[]{}<>,.:;=#$\\/-+*_|&!?\n\t\r\0 0123456789aZ")
WORDS = (
    "unknown_tool",
    "join",
    "search",
    "Search",
    "output",
    "id",
    "tool",
    "null",
    "None",
    "true",
    "True",
    "nodes",
    "finish",
    "args",
)


@dataclass(frozen=True, slots=True)
class Mutant:
    text: str
    changes: tuple[str, ...]
    """Names of what was done, in order."""


def mutants(text: str, *, count: int = 1_000, seed: int = 0) -> Iterator[Mutant]:
    """`count` texts that differ from `text`."""
    chance = random.Random(f"{seed} {text}")
    made = 0
    while made < count:
        mutant, names = text, []
        for _ in range(chance.choice((1, 1, 1, 2, 2, 3))):
            name, change = chance.choice(CHANGES)
            mutant = change(mutant, chance)
            names.append(name)
        if mutant != text:
            made += 1
            yield Mutant(mutant, tuple(names))


def cut_up(text: str, chance: random.Random) -> list[str]:
    """`text` in pieces of random lengths, as a model's tokens come."""
    pieces, at = [], 0
    while at < len(text):
        length = chance.choice((1, 1, 2, 3, 4, 7, 20, 200))
        pieces.append(text[at : at + length])
        at += length
    return pieces


def _lines(change: Callable[[list[str], random.Random], None]) -> Change:
    def changed(text: str, chance: random.Random) -> str:
        lines = text.splitlines(keepends=True) or [""]
        change(lines, chance)
        return "".join(lines)

    return changed


def _delete_line(lines: list[str], chance: random.Random) -> None:
    del lines[chance.randrange(len(lines))]


def _duplicate_line(lines: list[str], chance: random.Random) -> None:
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))


def _swap_lines(lines: list[str], chance: random.Random) -> None:
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def _repeat_line(lines: list[str], chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    lines[at:at] = [lines[at]] * chance.choice((2, 10, 300))


def _join_lines(lines: list[str], chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    lines[at] = lines[at].rstrip("\n") + chance.choice(("", " ", ", "))


def _indent_line(lines: list[str], chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    lines[at] = chance.choice(("  ", "\t", "- ", "* ", "> ", "# ", "Step ", "// ")) + lines[at]


def _prose_line(lines: list[str], chance: random.Random) -> None:
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(PROSE) + "\n")


def _mix_formats(lines: list[str], chance: random.Random) -> None:
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(OTHERS))


def _loop(lines: list[str], chance: random.Random) -> None:
    """A model that cannot stop repeats its last lines."""
    tail = lines[-chance.randrange(1, len(lines) + 1) :]
    lines += tail * chance.choice((1, 5, 50))


def _insert(choices: Sequence[str]) -> Change:
    def changed(text: str, chance: random.Random) -> str:
        at = chance.randrange(len(text) + 1)
        return text[:at] + chance.choice(choices) + text[at:]

    return changed


def _replace(pattern: str, choices: Sequence[str]) -> Change:
    """One match of `pattern` becomes one of `choices`, or what another match is."""
    compiled = re.compile(pattern)

    def changed(text: str, chance: random.Random) -> str:
        found = list(compiled.finditer(text))
        if not found:
            return text
        one = chance.choice(found)
        new = chance.choice([*choices, chance.choice(found)[0]])
        return text[: one.start()] + new + text[one.end() :]

    return changed


def _delete_span(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + text[at + chance.choice((1, 1, 1, 2, 5, 30)) :]


def _swap_characters(text: str, chance: random.Random) -> str:
    at = chance.randrange(max(len(text) - 1, 1))
    return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]


def _repeat_span(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    span = text[at : at + chance.choice((1, 2, 8, 40))]
    return text[:at] + span * chance.choice((2, 3, 30)) + text[at:]


def _cut_end(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _cut_start(text: str, chance: random.Random) -> str:
    return text[chance.randrange(len(text) + 1) :]


def _nest(text: str, chance: random.Random) -> str:
    """Puts brackets, balanced or not, where a value may stand."""
    opener, closer = chance.choice(("[]", "()", "{}", '""'))
    depth = chance.choice((1, 2, 70, 10_000))
    at = chance.randrange(len(text) + 1)
    closing = closer * chance.choice((depth, depth, depth - 1, 0))
    return text[:at] + opener * depth + chance.choice(("", "1", '"a"')) + closing + text[at:]


CHANGES: tuple[tuple[str, Change], ...] = (
    ("delete line", _lines(_delete_line)),
    ("duplicate line", _lines(_duplicate_line)),
    ("swap lines", _lines(_swap_lines)),
    ("repeat line", _lines(_repeat_line)),
    ("join lines", _lines(_join_lines)),
    ("indent line", _lines(_indent_line)),
    ("prose line", _lines(_prose_line)),
    ("mix formats", _lines(_mix_formats)),
    ("loop", _lines(_loop)),
    ("cut the end", _cut_end),
    ("cut the start", _cut_start),
    ("delete span", _delete_span),
    ("swap characters", _swap_characters),
    ("repeat span", _repeat_span),
    ("rename number", _replace(r"\d+", ("0", "1", "2", "3", "4", "5", "7", "42", "-1", "01"))),
    ("rename word", _replace(r"[A-Za-z_]\w*", WORDS)),
    ("replace reference", _replace(r"\$\{?\w+\}?", REFERENCES + BROKEN_REFERENCES)),
    ("insert reference", _insert(REFERENCES)),
    ("insert broken reference", _insert(BROKEN_REFERENCES)),
    ("change quote", _replace("[\"']", ('"', "'", "", "`", "“", '""', '"""', '\\"'))),
    ("change bracket", _replace(r"[()\[\]{}]", ("(", ")", "[", "]", "{", "}", "", ")}", "]]"))),
    ("change separator", _replace(r"[,:=.]", (",", ":", "=", "", ",,", ";", "."))),
    ("change number", _replace(r"\d+", NUMBERS)),
    ("insert number", _insert(NUMBERS)),
    ("insert newline", _insert(("\n", "\n\n", "\r\n", "\\n", "\n2. search(", '\n{"id": '))),
    ("insert symbol", _insert(SYMBOLS)),
    ("insert unicode", _insert(UNICODE)),
    ("insert escape", _insert(("\\", "\\u00e9", "\\ud800", "\\x41", "\\N", "\\'", "\\\n"))),
    ("insert word", _insert(WORDS)),
    ("nest", _nest),
    ("fence", lambda text, chance: f"```{chance.choice(('', 'json', 'python', 'text'))}\n{text}\n```"),
    ("prose before", lambda text, chance: f"{chance.choice(PROSE)}{chance.choice(chr(10) + ' ')}{text}"),
    ("prose after", lambda text, chance: f"{text}{chance.choice(chr(10) + ' ')}{chance.choice(PROSE)}"),
    ("twice", lambda text, chance: text + text),
    ("windows lines", lambda text, chance: text.replace("\n", "\r\n")),
    ("other format", lambda text, chance: chance.choice(OTHERS)),
)
