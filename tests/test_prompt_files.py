"""Prompts are found by name, and say what they lack."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from orchestra.prompt_files import template


@pytest.mark.parametrize("name", ["sample_beauty", "../prompts/sample_report", "prompts/sample_report", ""])
def test_what_is_no_prompt_is_none(name: str) -> None:
    assert template(name) is None


def test_a_missing_variable_is_an_error_and_not_an_empty_text() -> None:
    prompt = template("sample_report")
    assert prompt is not None
    with pytest.raises(UndefinedError):
        prompt.render()
