"""Questions that need several look-ups and a sum, answered from a folder of facts: no network, no model (its replies are recorded).

The model plans searches, a model call that turns what they found into an expression, and arithmetic; then it answers. Every question runs
twice, with one call at a time and with all at once. Time is virtual: the recorded model writes a token in 20 ms and a search takes 1.5 s.

    python examples/facts_offline.py

prints

    How many metres higher is K2 than Mont Blanc?
      3805 metres  (3.7 s one call at a time, 2.6 s at once)
    Laid end to end, are the Danube, the Rhine, the Elbe and the Loire longer than the Amazon?
      No, they are 217 kilometres shorter.  (8.5 s one call at a time, 3.9 s at once)
    How many times as deep as Lake Geneva is Lake Baikal, and how many times as deep as it is Lake Tanganyika?
      Baikal 5.3 times, Tanganyika 4.7 times  (5.6 s one call at a time, 4.5 s at once)
"""

import argparse
import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from orchestra.agent import Agent, Settings
from orchestra.chat import ChatModel, Ladder, Tier, open_chat
from orchestra.engine.virtual import run_virtual
from orchestra.schedule import Resources
from orchestra.tools import arithmetic, folder_search, tool

HERE = Path(__file__).parent
RECORDING = HERE / "recordings" / "facts_offline.jsonl"
SEARCH_S = 1.5  # what a search on the web would take
QUESTIONS = (
    "How many metres higher is K2 than Mont Blanc?",
    "Laid end to end, are the Danube, the Rhine, the Elbe and the Loire longer than the Amazon?",
    "How many times as deep as Lake Geneva is Lake Baikal, and how many times as deep as it is Lake Tanganyika?",
)
passages = folder_search(HERE / "facts")


@tool
async def search(query: str) -> str:
    """The passage of an encyclopedia that fits best. Search for one thing at a time."""
    found = await passages(query, limit=1)
    await asyncio.sleep(SEARCH_S)
    return found[0].text if found else "nothing found"


@tool(effect="pure")
async def calculate(expression: str) -> int | float:
    """The value of an arithmetic expression: + - * /, parentheses, sqrt, round, min, max, …"""
    return arithmetic(expression)  # async, because threads know nothing of virtual time


async def ask(question: str, model: ChatModel, slots: int | None) -> tuple[str, float]:
    """The answer and the seconds it took, with so many calls at once."""
    settings = Settings(models=Ladder([Tier(model=model)]), resources=Resources(slots=slots))
    async with model:
        result = await Agent(model, [search, calculate], settings=settings).run(question)
    seconds = result.result.seconds if result.result else result.seconds
    return str(result.answer if result.status == "succeeded" else f"no answer: {result.error}"), seconds


async def main(open_model: Callable[[], ChatModel]) -> None:
    for question in QUESTIONS:
        (_, one_by_one), (answer, at_once) = [await ask(question, open_model(), slots) for slots in (1, None)]
        print(f"{question}\n  {answer}  ({one_by_one:.1f} s one call at a time, {at_once:.1f} s at once)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", help="the URL of an endpoint, asked in real time (default: replay)")
    url = parser.parse_args().model
    replay = partial(open_chat, f"recorded:{RECORDING}", pace=1)
    asyncio.run(main(partial(open_chat, url))) if url else run_virtual(main(replay))
