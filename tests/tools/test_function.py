"""Tools from functions: what they say of themselves, what they accept, and what becomes of their outputs."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import functools
import json
import threading
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from pydantic_core import to_json

from orchestra.errors import ConfigError, ToolError
from orchestra.plan.ref import Ref, follow
from orchestra.tools.function import FunctionTool, as_tool, tool


class Unit(enum.Enum):
    C = "celsius"
    F = "fahrenheit"


class Place(BaseModel):
    city: str
    country: str = "NO"


@dataclasses.dataclass
class Forecast:
    place: Place
    degrees: list[float]


def call(made: Any, **arguments: Any) -> Any:
    return asyncio.run(as_tool(made).call(arguments))


def refused(made: Any, **arguments: Any) -> str:
    with pytest.raises(ToolError) as error:
        call(made, **arguments)
    return str(error.value)


# --- what a tool says of itself


def forecast(place: Place, days: int = 3, *, unit: Literal["C", "F"] = "C") -> Forecast:
    """The weather of the coming days.

    Knows Norway only.

    Args:
        place: Where, as exactly
            as possible.
        days (int): How many.

    Returns:
        One temperature a day.
    """
    return Forecast(place, [20.0] * days)


def test_a_schema_comes_from_the_signature_and_the_docstring() -> None:
    spec = tool(forecast).spec
    assert spec.name == "forecast"
    assert spec.description == "The weather of the coming days.\n\nKnows Norway only."
    assert spec.parameter_names == ("place", "days", "unit")
    assert spec.required == {"place"}
    assert spec.effect == "idempotent"
    properties = spec.parameters["properties"]
    assert properties["place"] == {"$ref": "#/$defs/Place", "description": "Where, as exactly as possible."}
    assert properties["days"] == {"type": "integer", "description": "How many.", "default": 3}
    assert properties["unit"] == {"enum": ["C", "F"], "type": "string", "default": "C"}
    assert spec.parameters["additionalProperties"] is False
    assert spec.parameters["$defs"]["Place"]["required"] == ["city"]
    assert spec.returns is not None
    assert spec.returns["required"] == ["place", "degrees"]


def test_options_go_into_the_tool() -> None:
    @tool(
        name="pay",
        description="Pay.",
        effect="once",
        timeout_s=5,
        resource="bank",
        writes=["account"],
        seconds=2,
        usage=lambda output: 0.1,
    )
    def transfer(amount: float) -> None:
        """Not this."""

    assert (transfer.name, transfer.spec.description, transfer.spec.effect) == ("pay", "Pay.", "once")
    assert (transfer.timeout_s, transfer.resource, transfer.spec.seconds) == (5, "bank", 2)
    assert (transfer.spec.writes, transfer.spec.reads) == ({"account"}, frozenset())
    assert transfer.usage is not None
    assert transfer.usage(None) == 0.1


def test_a_decorated_function_is_a_tool_and_still_a_function() -> None:
    @tool
    def double(x: int) -> int:
        return 2 * x

    assert isinstance(double, FunctionTool)
    assert double(4) == 8
    assert call(double, x=4) == 8
    assert as_tool(double) is double
    with pytest.raises(ConfigError, match="double is a tool already: give name where it is made"):
        as_tool(double, name="twice")
    with pytest.raises(ConfigError, match="double is a tool already"):
        tool(double)


class Counter:
    """Counts."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, number: int) -> int:
        """Add a number."""
        self.count += number
        return self.count

    async def __call__(self, number: int) -> int:
        return self.add(number)


def test_bound_methods_callable_objects_and_lambdas_become_tools() -> None:
    counter = Counter()
    assert as_tool(counter.add).spec.description == "Add a number."
    assert call(counter.add, number=2) == 2
    assert (as_tool(counter).name, as_tool(counter).spec.description) == ("Counter", "Counts.")
    assert call(counter, number=3) == 5
    assert call(tool(lambda: 7, name="seven")) == 7
    assert asyncio.run(tool(lambda: counter(number=1), name="hidden").call({})) == 6, "what it returns has to be awaited"


def test_arguments_bound_by_partial_are_hidden_and_given() -> None:
    def search(query: str, key: str, limit: int = 5) -> str:
        """Search."""
        return f"{query} {key} {limit}"

    made = as_tool(functools.partial(search, key="secret", limit=2))
    assert (made.name, made.spec.description) == ("search", "Search.")
    assert as_tool(functools.partial(lambda: 1), name="one").spec.description == ""
    assert "secret" not in str(made.spec)
    assert made.spec.parameter_names == ("query",)
    assert call(made, query="x") == "x secret 2"
    assert "no argument `key`" in refused(made, query="x", key="mine")


def test_names_that_pydantic_models_cannot_have_are_names_of_arguments() -> None:
    def odd(json: int, copy: str, _private: int = 1, model_config: str = "") -> list[object]:
        return [json, copy, _private, model_config]

    assert call(odd, json="1", copy="c", _private=2) == [1, "c", 2, ""]


def test_options_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="`max_output_chars` of forecast"):
        tool(forecast, max_output_chars=0)
    with pytest.raises(ConfigError, match="`process=True` needs a function at the top level"):
        tool(lambda: 1, name="one", process=True)


# --- what it accepts


def test_arguments_are_read_as_a_careful_human_would() -> None:
    def show(number: int, text: str, day: datetime.date, unit: Unit, place: Place, pair: tuple[int, str]) -> list[object]:
        return [number, text, day, unit, place, pair]

    values = call(show, number="3", text=4.5, day="2026-11-22", unit="celsius", place={"city": "Oslo"}, pair=[1, "a"])
    assert values == [3, "4.5", datetime.date(2026, 11, 22), Unit.C, Place(city="Oslo"), (1, "a")]
    assert call(show, number=3.0, text="", day="2026-11-22", unit=Unit.F, place=Place(city="Bergen"), pair=(2, "b"))[0] == 3


def test_outputs_stay_objects_whose_fields_references_reach_and_other_tools_take() -> None:
    output = call(forecast, place={"city": "Oslo"}, days=2)
    assert isinstance(output, Forecast)
    place = follow(Ref("1", ("place",)), output)
    assert place is output.place
    assert call(forecast, place=place).place is place


def test_an_output_comes_back_from_its_json_form_with_its_type() -> None:
    output = call(forecast, place={"city": "Oslo"}, days=2)
    restore = tool(forecast).restore
    assert restore is not None
    assert restore(json.loads(to_json(output))) == output
    assert restore({"no": "forecast"}) == {"no": "forecast"}, "what the function returned was none"
    assert restore(Unit.C) is Unit.C, "not even JSON"

    def untyped():  # type: ignore[no-untyped-def]
        return 1

    assert tool(untyped).restore is None


def test_wrong_arguments_are_all_named_with_what_is_expected() -> None:
    message = refused(forecast, place={"town": "Oslo"}, days="many", units="C")
    assert message.startswith("forecast was called wrongly: ")
    assert "`place.city` is missing" in message
    assert "`days` is 'many': input should be a valid integer" in message
    assert "it has no argument `units`, did you mean `unit`?" in message
    assert message.endswith("It is called as forecast(place: Place, days: integer = 3, unit: 'C' | 'F' = 'C')")


def test_missing_and_superfluous_arguments_are_named() -> None:
    @tool
    async def nothing() -> None: ...

    assert "the argument `place` (Place) is missing" in refused(forecast)
    assert refused(nothing, a=1) == "nothing was called wrongly: it has no argument `a`. It is called as nothing()"


def test_messages_stay_short_whatever_the_arguments_are() -> None:
    def many(numbers: list[int]) -> None: ...

    message = refused(many, numbers=["x" * 10_000] * 10_000)
    assert len(message) < 2_000
    assert "and 9992 more" in message


def test_limits_of_fields_are_checked() -> None:
    def roll(sides: Annotated[int, Field(ge=2, description="Of the die.")]) -> int:
        """Roll.

        Args:
            sides: Not this.
        """
        return sides

    assert tool(roll).spec.parameters["properties"]["sides"] == {"minimum": 2, "type": "integer", "description": "Of the die."}
    assert "`sides` is 1: input should be greater than or equal to 2" in refused(roll, sides=1)


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)))
def test_any_arguments_are_accepted_or_refused_in_words(arguments: dict[str, Any]) -> None:
    async def echo(a: int, b: list[int] | None = None) -> object:
        return a, b

    try:
        number, _ = asyncio.run(tool(echo).call(arguments))
        assert isinstance(number, int)
    except ToolError as error:
        assert str(error).startswith("echo was called wrongly: ")


def test_what_a_function_raises_is_its_own() -> None:
    def broken(a: int) -> None:
        raise KeyError(a)

    async def async_broken(a: int) -> None:
        raise KeyError(a)

    for function in (broken, async_broken):
        with pytest.raises(KeyError):
            call(function, a=1)


def test_a_function_that_exits_fails_and_does_not_end_the_program() -> None:
    def leave() -> None:
        raise SystemExit(2)

    async def async_leave() -> None:
        raise SystemExit(2)

    assert refused(leave) == "leave raised SystemExit(2): it should return, or raise an ordinary exception"
    assert refused(async_leave) == "async_leave raised SystemExit(2): it should return, or raise an ordinary exception"


# --- where it runs


def test_ordinary_functions_leave_the_loop_free() -> None:
    """Two of them wait for each other, and for the loop."""
    barrier = threading.Barrier(3)

    def meet() -> str:
        barrier.wait()
        return threading.current_thread().name

    async def main() -> list[str]:
        made = tool(meet)
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(made.call({})) for _ in range(2)]
            await asyncio.to_thread(barrier.wait)
        return [call.result() for call in calls]

    assert len(set(asyncio.run(main()))) == 2
