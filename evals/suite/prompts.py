"""What a chat model is asked: `prompts/eval_<prompt>.j2` with a problem in it; each file names its variables on top."""

from __future__ import annotations

from orchestra.errors import ConfigError
from orchestra.prompt_files import template

from ..benchmark import Benchmark
from ..problem import Problem


def asked(benchmark: Benchmark, problem: Problem) -> str:
    """The user's message. What stands in the problem is never read as a template. `ConfigError` when there is no such file."""
    prompt = template(f"eval_{benchmark.prompt}")
    if prompt is None:
        raise ConfigError(
            f"{benchmark.name} is asked with {benchmark.prompt!r}, and there is no prompts/eval_{benchmark.prompt}.j2"
        )
    return prompt.render(problem=problem.text, data=problem.data).strip()
