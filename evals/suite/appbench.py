"""AppBench: which APIs of which apps carry out a request, in order, with constants and outputs of earlier calls as arguments.

A plan is written as the dataset writes it, one `App: [outputs = api(#argument='constant', #argument=output)]` a line. It is right
when its apps and APIs are those of the gold plan, each as often, and every argument of a gold call has its value: the output that
the gold plan takes, or the text that it stands for. What a call has beyond that is optional, as in the paper. Unlike the paper's
program, which also takes a value that merely contains the other (an empty one is contained in all), values are equal but for case
and white space. The score is the F1 of the calls, by app and API.

The dataset describes its APIs in code and not in its files; what models are shown is the catalogue of names, arguments and outputs
that the gold plans of the whole file use, the same for each of its problems.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestra.answers import Equivalence
from orchestra.errors import ProblemError
from orchestra.plan.formats.appbench import AppBench
from orchestra.plan.node import ToolCall
from orchestra.plan.ref import Ref

from ..benchmark import Benchmark, Published
from ..problem import Grade, Problem
from .graders.mathematics import NO_ANSWER
from .graders.said import last_block, said
from .rows import text

_FORMAT = AppBench()
_GIVEN = "Given"
"""An app that the catalogue does not have: what a gold plan takes for granted is its output. Four rows of the public file do so."""
_OUTPUTS = re.compile(r"\s*([\w\s,]+?)\s*=")
_REFERRED = re.compile(r"#\w+\s*=\s*([A-Za-z_]\w*)\s*(?=[,)])")
_ARGUMENT = re.compile(r"#(\w+)\s*=\s*[A-Za-z_]\w*\s*(?=[,)])")
_MOST_CALLS = 100


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it is compared: names in lower case, and arguments as their texts, or as the outputs that they are."""

    name: str
    constants: Mapping[str, str]
    outputs: Mapping[str, str]


def read(row: Mapping[str, Any]) -> Problem:
    request = text(row, ("input",))
    output = row.get("output")
    if not isinstance(output, Mapping):
        raise ProblemError(f"'output' must be an object, got {output!r:.40}")
    try:
        lines, apps, used = output["api_results"], output["used_app"], output["used_api"]
        # One app and one resolved call a line in nearly all rows; where a plan repeats calls, those of the API.
        app_of = {next(iter(api)): app for api, app in zip(used, apps, strict=True)}
        resolved = {next(iter(api)): next(iter(api.values())) for api in used}
        said_by_user = output.get("user_aware_arguments", {})
        values = [
            _stand_for(line, next(iter(used[place].values())) if len(used) == len(lines) else resolved[_api(line)], said_by_user)
            for place, line in enumerate(lines)
        ]
        lines = [f"{app_of[_api(line)]}: [{line}]" for line in lines]
    except (TypeError, KeyError, ValueError, AttributeError, StopIteration) as error:
        raise ProblemError(f"'output' must hold used_app, used_api and api_results that fit together ({error!r:.80})") from None
    given = sorted(_dangling(lines))
    calls = _calls("\n".join(lines), given)
    if isinstance(calls, str):
        raise ProblemError(f"the gold plan cannot be read: {calls}")
    return Problem(
        benchmark="appbench",
        text=request,
        gold={"plan": "\n".join(lines), "values": values},
        group=f"{'several apps' if len(set(apps)) > 1 else 'one app'}, {'several calls' if len(lines) > 1 else 'one call'}",
        data={"given": given},
    )


def _stand_for(line: str, resolved: Mapping[str, Any], said_by_user: Mapping[str, Any]) -> dict[str, list[str]]:
    """What each output that a gold call takes stands for: in the call as it was made, and in the user's words."""
    found = {key: [known[key] for known in (resolved, said_by_user) if key in known] for key in _ARGUMENT.findall(line)}
    return {key.lower(): sorted(set(map(_plain, values))) for key, values in found.items()}


def catalogue(problems: Sequence[Problem]) -> dict[str, Any]:
    """Apps with their APIs, and those with the arguments and outputs that gold plans of the file name."""
    found: dict[str, dict[str, set[str]]] = {}
    outputs: dict[str, str] = {}
    for problem in problems:
        for line in problem.gold["plan"].split("\n"):
            app, _, call = line.partition(": [")
            api = f"{app}.{_api(call)}"
            found.setdefault(app, {}).setdefault(api, set()).update(re.findall(r"#(\w+)\s*=", call))
            outputs.setdefault(api, " ".join(call.partition("=")[0].split()))
    apis = [
        {"app": app, "api": api.partition(".")[2], "arguments": sorted(arguments), "outputs": outputs[api]}
        for app in sorted(found)
        for api, arguments in sorted(found[app].items())
    ]
    return {"apis": apis}


async def grade(problem: Problem, text: str, same: Equivalence) -> Grade:
    if not said(text).strip():
        return Grade(correct=False, answer=None, flaw=NO_ANSWER)
    given = problem.data["given"]
    calls, gold = _calls(last_block(text), given), _calls(problem.gold["plan"], given)
    assert isinstance(gold, list)
    if isinstance(calls, str):
        return Grade(correct=False, answer=None, flaw=calls)
    ours, theirs = Counter(call.name for call in calls), Counter(call.name for call in gold)
    hits = (ours & theirs).total()
    score = 2 * hits / (len(calls) + len(gold))
    answer = "; ".join(call.name for call in calls)[:2000]
    if ours != theirs:
        wrong = next(iter((ours - theirs) or (theirs - ours)))
        why = f"calls {wrong}, which is not needed" if ours - theirs else f"does not call {wrong}"
        return Grade(correct=False, answer=answer, score=score, flaw=why)
    flaw = _mismatch(gold, calls, problem.gold["values"])
    return Grade(correct=flaw is None, answer=answer, score=score, flaw=flaw)


def _calls(plan: str, given: Sequence[str]) -> list[Call] | str:
    """The calls of a plan, or what is wrong with it."""
    before = f"{_GIVEN}: [{', '.join(given)} = given()]\n" if given else ""
    parsed = _FORMAT.parse(before + plan, {})
    if errors := [finding.message for finding in parsed.findings if finding.severity == "error"]:
        return errors[0][:200]
    nodes = [node for node in parsed.plan.nodes if isinstance(node, ToolCall)][1 if given else 0 :]
    if not nodes:
        return "holds no call"
    if len(nodes) > _MOST_CALLS:
        return f"has more than {_MOST_CALLS} calls"
    return [
        Call(
            name=node.tool.lower(),
            constants={key.lower(): _plain(value) for key, value in node.arguments.items() if not isinstance(value, Ref)},
            outputs={key.lower(): str(value.path[0]).lower() for key, value in node.arguments.items() if isinstance(value, Ref)},
        )
        for node in nodes
    ]


def _mismatch(gold: Sequence[Call], calls: Sequence[Call], values: Sequence[Mapping[str, Sequence[str]]]) -> str | None:
    """None when every gold call has its own call with all of its arguments; else the first that has none."""
    taken: dict[int, int] = {}

    def place(number: int, tried: set[int]) -> bool:
        for other, call in enumerate(calls):
            if other in tried or not _fits(gold[number], call, values[number]):
                continue
            tried.add(other)
            if other not in taken or place(taken[other], tried):
                taken[other] = number
                return True
        return False

    unplaced = next((call for number, call in enumerate(gold) if not place(number, set())), None)
    return f"an argument of {unplaced.name} is wrong or missing" if unplaced else None


def _fits(gold: Call, call: Call, values: Mapping[str, Sequence[str]]) -> bool:
    if gold.name != call.name:
        return False
    for key, value in gold.constants.items():
        if call.constants.get(key) != value:
            return False
    for key, output in gold.outputs.items():
        if call.outputs.get(key) != output and call.constants.get(key) not in values.get(key, ()):
            return False
    return True


def _dangling(lines: Sequence[str]) -> set[str]:
    """Names that a plan takes as outputs and that no earlier line has."""
    bound: set[str] = set()
    dangling: set[str] = set()
    for line in lines:
        call = line.partition(": [")[2]
        dangling |= {name for name in _REFERRED.findall(call) if name not in bound}
        bound |= {name.strip() for name in call.partition("=")[0].split(",")}
    return dangling


def _api(line: str) -> str:
    found = _OUTPUTS.match(line)
    return line[found.end() :].partition("(")[0].strip() if found else ""


def _plain(value: object) -> str:
    return " ".join(str(value).casefold().split())


BENCHMARK = Benchmark(
    name="appbench",
    title="AppBench",
    about="Calls of several apps' APIs for a request; right if calls and arguments are the gold plan's, scored by the F1 of calls.",
    home=Published(repository="github.com/ruleGreen/AppBench", path="data/test/test_{ss,sm,ms,mm}.json"),
    licence="none stated: evaluate, never ship",
    size=801,
    fields=("input", "output"),
    read=read,
    grade=grade,
    shared=catalogue,
    prompt="appbench",
    methods=frozenset({"serial"}),
    citation="Wang et al. 2024, AppBench, EMNLP 2024",
)
