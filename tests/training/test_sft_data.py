"""Which rows a step sees: every row once an epoch, shares as asked, languages never mixed."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("transformers", reason="training needs transformers")

from hypothesis import given
from hypothesis import strategies as st
from orchestra.training.packing import Demonstration, pack
from orchestra.training.planner.data import make_tokenizer
from orchestra.training.sft.data import Mixture, Share, rows_a_step, share
from orchestra.training.sft.language import common, of_countdown, of_rows, of_tokenizer

from orchestra.countdown.model import shipped_model
from orchestra.errors import ConfigError

CPU = torch.device("cpu")


def rows(folder: Path, first: int, count: int, *, width: int = 4) -> Path:
    """One row for each of `count` demonstrations, which say who they are."""
    folder.mkdir(exist_ok=True)
    pack([Demonstration((1,), (first + i,) * (width - 1)) for i in range(count)], width=width).save(folder / "rows-0000.npz")
    return folder


def mixture(*shares: Share, batch: int, width: int = 4) -> Mixture:
    return Mixture(shares, batch_tokens=batch * width, seed=0, vocabulary=236, device=CPU)


def test_a_single_folder_shows_every_row_once_an_epoch_in_an_order_of_its_own(tmp_path: Path) -> None:
    source = mixture(share(str(rows(tmp_path / "a", 10, 11))), batch=3)
    source.plan(6)
    epochs = [np.concatenate([source.at(step).token_ids[:, 1] for step in range(start, start + 3)]) for start in (0, 3)]
    assert all(len(set(epoch.tolist())) == 9 for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()
    assert source.at(4).token_ids.tolist() == source.at(4).token_ids.tolist()


def test_a_mixture_gives_each_folder_its_share_and_pads_the_narrow_one(tmp_path: Path) -> None:
    wide, narrow = rows(tmp_path / "a", 10, 8, width=6), rows(tmp_path / "b", 100, 8)
    mixed = mixture(share(f"{wide}:3"), share(f"{narrow}:1"), batch=4, width=6)
    mixed.plan(8)
    seen = np.concatenate([mixed.at(step).token_ids for step in range(8)])
    of_narrow = seen[seen[:, 1] >= 100]
    assert (len(seen), len(of_narrow)) == (32, 8)
    assert sorted(of_narrow[:, 1].tolist()) == list(range(100, 108))
    assert not of_narrow[:, 4:].any()
    assert not mixed.at(0).trained[mixed.at(0).document == 0].any()


def test_folders_without_weights_are_mixed_by_their_rows(tmp_path: Path) -> None:
    mixed = mixture(share(str(rows(tmp_path / "a", 10, 9))), share(str(rows(tmp_path / "b", 100, 3))), batch=4)
    mixed.plan(3)
    assert sorted(np.concatenate([mixed.at(step).token_ids[:, 1] for step in range(3)]).tolist()) == [*range(10, 19), 100, 101, 102]


WEIGHTS = st.tuples(st.floats(0.01, 10), st.floats(0.01, 10))


@given(st.lists(WEIGHTS, min_size=1, max_size=4), st.integers(1, 40), st.integers(1, 9))
def test_every_step_is_a_full_batch_and_shares_follow_their_weights(
    weights: list[tuple[float, float]], steps: int, batch: int
) -> None:
    counts = rows_a_step([Share(Path(), *pair) for pair in weights], steps=steps, batch=batch)
    assert (counts >= 0).all() and (counts.sum(axis=1) == batch).all()
    at = np.arange(steps) / max(1, steps - 1)
    weight = np.array([first + (last - first) * at for first, last in weights])
    wanted = np.cumsum(batch * weight / weight.sum(axis=0), axis=1)
    assert np.abs(np.cumsum(counts.T, axis=1) - wanted).max() < len(weights)


@pytest.mark.parametrize("text", ["a:x", "a:-1", "a:0", "a:0-0", "a:nan"])
def test_weights_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        share(text)


def test_a_share_is_a_folder_with_a_weight_that_may_change() -> None:
    assert share("data/a:0.9-0.1") == Share(Path("data/a"), 0.9, 0.1)
    assert share("data/a:2") == Share(Path("data/a"), 2, 2)
    assert share("data/a") == Share(Path("data/a"), 0, 0)


def test_data_that_cannot_be_trained_on_is_refused_with_its_name(tmp_path: Path) -> None:
    good = rows(tmp_path / "good", 10, 4)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "rows.npz").write_bytes(b"no shard")
    cut = rows(tmp_path / "cut", 10, 4) / "rows-0000.npz"
    cut.write_bytes(cut.read_bytes()[:-40])
    silent = tmp_path / "silent"
    silent.mkdir()
    pack([Demonstration((1, 2), ())], width=4).save(silent / "rows.npz")
    for folder, message in (
        (tmp_path / "empty", "no .npz shards"),
        (tmp_path / "broken", "damaged"),
        (tmp_path / "cut", "damaged"),
        (silent, "no token of"),
        (rows(tmp_path / "foreign", 300, 4), "token 303, the tokenizer has 236"),
    ):
        with pytest.raises(ConfigError, match=message):
            mixture(share(str(folder)), batch=1)
    with pytest.raises(ConfigError, match="fewer than a batch of 5"):
        mixture(share(str(good)), batch=5)
    with pytest.raises(ConfigError, match="has no weight"):
        mixture(share(str(good)), share(f"{good}:1"), batch=2)


def test_rows_say_their_language_and_different_ones_are_not_mixed(tmp_path: Path) -> None:
    countdown, planner = rows(tmp_path / "countdown", 10, 4), rows(tmp_path / "planner", 10, 4)
    make_tokenizer(planner / "tokenizer", samples=100, vocabulary=600)
    assert (of_rows(countdown).domain, of_rows(planner).domain) == ("countdown", "planner")
    with pytest.raises(ConfigError, match="another tokenizer than that of"):
        common([planner, countdown])
    validation = rows(tmp_path / "validation", 10, 4)
    (validation / "statistics.json").write_text(f'{{"arguments": {{"tokenizer": "{planner / "tokenizer"}"}}}}')
    assert common([planner, validation]).texts == of_rows(planner).texts
    (validation / "statistics.json").write_text('{"arguments": {"tokenizer": "moved"}}')
    with pytest.raises(ConfigError, match="'moved', which is not there: copy"):
        of_rows(validation)


def test_a_model_of_a_shorter_vocabulary_speaks_the_language_and_not_the_other_way_round() -> None:
    shipped = of_tokenizer(shipped_model())
    assert shipped.size < of_countdown().size
    assert of_countdown().flaw_of(shipped) is None and shipped.domain == "countdown"
    assert "'<weave>' is token 228 there and none here" in str(shipped.flaw_of(of_countdown()))
