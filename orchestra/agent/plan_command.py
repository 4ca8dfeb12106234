"""`orchestra plan check|show|run|solve` and `orchestra journal show|resolve`: plans as files, without a planner."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from contextlib import ExitStack

from pydantic_core import to_jsonable_python
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..errors import ConfigError
from ..plan.exact import pareto
from ..plan.exact import solve as solve_exactly
from ..plan.finding import Finding, InvalidPlan, errors
from ..plan.formats.base import Parsed
from ..plan.formats.named import read_plan
from ..plan.plan import Plan
from ..plan.render.dot import dot
from ..plan.render.mermaid import mermaid
from ..plan.render.svg import svg
from ..plan.task_graph import load_task_graph
from ..plan.verify import verify
from ..schedule.execution import execute
from ..schedule.journal import Journal
from ..schedule.resources import Resources
from ..schedule.runtime import Runtime
from ..tools.tool import ToolSet
from .command import budget, outcomes, plain, tools_of, writable
from .live import LivePlan


def check(args: argparse.Namespace) -> int:
    """Exit status 0 when the plan can be run, 1 when not; every finding on a line."""
    tools = tools_of(args)
    parsed = read_plan(args.file, args.format, tools.specs)
    findings = _findings(parsed, tools if args.tools else None)
    for finding in findings:
        sys.stdout.write(f"{finding.severity}: {finding}\n")
    wrong = len(errors(findings))
    if wrong:
        sys.stderr.write(f"{wrong} error{'s' if wrong > 1 else ''}: the plan cannot be run\n")
        return 1
    plan = parsed.plan
    unchecked = "" if args.tools else "; tools and arguments were not checked, give --tools for that"
    sys.stderr.write(f"ok: {len(plan.nodes)} nodes, {len(plan.critical_path(lambda node: 1.0))} in a row{unchecked}\n")
    return 0


def show(args: argparse.Namespace) -> int:
    """The plan in another form, to standard output or a file."""
    if args.out:
        writable(args.out)
    parsed = read_plan(args.file, args.format, tools_of(args).specs)
    if not parsed.plan.nodes:
        raise InvalidPlan(parsed.findings)
    for finding in errors(_findings(parsed, None)):
        sys.stderr.write(f"{finding.severity}: {finding}\n")
    text = _drawn(parsed.plan, args.to)
    if args.out is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    else:
        args.out.write_text(text, encoding="utf-8")
    return 0


def run(args: argparse.Namespace) -> int:
    """Run the plan of a file. Exit status 0 when it has its output, which is all that goes to standard output."""
    tools, cap = tools_of(args), budget(args)
    parsed = read_plan(args.file, args.format, tools.specs)
    findings = _findings(parsed, tools)
    if errors(findings):
        raise InvalidPlan(findings)
    console = Console(stderr=True, highlight=False)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(args.journal, run=_identity(parsed.plan))) if args.journal else None
        live = stack.enter_context(LivePlan(console))
        runtime = Runtime(tools=tools, resources=Resources(slots=args.slots), budget=cap, journal=journal, observer=live.observe)
        result = asyncio.run(execute(parsed.plan, runtime))
    output = to_jsonable_python(result.output, fallback=str, inf_nan_mode="strings")
    if args.json:
        found = {"output": output, "status": result.status, "error": result.error, "outcomes": outcomes(result.outcomes)}
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    elif result.status == "succeeded":
        sys.stdout.write(json.dumps(output, ensure_ascii=False, indent=1) + "\n")
    if result.status == "succeeded":
        return 0
    done = len([node for node in result.plan.nodes if result.outcomes[node.id].ok])
    why = "; ".join(reason for reason in (result.stopped and f"stopped: {result.stopped}", result.error) if reason)
    console.print(f"[bold yellow]no output[/]: {plain(why)} ({done} of {len(result.plan.nodes)} nodes succeeded)", soft_wrap=True)
    if journal is not None and result.of("uncertain"):
        nodes = ", ".join(result.of("uncertain"))
        console.print(f"say what became of {nodes}: orchestra journal resolve {escape(str(args.journal))} NODE …", soft_wrap=True)
    return 1


def solve(args: argparse.Namespace) -> int:
    """The fastest way to a target, and the cheapest among the fastest (or the whole trade-off)."""
    try:
        graph = load_task_graph(args.file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{args.file} cannot be read: {error.strerror}") from error
    schedules = pareto(graph) if args.pareto else (solve_exactly(graph),)
    if args.json:
        found = [
            {"time": s.makespan, "cost": s.cost, "plan": [task.model_dump(mode="json") for task in s.subtasks()]} for s in schedules
        ]
        sys.stdout.write(json.dumps(found if args.pareto else found[0], indent=1) + "\n")
        return 0
    console = _console()
    for schedule in schedules:
        table = Table("start", "end", "from", "to", title=f"time {schedule.makespan}, cost {schedule.cost}", box=SIMPLE_HEAD)
        table.title_justify = "left"
        for step in schedule.steps:
            table.add_row(str(step.start), str(step.finish), escape(", ".join(step.rule.source)), escape(step.rule.target))
        console.print(table)
    return 0


def journal_show(args: argparse.Namespace) -> int:
    """Every call of a journal; exit status 1 when one is uncertain."""
    rows = Journal.read(args.file)
    table = Table("node", "effect", "state", "output", box=SIMPLE_HEAD)
    for row in rows:
        state = "[bold yellow]uncertain[/]" if row.uncertain else "begun" if row.outcome is None else "[green]finished[/]"
        value = "" if row.outcome is None else json.dumps(to_jsonable_python(row.outcome.value, fallback=str), ensure_ascii=False)
        table.add_row(row.id, row.effect, state, escape(value[:120]))
    _console().print(table)
    if not any(row.uncertain for row in rows):
        return 0
    sys.stderr.write(
        f"orchestra: settle what is uncertain: orchestra journal resolve {args.file} NODE --happened | --did-not-happen\n"
    )
    return 1


def journal_resolve(args: argparse.Namespace) -> int:
    """Write down what became of an uncertain call."""
    if args.value is not None and not args.happened:
        raise ConfigError("--value is what a call returned that happened: leave it out, or give --happened")
    try:
        value = None if args.value is None else json.loads(args.value)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--value must be JSON, got {args.value!r} ({error}); text needs its own quotes: '\"text\"'") from error
    with Journal(args.file, run=Journal.owner(args.file)) as journal:
        journal.resolve(args.node, happened=args.happened, value=value)
    left = sum(row.uncertain for row in Journal.read(args.file))
    became = "it happened" if args.happened else "it did not happen and will be run"
    sys.stderr.write(
        f"{args.node}: {became}; {f'{left} more uncertain' if left else 'resume with the command that was interrupted'}\n"
    )
    return 0


def _findings(parsed: Parsed, tools: ToolSet | None) -> tuple[Finding, ...]:
    """Of the text and of the plan; tools and arguments only where tools are known."""
    return (*parsed.findings, *verify(parsed.plan, None if tools is None else tools.specs))


def _drawn(plan: Plan, form: str) -> str:
    forms = {"svg": svg, "mermaid": mermaid, "dot": dot}
    return forms[form](plan) if form in forms else plan.model_dump_json(indent=1, exclude_defaults=True)


def _console() -> Console:
    """For tables: where nobody looks, lines are not broken at 80 columns."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def _identity(plan: Plan) -> str:
    """Which plan a journal belongs to. Ids count, because the journal knows calls by them."""
    return hashlib.sha256(plan.model_dump_json().encode()).hexdigest()[:16]
