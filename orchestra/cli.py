"""The `orchestra` command. Each subcommand is loaded when it is asked for, so that `orchestra --help` stays instant."""

from __future__ import annotations

import argparse
import logging
import math
import sys
import time
from importlib import import_module
from pathlib import Path

from .argument_types import add_gpu_memory, add_tools, count, number, parse, positive, seconds
from .errors import ConfigError, JournalError, OrchestraError, ProblemError
from .eval_arguments import add_eval, with_config
from .export_arguments import add_export, add_view
from .report_arguments import add_report
from .sample.arguments import add_policies, add_replay, add_sample
from .search_arguments import add_extent, add_join, add_scouts

_EPILOG = """\
examples:
  orchestra solve --numbers 3 5 7 11 --target 24
  orchestra eval countdown --method fork --join first --limit 100 --out runs/fork-first
  orchestra report runs/serial runs/fork-first
  orchestra run "How much taller is K2 than Mont Blanc?"
  orchestra run "How much higher is K2 than Mont Blanc?" --tools tools.py --model http://localhost:8000/v1
"""


class _Retries(logging.Handler):
    """Says, at most every ten seconds, that a server is being waited for. Without it each retry of each request would print a line."""

    def __init__(self) -> None:
        super().__init__()
        self._said = -math.inf

    def emit(self, record: logging.LogRecord) -> None:
        if (now := time.monotonic()) - self._said >= 10:
            self._said = now
            sys.stderr.write(f"orchestra: no answer, trying again ({getattr(record, 'stamina.caused_by', record.getMessage())})\n")


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns its exit status: 0, 1 for a failure, 2 for wrong arguments or set-up, 130 after Ctrl-C."""
    parser = build_parser()
    args = parse(parser, sys.argv[1:] if argv is None else argv)
    retries = logging.getLogger("stamina")
    retries.handlers, retries.propagate = [_Retries()], False
    try:
        if getattr(args, "config", None) is not None:
            args = with_config(sys.argv[1:] if argv is None else argv, parser, args)
        module, function = args.run.split(":")
        # By name, so that the core never imports `orchestra.evals` by statement.
        return int(getattr(import_module(module), function)(args))
    except (ConfigError, ProblemError, JournalError) as error:
        sys.stderr.write(f"orchestra: {error}\n")
        return 2
    except OrchestraError as error:
        sys.stderr.write(f"orchestra: {error}\n")
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone (`orchestra report … | head`): nothing is left to say, also not at interpreter exit.
        sys.stderr.close()
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"orchestra: {error.filename}: {error.strerror}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"\norchestra: interrupted{_kept(args)}\n")
        return 130


def _kept(args: argparse.Namespace) -> str:
    """What an interrupted command leaves behind."""
    if args.run == "orchestra.evals.command:evaluate":
        return "; finished rows are kept, and the same command goes on from there"
    if getattr(args, "journal", None):
        return f"; what has finished is kept in {args.journal}, and the same command goes on from there"
    return ""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orchestra",
        description="Parallel reasoning with language models: fork, join and measure threads on vLLM.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    solve = commands.add_parser("solve", help="watch a model solve one Countdown problem")
    solve.set_defaults(run="orchestra.countdown.command:solve")
    solve.add_argument("--numbers", type=number, nargs="+", required=True, metavar="N", help="3 to 6 numbers from 1 to 99")
    solve.add_argument("--target", type=int, required=True, help="10 to 100, or to 1,000 for five and six numbers")
    solve.add_argument("--page", type=Path, metavar="FILE.html", help="also write the thread timeline as a self-contained page")
    _add_search(solve, method="fork", join="first")
    _add_engine(solve)

    add_eval(commands)

    add_report(commands)
    add_view(commands)
    add_export(commands)

    demo = commands.add_parser(
        "demo", help="a small model forks threads before your eyes: serial against fork, with a timeline page"
    )
    demo.set_defaults(run="orchestra.evals.demo:demo")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="default: runs/demo")
    demo.add_argument("--limit", type=positive, default=8, metavar="N", help="problems in the comparison (default: 8)")
    _add_engine(demo)

    add_sample(commands)
    add_replay(commands)
    add_policies(commands)
    _add_run(commands)
    _add_facts(commands)
    _add_plan(commands)
    _add_journal(commands)

    doctor = commands.add_parser("doctor", help="what is installed, which engine would run, what is missing")
    doctor.set_defaults(run="orchestra.doctor:command")
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="plan a task, run the plan while it is written, and answer: with your tools and model, or about facts without any",
        description="Without --tools and --model the shipped planner answers questions about facts, offline (`orchestra facts`).",
    )
    run.set_defaults(run="orchestra.agent.command:run")
    run.add_argument("task")
    add_tools(run)
    model = run.add_argument_group("model")
    model.add_argument(
        "--model",
        metavar="URL|NAME",
        help="an OpenAI-compatible endpoint (http://HOST:PORT/v1), vllm, transformers, or recorded:FILE",
    )
    model.add_argument("--model-name", metavar="NAME|DIR", help="which model of the endpoint, or the folder of the model")
    _add_fact_table(model)
    model.add_argument("--record", type=Path, metavar="FILE", help="keep what the model says, and replay what is kept already")
    planning = run.add_argument_group("planning")
    planning.add_argument(
        "--format",
        choices=["json-lines", "llmcompiler"],
        default="llmcompiler",
        help="what the planner writes (default: llmcompiler, the shortest)",
    )
    planning.add_argument(
        "--examples", type=Path, metavar="FILE.json", help='shown to the planner: a list of {"task": …, "plan": …}'
    )
    planning.add_argument("--constrained", action="store_true", help="hold the model to the plan's grammar (vLLM)")
    planning.add_argument("--no-joiner", action="store_true", help="the plan's output is the answer")
    planning.add_argument("--max-rounds", type=count, default=2, metavar="N", help="changes that the joiner may make (default: 2)")
    planning.add_argument("--max-nodes", type=positive, default=100, metavar="N", help="of a plan (default: 100)")
    _add_limits(run)
    run.add_argument("--svg", type=Path, metavar="FILE.svg", help="also draw the plan with what became of it")
    run.add_argument("--json", action="store_true", help="the whole result for programs, on standard output")


def _add_facts(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    facts = commands.add_parser("facts", help="what the shipped planner can be asked: questions, names, attributes and tools")
    facts.set_defaults(run="orchestra.agent.facts_command:show")
    _add_fact_table(facts)


def _add_plan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = commands.add_parser("plan", help="check, show, run or solve a plan in a file")
    verbs = plan.add_subparsers(title="what to do", required=True, metavar="VERB")
    for verb, words in (
        ("check", "all that is wrong with it"),
        ("show", "as a picture or in another form"),
        ("run", "run it, and go on where a killed run stopped"),
    ):
        parser = verbs.add_parser(verb, help=words)
        parser.set_defaults(run=f"orchestra.agent.plan_command:{verb}")
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--format", metavar="NAME", help="how it is written (default: found out from the text)")
        add_tools(parser, required=verb == "run")
        if verb == "show":
            parser.add_argument("--to", choices=["svg", "mermaid", "dot", "json"], default="mermaid", help="default: mermaid")
            parser.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
        if verb == "run":
            _add_limits(parser)
            parser.add_argument("--json", action="store_true", help="the whole result instead of the output")
    solve = verbs.add_parser("solve", help="the fastest plan through a graph of alternatives with times and costs, exactly")
    solve.set_defaults(run="orchestra.agent.plan_command:solve")
    solve.add_argument("file", type=Path, metavar="FILE.json", help="rules, initial sources and target, as in Plan-over-Graph")
    solve.add_argument("--pareto", action="store_true", help="every trade-off between time and cost")
    solve.add_argument("--json", action="store_true")


def _add_journal(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    journal = commands.add_parser("journal", help="look into the journal of a run, or settle what is uncertain in it")
    verbs = journal.add_subparsers(title="what to do", required=True, metavar="VERB")
    show = verbs.add_parser("show", help="every call and what became of it")
    show.set_defaults(run="orchestra.agent.plan_command:journal_show")
    show.add_argument("file", type=Path, metavar="FILE")
    resolve = verbs.add_parser("resolve", help="say what became of a call that must not be made twice")
    resolve.set_defaults(run="orchestra.agent.plan_command:journal_resolve")
    resolve.add_argument("file", type=Path, metavar="FILE")
    resolve.add_argument("node", metavar="NODE")
    answer = resolve.add_mutually_exclusive_group(required=True)
    answer.add_argument("--happened", action="store_true", dest="happened", help="it happened; --value is what it returned")
    answer.add_argument("--did-not-happen", action="store_false", dest="happened", help="it may be run")
    resolve.add_argument("--value", metavar="JSON", help="its output (default: null)")


def _add_fact_table(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--facts",
        type=Path,
        metavar="FILE.csv",
        help="your own facts, as lines of entity,attribute,value (default: mountains, rivers, lakes, countries …)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument("--slots", type=positive, metavar="N", help="calls at once (default: no limit)")
    group.add_argument("--calls", type=positive, metavar="N", help="calls in all")
    group.add_argument("--tokens", type=positive, metavar="N", help="tokens that models may sample in all")
    group.add_argument("--seconds", type=seconds, metavar="S", help="after which whatever is finished is returned")
    group.add_argument(
        "--journal",
        "--resume",
        dest="journal",
        type=Path,
        metavar="FILE",
        help="keep outcomes there; the same command goes on from it after a crash",
    )


def _add_search(parser: argparse.ArgumentParser, *, method: str, join: str) -> None:
    group = parser.add_argument_group("search")
    group.add_argument(
        "--method",
        choices=["serial", "fork", "weave"],
        default=method,
        help=f"weave: threads that see what their parent wrote, of a model that was trained to (default: {method})",
    )
    add_join(group, default=join)
    add_extent(group)
    add_scouts(group)
    group.add_argument("--temperature", type=float, default=0.0, help="0 is greedy (default: 0)")
    group.add_argument("--sampling-seed", type=int, metavar="S", help="makes sampling at a temperature repeatable")
    group.add_argument("--tree-tokens", type=positive, metavar="N", help="most tokens all threads of a problem may sample together")
    group.add_argument("--seconds", type=seconds, metavar="S", help="most seconds a problem may take")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("engine")
    group.add_argument(
        "--engine",
        default="auto",
        metavar="NAME|URL",
        help="vllm, transformers, scripted (a flawless symbolic player, no model), or a server's URL (default: the best installed)",
    )
    group.add_argument("--model", type=Path, metavar="DIR", help="model folder (default: the one shipped with the repository)")
    add_gpu_memory(group)


if __name__ == "__main__":
    sys.exit(main())
