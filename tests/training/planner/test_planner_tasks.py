"""Generated tasks: right by the library's own judgement, apart by split, and said in many ways."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest
from orchestra.training.planner.check import BadPlan, Checker, Grade, same_answer
from orchestra.training.planner.expression import ANSWERS, FACTORS, Call, plan_of
from orchestra.training.planner.grammar import CALLS, DEPTH, SPLITS, WIDTH, Split, belongs
from orchestra.training.planner.names import is_held_out
from orchestra.training.planner.task import PlanningTask, tasks

from orchestra.errors import ConfigError
from orchestra.tools.facts import UNITS
from orchestra.tools.facts.units import converted


@cache
def made(split: Split, count: int = 300) -> Sequence[PlanningTask]:
    return tuple(islice(tasks(split, 0), count))


def check(task: PlanningTask) -> None:
    asyncio.run(Checker().check(task))


async def check_all(found: Sequence[PlanningTask]) -> None:
    checker = Checker()
    for task in found:
        await checker.check(task)


def height(name: str) -> Call:
    return Call("lookup", (name, "height"))


@pytest.mark.parametrize("split", SPLITS)
def test_every_plan_has_no_findings_and_runs_to_the_answer_in_as_few_calls_as_it_has(split: Split) -> None:
    asyncio.run(check_all(made(split)))


def test_the_same_seed_gives_the_same_tasks_and_another_one_others() -> None:
    assert list(islice(tasks("train", 0), 20)) == list(made("train")[:20])
    assert next(tasks("train", 1)) != made("train")[0]


def test_a_plan_puts_operands_first_and_calls_nothing_twice() -> None:
    mean = Call("mean", ((height("A"), height("B")),))
    assert plan_of(Call("subtract", (height("B"), mean))).splitlines() == [
        '1. lookup("B", "height")',
        '2. lookup("A", "height")',
        "3. mean([$2, $1])",
        "4. subtract($1, $3)",
        "5. join($4)",
    ]
    assert plan_of(Call(ANSWERS, (height("A"), height("$1")))).splitlines()[1:] == [
        '2. lookup("$$1", "height")',
        "3. join([$1, $2])",
    ]


def test_what_is_looked_up_of_an_item_follows_it_in_every_list() -> None:
    boss = Call("related", ("A", "boss"))
    heights = (Call("lookup", (boss, "height")), height("B"))
    first = ['1. related("A", "boss")', '2. lookup($1, "height")', '3. lookup("B", "height")']
    assert plan_of(Call("mean", (heights,))).splitlines() == [*first, "4. mean([$2, $3])", "5. join($4)"]
    assert plan_of(Call("argmax", ((boss, "B"), heights))).splitlines() == [
        *first,
        '4. argmax([$1, "B"], [$2, $3])',
        "5. join($4)",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: plan.replace("join($", "join($9"), "the output refers to"),
        (lambda plan: plan.replace('"height"', "height"), "can be read in several ways"),
        (lambda plan: plan.replace("subtract($1, $2)", "subtract($2, $1)"), "the plan gives"),
        (
            lambda plan: plan.replace("3. subtract", '3. lookup("A", "height")\n4. subtract').replace("4. join($3)", "5. join($4)"),
            "nothing needs",
        ),
        (lambda plan: plan.replace("lookup", "find"), "there is no tool"),
    ],
)
def test_a_plan_that_is_not_the_gold_one_is_caught(change: object, message: str) -> None:
    task = PlanningTask(
        task="How much taller is A than B?",
        plan=plan_of(Call("subtract", (height("A"), height("B")))),
        answer=2,
        facts=(("A", "height", 5), ("B", "height", 3)),
        split="train",
        skeleton="",
        calls=3,
        depth=2,
        width=0,
        templates=(),
    )
    check(task)
    assert callable(change)
    with pytest.raises(BadPlan, match=re.escape(message)):
        check(replace(task, plan=change(task.plan)))


def test_answers_are_compared_as_values_not_as_python_does() -> None:
    assert same_answer([1.0000000000001, "a"], [1, "a"])
    assert not same_answer(True, 1) and not same_answer(1, True) and not same_answer([1], [1, 2]) and not same_answer("1", 1)


def words_of(task: PlanningTask) -> set[str]:
    """Names, without what they share with all others: Mount, City, numbers."""
    return {entity for entity, _, _ in task.facts} | {value for _, _, value in task.facts if isinstance(value, str)}


def test_no_name_of_training_occurs_in_any_test() -> None:
    seen = set[str]().union(*map(words_of, made("train", 2_000)))
    for split in SPLITS[1:]:
        assert seen.isdisjoint(set[str]().union(*map(words_of, made(split))))
    single = {name for name in seen if name.isalpha()}
    assert len(single) > 1_000
    assert not any(map(is_held_out, single))


def test_held_out_compositions_are_never_trained_on() -> None:
    trained = {task.skeleton for task in made("train", 2_000)}
    assert trained.isdisjoint(task.skeleton for task in made("combinations"))
    assert trained.isdisjoint(task.skeleton for task in made("deeper"))


def test_each_test_is_longer_in_one_way_only() -> None:
    for split in SPLITS:
        found = made(split)
        assert max(task.calls for task in found) <= CALLS
        assert max(task.depth for task in found) == DEPTH + (split == "deeper")
        assert max(task.width for task in found) == WIDTH + (split == "wider")
    assert {task.depth for task in made("deeper")} == {DEPTH + 1}
    assert {task.width for task in made("wider")} == {WIDTH + 1}
    assert max(task.calls for task in made("train", 2_000)) == CALLS


def test_a_detour_is_no_task() -> None:
    tallest = Call("argmax", (("A", "B"), (height("A"), height("B"))))
    assert not belongs(Call("lookup", (tallest, "height")), "train")
    assert belongs(Call("lookup", (tallest, "weight")), "train") != belongs(Call("lookup", (tallest, "weight")), "combinations")


def test_tasks_are_said_in_hundreds_of_ways() -> None:
    found = made("train", 2_000)
    assert len({template for task in found for template in task.templates}) > 200
    assert len({task.templates for task in found}) > 1_200


def masked(task: PlanningTask) -> tuple[str, str]:
    """Question and plan with its names replaced by letters, in the order of the question, and numbers by one."""
    text, plan = re.sub(r"(?<=\d),(?=\d{3})", "", task.task), task.plan
    places = {name: found.start() for name in words_of(task) if (found := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text))}
    order = sorted(places, key=lambda name: (places[name], -len(name)))
    for name in sorted(places, key=len, reverse=True):
        letter = "@" + chr(ord("a") + order.index(name))
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", letter, text)
        plan = plan.replace(f'"{name}"', f'"{letter}"')
    return re.sub(r"(?<!\w)\d+(\.\d+)?", "0", text), re.sub(r"(?<![\w$.])\d+(\.\d+)?(?!\d*\. )", "0", plan)


def test_the_same_words_never_ask_for_two_plans() -> None:
    plans: dict[str, str] = {}
    again = 0
    for text, plan in map(masked, made("train", 5_000)):
        again += text in plans
        assert plans.setdefault(text, plan) == plan, text
    assert again > 30


def test_a_task_survives_its_file() -> None:
    for task in made("train")[:50]:
        assert PlanningTask.from_json(task.to_json()) == task
    with pytest.raises(ConfigError, match="no planning task"):
        PlanningTask.from_json('{"task": "What?"}')


def test_the_conversions_that_are_asked_for_are_those_of_the_tools() -> None:
    for (unit, to), factor in FACTORS.items():
        assert converted(1, unit, to) == pytest.approx(factor)
    assert {unit for unit, _ in FACTORS} == set(UNITS.values())


def test_a_models_plan_is_graded_by_what_its_run_leads_to() -> None:
    task = next(task for task in made("train") if task.skeleton == "subtract(lookup(s,s),lookup(s,s))")
    checker = Checker()

    def grade(plan: str) -> Grade:
        return asyncio.run(checker.grade(task, plan))

    gold = grade(task.plan)
    assert (gold.correct, gold.findings, gold.calls, gold.depth) == (True, (), 3, 2)
    wasteful = task.plan.replace("4. join($3)", "4. add([$3, 0])\n5. join($4)")
    assert (grade(wasteful).correct, grade(wasteful).calls, grade(wasteful).depth) == (True, 4, 3)
    assert not grade(task.plan.replace("subtract", "add")).correct
    unknown = grade(task.plan.replace('1. lookup("', '1. lookup("Not '))
    assert not unknown.correct and "needs what failed" in str(unknown.error)
    assert (grade("I do not know.").correct, grade("I do not know.").calls) == (False, 0)
