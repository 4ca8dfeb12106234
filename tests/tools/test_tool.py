"""Tools and sets of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from orchestra.errors import ConfigError
from orchestra.plan.tool_spec import ToolSpec
from orchestra.tools.tool import Tool, ToolSet


def named(name: str) -> Tool:
    async def call(arguments: Mapping[str, Any]) -> str:
        return f"{name}({dict(arguments)})"

    return Tool(spec=ToolSpec(name=name, parameters={"properties": {"b": {}, "a": {}}, "required": ["a"]}), call=call)


def test_a_set_finds_tools_by_name_in_the_order_they_were_given() -> None:
    tools = ToolSet([named("second"), named("first")])
    assert list(tools) == ["second", "first"]
    assert len(tools) == 2
    assert asyncio.run(tools["first"].call({"a": 1})) == "first({'a': 1})"
    assert "third" not in tools
    assert list(tools.specs) == ["second", "first"]


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two tools are called 'same'"):
        ToolSet([named("same"), named("other"), named("same")])


def test_a_specification_keeps_the_order_of_its_parameters() -> None:
    spec = named("tool").spec
    assert spec.parameter_names == ("b", "a")
    assert spec.required == {"a"}
