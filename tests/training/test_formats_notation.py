"""The weave markers came after the shipped model: its ids, its prompts and what is read from its tokens stay as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestra.countdown import notation

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "countdown-6m"
WEAVE_MARKERS = range(notation.WEAVE, len(notation.VOCABULARY))


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="the shipped model is not in an installed package")
def test_the_shipped_models_tokens_keep_their_ids() -> None:
    vocabulary = json.loads((SHIPPED / "tokenizer.json").read_text())["model"]["vocab"]
    assert vocabulary == {token: notation.ID[token] for token in notation.VOCABULARY[: len(vocabulary)]}
    assert len(vocabulary) == notation.WEAVE, "what came later starts where it ends"


@pytest.mark.parametrize("marker", WEAVE_MARKERS)
def test_no_marker_is_a_number_or_an_explored_state(marker: int) -> None:
    seven = notation.number(7)
    assert notation.read_numbers([marker]) is None
    assert notation.read_numbers([marker, *seven]) is None
    assert notation.read_path([notation.GOAL, *seven, notation.ID["+"], *seven, notation.EQUALS, marker, *seven]) is None
    assert notation.explored([notation.LEAVES, *seven, marker]) == notation.explored([notation.LEAVES, *seven]) == 1


def test_the_words_of_a_thread_count_as_exploration_and_an_outline_does_not() -> None:
    def explored(words: str) -> int:
        return notation.explored([notation.ID[word] for word in words.split()])

    assert explored("<parallel> <outlines> <outline> 1 7 - 3 <outline> 2 7 * 3 </outlines>") == 0
    assert explored("<1> 7 - 3 = 4 6 5 <2> 6 - 5 = 1 4 : 5 3 4 4 <none> </thread>") == 6
