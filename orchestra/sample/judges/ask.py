"""A language model as the judge, through any chat model.

What it is asked are `prompts/sample_judge_<name>.j2`: "same_answer" of a pair, "correct", "tests" and "difficulty" of one trace.
"""

from __future__ import annotations

import re

from ...chat.base import ChatModel, ChatRequest, Message, Reply
from ...errors import ToolError
from ..prompts import is_thinking, render, said
from .base import Opinion, Question

_CHARACTERS = 4  # a token, where an endpoint counts none
_YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.,/-])(\d{1,9}(?:[.,]\d{1,18})?)(\s*%)?(?![\w/]|[.,]\d)")
_VERDICT = re.compile(r"[\W_]{0,9}(?:[\w ]{1,30}:)?[\W_]{0,9}(?:yes|no|[\d.,]{1,20}\s?%?)[\W_]{0,9}", re.IGNORECASE)


class AskJudge:
    """Reads a number from 0 to 1, a percentage, or yes (1) and no (0) out of the reply; thoughts before it are not read.

    A reply of several lines may end with a line that says it. Raises `ToolError` when it holds none, or several that differ, and
    `EngineError` when the model fails. It waits as long as the model does: the run that asks sets the limit (`Bench.judge_timeout_s`)
    and goes on without an opinion.

    Tokens are those that the model counts, and for models that do not count a quarter of the characters. Of a reply that did not come
    to its end, sampled tokens are the pieces of its stream, each of which holds one or more.

    Args:
        template: which `prompts/sample_judge_<template>.j2`.
        max_tokens: of a reply; a model that thinks first needs more.
        temperature: 0 makes a judge's opinion the same twice, where the model's engine does.
    """

    def __init__(
        self, model: ChatModel, template: str, *, max_tokens: int = 16, temperature: float = 0.0, session: str = "judge"
    ) -> None:
        self.model = model
        self._template = f"judge_{template}"
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._session = session

    async def __call__(self, question: Question) -> Opinion:
        prompt = render(self._template, problem=question.problem, texts=question.texts, answers=question.answers)
        pieces: list[str] = []
        sampled = prefill = 0
        score: float | None = None
        try:
            reply = await self.model.reply(
                ChatRequest(
                    messages=[Message("user", prompt)],
                    max_tokens=self._max_tokens,
                    temperature=self._temperature,
                    session=self._session,
                    on_text=pieces.append,
                )
            )
            sampled, prefill = _count(reply.sampled_tokens, reply.text), _count(reply.prompt_tokens, prompt)
            score = read_probability(reply)
        finally:
            if score is None and question.on_lost is not None:
                # A prompt counts as read once something has come of it.
                question.on_lost(sampled or len(pieces), prefill or (_count(None, prompt) if pieces else 0))
        if score is None:
            raise ToolError(
                f"{self.model.name} was asked for a probability and said {reply.text[:80]!r}: ask a model that follows orders"
            )
        return Opinion(score=score, sampled=sampled, prefill=prefill)


def read_probability(reply: Reply) -> float | None:
    """From the last line if it says nothing else, else from the whole reply. None when the reply was cut off inside a thought, too."""
    if is_thinking(reply.text):
        return None
    text = said(reply.text)
    last = text.rpartition("\n")[2]
    return _only(last if _VERDICT.fullmatch(last) else text)


def _only(text: str) -> float | None:
    """None when `text` holds no opinion, or several that differ. A number beside a word says how sure the model is of its word."""
    words = {word.lower() for word in _YES_NO.findall(text)}
    if words:
        return float(words == {"yes"}) if len(words) == 1 else None
    found = {float(number.replace(",", ".")) / (100 if percent else 1) for number, percent in _NUMBER.findall(text)}
    return found.pop() if len(found) == 1 and max(found) <= 1 else None


def _count(counted: int | None, text: str) -> int:
    return -(-len(text) // _CHARACTERS) if counted is None else counted
