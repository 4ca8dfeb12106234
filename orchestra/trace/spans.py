"""Names of OpenTelemetry's conventions for generative AI, and how what happens here is said in them.

| ours                    | span                      | kind     |
|-------------------------|---------------------------|----------|
| a run, a sub-plan       | `invoke_workflow NAME`    | internal |
| the planner             | `plan`                    | internal |
| a thread, a trace, a model call of a plan | `invoke_agent NAME` | internal |
| a tool call of a plan   | `execute_tool TOOL`       | internal |
| a request to a model    | `text_completion MODEL`, `chat MODEL` | client |

The conventions (open-telemetry/semantic-conventions-genai) have no stable release, and the Python package with their constants is
deprecated: the names that are used stand here, in one place. What they have no name for is called `orchestra.…`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from ..engine import Completion, Sampling

OPERATION = "gen_ai.operation.name"
WORKFLOW = "gen_ai.workflow.name"
CONVERSATION = "gen_ai.conversation.id"
AGENT = "gen_ai.agent.name"
AGENT_ID = "gen_ai.agent.id"
TOOL = "gen_ai.tool.name"
TOOL_CALL = "gen_ai.tool.call.id"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
MAX_TOKENS = "gen_ai.request.max_tokens"
TEMPERATURE = "gen_ai.request.temperature"
TOP_P = "gen_ai.request.top_p"
SEED = "gen_ai.request.seed"
FINISH = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
"""Cached ones among them."""
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
ERROR = "error.type"
STATUS = "orchestra.status"
SAMPLED_TOKENS = "orchestra.sampled_tokens"
"""Of a thread or trace: the sum over its requests. Not under a conventional name, because backends would count it twice."""

LONGEST_NAME = 80
"""Characters of a problem or task in a span's name."""
Operation = Literal["invoke_workflow", "plan", "invoke_agent", "execute_tool", "text_completion", "chat"]
Kind = Literal["internal", "client"]
Value = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, Value]


def title(operation: Operation, name: str = "") -> str:
    """A span's name."""
    return f"{operation} {name}" if name else operation


def known(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    """Without those that nobody knows."""
    return {name: value for name, value in attributes.items() if value is not None}


def asked(sampling: Sampling) -> dict[str, Value]:
    """Of a request to an engine."""
    return known(
        {MAX_TOKENS: sampling.max_tokens, TEMPERATURE: sampling.temperature, TOP_P: sampling.top_p, SEED: sampling.seed},
    )


def answered(completion: Completion, prompt_tokens: int) -> dict[str, Value]:
    """Of what a request has sampled, aborted ones included."""
    return known(
        {
            FINISH: [completion.finish],
            INPUT_TOKENS: prompt_tokens,
            OUTPUT_TOKENS: len(completion.token_ids),
            CACHED_TOKENS: completion.cached_tokens,
        },
    )
