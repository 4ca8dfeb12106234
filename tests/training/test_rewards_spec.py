"""A reward's text is read without being run, and what is wrong with it is said at its place."""

from __future__ import annotations

import contextlib
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.training.rewards import KINDS, read_reward
from orchestra.training.rewards.spec import MAX_CHARACTERS, MAX_NESTING
from rewarded import facts, value

from orchestra.errors import ConfigError

WORDS = st.sampled_from(
    [
        *KINDS,
        "(",
        ")",
        "+",
        "-",
        "*",
        ",",
        "=",
        "0.5",
        "1e-4",
        "price",
        "max",
        "when",
        "correct",
        "none",
        " ",
        "$",
        "__import__",
        "é",
    ]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("correct", 1.0),
        ("correct + 0.5*acceleration(max=0.2) - work(price=0.0001)", 1 + 0.1 - 0.1),
        ("  p_grpo_gated-span( price = 1e-3 , max=.3, )", 1.15 - 0.3),
        ("2*(correct - 0.25)*format_gate", 1.5),
        ("-correct + --1", 0.0),
        ("2 - 3 - 4", -5.0),
        ("2 - 3*-4", 14.0),
        ("correct(wrong=-1)*2", 2.0),
        ("format_errors(price=1, max=none)", 0.0),
        ("1.2 - 0.2*redundancy()", 1.2),
        ("early*correct(wrong=-1) + late*parallel_bonus", 1.0),
    ],
)
def test_texts_mean_what_they_say(text: str, expected: float) -> None:
    assert value(read_reward(text), facts(work=1000, span=700)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "character 1: expected a number, the name of a term or `(`, found the end"),
        ("corect", "character 1: no term or reward is called 'corect': did you mean correct"),
        ("correct + acc", "character 11: no term or reward is called 'acc': did you mean acceleration"),
        ("xyz", "there are correct, format_gate, "),
        ("correct(wron=1)", "character 9: `correct` has no parameter 'wron': did you mean wrong"),
        ("apr(x=1)", "`apr` has no parameter 'x': it takes none"),
        ("work", "character 1: `work` lacks `price=…`"),
        ("work(price=cheap)", "character 12: `price` takes a number, got 'cheap'"),
        ("work(price=1, price=2)", "character 15: `price` is given twice"),
        ("work(price=1, when=never)", "`when` takes correct or always, got 'never'"),
        ("work(price=none)", "`price` takes a number, got 'none'"),
        ("work(price=1, max=x)", "`max` takes a number or none, got 'x'"),
        ("concurrency(pool=2.5, max=1)", "`pool` takes a whole number, got '2.5'"),
        ("work(price=-1)", "character 1: `price` must be a number from 0 up, got -1.0"),
        ("work(price)", "character 11: expected `=` and the value of `price`, found ')'"),
        ("work(price=)", "expected the value of `price`, found ')'"),
        ("work(price=-x)", "expected the value of `price`, found 'x'"),
        ("work(price=1", "expected `,` or `)`, found the end"),
        ("work(0.1)", "character 6: expected a parameter's name or `)`, found '0.1'"),
        ("correct +", "expected a number, the name of a term or `(`, found the end"),
        ("2correct", "character 2: expected `+`, `-`, `*` or the end, found 'correct'"),
        ("(correct", "expected `)`, `+`, `-` or `*`, found the end"),
        ("correct)", "found ')'"),
        ("correct;  work", "character 8: ';' has no meaning in a reward"),
        ("correct / 2", "character 9: '/' has no meaning"),
        ("correct.__class__", "'.' has no meaning"),
        ("1e999", "numbers may be 1e+09 at most, got 1e999"),
        ("work(price=1e10)", "numbers may be 1e+09 at most"),
        ("(" * (MAX_NESTING + 1), f"nested {MAX_NESTING} deep"),
        ("(correct+1)*" * 10 + "1", "64 summands"),
        ("1+" * MAX_CHARACTERS + "1", f"a reward may have {MAX_CHARACTERS} characters"),
    ],
)
def test_what_is_wrong_is_named_at_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_reward(text)
    assert message in str(caught.value)


@given(st.lists(WORDS, max_size=25).map("".join) | st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        str(read_reward(text))


def test_every_kind_says_what_it_is_and_takes_only_what_a_text_can_write() -> None:
    for make in KINDS.values():
        assert (inspect.getdoc(make) or "").strip()
        for parameter in inspect.signature(make).parameters.values():
            assert parameter.kind is parameter.KEYWORD_ONLY
            assert parameter.annotation in ("float", "int", "float | None", "When", "Refusals")


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_read_with_its_required_parameters(name: str) -> None:
    required = [p.name for p in inspect.signature(KINDS[name]).parameters.values() if p.default is p.empty]
    reward = read_reward(f"{name}({', '.join(f'{key}=1' for key in required)})")
    assert str(read_reward(str(reward))) == str(reward)
