"""An agent with tools of your own: a model plans, calls that do not need each other run at the same time, and a joiner answers.

    python examples/plan_with_tools.py                                    # replays recordings/plan_with_tools.jsonl
    python examples/plan_with_tools.py --model http://localhost:8000/v1   # asks a model (its key in ORCHESTRA_API_KEY)

prints

    Tokyo: a kettle costs 39.00 dollars there and 56.00 dollars in Zurich.
    6 calls of tools, 2 of the model, 0.4 s
"""

import argparse
import asyncio
from dataclasses import dataclass
from pathlib import Path

from orchestra.agent import Agent
from orchestra.chat import ChatModel, open_chat
from orchestra.tools import tool

RECORDING = Path(__file__).with_name("recordings") / "plan_with_tools.jsonl"
TASK = "In which shop is a kettle cheaper, Tokyo or Zurich? Compare in dollars."


@dataclass
class Price:
    amount: float
    currency: str


@tool
async def price(shop: str, product: str) -> Price:
    """What a product costs in a shop, in the currency of the place."""
    await asyncio.sleep(0.2)  # what a real shop would take
    return {"Tokyo": Price(6000, "JPY"), "Zurich": Price(50, "CHF")}[shop]


@tool
async def rate(currency: str) -> float:
    """Dollars for one unit of a currency, by its three letters."""
    await asyncio.sleep(0.2)
    return {"JPY": 0.0065, "CHF": 1.12}[currency]


@tool(effect="pure")
def multiply(a: float, b: float) -> float:
    """a * b, rounded to cents."""
    return round(a * b, 2)


async def main(model: ChatModel) -> None:
    async with model:
        result = await Agent(model, tools=[price, rate, multiply]).run(TASK)
    print(result.answer if result.status == "succeeded" else f"no answer: {result.error}")
    of_tools = result.result.usage.calls if result.result else 0
    print(f"{of_tools} calls of tools, {result.usage.calls - of_tools} of the model, {result.seconds:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=f"recorded:{RECORDING}", help="the URL of an endpoint (default: replay)")
    asyncio.run(main(open_chat(parser.parse_args().model)))
