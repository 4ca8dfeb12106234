"""LLMCompiler's runtime (Kim et al. 2024, arXiv 2312.04511; github.com/SqueezeAILab/LLMCompiler), from a checkout: it is not on PyPI.

Its tasks are given to it as objects; the parser of plan lines is not part of what is timed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from .record import Job, Record

DISTRIBUTIONS: tuple[str, ...] = ()
FILE = Path("src", "llm_compiler", "task_fetching_unit.py")


def load(checkout: Path) -> ModuleType:
    """The one module that schedules. Its logger is replaced by silence: the original prints two lines a task and needs numpy."""
    logger: Any = ModuleType("src.utils.logger_utils")
    logger.log = lambda *args, **kwargs: None
    sys.modules[logger.__name__] = logger
    spec = importlib.util.spec_from_file_location("task_fetching_unit", checkout / FILE)
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(record: Record, checkout: str) -> Job:
    runtime = load(Path(checkout))
    unit = runtime.TaskFetchingUnit()
    tasks = {
        index: runtime.Task(idx=index, name="node", tool=record.node, args=(index,), dependencies=parents)
        for index, parents in enumerate(record.workload.parents)
    }

    async def whole() -> None:
        unit.set_tasks(tasks)
        await unit.schedule()

    async def streamed() -> None:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(unit.aschedule(queue, None))
            for index, task in tasks.items():
                await record.line(index)
                queue.put_nowait(task)
            queue.put_nowait(None)

    return whole if record.workload.gap_s is None else streamed
