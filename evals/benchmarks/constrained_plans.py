"""Plans decoded by a real model under a grammar and run while they are being written: are they always plans, and how early do nodes start?

    python -m orchestra.evals.benchmarks.constrained_plans --model DIR --plans 64 --out plans.json

The model is held to the grammar of the plan format with these tools (vLLM's structured outputs). Nothing is asked of its content: random
weights do. Every text must come out as a plan that runs to its end, or as a refusal that says what is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from orchestra.agent.agent import Agent, Settings
from orchestra.agent.events import AgentEvent, AgentResult, PlannerText, PlanReady
from orchestra.agent.planner import TextPlanner
from orchestra.chat.base import ChatModel
from orchestra.chat.engine_chat import EngineChat
from orchestra.engine.vllm import VllmEngine
from orchestra.plan.formats.base import PlanFormat
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.structure import Shape
from orchestra.schedule.events import NodeStarted
from orchestra.tools.function import tool

FORMATS: Mapping[str, PlanFormat] = {"json-lines": JsonLines(), "llmcompiler": LLMCompiler()}


@tool
async def search(query: str) -> str:
    """Finds text."""
    await asyncio.sleep(0.01)
    return f"about {query}"


@tool(effect="pure")
async def add(a: float, b: float) -> float:
    """a + b."""
    return a + b


@dataclass
class Timeline:
    """When things happened in one run, in seconds from its beginning."""

    began: float = field(default_factory=time.perf_counter)
    starts: list[float] = field(default_factory=list)
    whole: float | None = None
    characters: int = 0

    def observe(self, event: AgentEvent) -> None:
        now = time.perf_counter() - self.began
        match event:
            case NodeStarted():
                self.starts.append(now)
            case PlanReady():
                self.whole = now
            case PlannerText(text):
                self.characters += len(text)


async def one(model: ChatModel, format: PlanFormat, number: int, max_nodes: int) -> tuple[AgentResult, Timeline]:
    """Plan and run task `number`. Each is another text, so that greedy decoding writes another plan."""
    planner = partial(TextPlanner, format=format, constrained=True, max_text=24, max_tokens=1200, temperature=1.0)
    settings = Settings(planner=planner, joiner=None, shape=Shape(max_nodes=max_nodes))
    timeline = Timeline()
    result = await Agent(model, [search, add], settings=settings).run(f"Task {number}.", observer=timeline.observe)
    return result, timeline


def summary(runs: Sequence[tuple[AgentResult, Timeline]]) -> dict[str, Any]:
    """What became of the plans. `started_early` is the share of nodes that ran before their plan was whole."""
    planned = [(result, timeline) for result, timeline in runs if result.result is not None]
    starts = [(start, timeline.whole or 0.0) for _, timeline in planned for start in timeline.starts]
    leads = [timeline.whole - timeline.starts[0] for _, timeline in planned if timeline.starts and timeline.whole]
    return {
        "plans": len(runs),
        "as_written": sum(len(result.plan_texts) == 1 and not result.findings for result, _ in planned),
        "with_warnings": sum(len(result.plan_texts) == 1 and bool(result.findings) for result, _ in planned),
        "repaired_or_cut_down": sum(len(result.plan_texts) > 1 for result, _ in planned),
        "refused": len(runs) - len(planned),
        "refusals": sorted({str(result.error).splitlines()[0] for result, _ in runs if result.result is None}),
        "nodes": sum(len(result.result.plan.nodes) for result, _ in planned if result.result),
        "nodes_failed": sum(len(result.result.of("failed")) for result, _ in planned if result.result),
        "started_early": round(sum(start < whole for start, whole in starts) / len(starts), 3) if starts else None,
        "median_lead_s": round(statistics.median(leads), 4) if leads else None,
        "sampled_tokens": sum(result.usage.tokens for result, _ in runs),
    }


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with VllmEngine(args.model, constraints=True, max_num_seqs=args.plans) as engine:
        model = EngineChat(engine, args.model, template=args.template)
        for name, format in FORMATS.items():
            started = time.perf_counter()
            runs = await asyncio.gather(*(one(model, format, number, args.max_nodes) for number in range(args.plans)))
            found[name] = summary(runs) | {"seconds": round(time.perf_counter() - started, 2), "example": runs[0][0].plan_texts[-1]}
            sys.stderr.write(f"{name}: {json.dumps(found[name])}\n")
        engine_name = engine.name
    return {
        "formats": found,
        "engine": engine_name,
        "model": str(args.model),
        "device": _device(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _device() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--template", help="jinja2, in place of the model's own chat template")
    parser.add_argument("--plans", type=int, default=64)
    parser.add_argument("--max-nodes", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    result = asyncio.run(measure(args))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
