"""What users type after `--tools`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestra.errors import ConfigError
from orchestra.tools.load import load_tools

MARKED = """
from orchestra.tools.function import tool

@tool
def second(a: int) -> int:
    "Second."
    return a

@tool(name="first")
async def other() -> None: ...

alias = second

def helper(a: int) -> int:
    return a
"""


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(spec: str) -> list[str]:
    return [tool.name for tool in load_tools(spec)]


def refused(spec: str) -> str:
    with pytest.raises(ConfigError) as error:
        load_tools(spec)
    return str(error.value)


def test_a_file_gives_its_marked_functions_in_its_order_each_once(here: Path) -> None:
    (here / "marked_tools.py").write_text(MARKED)
    assert names(str(here / "marked_tools.py")) == names("marked_tools.py") == names("./marked_tools.py") == ["second", "first"]


def test_a_module_of_the_current_folder_is_found(here: Path) -> None:
    (here / "marked_module.py").write_text(MARKED)
    assert names("marked_module") == ["second", "first"]
    (here / "some_package").mkdir()
    (here / "some_package" / "inside.py").write_text(MARKED)
    assert names("some_package.inside") == ["second", "first"]


def test_a_list_decides_when_there_is_one(here: Path) -> None:
    (here / "listed_tools.py").write_text(MARKED + "TOOLS = [helper, second]")
    assert names("listed_tools.py") == ["helper", "second"]


def test_a_name_picks_one_tool_a_function_or_a_list(here: Path) -> None:
    (here / "named_tools.py").write_text(MARKED + "SOME = (second, helper)")
    assert names("named_tools.py:second") == ["second"]
    assert names("named_tools:helper") == ["helper"]
    assert names("named_tools.py:SOME") == ["second", "helper"]
    assert names("orchestra.tools.arithmetic:arithmetic") == ["arithmetic"]


def test_a_file_may_import_its_neighbours_and_have_the_name_of_something_else(here: Path) -> None:
    (here / "neighbour_of_json.py").write_text("def helped(a: int) -> int:\n    return a + 1\n")
    (here / "json.py").write_text("from neighbour_of_json import helped\nTOOLS = [helped]")
    (here / "not-an-identifier.2.py").write_text(MARKED)
    (tool,) = load_tools("json.py")
    assert asyncio.run(tool.call({"a": 1})) == 2
    assert names("not-an-identifier.2.py") == ["second", "first"]
    import json

    assert json.loads("1") == 1, "which is not shadowed"


def test_a_file_is_run_once(here: Path) -> None:
    (here / "json.py").write_text(MARKED)
    assert load_tools("json.py")[0] is load_tools("json.py")[0]


def test_a_tool_of_a_file_runs_in_its_own_process(here: Path) -> None:
    for name in ("process_tools", "json"):
        source = f"import os\nfrom orchestra.tools.function import tool\n\n@tool(process=True)\ndef pid_{name}() -> int:\n    return os.getpid()\n"
        (here / f"{name}.py").write_text(source)
        (tool,) = load_tools(f"{name}.py")
        assert asyncio.run(tool.call({})) > 0


def test_an_import_error_shows_where_it_is(here: Path) -> None:
    (here / "broken_tools.py").write_text("import os\nimport there_is_no_such_thing\n")
    message = refused("broken_tools.py")
    assert "broken_tools.py cannot be imported" in message
    assert f"{here / 'broken_tools.py'}:2: ModuleNotFoundError: No module named 'there_is_no_such_thing'" in message
    assert message in refused("broken_tools").replace("broken_tools cannot", "broken_tools.py cannot")


def test_an_error_inside_of_a_library_shows_where_it_was_called(here: Path) -> None:
    (here / "calling_tools.py").write_text("import json\n\njson.loads('{')\n")
    assert f"{here / 'calling_tools.py'}:3: JSONDecodeError: Expecting property name" in refused("calling_tools.py")


def test_an_error_in_a_module_that_it_imports_shows_where_that_is(here: Path) -> None:
    (here / "deep_tools.py").write_text("import deeper_tools\n")
    (here / "deeper_tools.py").write_text("\n\nraise RuntimeError('no key')\n")
    assert f"{here / 'deeper_tools.py'}:3: RuntimeError: no key" in refused("deep_tools.py")


def test_a_syntax_error_shows_where_it_is(here: Path) -> None:
    (here / "typo_tools.py").write_text("x = 1\ndef f(:\n")
    assert f"{here / 'typo_tools.py'}:2: SyntaxError: " in refused("typo_tools.py")


def test_a_module_that_exits_is_refused(here: Path) -> None:
    (here / "exit_tools.py").write_text("import sys\nsys.exit(4)\n")
    assert f"{here / 'exit_tools.py'}:2: SystemExit: 4" in refused("exit_tools.py")


def test_a_function_that_cannot_be_a_tool_names_its_parameter_and_place(here: Path) -> None:
    (here / "untyped_tools.py").write_text("from orchestra.tools.function import tool\n\n@tool\ndef f(a): ...\n")
    message = refused("untyped_tools.py")
    assert f"{here / 'untyped_tools.py'}:3: ConfigError: parameter `a` of f() has no annotation" in message


def test_a_module_without_tools_says_what_it_has(here: Path) -> None:
    (here / "plain_tools.py").write_text("import os\nVALUE = 1\n\ndef helper(a: int) -> int:\n    return a\n")
    message = refused("plain_tools.py")
    assert "defines no tools: put `@tool` over functions, or list them in `TOOLS`; it defines helper" in message
    assert "plain_tools.py has no 'missing': it defines helper" in refused("plain_tools.py:missing")
    assert "plain_tools.py:VALUE holds 1, which is neither a tool nor a function" in refused("plain_tools.py:VALUE")


def test_an_empty_list_and_two_tools_of_one_name_are_refused(here: Path) -> None:
    (here / "empty_tools.py").write_text("TOOLS = []")
    assert "empty_tools.py:TOOLS is empty" in refused("empty_tools.py")
    (here / "twice_tools.py").write_text(MARKED + "TOOLS = [helper, helper]")
    assert "two tools are called 'helper'" in refused("twice_tools.py")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere/tools.py", "there is no file nowhere/tools.py"),
        ("no_such_module_here", "there is no module 'no_such_module_here'"),
        ("no_such_package.module", "there is no module 'no_such_package'"),
        ("orchestra.no_such_module", "there is no module 'orchestra.no_such_module'"),
        ("", "'' names no tools"),
        ("module:", "'module:' names no tools"),
        (":name", "':name' names no tools"),
        ("https://example.org/tools.py", "there is no file https://example.org/tools.py"),
    ],
)
def test_what_does_not_exist_is_named(here: Path, spec: str, message: str) -> None:
    assert message in refused(spec)


def test_a_file_that_is_no_python_is_refused(here: Path) -> None:
    (here / "tools.txt").write_text("x")
    assert "./tools.txt is no Python file" in refused("./tools.txt")
