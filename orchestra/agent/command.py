"""`orchestra run`: a task, some tools and a model; the plan before your eyes, then the answer."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.markup import escape

from ..chat.base import ChatModel
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
from ..tools.facts import FactTable, fact_tools
from ..tools.facts.names import Names
from ..tools.load import load_tools
from ..tools.tool import ToolSet
from .agent import Agent, Settings
from .events import AgentResult
from .facts_planner import refusal
from .joiner import ModelJoiner
from .live import LivePlan
from .planner import Example, TextPlanner
from .small_planner import open_planner_chat, planner_settings, read_planner_card, shipped_planner


def run(args: argparse.Namespace) -> int:
    """Exit status 0 with an answer, 1 without one. The answer goes to standard output, everything else to standard error."""
    if args.svg:
        writable(args.svg)
    setup = boxed(args) if in_the_box(args) else brought(args)
    cap = budget(args)
    console = Console(stderr=True, highlight=False)

    async def main() -> AgentResult:
        async with setup.open_chat() as chat:
            agent = Agent(chat, setup.tools.values(), settings=setup.settings)
            with LivePlan(console) as live:
                return await agent.run(args.task, budget=cap, journal=args.journal, observer=live.observe)

    if setup.refusal is not None:
        result = AgentResult(answer=None, status="failed", error=setup.refusal)
    else:
        if setup.starting:
            console.print(f"[dim]{escape(setup.starting)}[/]", soft_wrap=True)
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
    if setup.refusal is None:
        console.print(f"[dim]{cost(result)}[/]", soft_wrap=True)
    return 0 if result.status == "succeeded" else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a run is made of."""

    open_chat: Callable[[], ChatModel]
    tools: ToolSet
    settings: Settings
    refusal: str | None = None
    """Why the task need not even be tried."""
    starting: str = ""
    """Said where starting the model takes seconds."""


def brought(args: argparse.Namespace) -> Setup:
    """The user's own tools and model. Raises `ConfigError` when one of them is missing."""
    if args.model is None or not args.tools:
        given, missing = ("--tools", "--model URL") if args.tools else ("--model", "--tools FILE.py")
        raise ConfigError(
            f"{given} needs {missing} beside it: give both, or leave out both and ask the shipped planner about its facts"
        )
    if args.facts is not None:
        raise ConfigError("--facts is the table of the shipped planner: leave it out, or leave out --model and --tools")
    if args.model in ("vllm", "transformers") and args.model_name is None:
        raise ConfigError(f"--model {args.model} needs the folder of a model: --model-name DIR")
    tools, own = tools_of(args), settings(args)
    chat = open_chat(args.model, model=args.model_name, record=args.record)
    return Setup(open_chat=lambda: chat, tools=tools, settings=own)


def in_the_box(args: argparse.Namespace) -> bool:
    """Whether the user brings neither model nor tools: then the shipped planner and its facts are asked."""
    return args.model is None and not args.tools


def boxed(args: argparse.Namespace) -> Setup:
    """The shipped planner, or the one in the folder `--model-name`, with its facts. Raises `ConfigError` for flags that mean nothing to it."""
    flags = {"--format": args.format != "llmcompiler", "--examples": args.examples, "--constrained": args.constrained}
    flags["--max-rounds"] = args.max_rounds != Settings().max_rounds
    if meaningless := [flag for flag, given in flags.items() if given]:
        raise ConfigError(
            f"{' and '.join(meaningless)} cannot be given to the shipped planner, which writes plans in one way and asks no joiner: leave"
            " that out, or bring a model with --model and --tools"
        )
    folder = Path(args.model_name) if args.model_name else shipped_planner()
    table = FactTable.read(args.facts) if args.facts else FactTable.packaged()
    names = Names(table, read_planner_card(folder).vocabulary)
    own = planner_settings(names)
    return Setup(
        open_chat=lambda: open_planner_chat(folder, record=args.record),
        tools=ToolSet(fact_tools(table)),
        settings=dataclasses.replace(
            own,
            joiner=None if args.no_joiner else own.joiner,
            shape=Shape(max_nodes=args.max_nodes),
            resources=Resources(slots=args.slots),
        ),
        refusal=refusal(args.task, names),
        starting=f"starting {folder.name} …",
    )


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
    of_tools = result.result.usage.calls if result.result else 0  # plans of this command ask no models
    calls = ", ".join(
        f"{count} {kind} call{'s' * (count != 1)}" for kind, count in (("tool", of_tools), ("model", usage.calls - of_tools))
    )
    return f"{calls}, {usage.tokens:,} tokens sampled, {result.seconds:.2f} s"


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
        "output": to_jsonable_python(run.output, fallback=str, inf_nan_mode="strings") if run else None,
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
