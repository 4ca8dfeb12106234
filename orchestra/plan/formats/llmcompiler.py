"""The plan text of LLMCompiler (arXiv 2312.04511): numbered calls, one a line, and `join()` at the end.

    Thought: first the two heights
    1. search("height of Mount Everest in metres")
    2. search("height of K2", limit=2)  # a comment
    3. math("$1 - $2")
    4. join($3)<END_OF_PLAN>

Arguments are as in `literals`, over several lines where they need to be, references as in `dollar_refs`. `join()` returns the
outputs of all nodes that nobody waits for; its arguments, if any, are the output. Numbers need not begin at 1. Prose before and
after is passed over, but not a line that may have been meant as a step.

A node is known at the end of its line, not at its parenthesis: `1. search("a") and then (b)` is refused. A line inside quotes
must not begin like a step (`2. search(`): that is how an unclosed quote is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn

from ..node import Node
from ..plan import Plan
from .base import Parsed, Tools
from .brackets import Brackets
from .drafts import Drafts
from .grammars import llmcompiler_grammar
from .literals import Arguments, read_arguments
from .llmcompiler_text import write_plan
from .node_objects import named
from .reading import END_OF_TEXT, Unreadable, clean, excerpt
from .round_trip import read_back

JOIN = "join"
END_OF_PLAN = "<END_OF_PLAN>"

_HEADER = re.compile(r"\s*(?:([0-9]{1,9})[.)]\s{0,8})?([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})")
_LONGEST_HEADER = 200
_STEP = re.compile(r"(?<![\w.])[0-9]{1,9}[.)]\s{0,8}[A-Za-z_][\w.-]{0,127}\(")
"""The beginning of a step. Text that is read as something else must not contain one: it would be lost in it."""
_LIKE_A_STEP = re.compile(r"[\s>*`#-]*[0-9]+\s*[.):](?![0-9])|\s*[,)\]}\"'$]|.*\w\((?!e?s\))")
"""A number, the rest of a call, or a call anywhere, but not "step(s)"."""


class LLMCompiler:
    """The format. `known` are ids of nodes that exist before the text: of a plan that it continues."""

    name = "llmcompiler"

    def __init__(self, known: Collection[str] = ()) -> None:
        self._known = frozenset(known)

    def stream(self, tools: Tools) -> LLMCompilerStream:
        return LLMCompilerStream(tools, self._known)

    def parse(self, text: str, tools: Tools) -> Parsed:
        stream = self.stream(tools)
        stream.feed(text)
        return stream.close()

    def dump(self, plan: Plan) -> str:
        """`plan` in this format; parsing gives the same plan. Raises `PlanError` that says what cannot be written: the format has
        numbered tool calls and nothing else."""
        return read_back(write_plan(plan), plan, self)

    def grammar(self, tools: Tools, *, max_nodes: int | None = None, max_text: int | None = None) -> str:
        """See `grammars`."""
        return llmcompiler_grammar(tools, max_nodes=max_nodes, max_text=max_text, known=self._known)


class _Step(NamedTuple):
    """The beginning of a call: what stands before its parenthesis."""

    number: str | None
    tool: str

    @property
    def node(self) -> str | None:
        return None if self.tool == JOIN else self.number


class LLMCompilerStream:
    """One plan being written."""

    def __init__(self, tools: Tools, known: Collection[str] = ()) -> None:
        self._tools = tools
        self._drafts = Drafts(known, numbered=True)
        self._thought: list[str] = []
        self._thinking = False
        """Whether the line before was a thought, which may go on."""
        self._output: Any = None
        self._numbers: list[int] = []
        self._finished = False
        self._parsed: Parsed | None = None
        self._machine = self._run()
        next(self._machine)

    @property
    def finished(self) -> bool:
        return self._finished

    def feed(self, text: str) -> Sequence[Node]:
        assert self._parsed is None, "the stream is closed"
        send = self._machine.send
        for character in clean(text):
            send(character)
        return self._drafts.take()

    def close(self) -> Parsed:
        if self._parsed is None:
            self._machine.send(END_OF_TEXT)
            if not self._finished:
                self._drafts.complete()
                self._drafts.report("missing-join", "the plan does not end: its last line must be a numbered `join()`")
            self._check_numbers()
            self._parsed = self._drafts.parsed(self._drafts.output(self._output))
        return self._parsed

    def _run(self) -> Generator[None, str, NoReturn]:
        step: _Step | None = None
        while True:
            step = (yield from self._line()) if step is None else (yield from self._call(step))

    def _line(self) -> Generator[None, str, _Step | None]:
        """A line, or the part of it before the arguments of a step."""
        line: list[str] = []
        plain = True
        while (character := (yield)) not in ("\n", END_OF_TEXT):
            if character == "(" and plain:
                plain = False
                if step := self._step_in(line):
                    return step
            line.append(character)
        self._other("".join(line))
        return None

    def _step_in(self, line: list[str]) -> _Step | None:
        """The step whose parenthesis follows."""
        found = _HEADER.fullmatch("".join(line)) if len(line) <= _LONGEST_HEADER else None
        if not found or (found[1] is None and found[2] != JOIN) or self._finished:
            return None
        return _Step(found[1], found[2])

    def _call(self, step: _Step) -> Generator[None, str, _Step | None]:
        """From after the parenthesis to the end of the line on which it is closed, or to the next step if it never is."""
        body: list[str] = []
        line: list[str] | None = None
        brackets = Brackets()
        while not brackets.closed:
            if (character := (yield)) == END_OF_TEXT:
                self._unclosed(step, brackets.quote)
                return None
            if character == "\n":
                line = []
            elif line is not None:
                if character == "(" and (following := self._step_in(line)) and following.number:
                    self._unclosed(step, brackets.quote)
                    return following
                if len(line) <= _LONGEST_HEADER:
                    line.append(character)
            body.append(character)
            brackets.push(character)
        arguments = "".join(body[:-1])
        if step.tool == JOIN:
            self._join(step, arguments)
        rest: list[str] = []
        while (character := (yield)) not in ("\n", END_OF_TEXT):
            rest.append(character)
        if step.tool == JOIN:
            self._other("".join(rest))
        else:
            self._step(step, arguments, "".join(rest).strip())
        return None

    def _step(self, step: _Step, text: str, rest: str) -> None:
        thought = self._begin(step)
        if rest and (_STEP.search(rest) or not (rest.startswith("#") or rest == END_OF_PLAN)):
            message = f"{excerpt(rest)} follows the closing parenthesis: one call a line, and only a comment after it"
            self._drafts.report("syntax", message, step.node)
            return
        spec = self._tools.get(step.tool)
        try:
            read = read_arguments(text, self._tools, whole_text=spec is not None and len(spec.parameter_names) == 1)
            arguments = named(step.tool, read.positional, read.keywords, self._tools)
        except Unreadable as error:
            self._drafts.report(error.code, str(error), step.node)
            return
        self._warn_of_unquoted(read, step.node)
        self._drafts.add({"kind": "tool", "id": step.number, "tool": step.tool, "arguments": arguments, "thought": thought})

    def _join(self, step: _Step, text: str) -> None:
        self._begin(step)
        self._finished = True
        self._drafts.complete()
        try:
            read = read_arguments(text, self._tools, whole_text=True)
            if read.positional and read.keywords:
                raise Unreadable("give all arguments a name or none")
        except Unreadable as error:
            self._drafts.report(error.code, f"the arguments of join: {error}")
            return
        self._warn_of_unquoted(read, None)
        self._output = read.keywords or (read.positional[0] if len(read.positional) == 1 else read.positional or None)

    def _begin(self, step: _Step) -> str:
        """Notes that `step` has begun; returns the thought before it."""
        if step.number is not None:
            self._numbers.append(int(step.number))
        thought = " ".join(self._thought)
        self._thought.clear()
        self._thinking = False
        return thought

    def _unclosed(self, step: _Step, quote: str) -> None:
        self._begin(step)
        what = f"a quote ({quote})" if quote else "a bracket"
        self._drafts.report("syntax", f"{what} of this call of `{step.tool}` is never closed", step.node)

    def _warn_of_unquoted(self, read: Arguments, node: str | None) -> None:
        for text in read.unquoted:
            self._drafts.warn("syntax", f"text without quotes is read as the string {excerpt(text)}", node)

    def _other(self, line: str) -> None:
        """A line that is no step."""
        text = line.strip()
        thinking, self._thinking = self._thinking, False
        if not text or text == END_OF_PLAN:
            return
        if _STEP.search(line):
            where = "after join, which must be the last step" if self._finished else "in the middle of a line"
            self._drafts.report("syntax", f"{excerpt(line)}: a step begins {where}")
        elif self._finished:
            if not text.startswith("#"):
                self._drafts.ignore(text)
        elif text.startswith("Thought:") or (thinking and not _like_a_step(line)):
            self._thought.append(text.removeprefix("Thought:").strip())
            self._thinking = True
        elif _like_a_step(line):
            self._drafts.report("syntax", f"{excerpt(line)} cannot be read: a step is `3. tool(argument, name=argument)`")
        else:
            self._drafts.ignore(text)

    def _check_numbers(self) -> None:
        for number, following in pairwise(self._numbers):
            if following > number + 1:
                self._drafts.warn("id-gap", f"the numbers jump from {number} to {following}", str(following))


def _like_a_step(line: str) -> bool:
    """Whether a line that is no step may have been meant as one, or as the rest of one: then it must not be passed over."""
    return _LIKE_A_STEP.match(line) is not None or line.count("(") != line.count(")")
