"""Formats by name, and plans from files in any of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ...errors import ConfigError
from ..finding import errors
from .appbench import AppBench
from .base import Parsed, PlanFormat, Tools
from .document import Document
from .flash_searcher import FlashSearcher
from .json_lines import JsonLines
from .llmcompiler import LLMCompiler
from .openai_tools import OpenAITools
from .parallel_prompt import ParallelPrompt
from .plan_over_graph import PlanOverGraph

FORMATS: dict[str, Callable[[], PlanFormat]] = {
    "document": Document,
    "json-lines": JsonLines,
    "llmcompiler": LLMCompiler,
    "plan-over-graph": PlanOverGraph,
    "openai-tools": OpenAITools,  # after it: a subtask reads as a call without arguments
    "appbench": AppBench,
    "flash-searcher": FlashSearcher,
    "parallel-prompt": ParallelPrompt,
}
"""In the order in which a text is tried that does not say what it is: the strictest first."""


def read_plan(path: Path, format: str | None, tools: Tools) -> Parsed:
    """The plan of a file, in the named format or in the first that reads it without an error; when none does, as the likeliest reads it.

    Raises `ConfigError` for a file that cannot be read and an unknown name.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text: {error}") from error
    if format is not None:
        if format not in FORMATS:
            raise ConfigError(f"unknown format {format!r}: use one of {', '.join(FORMATS)}")
        return FORMATS[format]().parse(text, tools)
    tried = [FORMATS[name]().parse(text, tools) for name in FORMATS]
    readable = [parsed for parsed in tried if parsed.plan.nodes and not errors(parsed.findings)]
    if readable:
        return readable[0]
    likely = "document" if _is_json(text) else "json-lines" if text.lstrip().startswith("{") else "llmcompiler"
    return FORMATS[likely]().parse(text, tools)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return False
    return True
