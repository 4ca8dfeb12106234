"""The documented questions, with plans that are flawless, with a small model that has learned some, and with the shipped one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from orchestra.training.planner.card import card
from orchestra.training.planner.tokenizer import train_tokenizer, write_tokenizer

from orchestra import cli
from orchestra.agent import AgentResult, open_planner, shipped_planner
from orchestra.agent.facts_planner import EXAMPLES
from orchestra.agent.planner import task_message
from orchestra.agent.small_planner import SHIPPED
from orchestra.chat.tokenizer import ChatTokenizer

from .facts_questions import HEIGHTS, PLAN, TASK, asked

ROOT = Path(__file__).resolve().parents[2]


def documented() -> dict[str, str]:
    """Questions and answers of docs/planner.md."""
    rows = re.findall(r"^\| (.+\?) \| (.+) \|$", (ROOT / "docs" / "planner.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {question: answer.replace("; ", "\n") for question, answer in rows}


def test_the_documented_questions_are_the_examples() -> None:
    assert tuple(documented()) == EXAMPLES


PLANS = (
    PLAN,
    (
        '1. lookup("the Nile", "length")\n2. lookup("the Danube", "length")\n3. lookup("the Rhine", "length")\n'
        '4. argmax(["the Nile", "the Danube", "the Rhine"], [$1, $2, $3])\n5. join($4)'
    ),
    '1. related("Japan", "capital")\n2. lookup($1, "population")\n3. join($2)',
    '1. lookup("Argentina", "area")\n2. lookup("Germany", "area")\n3. divide($1, $2)\n4. join($3)',
    '1. lookup("the Eiffel Tower", "height")\n2. lookup("Big Ben", "height")\n3. mean([$1, $2])\n4. convert($3, "metres", "feet")\n5. join($4)',
    (
        '1. lookup("Mercury", "diameter")\n2. lookup("Mars", "diameter")\n3. lookup("Saturn", "diameter")\n4. lookup("Jupiter", "diameter")\n'
        '5. lookup("Earth", "diameter")\n6. count_above([$1, $2, $3, $4], $5)\n7. join($6)'
    ),
    '1. lookup("Lake Baikal", "depth")\n2. lookup("Lake Tanganyika", "depth")\n3. greater($1, $2)\n4. join($3)',
    '1. lookup("Switzerland", "area")\n2. lookup("Spain", "area")\n3. percent($1, $2)\n4. join($3)',
    (
        '1. related("Tanzania", "highest mountain")\n2. related("Norway", "highest mountain")\n3. lookup($1, "height")\n4. lookup($2, "height")\n'
        "5. argmax([$1, $2], [$3, $4])\n6. join($5)"
    ),
    '1. lookup("the Nile", "length")\n2. lookup("the Amazon", "length")\n3. lookup("the Rhine", "length")\n4. add([$1, $2, $3])\n5. join($4)',
    '1. lookup("Oslo", "population")\n2. lookup("Bern", "population")\n3. lookup("Berlin", "population")\n4. join([$1, $2, $3])',
)
"""Of the documented questions, as a flawless planner writes them."""


@pytest.mark.parametrize(("question", "plan"), list(zip(documented(), PLANS, strict=True)), ids=range(len(PLANS)))
def test_a_flawless_planner_gives_the_documented_answers(question: str, plan: str) -> None:
    result, _, _ = asked(question, plan)
    assert (result.answer, result.error) == (documented()[question], None)


async def answers(folder: Path, questions: list[str], *, engine: str | None = None) -> list[AgentResult]:
    async with open_planner(folder, engine=engine) as agent, asyncio.TaskGroup() as group:
        running = [group.create_task(agent.run(question)) for question in questions]
    return [task.result() for task in running]


LEARNED = {
    TASK: PLAN,
    "How high are K2 and Mont Blanc?": HEIGHTS,
    "Which is deeper, Lake Baikal or Lake Geneva?": (
        '1. lookup("Lake Baikal", "depth")\n2. lookup("Lake Geneva", "depth")\n'
        '3. argmax(["Lake Baikal", "Lake Geneva"], [$1, $2])\n4. join($3)'
    ),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model that has learned three plans by heart, with the tokenizer and the prompts of the real one."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("planner")
    write_tokenizer(train_tokenizer([text for pair in LEARNED.items() for text in pair] * 10, vocabulary=400), folder)
    card().write(folder)
    tokenizer = ChatTokenizer.load(folder)
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
    }
    ends = {"bos_token_id": 1, "eos_token_id": tokenizer.end_ids[0], "pad_token_id": 0}
    config = transformers.LlamaConfig(vocab_size=400, max_position_embeddings=512, **sizes, **ends)
    model = transformers.LlamaForCausalLM(config)
    texts = [
        [*tokenizer.encode([task_message(task)]), *tokenizer.encode_text(plan), *tokenizer.end_ids]
        for task, plan in LEARNED.items()
    ]
    rows = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True, padding_value=-100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine, threads that wait for one another take a hundred times as long as one
    for _ in range(70):
        model(input_ids=rows.clamp(min=0), labels=rows).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    yield folder
    torch.set_num_threads(threads)


def test_a_model_that_writes_its_plans_answers_several_questions_at_once(small: Path) -> None:
    results = asyncio.run(answers(small, list(LEARNED), engine="transformers"))
    wanted = ["3,805 metres", "K2: 8,611 metres\nMont Blanc: 4,806 metres", "Lake Baikal"]
    assert [result.answer or result.error for result in results] == wanted
    assert [result.plan_texts[0] for result in results] == list(LEARNED.values())


def test_the_command_runs_a_planner_that_is_in_a_folder(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", TASK, "--model-name", str(small)]) == 0
    assert capsys.readouterr().out == "3,805 metres\n"


def test_a_question_that_the_model_has_never_learned_is_no_crash_and_no_nonsense(small: Path) -> None:
    unknown = ["What is the area of Spain?", "What is the average height of K2, Denali and Big Ben?", "What is 5 plus 7?"]
    for result in asyncio.run(answers(small, unknown, engine="transformers")):
        assert result.answer is None and "Put it in other words" in str(result.error)


@pytest.mark.skipif(not (ROOT / "models" / SHIPPED).is_dir(), reason=f"models/{SHIPPED} is not there yet")
def test_the_shipped_planner_answers_the_documented_questions() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    wanted = documented()
    results = asyncio.run(answers(shipped_planner(), list(wanted)))
    found = {question: str(result.answer or result.error) for question, result in zip(wanted, results, strict=True)}
    assert {question: answer.removeprefix("the ") for question, answer in found.items()} == {
        question: answer.removeprefix("the ") for question, answer in wanted.items()
    }
