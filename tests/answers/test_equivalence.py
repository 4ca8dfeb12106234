"""Which answers are one, for votes and for grades. Most of it needs math-verify."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from itertools import combinations, permutations
from pathlib import Path
from typing import TypeVar

import pytest

from orchestra.answers import Equivalence, pool
from orchestra.errors import ConfigError

from .pairs import CLASSES, DIFFERENT_FROM_A_TEACHER, EQUAL, ONE_ANSWER_WITH_TWO_KEYS, UNEQUAL

needs_math_verify = pytest.mark.skipif(find_spec("math_verify") is None, reason="needs math-verify")

Result = TypeVar("Result")


def with_equivalence(use: Callable[[Equivalence], Awaitable[Result]], *, workers: int = 1) -> Result:
    async def main() -> Result:
        async with Equivalence(workers=workers, timeout_s=20.0) as same:
            return await use(same)

    return asyncio.run(main())


@needs_math_verify
def test_grades_are_a_teachers_but_for_the_listed_differences_whichever_is_the_gold_one() -> None:
    judged = [(one, other, True) for one, other in EQUAL] + [(one, other, False) for one, other in UNEQUAL]
    judged += [(one, other, verdict) for one, other, verdict, _ in DIFFERENT_FROM_A_TEACHER]

    async def wrong(same: Equivalence) -> list[tuple[str, str, bool]]:
        turned = [(other, one, verdict) for one, other, verdict in judged]
        return [row for row in judged + turned if await same.equal(row[0], row[1]) != row[2]]

    assert len(judged) > 250
    assert with_equivalence(wrong) == []


@needs_math_verify
@pytest.mark.parametrize("turned", [False, True], ids=["gold first", "gold last"])
def test_votes_join_where_grades_agree_in_either_order_of_arrival(turned: bool) -> None:
    async def wrong(same: Equivalence) -> set[tuple[str, str]]:
        found = set()
        for number, (gold, answer) in enumerate(EQUAL + UNEQUAL):
            first, second = (answer, gold) if turned else (gold, answer)
            one, other = await same.key(str(number), first), await same.key(str(number), second)
            if (one == other) != (number < len(EQUAL)):
                found.add((gold, answer))
        return found

    assert with_equivalence(wrong) == ONE_ANSWER_WITH_TWO_KEYS


@needs_math_verify
def test_any_three_forms_of_an_answer_are_one_vote_in_any_order_of_arrival() -> None:
    triples: list[tuple[str, ...]] = [triple for forms in CLASSES for triple in permutations(forms, 3)]

    async def split(same: Equivalence) -> list[tuple[str, ...]]:
        found = []
        for number, triple in enumerate(triples):
            keys = {await same.key(f"problem {number}", answer) for answer in triple}
            if len(keys) != 1 or None in keys:
                found.append(triple)
        return found

    assert len(triples) > 300
    assert with_equivalence(split) == []


@needs_math_verify
@pytest.mark.parametrize("seed", range(3))
def test_a_vote_over_all_forms_has_one_party_a_class_whatever_the_order(seed: int) -> None:
    ballots = [(number, answer) for number, forms in enumerate(CLASSES) for answer in forms]
    random.Random(seed).shuffle(ballots)

    async def parties(same: Equivalence) -> dict[str | None, set[int]]:
        found: dict[str | None, set[int]] = {}
        for number, answer in ballots:
            found.setdefault(await same.key("p", answer), set()).add(number)
        return found

    found = with_equivalence(parties)
    assert None not in found
    assert sorted(found.values(), key=min) == [{number} for number in range(len(CLASSES))]


@needs_math_verify
def test_grades_are_transitive_over_all_classes_but_for_percentages() -> None:
    forms = [(number, answer) for number, answers in enumerate(CLASSES) for answer in answers]

    async def wrong(same: Equivalence) -> list[tuple[str, str]]:
        pairs = combinations(forms, 2)
        return [(one, other) for (i, one), (j, other) in pairs if await same.equal(one, other) != (i == j)]

    assert all("50" in one + other for one, other in with_equivalence(wrong))


@needs_math_verify
def test_equal_answers_that_arrive_together_get_one_key_and_keep_it() -> None:
    forms = [r"\sqrt{8}", r"2\sqrt2", r"\frac{4}{\sqrt{2}}", "2.82842712", r"x=2\sqrt{2}", r"\sqrt{8}"] * 3

    async def keys(same: Equivalence) -> list[str | None]:
        together = await asyncio.gather(*[same.key("p", form) for form in forms])
        return [*together, *[await same.key("p", form) for form in forms]]

    found = with_equivalence(keys, workers=2)
    assert None not in found
    assert len(set(found)) == 1


@needs_math_verify
def test_a_number_has_its_quick_key_however_it_is_written() -> None:
    async def keys(same: Equivalence) -> list[str | None]:
        return [await same.key("p", answer) for answer in (r"2^{10}", r"\frac{2048}{2}", "1024", r"\{1024\}", r"\sqrt{1048576}")]

    assert with_equivalence(keys) == ["1024"] * 5


def test_no_answer_and_what_cannot_be_read_have_no_vote_and_are_not_right() -> None:
    async def main(same: Equivalence) -> None:
        for answer in (None, "", " \n", "\0", "x" * 201, "1" * 10_001):
            assert await same.key("p", answer) is None
            assert not await same.equal("5", answer)
        assert not await same.equal("2x" + " " * 200 + "+ 1", "2x+1")

    with_equivalence(main)


@pytest.fixture
def without_math_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_math_verify")
def test_what_is_known_at_once_needs_no_library() -> None:
    async def main(same: Equivalence) -> None:
        assert [same.at_once(answer) for answer in ("042", "(C)", None, " ", "x" * 201)] == ["42", "C", None, None, None]
        with pytest.raises(LookupError):
            same.at_once(r"\sqrt{2}")
        assert await same.key("p", r"\frac{1}{2}") == "1/2"
        assert await same.equal("0.5", r"\frac{1}{2}") and await same.equal(r"\sqrt{2}", r" \sqrt{2}")
        assert not await same.equal("5", None)

    with_equivalence(main)


@pytest.mark.usefixtures("without_math_verify")
def test_without_math_verify_answers_are_what_is_written_and_that_is_said_once() -> None:
    answers = [r"$14 + 4\sqrt{37}$", r"\boxed{14+4 \sqrt{37}}.", r"\sqrt{2", r"2\sqrt{2}", r"\sqrt{8}"]

    async def main(same: Equivalence) -> list[str | None]:
        assert not same.symbolic
        assert not await same.equal(r"2\sqrt{2}", r"\sqrt{8}")
        return [await same.key("p", answer) for answer in answers]

    with pytest.warns(UserWarning, match=r"pip install .*math-verify\[antlr4_13_2\]") as warned:
        keys = with_equivalence(main)
    assert keys == [r"14+4\sqrt{37}", r"14+4\sqrt{37}", None, r"2\sqrt{2}", r"\sqrt{8}"]
    assert len(warned) == 1


@pytest.mark.usefixtures("without_math_verify")
@pytest.mark.filterwarnings("ignore:answers that are more than a number")
def test_without_math_verify_no_two_answers_become_one_that_are_not() -> None:
    async def main(same: Equivalence) -> list[tuple[str, str]]:
        return [(one, other) for one, other in UNEQUAL if await same.equal(one, other)]

    assert with_equivalence(main) == []


@pytest.mark.usefixtures("without_math_verify")
def test_where_math_verify_is_required_its_absence_is_an_error_before_the_first_answer() -> None:
    async def main() -> None:
        async with Equivalence(required=True):
            pytest.fail("it was entered")

    with pytest.raises(ConfigError, match=r"pip install .*math-verify\[antlr4_13_2\]"):
        asyncio.run(main())


@needs_math_verify
@pytest.mark.parametrize("required", [False, True])
def test_a_math_verify_that_cannot_be_imported_is_treated_as_one_that_is_missing(
    required: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "math_verify.py").write_text("import no_such_runtime\n")
    monkeypatch.syspath_prepend(tmp_path)

    async def main() -> None:
        async with Equivalence(required=required) as same:
            if required:
                with pytest.raises(ConfigError, match=r"no_such_runtime.*pip install"):
                    await same.key("p", r"\sqrt{2}")
            else:
                with pytest.warns(UserWarning, match=r"no_such_runtime.*pip install"):
                    assert await same.key("p", r"\sqrt{ 2}") == r"\sqrt{2}"
                assert not same.symbolic

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"timeout_s": 0.0}, {"timeout_s": float("nan")}, {"max_chars": 0}])
def test_limits_must_be_positive(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be positive"):
        Equivalence(**wrong)  # type: ignore[arg-type]


def test_it_is_used_inside_async_with_and_entered_once_at_a_time() -> None:
    async def main() -> None:
        same = Equivalence()
        with pytest.raises(RuntimeError, match="async with"):
            await same.key("p", r"\sqrt{2}")
        async with same:
            with pytest.raises(RuntimeError, match="has been entered"):
                await same.__aenter__()

    asyncio.run(main())
