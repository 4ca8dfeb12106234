"""What a chat model is asked: `prompts/eval_<prompt>.j2` with a problem in it; each file names its variables on top."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from orchestra.errors import ConfigError

from ..benchmark import Benchmark
from ..problem import Problem

if TYPE_CHECKING:
    from jinja2 import Environment


def asked(benchmark: Benchmark, problem: Problem) -> str:
    """The user's message. What stands in the problem is never read as a template. `ConfigError` when there is no such file."""
    from jinja2 import TemplateNotFound

    try:
        template = _environment().get_template(f"eval_{benchmark.prompt}.j2")
    except TemplateNotFound:
        raise ConfigError(
            f"{benchmark.name} is asked with {benchmark.prompt!r}, and there is no prompts/eval_{benchmark.prompt}.j2"
        ) from None
    return template.render(problem=problem.text, data=problem.data).strip()


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
