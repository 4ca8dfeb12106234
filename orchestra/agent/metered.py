"""Requests of planners and joiners on the budget of their run, and in its journal."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import asdict, replace
from types import TracebackType
from typing import Any, Self

from ..chat.base import ChatRequest, Reply, ToolUse
from ..chat.ladder import Tier
from ..errors import BudgetError
from ..schedule.budget import Budget
from ..schedule.outcome import NOTHING, Outcome, Usage
from ..schedule.runtime import JournalLike
from ..schedule.steps import usage_of


class MeteredChat:
    """A model that a run talks to beside its plan. It is entered and left by whoever owns it, not here.

    Raises `BudgetError` when a request does not fit into what the run may still spend. With a journal an answer that an earlier process got is
    not asked for again, so that a resumed run goes on with the same plan.
    """

    def __init__(
        self, tier: Tier, budget: Budget | None, journal: JournalLike | None, until: float | None = None, session: str = ""
    ) -> None:
        """`until`: the moment on the event loop's clock at which the run's seconds are over. `session`: of requests that name none, so that all
        of a run reach the replica that holds their prefix."""
        self._tier = tier
        self._budget = budget
        self._journal = journal
        self._until = until
        self._session = session
        self._asked = 0
        self.traceparent: str | None = None
        """Of requests that have none."""
        self.usage = NOTHING

    @property
    def name(self) -> str:
        return self._tier.model.name

    async def reply(self, request: ChatRequest) -> Reply:
        self._asked += 1
        if not request.session:
            request = replace(request, session=self._session)
        if request.traceparent is None:
            request = replace(request, traceparent=self.traceparent)
        if self._journal is None:
            return await self._pay(request)
        id, key = f"request-{self._asked}", _key(request)
        past = self._journal.past(id, key)
        if past is not None and past.outcome is not None:
            reply = _read(past.outcome.value)
            if request.on_text is not None:
                request.on_text(reply.text)
            return reply
        self._journal.begin(id, key, "idempotent")
        reply = await self._pay(request)
        self._journal.finish(id, key, Outcome("succeeded", asdict(reply)))
        self._journal.flush()
        return reply

    async def _pay(self, request: ChatRequest) -> Reply:
        tier, budget = self._tier, self._budget
        wanted = Usage(calls=1, tokens=request.max_tokens, money=request.max_tokens * tier.price_per_1k_sampled / 1000)
        if budget is not None and not budget.reserve(wanted):
            limit = budget.short_of(wanted) or "what other calls do not hold"
            raise BudgetError(
                f"the budget of {limit} leaves no room for a request to {tier.model.name} of up to {request.max_tokens:,} tokens:"
                " raise it, or lower the planner's `max_tokens`"
            )
        used = Usage(calls=1)
        try:
            async with asyncio.timeout_at(self._until):
                reply = await tier.model.reply(request)
            used = usage_of(tier, reply)
            return reply
        except TimeoutError as error:
            raise BudgetError(
                f"the run's seconds were over before {tier.model.name} had answered: give it more, or look at the model"
            ) from error
        finally:
            self.usage += used
            if budget is not None:
                budget.settle(wanted, used)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def _key(request: ChatRequest) -> str:
    body = {
        "messages": [[message.role, message.content] for message in request.messages],
        "sampling": [request.max_tokens, request.temperature, request.seed, list(request.stop)],
        "constraint": asdict(request.constraint) if request.constraint else None,
        "tools": list(request.tools),
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _read(value: dict[str, Any]) -> Reply:
    return Reply(**{**value, "tool_uses": tuple(ToolUse(**use) for use in value["tool_uses"])})
