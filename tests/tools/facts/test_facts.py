"""A table of facts and the tools over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestra.errors import ConfigError, ToolError
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.verify import verify
from orchestra.schedule import Runtime, execute
from orchestra.tools.facts import TOOLS, FactTable, fact_tools
from orchestra.tools.facts.units import converted, names
from orchestra.tools.load import load_tools
from orchestra.tools.tool import ToolSet

pytestmark = pytest.mark.anyio

PLAN = """\
1. lookup("K2", "height")
2. lookup("the mont blanc", "Height")
3. subtract($1, $2)
4. convert($3, "metres", "feet")
5. argmax(["K2", "Mont Blanc"], [$1, $2])
6. related("Aconcagua", "country")
7. related($6, "capital")
8. join([$4, $5, $7])"""


async def call(name: str, **arguments: Any) -> Any:
    return await ToolSet(TOOLS)[name].call(arguments)


async def test_a_plan_over_the_packaged_table_runs_without_findings() -> None:
    tools = ToolSet(TOOLS)
    parsed = LLMCompiler().parse(PLAN, tools.specs)
    assert (parsed.findings, verify(parsed.plan, tools.specs)) == ((), ())
    result = await execute(parsed.plan, Runtime(tools=tools))
    assert result.output == [pytest.approx((8611 - 4806) / 0.3048), "K2", "Buenos Aires"]


def test_the_command_line_finds_the_tools_by_the_name_of_their_package() -> None:
    assert [tool.name for tool in load_tools("orchestra.tools.facts")][:2] == ["lookup", "related"]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("add", {"numbers": [0.1, 0.2]}, 0.3),
        ("subtract", {"a": 2, "b": 5}, -3),
        ("difference", {"a": 2, "b": 5}, 3),
        ("multiply", {"a": 2.5, "b": 4}, 10),
        ("divide", {"a": 7, "b": 2}, 3.5),
        ("percent", {"part": 1, "whole": 8}, 12.5),
        ("mean", {"numbers": [1, 2, 6]}, 3),
        ("largest", {"numbers": [1, 6, 2]}, 6),
        ("smallest", {"numbers": [4, 1, 2]}, 1),
        ("argmin", {"names": ["a", "b", "c"], "numbers": [3, 1, 1]}, "b"),
        ("greater", {"a": 2, "b": 2}, False),
        ("less", {"a": 1, "b": 2}, True),
        ("count_above", {"numbers": [1, 2, 3], "limit": 1}, 2),
        ("count_below", {"numbers": [1, 2, 3], "limit": 1}, 0),
        ("convert", {"number": 2, "unit": "km", "to": "Metres"}, 2000),
    ],
)
async def test_reckoning_is_exact_where_it_can_be(name: str, arguments: dict[str, Any], expected: object) -> None:
    assert await call(name, **arguments) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("lookup", {"entity": "Mont Blank", "attribute": "height"}, "did you mean Mont Blanc"),
        ("lookup", {"entity": "K2", "attribute": "age"}, "it knows height"),
        ("lookup", {"entity": "Spain", "attribute": "capital"}, "ask for it with `related`"),
        ("related", {"entity": "K2", "relation": "height"}, "ask for it with `lookup`"),
        ("divide", {"a": 1, "b": 0}, "divided by zero"),
        ("multiply", {"a": 1e200, "b": 1e200}, "1.8e308"),
        ("mean", {"numbers": []}, "is empty"),
        ("argmax", {"names": ["a"], "numbers": [1, 2]}, "1 names and 2 numbers"),
        ("convert", {"number": 1, "unit": "metres", "to": "pounds"}, "metres, kilometres"),
        ("convert", {"number": 1, "unit": "furlongs", "to": "metres"}, "unknown unit 'furlongs'"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_what_could_be(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        await call(name, **arguments)


async def test_a_table_of_ones_own_is_kept_in_the_units_that_planners_count_in(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(
        'entity,attribute,value\n"Tower, old",height (ft),100\nBarge,length (m),250\nBarge,captain,Ana\n', encoding="utf-8"
    )
    table = FactTable.read(file)
    tools = ToolSet(fact_tools(table))
    assert await tools["lookup"].call({"entity": "tower, OLD", "attribute": "height"}) == pytest.approx(30.48)
    assert await tools["lookup"].call({"entity": "Barge", "attribute": "length"}) == 0.25
    assert await tools["related"].call({"entity": "Barge", "relation": "captain"}) == "Ana"
    assert (table.entities, table.attributes("barge")) == (("Tower, old", "Barge"), ("length", "captain"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,value\n", "its first line must be entity,attribute,value"),
        ("entity,attribute,value\nK2,height\n", "line 2"),
        ("entity,attribute,value\nK2,height,8,611\n", "line 2"),
        ("entity,attribute,value\nK2,height,1\nk2,Height,2\n", "two values"),
        ("entity,attribute,value\nK2,height (pounds),1\n", "pounds"),
    ],
)
def test_a_table_with_a_mistake_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FactTable.parse(text)


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.csv"):
        FactTable.read(tmp_path / "nowhere.csv")


def test_units_convert_there_and_back() -> None:
    for unit in names("metres"):
        assert converted(converted(7, "metres", unit), unit, "metres") == pytest.approx(7)
