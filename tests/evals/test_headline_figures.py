"""The headline's figures: windows, tries by number, prices, seeds and tables, from points made by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.evals.benchmarks.headline import table, window
from orchestra.evals.benchmarks.headline.aims import aims_table
from orchestra.evals.benchmarks.headline.breakdown import by_children
from orchestra.evals.benchmarks.headline.clock_figures import load_that_stops_paying, wall_clock
from orchestra.evals.benchmarks.headline.figures import (
    as_good_as,
    cons,
    passed,
    points_of,
    sequences,
)
from orchestra.evals.benchmarks.headline.matched import matched_span
from orchestra.evals.benchmarks.headline.record import by_seed
from orchestra.evals.benchmarks.headline.seeds import merged, results_of

from orchestra.errors import ConfigError

from .made_headline import forking, point, recording, section, timed, with_serial


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 900)), min_size=1, max_size=30))
def test_accuracy_and_work_never_fall_with_the_window(tries: list[tuple[bool, int]]) -> None:
    wide = point("serial-wide", [[int(right)] for right, _ in tries], [[work] for _, work in tries])
    curve = window.curve(wide, range(11, 1025, 13))
    for smaller, larger in pairwise(curve):
        assert smaller.accuracy <= larger.accuracy and smaller.mean_work <= larger.mean_work
    assert window.within(wide, 1024).correct == [right for right, _ in tries]


def test_the_window_is_the_smallest_nearest_to_the_middle_of_the_band() -> None:
    votes = [[1]] * 90 + [[0]] * 10
    wide = point("serial-validation", votes, [[10 * number] for number in range(1, 101)])
    chosen = window.choose(wide)
    assert chosen == 10 + 580 and window.within(wide, chosen).accuracy == 0.58


def test_a_policy_that_never_reaches_the_band_is_refused_with_what_it_reaches() -> None:
    with pytest.raises(ConfigError, match=r"reaches 50\.0 %.*--window"):
        window.choose(point("serial-validation", [[1], [0]]))


def test_tries_without_an_answer_do_not_vote_and_wrong_claims_do() -> None:
    samples = point("serial-samples", [[0, 0, 1, 0], [-1, -1, 1, -1], [1, 2, 0, 0], [0, 0, 0, 0]])
    assert cons(samples, 4) == [1.0, 0.0, 1.0, 0.0]
    assert passed(samples, 4) == [1.0, 1.0, 1.0, 0.0]
    assert passed(samples, 1) == cons(samples, 1) == [0.25, 0.25, 0.5, 0.0]


def test_serial_gets_at_least_the_work_and_the_span_that_it_is_compared_with() -> None:
    seed = with_serial(
        recording([forking("fork-all", [1, 1, 1, 0], work=1400, span=250), forking("fork-first", [1, 1, 0, 0], work=900, span=150)])
    )
    by_work, by_span = section("matched work", seed), matched_span(points_of(seed))
    row = by_work["1,500, cons@n · fork all, chosen on test"]
    assert row["n"].value == 15 and row["serial work"].value == 1500
    assert row["gap"].value == 0.5 and row["fork work"].value == 1400
    assert by_span["fork all"]["tries in a row"].value == 3 and by_span["fork all"]["serial span"].value == 300
    assert by_span["fork first"]["gap"].value == 0.25


def test_a_price_is_that_of_the_cheapest_way_which_is_accurate_enough() -> None:
    good = [1] * 19 + [0]
    seed = recording(
        [
            forking("fork-all", good, work=1400, span=250),
            forking("fork-first", good, work=900, span=260),
            forking("fork-first-4x4", [1] * 10 + [0] * 10, work=300, span=90),
            point("serial-window", [[1]] * 10 + [[0]] * 10),
        ]
    )
    rows = section("price", seed)
    assert rows["fork in the window, least work · fork first, chosen on test"]["work"].value == 900
    assert rows["fork in the window, least span · fork all, chosen on test"]["span"].value == 250
    both = rows["serial, then fork if it fails, in the window · fork first, chosen on test"]
    assert both["work"].value == 100 + 900 / 2


def test_further_tries_are_made_only_where_the_serial_search_has_failed() -> None:
    wide = point("serial-wide", [[1], [0], [0]], [[50], [500], [500]])
    again = point("serial-again", [[0, 1], [0, 0]], [[100, 40], [100, 100]], places=[1, 2])
    found = list(sequences(points_of(recording([wide, again]))))
    assert [(tries.most, round(tries.way.accuracy, 2), tries.way.mean_work) for tries in found if tries.window == 1024] == [
        (1, 0.33, 350),
        (2, 0.33, 1250 / 3),
        (3, 0.67, 1390 / 3),
    ]
    assert as_good_as(0.3, found).window == 60, "the first problem ends at 10 + 50 tokens"
    assert as_good_as(0.9, found).most == 3, "nothing is as accurate: the best there is"


def test_seeds_are_averaged_and_shown_one_by_one() -> None:
    seeds = [recording([forking("fork-first", votes, work=1, span=1)], seed=name) for name, votes in (("a", [1, 1]), ("b", [1, 0]))]
    results = results_of(by_seed(seeds))
    mean = merged(results)
    assert mean.sections["window"]["fork, join first"]["accuracy"].value == 0.75
    assert "(100.0, 50.0)" in table.page_block(seeds, results)
    assert aims_table(results)[0][-2:] == ["100.0, 50.0", "23.0"]


def test_a_row_that_one_seed_lacks_shows_whose_number_it_is() -> None:
    forked = [forking("fork-first", [1, 1], work=9, span=5)]
    seeds = [recording(forked, seed="a"), recording([point("serial-window", [[1], [0]])], seed="b")]
    assert "(100.0, –)" in table.page_block(seeds, results_of(seeds))


def test_where_windows_were_found_is_said() -> None:
    def block(**changes: int) -> str:
        seed = recording([point("serial-validation", [[1], [0]], split="validation", **changes)])
        return table.page_block([seed], results_of([seed]))

    assert "validation problems of list 1." in block(problem_seed=1)
    assert "list 0 (by which training chose its checkpoints, too)." in block()


def test_forking_stops_paying_where_it_is_slower_from_then_on() -> None:
    rounds = [timed("serial", load, [1.0]) for load in (1, 8, 64)]
    rounds += [timed("fork-first", load, [seconds]) for load, seconds in ((1, 0.5), (8, 0.9), (64, 3.0))]
    assert load_that_stops_paying(rounds, "fork-first") == 64
    assert load_that_stops_paying(rounds[:2] + rounds[3:5], "fork-first") is None


def test_ratios_compare_what_ran_in_the_same_round() -> None:
    rounds = [timed("serial", 1, [1.0], 0), timed("fork-first", 1, [0.5], 0)]
    rounds += [timed("serial", 1, [8.0], 1), timed("fork-first", 1, [2.0], 1)]
    faster = wall_clock(rounds)["1 at once · fork first"]["faster at the median"]
    assert faster.value == 3 and faster.error == 1


def test_runs_are_grouped_by_their_number_of_children() -> None:
    points = points_of(recording([forking("fork-all", [1, 0, 1, 1], work=10, span=5, children=[0, 2, 3, 30])]))
    rows = by_children(points)
    assert {name: (row["share of problems"].value, row["accuracy"].value) for name, row in rows.items()} == {
        "0": (0.25, 1.0),
        "1–4": (0.5, 0.5),
        "25–64": (0.25, 1.0),
    }


def test_a_block_replaces_what_stands_between_its_marks() -> None:
    text = "before\n<!-- headline -->\nold\n<!-- /headline -->\nafter\n"
    assert table.replaced(text, "headline", "new\n", "README.md") == text.replace("old", "new")
    with pytest.raises(ConfigError, match=r"README\.md has no place .*<!-- headline -->"):
        table.replaced("no marks", "headline", "new\n", "README.md")
