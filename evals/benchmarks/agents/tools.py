"""The tools of all modes, with made-up latencies: the same for one question's lookup in every mode.

Searches are log-normal with a mean of 0.61 s, wide enough that the slowest of eight takes 1.13 s on average, as LLMCompiler's authors measured on
their film questions.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from dataclasses import dataclass
from typing import Any

from orchestra.chat.base import ChatModel, ChatRequest, Message
from orchestra.tools.arithmetic import arithmetic
from orchestra.tools.function import tool
from orchestra.tools.tool import ToolSet

from .question import Question, look_up

SEARCH_MEAN_S = 0.61
SEARCH_SIGMA = 0.48  # the slowest of eight is then 1.128 s on average (40,000 draws)
MATH_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How fast the model and the clock are."""

    name: str
    first_token_s: float
    """From the request to the first token, however long the prompt."""
    tokens_per_s: float
    math_by_model: bool = False
    """The math tool asks the model for an expression, as LLMCompiler's does, before it computes; otherwise it only computes."""
    time_scale: float = 1.0
    """All waits, of model and tools, are multiplied by it."""

    def reply_s(self, num_tokens: int) -> float:
        """From the request to the last of `num_tokens` tokens, not scaled."""
        return self.first_token_s + (num_tokens - 1) / self.tokens_per_s


def search_s(question: Question, entity: str) -> float:
    """How long this lookup takes, not scaled."""
    draw = random.Random(f"{question.kind}/{question.id}/{entity}")
    return draw.lognormvariate(math.log(SEARCH_MEAN_S) - SEARCH_SIGMA**2 / 2, SEARCH_SIGMA)


def tools_for(question: Question, rates: Rates, calculator: ChatModel) -> ToolSet:
    """`calculator` is asked for expressions where `rates` says so."""

    @tool
    async def search(entity: str) -> dict[str, Any]:
        """Looks up one thing, film or person by its exact name; returns its article's summary and its value, where it has one."""
        await asyncio.sleep(search_s(question, entity) * rates.time_scale)
        return look_up(entity)

    @tool
    async def math(expression: str) -> float:
        """Computes an arithmetic expression such as "max(3 * 1.2, 4)"."""
        if rates.math_by_model:
            request = ChatRequest(messages=[Message("user", f"Expression: {expression}")], max_tokens=200)
            expression = json.loads((await calculator.reply(request)).text)["expression"]
        await asyncio.sleep(MATH_S * rates.time_scale)
        return arithmetic(expression)

    return ToolSet([search, math])
