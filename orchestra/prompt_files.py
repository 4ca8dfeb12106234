"""The prompts that come with the package: `prompts/<name>.j2`, one file a purpose, with their variables named on top."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment, Template


def template(name: str) -> Template | None:
    """That of `prompts/<name>.j2`; None when there is no such file.

    Rendering it without one of its variables is an error, not an empty text. What stands in the variables is never read as a template.
    """
    from jinja2 import TemplateNotFound

    try:
        return _environment().get_template(f"{name}.j2")
    except TemplateNotFound:
        return None


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("orchestra.prompts")

    def load(name: str) -> str | None:
        file = folder.joinpath(name)
        return file.read_text(encoding="utf-8") if "/" not in name and file.is_file() else None

    return Environment(
        loader=FunctionLoader(load), undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
