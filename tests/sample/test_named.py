"""Policies as users write them."""

from __future__ import annotations

import pytest

from orchestra.errors import ConfigError
from orchestra.sample.named import named, names, read_policy
from orchestra.sample.policies.adaptive import Adaptive, Stage, adaptive, staged
from orchestra.sample.policies.budgeted import Budgeted
from orchestra.sample.weights import Weight


def test_a_name_and_its_parameters() -> None:
    assert read_policy("adaptive:n=16, m=8, threshold=0.9, weight=length^2") == adaptive(
        16, m=8, threshold=0.9, weight=Weight("length", 2)
    )
    assert read_policy("self_consistency:n=4") == Adaptive(stages=(Stage(4),))
    assert read_policy("adaptive:n=4,m=none,overtake=true") == adaptive(4, overtake=True)


def test_stages_are_written_as_launches_and_votes() -> None:
    assert read_policy("staged:5,11@7") == staged((5, None), (11, 7))
    assert read_policy("staged:4@2,8@6,threshold=0.9") == staged((4, 2), (8, 6), threshold=0.9)


def test_a_budget_is_put_around_a_policy() -> None:
    policy = read_policy("asc_events:n=64 | budget:tokens=200000,seconds=60")
    assert isinstance(policy, Budgeted)
    assert (policy.tokens, policy.seconds, policy.policy) == (200_000, 60.0, read_policy("asc_events:n=64"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("adaptve:n=4", "no policy is called 'adaptve': did you mean adaptive?"),
        ("", "no policy is called ''"),
        ("adaptive", "lacks `n=…`"),
        ("adaptive:n=four", "`n` takes int, got 'four'"),
        ("adaptive:n=4,m=x", "`m` takes int or none, got 'x'"),
        ("adaptive:n=4,size=3", "'size=3' is no `name=value` with a name of n, m"),
        ("adaptive:n=4,overtake=maybe", "`overtake` takes bool"),
        ("adaptive:n=4,weight=heavy", "a weight is one of uniform, length"),
        ("adaptive:n=4,weight=length^x", "the power of a weight is a number, got 'x'"),
        ("adaptive:n=4,m=5", "waits for 5 votes, but only 4"),
        ("staged:", "write stages as `staged:5,11@7`"),
        ("adaptive:n=4 | limit:tokens=3", "after `|` comes `budget:"),
        ("adaptive:n=4 | budget:", "a budget limits something"),
        ("adaptive:n=4 | budget:tokens=-1", "`tokens` must be positive"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_policy(text)
    assert words in str(raised.value)


@pytest.mark.parametrize("name", [name for name in names() if name != "staged"])
def test_every_name_has_a_summary_and_can_be_made(name: str) -> None:
    assert named(name).summary
    required = [part for part in named(name).usage.split(", ") if "=" not in part]
    policy = read_policy(f"{name}:{','.join(f'{parameter}=4' for parameter in required)}")
    assert policy.most >= 1
    assert policy.decider() is not policy.decider()
