"""The planner that ships with the repository: where it is, what it was trained for, and an agent on it that needs nothing else.

async with open_planner() as agent:
    result = await agent.run("How much taller is K2 than Mont Blanc?")
    print(result.answer)  # 3,805 metres

It is a model of twelve million parameters that writes plans over `orchestra.tools.facts` and nothing else. Its checkpoint carries the tokenizer and
the chat template, which shows it the task alone: tools and format it has learned.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ..chat.base import ChatModel
from ..chat.open import open_chat
from ..errors import ConfigError
from ..model_files import shipped_folder
from ..tools.facts import FactTable, fact_tools
from ..tools.facts.names import Names, Vocabulary
from .agent import Agent, Settings
from .facts_planner import FactsPlanner, WordsJoiner

CARD = "planner.json"
SHIPPED = "planner-12m"
_HOW_ELSE = "or bring a model of your own: `--model URL --tools FILE.py`"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerCard:
    """What a folder's model was trained on, in `planner.json` beside its weights."""

    tools: str = "orchestra.tools.facts"
    format: str = "llmcompiler"
    depth: int
    """Calls that wait for one another, at most; for the next two likewise."""
    width: int
    """Items of a list."""
    calls: int
    words: tuple[str, ...] = ()
    """All that its tasks were worded with, beside names, in small letters; empty in a card that does not say."""
    asking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Words that ask for an attribute or relation without naming it."""
    signs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By tool: one of these words is in every question that needs it."""

    @property
    def vocabulary(self) -> Vocabulary:
        asking, signs = ({key: frozenset(words) for key, words in of.items()} for of in (self.asking, self.signs))
        return Vocabulary(words=frozenset(self.words), asking=asking, signs=signs)

    def write(self, folder: Path) -> None:
        (folder / CARD).write_text(json.dumps(asdict(self), ensure_ascii=False) + "\n", encoding="utf-8")


def read_planner_card(folder: Path) -> PlannerCard:
    """Raises `ConfigError` unless `folder` holds a planner for these tools."""
    if not folder.is_dir():
        raise ConfigError(f"there is no model folder {folder}: give that of a planner, {_HOW_ELSE}")
    try:
        value = json.loads((folder / CARD).read_text(encoding="utf-8"))
        lists = {name: {str(key): tuple(map(str, of)) for key, of in value.get(name, {}).items()} for name in ("asking", "signs")}
        card = PlannerCard(**value | {"words": tuple(map(str, value.get("words", ()))), **lists})
    except FileNotFoundError as error:
        raise ConfigError(
            f"{folder} is no planner (it has no {CARD}): train one with training/recipes/planner_sft.sh, {_HOW_ELSE}"
        ) from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{folder / CARD} is damaged ({error}): copy or make it again") from error
    mine = PlannerCard(depth=0, width=0, calls=0)
    if (card.tools, card.format) != (mine.tools, mine.format):
        raise ConfigError(
            f"{folder} plans for {card.tools} in {card.format}, this needs {mine.tools} in {mine.format}: give another folder"
        )
    return card


def shipped_planner() -> Path:
    """The planner's folder in the source checkout that this package runs from, or `ORCHESTRA_PLANNER`."""
    try:
        return shipped_folder(SHIPPED, variable="ORCHESTRA_PLANNER", flag="--model-name")
    except ConfigError as error:
        raise ConfigError(f"{error}, {_HOW_ELSE}") from error


def planner_engine() -> Literal["transformers", "vllm", "auto"]:
    """What runs the planner: one question at a time needs an engine that is there soon, not one with a high throughput.

    Whole commands took 5 s with transformers and 19 s with vLLM, on two CPU cores.
    """
    if find_spec("torch") and find_spec("transformers"):
        return "transformers"
    return "vllm" if find_spec("vllm") else "auto"


def planner_settings(names: Names) -> Settings:
    """Of an agent that plans questions about a table: the plan is held against the question, and its output is the answer, in words."""
    return Settings(planner=partial(FactsPlanner, names=names), joiner=WordsJoiner)


def open_planner_chat(folder: Path, *, engine: str | None = None, record: Path | None = None) -> ChatModel:
    """The model alone. Enter it to start it."""
    return open_chat(engine or planner_engine(), model=folder, record=record, max_requests=16)


@asynccontextmanager
async def open_planner(
    model: str | Path | None = None, *, facts: FactTable | None = None, engine: str | None = None
) -> AsyncIterator[Agent]:
    """An agent that answers questions about a table of facts, offline: the shipped planner, on an engine that is started here and stopped at the end.

    Its results' `answer` is text, with the unit where it is known; `result.output` of `AgentResult.result` is the value. A question that it cannot
    answer is a failed result whose `error` says why, names what is spelled alike, and shows questions that it can.

    Args:
        model: folder of another planner (`training/recipes/planner_sft.sh` makes one).
        facts: your own table, such as `FactTable.read(Path("mine.csv"))`; by default the packaged one. Names need not be known to the model.
        engine: "transformers" or "vllm"; by default whichever is installed, transformers first (`planner_engine`).

    Raises `ConfigError` where no planner, no card or no engine is there.
    """
    folder = Path(model) if model is not None else shipped_planner()
    table = facts if facts is not None else FactTable.packaged()
    names = Names(table, read_planner_card(folder).vocabulary)
    async with open_planner_chat(folder, engine=engine) as chat:
        yield Agent(chat, fact_tools(table), settings=planner_settings(names))
