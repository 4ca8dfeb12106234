"""What is read from signatures and docstrings, and which functions cannot be tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.errors import ConfigError
from orchestra.tools.docstring import parse_docstring
from orchestra.tools.function import as_tool, tool


def numpy_style(a: int, b: int, c: str = "") -> None:
    """Add.

    Parameters
    ----------
    a, b : int
        The numbers,
        both.
    c : str, optional
        A comment: any text.

    Raises
    ------
    ValueError
        Never.
    """


def rest_style(a: int, b: int, c: str = "") -> None:
    """Add.

    :param a: The numbers,
        both.
    :param int b: The numbers, both.
    :type a: int
    :param c: A comment: any text.
    :returns: nothing
    """


def google_style(a: int, b: int, c: str = "") -> None:
    """Add.

    Args:
      a, b: The numbers, both.
      c (str, optional):
        A comment: any text.
    """


@pytest.mark.parametrize("function", [numpy_style, rest_style, google_style])
def test_arguments_are_described_in_three_styles_of_docstrings(function: Callable[..., None]) -> None:
    spec = tool(function).spec
    assert spec.description == "Add."
    assert [schema.get("description") for schema in spec.parameters["properties"].values()] == [
        "The numbers, both.",
        "The numbers, both.",
        "A comment: any text.",
    ]


@pytest.mark.parametrize(
    ("docstring", "description", "arguments"),
    [
        (None, "", {}),
        ("One line.", "One line.", {}),
        ("Args:\n    a: First.", "", {"a": "First."}),
        (
            "Do.\n\nExample:\n    >>> f()\n\nArgs:\n    a: First.\n\n    b: Second: with a colon.\n",
            "Do.",
            {"a": "First.", "b": "Second: with a colon."},
        ),
        (
            "Do.\n\nArgs:\n    a: First.\n        - item: one\n    **rest: More.",
            "Do.",
            {"a": "First. - item: one", "rest": "More."},
        ),
        ("Do.\n\nArgs:\n\nReturns:\n    Nothing.", "Do.", {}),
        ("Do.\n\n:param a:\n    First.\n\nNot of a.", "Do.", {"a": "First."}),
        ("See :class:`Foo` for more.\nNote: this is text.", "See :class:`Foo` for more.\nNote: this is text.", {}),
        ("Title\n=====\nText.", "Title\n=====\nText.", {}),
    ],
)
def test_odd_docstrings_are_read_as_far_as_they_go(docstring: str | None, description: str, arguments: dict[str, str]) -> None:
    said = parse_docstring(docstring)
    assert (said.description, said.arguments) == (description, arguments)


@given(st.text(alphabet=" \n:-=abArgs()*,", max_size=80))
def test_any_docstring_can_be_read(docstring: str) -> None:
    parse_docstring(docstring)


class NotJson:
    pass


class Box:
    def put(self, thing: str) -> None: ...


def no_annotation(a: int, b) -> None: ...  # type: ignore[no-untyped-def]
def star_args(*values: int) -> None: ...
def star_kwargs(**values: int) -> None: ...
def positional_only(a: int, /, b: int) -> None: ...
def unsupported(a: int, b: NotJson) -> None: ...
def callback(a: Callable[[], int]) -> None: ...
def unknown(a: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821
def generator(a: int) -> Iterator[int]:
    yield a


async def async_generator(a: int) -> AsyncIterator[int]:
    yield a


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_annotation, r"parameter `b` of no_annotation\(\) has no annotation"),
        (star_args, r"star_args\(\) takes `\*values`: tools take named arguments only"),
        (star_kwargs, r"star_kwargs\(\) takes `\*\*values`"),
        (positional_only, r"parameter `a` of positional_only\(\) is positional-only"),
        (unsupported, r"parameter `b` of unsupported\(\) has the type .*NotJson, which cannot be made from JSON"),
        (callback, r"parameter `a` of callback\(\) has the type"),
        (unknown, r"the type of parameter `a` of unknown\(\), 'Nowhere', is not known at the top level"),
        (generator, r"generator\(\) is a generator"),
        (async_generator, r"async_generator\(\) is a generator"),
        (Box.put, r"put\(\) is a method without its object: pass the bound method"),
        (Box, "Box is a class"),
        (lambda: 1, "'<lambda>' cannot be a tool's name"),
        (min, r"min\(\) has no signature"),
        (3, "a tool is made from a function, got 3"),
    ],
)
def test_what_cannot_be_called_by_name_is_refused_when_the_tool_is_made(function: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        as_tool(function)


def test_an_unknown_return_type_is_no_obstacle() -> None:
    def make() -> NotJson:
        return NotJson()

    def lost() -> Nowhere:  # type: ignore[name-defined] # noqa: F821
        return 1

    assert tool(make).spec.returns is None
    assert isinstance(asyncio.run(tool(make).call({})), NotJson)
    assert tool(lost).spec.returns is None


def awaits(value: Awaitable[int]) -> None:
    """Only for its annotation."""


def test_an_awaitable_cannot_be_an_argument() -> None:
    with pytest.raises(ConfigError, match="parameter `value`"):
        tool(awaits)
