"""The trained judge in live runs: what it answers, how questions share a batch, and what a broken folder says."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from orchestra.errors import ConfigError, EngineError
from orchestra.sample.judges.base import Opinion, Question
from orchestra.sample.judges.classifier import ClassifierJudge
from orchestra.sample.judges.reading import JudgeCard, Reader, read_card
from orchestra.sample.pool import Recorded

torch = pytest.importorskip("torch", reason="a trained judge needs torch")
transformers = pytest.importorskip("transformers", reason="a trained judge needs transformers")

WORDS = ["<pad>", "<first>", "<and>", "<last>", "<unknown>", "a", "b", "c", "d"]
CARD = JudgeCard(question="same_answer", lengths=(4.0,), max_length=32, first=1, separator=2, last=3, unknown=4)


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel({word: token for token, word in enumerate(WORDS)}, unk_token="<unknown>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge with random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("judge")
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=0,
    )
    config.num_labels = 1
    transformers.LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    CARD.write(folder)
    return folder


def about(*texts: str) -> Question:
    return Question(problem="a b", texts=texts, answers=(None,) * len(texts))


class Watched:
    """Stands in a classifier's way: counts its batches, and holds them up until `go`."""

    def __init__(self, judge: ClassifierJudge, *, fail: int = 0, hold: bool = False) -> None:
        self.batches: list[int] = []
        self.entered = asyncio.Event()
        self.go = threading.Event()
        self._scores = judge.classifier.scores
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        if not hold:
            self.go.set()
        judge.classifier.scores = self.scores  # type: ignore[method-assign]

    def scores(self, rows: Sequence[Sequence[int]]) -> list[float]:
        self.batches.append(len(rows))
        self._loop.call_soon_threadsafe(self.entered.set)
        self.go.wait()
        if len(self.batches) <= self._fail:
            raise EngineError("the device is gone")
        return self._scores(rows)


def test_questions_asked_together_share_a_batch_and_get_the_answers_of_questions_asked_alone(folder: Path) -> None:
    questions = [about("a " * n, "b c") for n in range(1, 9)]

    async def run() -> tuple[list[Opinion], list[Opinion], list[int]]:
        judge = ClassifierJudge(folder, device="cpu")
        alone = [await judge(question) for question in questions]
        watched = Watched(judge)
        together = await asyncio.gather(*(judge(question) for question in questions))
        return alone, together, watched.batches

    alone, together, batches = asyncio.run(run())
    assert batches == [8]
    assert [o.prefill for o in together] == [o.prefill for o in alone] == [2 + 2 + 2 + n + 2 for n in range(1, 9)]
    assert [o.score for o in together] == pytest.approx([o.score for o in alone], abs=1e-5)
    assert all(0 < o.score < 1 and o.sampled == 0 for o in together)
    assert len({round(o.score, 6) for o in together}) > 1


def test_a_cancelled_question_takes_no_other_with_it(folder: Path) -> None:
    async def run() -> tuple[list[Opinion], list[int]]:
        judge = ClassifierJudge(folder, device="cpu")
        watched = Watched(judge, hold=True)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(judge(about("a", "b"))) for _ in range(3)]
            await watched.entered.wait()  # the first of them leads the batch
            tasks[0].cancel()
            watched.go.set()
        return [task.result() for task in tasks[1:]], watched.batches

    opinions, batches = asyncio.run(run())
    assert len(opinions) == 2 and batches == [3, 2]


def test_a_failing_device_is_an_engine_error_for_each_question_that_meets_it(folder: Path) -> None:
    async def run() -> list[Opinion | BaseException]:
        judge = ClassifierJudge(folder, device="cpu")
        Watched(judge, fail=1)
        return await asyncio.gather(*(judge(about("a", "b")) for _ in range(3)), return_exceptions=True)

    outcomes = asyncio.run(run())
    assert [type(outcome) for outcome in outcomes] == [EngineError, Opinion, Opinion]


@given(first=st.text("abcd "), second=st.text("abcd "), problem=st.text("abcdxyz "))
def test_rows_fit_and_a_pair_is_read_the_same_in_both_orders(first: str, second: str, problem: str) -> None:
    reader = Reader(CARD, tokenizer())
    texts = [" ".join(text) for text in (first, second)]
    row = reader.row(" ".join(problem), [reader.text(text) for text in texts])
    assert row == reader.row(" ".join(problem), [reader.text(text) for text in reversed(texts)])
    assert len(row) <= CARD.max_length
    assert (row[0], row.count(2), row[-1]) == (1, 2, 3) and 4 not in row


def test_long_texts_keep_their_ends() -> None:
    reader = Reader(CARD, tokenizer())
    row = reader.row("", [reader.text("a " * 40 + "c"), reader.text("b " * 40 + "d")])
    assert len(row) == CARD.max_length and {WORDS[token] for token in row if token > 4} == {"a", "b", "c", "d"}


def test_prefixes_of_recorded_texts_are_cut_by_share() -> None:
    reader = Reader(CARD, tokenizer())
    trace = Recorded(tokens=4, answer="1", correct=True, text="a b c d ")
    assert reader.prefix(trace, 2) == reader.prefix(trace, 0.5) == [5, 6]
    assert reader.prefix(trace, None) == reader.prefix(trace, 99) == [5, 6, 7, 8]


def test_wrong_folders_and_questions_say_what_to_do(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"no judge folder .*orchestra\.training\.judge"):
        ClassifierJudge(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"is no judge \(it has no judge.json\)"):
        ClassifierJudge(tmp_path)
    with pytest.raises(ConfigError, match="is shown 2 trace"):
        asyncio.run(ClassifierJudge(folder, device="cpu")(about("a")))
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(ConfigError, match="cannot be loaded: model.safetensors is"):
        ClassifierJudge(broken)
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"tokenizer.json is damaged"):
        ClassifierJudge(broken)
    (broken / "judge.json").write_text(json.dumps({"question": "why"}))
    with pytest.raises(ConfigError, match=r"judge.json is damaged"):
        read_card(broken)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"needs torch and transformers \(torch is missing\)"):
        ClassifierJudge(folder)
