"""Policies as users write them."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from orchestra.errors import ConfigError
from orchestra.sample.again import decide_again
from orchestra.sample.decisions import Launch
from orchestra.sample.events import Begun
from orchestra.sample.judges.base import Opinion
from orchestra.sample.named import named, names, read_policy
from orchestra.sample.policies.adaptive import Adaptive, Stage, adaptive, staged
from orchestra.sample.policies.atts import Atts
from orchestra.sample.policies.budgeted import Budgeted
from orchestra.sample.policies.deep_prune import DeepPrune
from orchestra.sample.policies.distilled import Distilled
from orchestra.sample.policies.scale import Scale
from orchestra.sample.policy import Policy
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.replay import Rules, check, replay
from orchestra.sample.scores import TraceScores
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
        ("adaptive:n=4,weight=length^99", "the power of a weight must lie between 0 and 16, got 99"),
        ("distilled:widths=4/x", "`widths` takes int, got 'x'"),
        ("distilled:widths=", "`widths` takes int, got ''"),
        ("scale:levels=0.2", "`levels` takes 2 values with `:` between them, got '0.2'"),
        ("scale:levels=0.2:1:1", "`levels` takes 2 values"),
        ("scale:levels=0.5:1/0.2:2", "rising thresholds"),
        ("seat:threshold=low", "`threshold` takes float or none, got 'low'"),
        ("best_of:choose=worst", "`choose` takes best or weighted, got 'worst'"),
        ("deep_conf:window=100,stride=7", "`window` must be a multiple of `stride`, got 100 and 7"),
        ("esc:n=4", "`window` must lie between 1 and `n`, got 5 with n=4"),
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


@pytest.mark.parametrize("name", names())
def test_every_name_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    summary = named(name).summary
    assert summary.endswith(".") and "\n" not in summary and len(summary) < 240
    assert any(word in summary for word in ("arXiv", "Nature", "SeerSC", "ours", "Ours"))


@pytest.mark.parametrize("name", [name for name in names() if name != "staged"])
def test_a_name_with_its_written_defaults_is_the_name_alone(name: str) -> None:
    given = {"calibration": "0.5/1.5", "widths": "4/2/1"}
    usage = named(name).usage.split(", ")
    required = [f"{part}={given.get(part, 4)}" for part in usage if "=" not in part]
    short = read_policy(f"{name}:{','.join(required)}")
    assert read_policy(f"{name}:{','.join([*required, *(part for part in usage if '=' in part)])}") == short
    assert short.most >= 1
    assert short.decider() is not short.decider()


EIGHT = {
    "atts": "atts:n=8,calibration=0.5/1.5",
    "distilled": "distilled:widths=8/1",
    "parallel_muse": "parallel_muse:budget=8",
    "scale": "scale:fast=8",
    "scale_steps": "scale_steps:steps=8",
    "sequential_refinement": "sequential_refinement:steps=8",
    "short_m": "short_m:n=8,m=4",
    "staged": "staged:3,5@4",
}


def of_eight(name: str) -> Policy:
    return read_policy(EIGHT.get(name, f"{name}:n=8"))


def recorded(random: Random, arm: str) -> Recorded:
    tokens = random.randint(1, 9000)
    return Recorded(
        tokens=tokens,
        answer=random.choice([None, "7", "8"]),
        correct=False,
        arm=arm,
        probes=[random.choice([None, "7", "8"]) for _ in range(tokens // 64)],
        confidence=[random.uniform(1, 9) for _ in range(tokens // 128)],
        scores=TraceScores(**{name: random.uniform(1, 9) for name in TraceScores.__dataclass_fields__}),
    )


@pytest.mark.parametrize("name", names())
def test_eight_traces_of_every_name_are_enough_for_a_decider(name: str) -> None:
    assert any(isinstance(decision, Launch) for decision in of_eight(name).decider().on(Begun(0.0)))


@pytest.mark.parametrize(
    "name", [name for name in names() if not of_eight(name).needs.purposes and not of_eight(name).needs.branches]
)
def test_every_name_that_a_pool_can_express_comes_to_an_end_in_a_replay(name: str) -> None:
    policy, random = of_eight(name), Random(name)
    traces = [recorded(random, arm) for arm in ("", *sorted(policy.needs.arms)) for _ in range(policy.most)]
    problem = PooledProblem(id="p", text="", gold=None, traces=traces)
    pool = Pool("made", [problem], probe_every=64, stride=128)
    rules = Rules(judges=dict.fromkeys(policy.needs.judges, lambda problem, traces, tokens: Opinion(score=random.random())))
    check(policy, pool, rules)
    outcome = replay(policy, pool, problem, range(len(traces)), rules=rules, log=True)
    assert outcome.answer in (None, "7", "8") and outcome.account.launched <= policy.most
    assert decide_again(policy, outcome.turns) is None


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("asc_events", ""),
        ("staged", ""),
        ("deep_conf", "log-probabilities"),
        ("deep_prune", "the judge same_answer"),
        ("parallel_probe", "forced answers of running traces"),
        ("atts", "the judge accept, the arm target"),
        ("pdr", "prompts that show other traces"),
        ("parallel_muse", "log-probabilities, prompts that show other traces, continued prefixes of traces"),
    ],
)
def test_a_name_says_what_it_needs(name: str, needs: str) -> None:
    assert named(name).needs == needs


def test_several_values_are_written_with_slashes_and_pairs_with_colons() -> None:
    assert read_policy("distilled:widths=16/8/1,distil=top") == Distilled(widths=(16, 8, 1), distil="top")
    assert read_policy("scale:fast=3,levels=0.2:1/0.6:8,signal=entropy") == Scale(
        fast=3, levels=((0.2, 1), (0.6, 8)), signal="entropy"
    )
    assert read_policy("atts:n=2,calibration=1.5") == Atts(n=2, calibration=(1.5,))


def test_budgets_stack() -> None:
    policy = read_policy("deep_prune:n=64 | budget:traces=8 | budget:seconds=5")
    assert isinstance(policy, Budgeted) and isinstance(policy.policy, Budgeted)
    assert (policy.most, policy.needs) == (8, DeepPrune(n=64).needs)


OWN = Path(__file__).parents[2] / "examples" / "own_policy.py"


def test_a_policy_of_ones_own_is_named_by_its_file() -> None:
    policy = read_policy(f"{OWN}:Quorum:n=5,agree=2 | budget:tokens=1000")
    assert isinstance(policy, Budgeted)
    pool = Pool(
        "made",
        [PooledProblem(id="p", text="", gold="7", traces=[Recorded(tokens=n, answer="7", correct=True) for n in range(1, 6)])],
    )
    outcome = replay(policy, pool, pool.problems[0], range(5), log=True)
    assert (outcome.answer, outcome.why, outcome.account.finished) == ("7", "2 agree", 2)
    assert decide_again(policy, outcome.turns) is None


def test_a_policy_of_ones_own_may_be_a_plain_class(tmp_path: Path) -> None:
    file = tmp_path / "plain.py"
    file.write_text(
        "from orchestra.sample.policies.adaptive import Adaptive, Stage\n"
        "class Plain(Adaptive):\n"
        "    def __init__(self, width: int) -> None:\n"
        "        super().__init__(stages=(Stage(width),))\n"
        "def untyped(n): ...\n"
    )
    assert read_policy(f"{file}:Plain:width=3").most == 3
    with pytest.raises(ConfigError, match="declare the type of `n` in the code, such as `n: int`"):
        read_policy(f"{file}:untyped:n=3")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nowhere.py:Quorum:n=5", "there is no file nowhere.py"),
        ("adaptive:n=4,n=8", "`n` is given twice"),
        (f"{OWN}:Quorom:n=5", "defines no policy 'Quorom', but Quorum, QuorumDecider, main"),
        (f"{OWN}:Quorum:m=5", "'m=5' is no `name=value` with a name of n, agree"),
        (f"{OWN}:main", "main makes no policy"),
    ],
)
def test_what_is_no_policy_of_ones_own_is_said(spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        read_policy(spec)
