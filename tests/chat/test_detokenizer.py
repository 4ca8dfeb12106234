"""Ids to text, in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from orchestra.chat.detokenizer import REPLACEMENT, detokenizer_for

from .byte_model import END, byte_tokenizer


def words() -> Tokenizer:
    """Its words are joined by spaces."""
    tokenizer = Tokenizer(models.WordLevel({f"w{i}": i for i in range(20)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def sentencepiece() -> Tokenizer:
    """As Llama 2 has it: spaces are written as "▁", and what is no token of its own as bytes."""
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁abcé", "▁a", "ab"]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, [("▁", "a"), ("a", "b")], byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


BYTES, WORDS, SENTENCEPIECE = byte_tokenizer(), words(), sentencepiece()


def pieces(tokenizer: Tokenizer, groups: Sequence[Sequence[int]], hidden: Sequence[int] = ()) -> list[str]:
    detokenizer = detokenizer_for(tokenizer)(tokenizer, hidden)
    return [*(detokenizer.feed(group) for group in groups), detokenizer.end()]


def grouped(ids: Sequence[int], cuts: Sequence[int]) -> list[Sequence[int]]:
    places = [0, *sorted({cut % (len(ids) + 1) for cut in cuts}), len(ids)]
    return [ids[begin:end] for begin, end in pairwise(places)]


cuts = st.lists(st.integers(0, 200), max_size=20)


@given(ids=st.lists(st.integers(3, BYTES.get_vocab_size() - 1), max_size=60), cuts=cuts)
def test_pieces_of_any_bytes_make_what_they_decode_to_as_a_whole(ids: list[int], cuts: list[int]) -> None:
    assert "".join(pieces(BYTES, grouped(ids, cuts))) == BYTES.decode(ids)


@given(text=st.text(max_size=40))
def test_of_byte_level_text_every_character_comes_whole_and_as_soon_as_it_is_complete(text: str) -> None:
    ids = BYTES.encode(text).ids
    detokenizer = detokenizer_for(BYTES)(BYTES, ())
    seen = ""
    for at, token in enumerate(ids, start=1):
        seen += detokenizer.feed([token])
        assert text.startswith(seen)
        assert len(BYTES.decode(ids[:at]).rstrip(REPLACEMENT)) <= len(seen)
    assert seen == text
    assert detokenizer.end() == ""


@given(ids=st.lists(st.integers(0, 19), max_size=30), cuts=cuts)
def test_pieces_of_words_have_the_spaces_between_them(ids: list[int], cuts: list[int]) -> None:
    assert "".join(pieces(WORDS, grouped(ids, cuts))) == " ".join(f"w{id}" for id in ids)


@given(text=st.text(alphabet=st.sampled_from("abcé €日😀"), max_size=30), cuts=cuts)
def test_pieces_with_byte_fallback_make_the_text(text: str, cuts: list[int]) -> None:
    ids = SENTENCEPIECE.encode(text).ids
    parts = pieces(SENTENCEPIECE, grouped(ids, cuts))
    assert "".join(parts) == SENTENCEPIECE.decode(ids)
    assert REPLACEMENT not in "".join(parts)


@pytest.mark.parametrize("tokenizer", [BYTES, SENTENCEPIECE], ids=["byte level", "byte fallback"])
def test_a_run_of_bytes_that_is_no_text_is_not_held_back_for_ever(tokenizer: Tokenizer) -> None:
    """A loop over it costs the same for each token."""
    byte = tokenizer.encode("😀").ids[0] if tokenizer is BYTES else tokenizer.token_to_id("<0xFF>")
    assert len("".join(pieces(tokenizer, [[byte]] * 100)[:-1])) > 80


@pytest.mark.parametrize("tokenizer", [BYTES, WORDS], ids=["byte level", "words"])
def test_hidden_tokens_are_no_part_of_the_text(tokenizer: Tokenizer) -> None:
    ids = [5, 6, 7, 8]
    assert "".join(pieces(tokenizer, [[5, END], [6], [END, END, 7, 8, END]], hidden=[END])) == tokenizer.decode(ids)


def test_an_added_token_that_no_byte_is_written_with_is_its_own_text() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens([AddedToken("two words 日")])
    ids = tokenizer.encode("a two words 日b").ids
    assert tokenizer.token_to_id("two words 日") in ids
    assert "".join(pieces(tokenizer, [[id] for id in ids])) == "a two words 日b"


def test_an_id_outside_the_vocabulary_is_no_text() -> None:
    assert "".join(pieces(BYTES, [[10_000], *([id] for id in BYTES.encode("a").ids)])) == "a"
