"""The judge trainer: what it learns, what it saves, and what it refuses."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from judge_pool import telling_pool
from orchestra.training.checkpoint import CHECKPOINT, METRICS, Checkpoint
from orchestra.training.judge import run as judge
from orchestra.training.judge.focal_loss import focal_loss

from orchestra.errors import ConfigError
from orchestra.sample.judges.classifier import Classifier, PoolClassifier
from orchestra.sample.pool import Pool
from orchestra.sample.pool_file import write_pool

TINY = ("--hidden", "64", "--layers", "1", "--max-length", "128", "--log-every", "10", "--lengths", "6", "--lr", "3e-3")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small are slower on several threads, far slower where other processes want the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def args_for(out: Path, *extra: str) -> list[str]:
    return ["--pool", "unused", "--out", str(out), *TINY, *extra]


def test_focal_loss_is_weighted_cross_entropy_at_gamma_zero_and_spares_the_easy_ones_above() -> None:
    logits, labels = torch.tensor([[2.0], [-1.0]]), torch.tensor([True, False])
    p = torch.tensor([2.0, 1.0]).sigmoid()  # of the labels
    plain = focal_loss(logits, labels, gamma=0.0, alpha=0.5)
    assert plain.item() == pytest.approx((-0.5 * p.log()).mean().item())
    focal = focal_loss(logits, labels, gamma=2.0, alpha=0.25)
    expected = -(0.25 * (1 - p[0]) ** 2 * p[0].log() + 0.75 * (1 - p[1]) ** 2 * p[1].log()) / 2
    assert focal.item() == pytest.approx(expected.item())
    two = torch.cat([torch.zeros(2, 1), logits], 1)
    assert focal_loss(two, labels, gamma=2.0, alpha=0.25).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("question", judge.ASKED)
def test_judge_learns_what_prefixes_tell_and_a_replay_hears_the_same(tmp_path: Path, question: str) -> None:
    pool = telling_pool()
    args = judge.parse(args_for(tmp_path / "judge", "--question", question, "--steps", "60", "--batch", "32"))
    last = judge.train(args, pool)
    areas = last["held_out"]["6"]
    assert areas["within"] > 0.9
    first, *_ = [json.loads(line) for line in (args.out / METRICS).read_text().splitlines()]
    assert first["step"] == 0 and first["held_out"]["6"]["within"] is not None
    scorer = PoolClassifier(Classifier(args.out, device="cpu"))
    problem = pool.problems[0]
    groups = [(0, 1), (1, 0)] if question == "same_answer" else [(0,), (0,)]
    one, other = scorer.ask(problem, groups, 6)
    assert one == other
    opinion = scorer(problem, [problem.traces[place] for place in groups[0]], 6)
    assert opinion == one and opinion.sampled == 0 and opinion.prefill > 6


def test_training_goes_on_from_its_checkpoint_to_where_an_unbroken_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = telling_pool(12)
    whole = judge.parse(args_for(tmp_path / "whole", "--steps", "6", "--batch", "8", "--save-every", "2"))
    judge.train(whole, pool)

    class PowerCut(Exception):
        pass

    save = Checkpoint.save

    def cut(self: Checkpoint, model: Any, optimizer: Any, step: int, seconds: float) -> None:
        save(self, model, optimizer, step, seconds)
        if step == 4:
            raise PowerCut

    broken = judge.parse(args_for(tmp_path / "broken", "--steps", "6", "--batch", "8", "--save-every", "2"))
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", cut)
        with pytest.raises(PowerCut):
            judge.train(broken, pool)
    other = judge.parse(args_for(broken.out, "--steps", "8", "--batch", "8", "--save-every", "2"))
    with pytest.raises(ConfigError, match="a run with --steps 6, not 8: give the same arguments"):
        judge.train(other, pool)
    judge.train(broken, pool)
    assert (broken.out / "model.safetensors").read_bytes() == (whole.out / "model.safetensors").read_bytes()
    assert not (broken.out / CHECKPOINT).exists()


def test_ctrl_c_is_heard_after_the_step_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pool.jsonl"
    write_pool(telling_pool(12), path)
    args = ["--steps", "6", "--batch", "8", "--log-every", "1"]
    monkeypatch.setattr(sys, "argv", ["judge", *args_for(tmp_path / "judge", *args, "--pool", str(path))])
    report = judge.report

    def interrupting(out: Path, entry: dict[str, object]) -> None:
        report(out, entry)
        if entry["step"] == 3 and not (out / CHECKPOINT).exists():
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(judge, "report", interrupting)
    with pytest.raises(SystemExit) as stopped:
        judge.main()
    assert stopped.value.code == 130 and "stopped after 3 of 6 steps; the same command goes on" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is handler
    judge.main()
    steps = [json.loads(line)["step"] for line in (tmp_path / "judge" / METRICS).read_text().splitlines()]
    assert steps == [0, 1, 2, 3, 4, 5, 6]


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"half")
    assert "is damaged" in refused(telling_pool(12), tmp_path)


def test_model_from_scratch_learns_its_words_from_the_traces(tmp_path: Path) -> None:
    words = judge.parse(args_for(tmp_path / "words", "--steps", "1", "--batch", "4", "--vocabulary", "300"))
    bytes_ = judge.parse(args_for(tmp_path / "bytes", "--steps", "1", "--batch", "4"))
    pool = telling_pool(12)
    rows = []
    for args in (words, bytes_):
        judge.train(args, pool)
        reader = Classifier(args.out, device="cpu").reader
        text = pool.problems[0].traces[0].text or ""
        assert reader.tokenizer.decode(reader.text(text)) == text
        rows.append(reader.text(text))
    assert len(rows[0]) < len(rows[1])


def test_shipped_model_becomes_a_judge_that_reads_token_ids(tmp_path: Path) -> None:
    from orchestra.countdown.model import shipped_model

    args = judge.parse(
        args_for(tmp_path / "judge", "--init", str(shipped_model()), "--steps", "2", "--batch", "4", "--questions", "4")
    )
    pool = telling_pool(6)
    without_texts = Pool(pool.name, [replace(p, traces=[replace(trace, text=None) for trace in p.traces]) for p in pool.problems])
    judge.train(args, without_texts)
    classifier = Classifier(args.out, device="cpu")
    assert classifier.reader.card.trace_ids
    asked = [PoolClassifier(classifier).ask(p.problems[0], [(0, 1)], 6) for p in (pool, without_texts)]
    assert asked[0] == asked[1]


def refused(pool: Pool, out: Path, *extra: str) -> str:
    with pytest.raises(ConfigError) as caught:
        judge.train(judge.parse(args_for(out, "--steps", "1", *extra)), pool)
    return str(caught.value)


def test_pools_that_no_judge_can_learn_from_are_refused_with_the_next_step(tmp_path: Path) -> None:
    pool = telling_pool(12)
    silent = Pool("silent", [replace(p, traces=[replace(t, text=None, token_ids=None) for t in p.traces]) for p in pool.problems])
    assert "record their texts" in refused(silent, tmp_path)
    first, *rest = pool.problems
    mixed = Pool("mixed", [*rest, replace(first, traces=silent.problems[0].traces)])
    assert "record their texts" in refused(mixed, tmp_path)
    unanimous = Pool("unanimous", [replace(p, traces=[replace(t, answer="1") for t in p.traces]) for p in pool.problems])
    assert "only questions whose answer is yes" in refused(unanimous, tmp_path)
    assert "no question at all" in refused(pool, tmp_path, "--lengths", "12")
    assert "both need two" in refused(Pool("small", pool.problems[:3]), tmp_path)
    no_folder = refused(pool, tmp_path, "--init", str(tmp_path / "nowhere"))
    assert "nowhere" in no_folder


def test_a_loss_that_is_no_number_stops_the_run_and_saves_its_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([1.0, float("nan"), 1.0])
    monkeypatch.setattr(judge, "focal_loss", lambda *given, **options: focal_loss(*given, **options) * next(losses))
    args = judge.parse(args_for(tmp_path / "judge", "--steps", "6", "--batch", "8", "--save-every", "3"))
    with pytest.raises(ConfigError, match=r"no number at step 2: its questions are in .*nan-batch.json.*or lower --lr"):
        judge.train(args, telling_pool(12))
    asked = json.loads((args.out / "nan-batch.json").read_text())
    assert len(asked) == 8 and {"problem", "traces", "length", "row"} == asked[0].keys()
    assert not (args.out / CHECKPOINT).exists() and not (args.out / "config.json").exists()


def test_out_of_memory_names_what_to_lower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*given: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(judge, "focal_loss", too_large)
    with pytest.raises(ConfigError, match=r"Tried to allocate 2 GiB.*--batch \(now 8\) or --max-length \(now 128\).*--hidden"):
        judge.train(judge.parse(args_for(tmp_path, "--steps", "2", "--batch", "8")), telling_pool(12))


def test_a_trained_judge_is_neither_trained_again_nor_overwritten(tmp_path: Path) -> None:
    args = judge.parse(args_for(tmp_path, "--steps", "2", "--batch", "8"))
    last = judge.train(args, telling_pool(12))
    before = (tmp_path / "model.safetensors").read_bytes()
    assert judge.train(args, telling_pool(12)) == last
    with pytest.raises(ConfigError, match="is of a run with --batch 8, not 4: give the same arguments, or another --out"):
        judge.train(judge.parse(args_for(tmp_path, "--steps", "2", "--batch", "4")), telling_pool(12))
    assert (tmp_path / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--held-out", "1"), "a share between 0 and 1"),
        (("--held-out", "0.5", "--fold", "2"), "beyond the last problem"),
        (("--fold", "-1"), "--fold: must be at least 0"),
        (("--vocabulary", "100"), "260 tokens at least"),
        (("--vocabulary", "512", "--init", "x"), "no --init"),
    ],
)
def test_arguments_that_contradict_are_refused(
    extra: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        judge.parse(args_for(tmp_path, *extra))
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "1.5", "100%", "-3", "0%"])
def test_lengths_are_tokens_or_shares(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge.length("50%") == 0.5 and judge.length("64") == 64
    with pytest.raises(SystemExit):
        judge.parse(["--pool", "x", "--out", str(tmp_path), f"--lengths={text}"])
    assert "a length is" in capsys.readouterr().err
