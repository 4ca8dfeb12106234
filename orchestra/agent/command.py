"""`orchestra run`: a task, some tools and a model; the plan before your eyes, then the answer."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.markup import escape

from ..chat.open import open_chat
from ..errors import ConfigError
from ..plan.formats.json_lines import JsonLines
from ..plan.formats.llmcompiler import LLMCompiler
from ..plan.render.labels import printable
from ..plan.render.svg import svg
from ..plan.structure import Shape
from ..schedule.budget import Budget
from ..schedule.outcome import Outcome
from ..schedule.resources import Resources
from ..tools.load import load_tools
from ..tools.tool import ToolSet
from .agent import Agent, Settings
from .events import AgentResult
from .joiner import ModelJoiner
from .live import LivePlan
from .planner import Example, TextPlanner


def run(args: argparse.Namespace) -> int:
    """Exit status 0 with an answer, 1 without one. The answer goes to standard output, everything else to standard error."""
    if args.svg:
        writable(args.svg)
    tools = tools_of(args)
    agent_settings, cap = settings(args), budget(args)
    console = Console(stderr=True, highlight=False)
    chat = open_chat(args.model, model=args.model_name, record=args.record)

    async def main() -> AgentResult:
        async with chat:
            agent = Agent(chat, tools.values(), settings=agent_settings)
            with LivePlan(console) as live:
                return await agent.run(args.task, budget=cap, journal=args.journal, observer=live.observe)

    result = asyncio.run(main())
    if args.svg and result.result is not None:
        states = {id: outcome.status for id, outcome in result.result.outcomes.items()}
        args.svg.write_text(svg(result.result.plan, states), encoding="utf-8")
        console.print(f"[dim]plan: {escape(str(args.svg))}[/]", soft_wrap=True)
    if result.status != "succeeded":
        console.print(f"[bold yellow]no answer[/]: {plain(str(result.error))}", soft_wrap=True)
    elif result.error:
        console.print(f"[yellow]{plain(result.error)}[/]: the answer is the plan's output", soft_wrap=True)
    if args.json:
        sys.stdout.write(json.dumps(as_json(result), ensure_ascii=False, indent=1) + "\n")
    elif result.status == "succeeded":
        sys.stdout.write(f"{answer_text(result)}\n")
    console.print(f"[dim]{cost(result)}[/]", soft_wrap=True)
    return 0 if result.status == "succeeded" else 1


def settings(args: argparse.Namespace) -> Settings:
    """From the command's flags."""
    planner = partial(
        TextPlanner,
        format=JsonLines() if args.format == "json-lines" else LLMCompiler(),
        examples=read_examples(args.examples) if args.examples else (),
        constrained=args.constrained,
    )
    return Settings(
        planner=planner,
        joiner=None if args.no_joiner else partial(ModelJoiner, constrained=args.constrained),
        max_rounds=args.max_rounds,
        shape=Shape(max_nodes=args.max_nodes),
        resources=Resources(slots=args.slots),
    )


def budget(args: argparse.Namespace) -> Budget | None:
    """None when no flag asks for one."""
    caps = {"calls": args.calls, "tokens": args.tokens, "seconds": args.seconds}
    return Budget(**caps) if any(cap is not None for cap in caps.values()) else None


def read_examples(path: Path) -> list[Example]:
    """A JSON list of `{"task": …, "plan": …}`. Raises `ConfigError` that says what is wrong."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return [Example(task=each["task"], plan=each["plan"]) for each in found]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f'{path} must hold a JSON list of {{"task": …, "plan": …}} ({type(error).__name__}: {error})') from error


def tools_of(args: argparse.Namespace) -> ToolSet:
    """Of all `--tools` together. Raises `ConfigError` when two have the same name."""
    return ToolSet(tool for spec in args.tools for tool in load_tools(spec))


def writable(path: Path) -> None:
    """Raises `ConfigError`, before anything is spent, when a file cannot be made there."""
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{path} cannot be written: give a file in a folder that exists and that you may write in")


def plain(text: str) -> str:
    """Lines that quote models and tools, as rich's markup of themselves: they must not steer the terminal."""
    return escape("\n".join(printable(line) for line in text.splitlines()))


def answer_text(result: AgentResult) -> str:
    """Text as it is, anything else as JSON."""
    answer = result.answer
    if isinstance(answer, str):
        return answer
    return json.dumps(to_jsonable_python(answer, fallback=str, inf_nan_mode="strings"), ensure_ascii=False)


def cost(result: AgentResult) -> str:
    """What it took, in words."""
    usage = result.usage
    return f"{usage.calls} call{'' if usage.calls == 1 else 's'}, {usage.tokens:,} tokens sampled, {result.seconds:.2f} s"


def as_json(result: AgentResult) -> dict[str, Any]:
    """Everything, for programs."""
    run = result.result
    return {
        "answer": to_jsonable_python(result.answer, fallback=str, inf_nan_mode="strings"),
        "status": result.status,
        "error": result.error,
        "rounds": result.rounds,
        "seconds": round(result.seconds, 3),
        "usage": dataclasses.asdict(result.usage),
        "findings": [str(finding) for finding in result.findings],
        "plan": run.plan.model_dump(mode="json", exclude_defaults=True) if run else None,
        "outcomes": outcomes(run.outcomes) if run else {},
    }


def outcomes(found: Mapping[str, Outcome]) -> dict[str, Any]:
    """By the id of the node."""
    return {
        id: {
            "status": outcome.status,
            "value": to_jsonable_python(outcome.value, fallback=str, inf_nan_mode="strings"),
            "error": outcome.error,
            "attempts": outcome.attempts,
            "source": outcome.source,
        }
        for id, outcome in found.items()
    }
