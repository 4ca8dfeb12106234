"""Where a text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.chat.stop_texts import StopTexts

texts = st.text(alphabet="abc", max_size=20)
stops = st.lists(st.text(alphabet="abc", min_size=1, max_size=4), max_size=3)


def cut(stops: list[str], *parts: str) -> tuple[str, bool]:
    filter = StopTexts(stops)
    return "".join(filter.feed(part) for part in parts) + filter.end(), filter.stopped


def expected(text: str, stops: list[str]) -> tuple[str, bool]:
    """Reads on until a stop is complete."""
    for end in range(len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            return text[: end - max(map(len, complete))], True
    return text, False


@given(text=texts, stops=stops)
def test_the_text_ends_before_the_stop_that_is_complete_first(text: str, stops: list[str]) -> None:
    assert cut(stops, text) == expected(text, stops)


@given(parts=st.lists(texts, max_size=8), stops=stops)
def test_it_is_the_same_however_the_text_is_cut_into_pieces(parts: list[str], stops: list[str]) -> None:
    assert cut(stops, *parts) == cut(stops, "".join(parts))


def test_only_what_may_begin_a_stop_is_held_back() -> None:
    filter = StopTexts(["<END>", "\n\n"])
    assert [filter.feed(part) for part in ("hello <", "E", "x", " a\n", "b<END", ">c")] == ["hello ", "", "<Ex", " a", "\nb", ""]
    assert (filter.stopped, filter.feed("more"), filter.end()) == (True, "", "")


def test_an_empty_stop_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        StopTexts(["a", ""])
