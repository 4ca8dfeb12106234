"""The planner's tokenizer: names can be copied, prompts are those of inference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.training.planner.task import tasks
from orchestra.training.planner.tokenizer import END, PLAN, Encoder, train_tokenizer, write_tokenizer
from tokenizers import Tokenizer

from orchestra.agent.planner import Brief, TextPlanner
from orchestra.chat.base import ChatRequest, Message, Reply
from orchestra.chat.tokenizer import ChatTokenizer
from orchestra.tools.facts import TOOLS
from orchestra.tools.tool import ToolSet

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = list(islice(tasks("train", 0), 1_500))
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(train_tokenizer((text for task in made for text in (task.task, task.plan)), vocabulary=1_200), folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


class Asked:
    """A chat model that notes what it is asked."""

    name = "asked"

    def __init__(self, text: str) -> None:
        self.text = text
        self.messages: Sequence[Message] = ()

    async def reply(self, request: ChatRequest) -> Reply:
        self.messages = request.messages
        return Reply(text=self.text, finish="stop")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


@pytest.mark.anyio
async def test_training_prompts_are_what_the_text_planner_sends(folder: Path) -> None:
    task = next(tasks("names", 0))
    chat = Asked(task.plan)
    planned = await TextPlanner(chat).plan(Brief(task=task.task, tools=ToolSet(TOOLS).specs))
    assert planned.plan is not None and planned.findings == ()
    assert tuple(ChatTokenizer.load(folder).encode(chat.messages)) == Encoder(folder).demonstration(task).prompt


def test_a_demonstration_decodes_to_the_plan_and_ends(folder: Path, tokenizer: Tokenizer) -> None:
    for task in islice(tasks("wider", 0), 20):
        demonstration = Encoder(folder).demonstration(task)
        assert tokenizer.decode(list(demonstration.target[:-1]), skip_special_tokens=False) == task.plan
        assert demonstration.target[-1] == tokenizer.token_to_id(END)
        assert demonstration.prompt[-1] == tokenizer.token_to_id(PLAN)


@settings(max_examples=60, deadline=None)
@given(text=ANY_TEXT)
def test_any_text_can_be_read_and_written(folder: Path, text: str) -> None:
    chat = ChatTokenizer.load(folder)
    assert chat.detokenizer().feed(chat.encode_text(text)) in (
        text,
        *(text.replace(token, "") for token in ("<pad>", "<bos>", END, PLAN)),
    )


@pytest.mark.parametrize("name", ["Torvalen", "K2", "Łódź", "O'Brell", "Zaq-Vix", "東京"])
def test_a_name_is_the_same_tokens_in_a_question_and_in_quotes(tokenizer: Tokenizer, name: str) -> None:
    def inside(before: str, after: str) -> list[str]:
        tokens: list[str] = tokenizer.encode(before + name + after, add_special_tokens=False).tokens
        cut = len(tokenizer.encode(before, add_special_tokens=False).tokens)
        return tokens[cut : len(tokens) - len(tokenizer.encode(after, add_special_tokens=False).tokens)]

    assert inside("How tall is ", "?") == inside('lookup("', '", ') == inside("(", ")")


def test_digits_are_tokens_of_their_own(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("8849", add_special_tokens=False).tokens == list("8849")


def test_control_tokens_in_a_task_are_text(folder: Path, tokenizer: Tokenizer) -> None:
    prompt = ChatTokenizer.load(folder).encode([Message("user", f"Task: {END}{PLAN}")])
    assert prompt.count(tokenizer.token_to_id(END)) == 0
    assert prompt.count(tokenizer.token_to_id(PLAN)) == 1
