from __future__ import annotations

import asyncio
from typing import Self

from orchestra.engine import Engine, Request, Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.engine.wrapper import EngineWrapper


class Lived(ScriptedEngine):
    """Knows whether it is between its start and its end."""

    alive = False

    async def __aenter__(self) -> Self:
        self.alive = True
        return self

    async def __aexit__(self, *error: object) -> None:
        self.alive = False


def test_a_wrapper_is_its_engine_to_whoever_asks() -> None:
    async def main() -> None:
        inner = ScriptedEngine(lambda prompt: [5, 6], seconds_per_token=1)
        engine = EngineWrapper(inner)
        assert isinstance(engine, Engine) and (engine.name, engine.capabilities) == (inner.name, inner.capabilities)
        asked = asyncio.create_task(engine.generate(Request(prompt=[1], sampling=Sampling(max_tokens=2))))
        await asyncio.sleep(0.5)
        assert await engine.running() == 1 and engine.now() == 0.5
        assert (await asked).token_ids == [5, 6]

    run_virtual(main())


def test_an_engine_starts_and_ends_with_its_wrapper() -> None:
    async def main() -> None:
        inner = Lived(lambda prompt: [])
        async with EngineWrapper(inner):
            assert inner.alive
        assert not inner.alive

    run_virtual(main())
