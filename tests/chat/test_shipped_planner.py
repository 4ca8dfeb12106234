"""The shipped model decodes plans under a grammar, on a real vLLM."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from orchestra.chat.base import ChatModel, ChatRequest, Message
from orchestra.chat.engine_chat import EngineChat
from orchestra.countdown import Problem
from orchestra.engine import Constraint

from .shipped_planner import END_OF_PLAN, TEMPLATE, plan_grammar, prompt, save_planner

pytestmark = [pytest.mark.anyio, pytest.mark.vllm]


@pytest.fixture(scope="module")
async def planner(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChatModel]:
    pytest.importorskip("vllm")
    from orchestra.engine.vllm import VllmEngine

    folder = tmp_path_factory.mktemp("planner")
    save_planner(folder)
    async with EngineChat(VllmEngine(folder, constraints=True), folder, template=TEMPLATE) as chat:
        yield chat


PLAN = re.compile(r'(\d\. calculate\("(\d+|\$\d)[-+*/](\d+|\$\d)"\)\n){2,3}\d\. join\(\)')


async def test_it_writes_valid_plans_line_by_line(planner: ChatModel) -> None:
    problem = Problem((3, 5, 7, 11), target=24)
    constraint = Constraint(grammar=plan_grammar(problem.numbers))

    async def plan(seed: int) -> str:
        pieces = list[str]()
        request = ChatRequest(
            messages=[Message("user", prompt(problem))],
            max_tokens=60,
            temperature=2.0 if seed else 0.0,
            seed=seed,
            stop=(END_OF_PLAN,),
            constraint=constraint,
            on_text=pieces.append,
        )
        reply = await planner.reply(request)
        assert reply.finish == "stop"
        assert "".join(pieces) == reply.text
        assert max(piece.count("\n") for piece in pieces) == 1  # a line can be acted on before the next is there
        return reply.text

    plans = await asyncio.gather(*map(plan, range(16)))
    assert all(PLAN.fullmatch(text) for text in plans)
    assert len(set(plans)) > 2
