"""A long answer written in parts at the same time: a skeleton first, then every point by the smallest model that can do it.

Skeleton-of-Thought with the dependencies and difficulties of Adaptive Skeleton Graph Decoding. Points of difficulty 1 and 2 go to the small
model; a part that the verifier finds too short is written again by the large one.

    python examples/skeleton.py                                                     # replays recordings/skeleton.jsonl
    python examples/skeleton.py http://localhost:8001/v1 http://localhost:8002/v1   # asks a small and a large model

prints the answer in four paragraphs, and then who wrote what

    point 1: difficulty 1, 1 call
    point 2: difficulty 1, 1 call
    point 3: difficulty 2, 2 calls
    point 4: difficulty 4, 1 call
"""

import argparse
import asyncio
from functools import partial
from pathlib import Path

from orchestra.agent import Agent, Settings, TextPlanner
from orchestra.chat import ChatModel, ChatRequest, Ladder, RecordedChat, Reply, Tier, open_chat
from orchestra.chat.recording import Recording
from orchestra.plan.formats.skeleton import Skeleton

RECORDING = Path(__file__).with_name("recordings") / "skeleton.jsonl"
TASK = "Explain to a beginner when to use a mutex and when a semaphore."


def long_enough(request: ChatRequest, reply: Reply) -> bool:
    return len(reply.text.split()) >= 12


async def main(small: ChatModel, large: ChatModel) -> None:
    ladder = Ladder([Tier(model=small, name="small", up_to=2), Tier(model=large, name="large")], verify=long_enough)
    planner = partial(TextPlanner, format=lambda brief: Skeleton(brief.task))
    async with small, large:
        result = await Agent(large, settings=Settings(planner=planner, joiner=None, models=ladder)).run(TASK)
    print(result.answer if result.status == "succeeded" else f"no answer: {result.error}")
    outcomes = result.result.outcomes if result.result else {}
    for node in result.result.plan.nodes if result.result else ():
        if node.kind == "model":
            calls = outcomes[node.id].usage.calls
            print(f"point {node.id}: difficulty {node.difficulty}, {calls} call{'s' if calls > 1 else ''}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", metavar="URL", help="of a small and a large model (default: replay)")
    urls = parser.parse_args().models
    recording = Recording(RECORDING)  # one for both, so that a point asked of both models has two replies
    small, large = map(open_chat, urls) if urls else (RecordedChat(recording), RecordedChat(recording))
    asyncio.run(main(small, large))
