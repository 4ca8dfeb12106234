"""Planners: from a task to a verified plan, whose first nodes may run while the rest is being written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ..chat.base import ChatModel, ChatRequest, Message
from ..engine import Constraint
from ..errors import ConfigError
from ..plan.degrade import degrade
from ..plan.finding import Finding, errors
from ..plan.formats.base import ConstrainedFormat, Parsed, PlanFormat, StreamedFormat
from ..plan.formats.json_lines import JsonLines
from ..plan.formats.llmcompiler import LLMCompiler
from ..plan.node import Node
from ..plan.plan import Plan
from ..plan.structure import Shape
from ..plan.tool_spec import ToolSpec
from ..plan.verify import describe, verify
from .feed import Feed
from .prompts import described, render


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a planner is asked."""

    task: str
    tools: Mapping[str, ToolSpec]
    shape: Shape = field(default_factory=Shape)
    models: Sequence[str] = ()
    """Tiers that model calls may name; empty: the plan may not ask models."""
    start: Callable[[Node], None] | None = None
    """Told each node that may start already. The plan that comes back has all of these, unless it had to be mended."""
    on_text: Callable[[str], None] | None = None
    """Told each piece of what the model writes."""
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What became of a task."""

    plan: Plan | None
    """Verified; None when none could be had, and `findings` say why."""
    findings: tuple[Finding, ...] = ()
    """Of the last attempt, warnings included."""
    texts: tuple[str, ...] = ()
    """What the model wrote, one text an attempt."""
    dropped: tuple[str, ...] = ()
    """Nodes that were left out because they could not be run."""
    note: str = ""
    """What was done to make the plan runnable; empty when it was as written."""
    refusal: str = ""
    """Why the planner has no plan for this task though it may have written one; empty when it has, or when `findings` say why."""


class Planner(Protocol):
    """Raises `EngineError` when its model fails; what is wrong with a plan is in `Planned.findings`."""

    async def plan(self, brief: Brief) -> Planned: ...


@dataclass(frozen=True, slots=True)
class Example:
    """A task and its plan in the planner's format, for the prompt."""

    task: str
    plan: str


def task_message(task: str) -> Message:
    """What a planner's model is told last: small planners are trained on nothing else."""
    return Message("user", f"Task: {task}")


class TextPlanner:
    """Asks a model for a plan in a text format and starts nodes while it writes.

    Args:
        model: any chat model.
        format: how the plan is written, or what makes the format for a brief; by default LLMCompiler's text, which is shortest, and JSON lines
            where plans may ask models, which that text cannot say. `prompt` is the template that explains it, by default the one of
            the format's name. Formats that cannot be read before they are whole are not streamed.
        examples: shown in the prompt; a few for the tools at hand help more than anything else.
        constrained: hold the model to the format's grammar, with these tools and argument names (vLLM).
        repairs: how often a plan that cannot be run goes back with all that is wrong with it.
        on_bad_plan: when repairs are used up: "drop" what cannot run and what needs it, put what is left in "sequence", or "fail".
        max_text: longest string in a constrained plan, in characters; a model that never ends one would never end its plan.
        max_tokens: of one plan.
        seed: of plans that are sampled, at a temperature above 0.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        format: PlanFormat | Callable[[Brief], PlanFormat] | None = None,
        prompt: str | None = None,
        examples: Sequence[Example] = (),
        constrained: bool = False,
        repairs: int = 1,
        on_bad_plan: Literal["drop", "sequence", "fail"] = "drop",
        max_text: int = 400,
        max_tokens: int = 2048,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self._model = model
        self._format = format if format is not None else _usual
        self._prompt = prompt
        self._examples = examples
        self._constrained = constrained
        self._repairs = repairs
        self._on_bad_plan = on_bad_plan
        self._max_text = max_text
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._seed = seed

    async def plan(self, brief: Brief) -> Planned:
        format = self._format(brief) if callable(self._format) else self._format
        system = render(
            self._prompt or f"plan_{format.name.replace('-', '_')}",
            tools=described(brief.tools.values()),
            examples=self._examples,
            max_nodes=brief.shape.max_nodes,
            models=list(brief.models),
        )
        messages = [Message("system", system), task_message(brief.task)]
        texts: list[str] = []
        while True:
            text, parsed = await self._write(messages, brief, format, stream=not texts)
            texts.append(text)
            findings = (*parsed.findings, *verify(parsed.plan, brief.tools, limits=brief.shape, models=brief.models))
            if not errors(findings):
                return Planned(plan=parsed.plan, findings=findings, texts=tuple(texts))
            if len(texts) > self._repairs:
                return self._degraded(parsed, findings, brief, tuple(texts))
            messages += [Message("assistant", text), Message("user", render("plan_repair", problems=describe(findings)))]

    async def _write(self, messages: Sequence[Message], brief: Brief, format: PlanFormat, *, stream: bool) -> tuple[str, Parsed]:
        """One attempt. Only the first is streamed into the execution: a mended plan is compared with it when it is whole."""
        parser = format.stream(brief.tools) if isinstance(format, StreamedFormat) else None
        feed: Feed | None = None
        if parser is not None and stream and brief.start is not None:
            feed = Feed(parser, brief.tools, brief.start, limits=brief.shape, models=brief.models)
        request = ChatRequest(
            messages=messages,
            max_tokens=self._max_tokens,
            temperature=self._temperature,
            seed=self._seed,
            constraint=self._constraint(brief, format) if self._constrained else None,
            session=brief.session,
            on_text=_both(feed.text if feed else None, brief.on_text),
        )
        reply = await self._model.reply(request)
        if parser is None:
            return reply.text, format.parse(reply.text, brief.tools)
        if feed is None:
            parser.feed(reply.text)
        return reply.text, parser.close()

    def _constraint(self, brief: Brief, format: PlanFormat) -> Constraint:
        if not isinstance(format, ConstrainedFormat):
            raise ConfigError(f"the format {format.name} has no grammar: plan without `constrained`, or in JSON lines")
        return Constraint(grammar=format.grammar(brief.tools, max_nodes=brief.shape.max_nodes, max_text=self._max_text))

    def _degraded(self, parsed: Parsed, findings: tuple[Finding, ...], brief: Brief, texts: tuple[str, ...]) -> Planned:
        if self._on_bad_plan == "fail":
            return Planned(plan=None, findings=findings, texts=texts)
        done = degrade(parsed.plan, findings, brief.tools, mode=self._on_bad_plan, models=brief.models)
        note = done.reason if done.plan is not None else f"no runnable plan is left: {done.reason}"
        return Planned(plan=done.plan, findings=findings, texts=texts, dropped=done.dropped, note=note)


def _usual(brief: Brief) -> PlanFormat:
    return JsonLines() if brief.models else LLMCompiler()


def _both(first: Callable[[str], None] | None, second: Callable[[str], None] | None) -> Callable[[str], None] | None:
    if first is None or second is None:
        return first or second

    def tell(piece: str) -> None:
        first(piece)
        second(piece)

    return tell
