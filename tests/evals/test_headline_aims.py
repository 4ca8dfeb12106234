"""What the headline counts: which forking stands for a row, which serial tries are enough, and which aims are reached."""

from __future__ import annotations

import dataclasses

from orchestra.evals.benchmarks.headline import table
from orchestra.evals.benchmarks.headline.aims import AIMS, Aim, Found, aims_table
from orchestra.evals.benchmarks.headline.choice import choices_of
from orchestra.evals.benchmarks.headline.seeds import Result, results_of

from .made_headline import VALIDATED, aims, forking, point, recording, section, with_serial


def test_an_aim_says_by_how_much_it_was_missed() -> None:
    def none(_: Result) -> Found | None:
        return None

    most = Aim(title="work", paper="–", aim=1500, unit="tokens", get=none, at_most=True)
    assert most.missed_by(1616) == 116 and most.missed_by(1500) is None
    least = dataclasses.replace(most, at_most=False)
    assert least.missed_by(1400) == 100 and least.missed_by(1600) is None


def test_a_price_paid_for_less_accuracy_reaches_no_aim() -> None:
    assert aims(recording([forking("fork-all", [1, 1, 1, 0], work=200, span=50)]))["work at ≥ 94 %"] == [
        "**not reached** (no fork is that accurate in all seeds where it is chosen)",
        "not reached",
        "not reached",
    ]


def test_aims_that_were_not_measured_say_so() -> None:
    empty = Result(name="mean", sections={})
    assert {row[3] for row in aims_table([empty])} == {"not measured"}
    assert len(aims_table([empty])) == len(AIMS)


def test_an_aim_that_one_seed_misses_outright_is_not_reached_by_the_mean() -> None:
    seeds = [
        recording([forking("fork-first", [1] * right + [0] * (100 - right), work=work, span=50)], seed=name)
        for name, right, work in (("a", 99, 900), ("b", 93, 300))
    ]
    found = aims(*seeds)["work at ≥ 94 %"]
    assert found[0].startswith("**not reached**") and found[2] == "not reached"
    assert "least work" not in "".join(section("price", *seeds)), "no way is accurate enough in both"


def test_an_accurate_seed_does_not_make_up_for_one_below_the_goal_on_the_test_problems() -> None:
    good = forking("validation-fork-first", [1] * 20, work=900, span=50, split="validation")
    seeds = [
        recording([good, forking("fork-first", [1] * right + [0] * (100 - right), work=900, span=50)], seed=name)
        for name, right in (("a", 99), ("b", 92))
    ]
    note = "(fork first, chosen on validation)"
    assert aims(*seeds)["work at ≥ 94 %"] == [f"**not reached** {note}", "900, not reached", "not reached"]


def test_a_mean_that_reaches_an_aim_names_the_seed_that_does_not() -> None:
    seeds = [
        recording([forking("fork-first", [1] * right + [0] * (100 - right), work=900, span=50)], seed=name)
        for name, right in (("a", 100), ("b", 97))
    ]
    assert aims(*seeds)["accuracy where serial"][1:] == ["100.0, 97.0", "seed b: 1.0"]


def test_the_join_of_an_aim_is_the_same_in_all_seeds() -> None:
    seeds = [
        recording(
            [forking("fork-all", [1, right], work=900, span=50), forking("fork-first", [1, 1 - right], work=900, span=50)],
            seed=name,
        )
        for name, right in (("a", 1), ("b", 0))
    ]
    assert aims(*seeds)["accuracy where serial"][1] == "50.0, 100.0", "fork all would be the better one of seed a"
    assert len(section("matched work", *(with_serial(seed) for seed in seeds))) == 6, "one way at each budget, whatever the seed"


def test_forking_is_chosen_on_validation_problems_where_it_was_measured_there() -> None:
    seed = with_serial(
        recording(
            [
                forking("validation-fork-all", [1, 1], work=1000, span=50, split="validation"),
                forking("validation-fork-first", [1, 0], work=1000, span=50, split="validation"),
                forking("fork-all", [1, 0, 0, 0], work=1000, span=50),
                forking("fork-first", [1, 1, 1, 1], work=1000, span=50),
            ]
        )
    )
    rows = section("matched work", seed)
    assert rows["1,500, cons@n · fork all, chosen on validation"]["fork"].value == 0.25
    assert rows["1,500, pass@n · fork all, chosen on validation"]["fork"].value == 0.25
    older = seed.model_copy(update={"points": [one for one in seed.points if one.split == "test"]})
    assert "1,500, cons@n · fork first, chosen on test" in section("matched work", older)


def test_one_seed_without_forking_on_validation_problems_makes_it_a_choice_on_test() -> None:
    newer = [forking(name, [1], work=9, span=5, split=split) for name, split in VALIDATED]
    seeds = [recording(newer, seed="a"), recording(newer[1:], seed="b")]
    assert choices_of(seeds[:1]).on == "validation" and choices_of(seeds).on == "test"


def test_a_way_is_taken_for_a_budget_only_if_it_keeps_it_in_every_seed() -> None:
    seeds = [
        recording([forking("fork-all", [1, 1], work=dear, span=9), forking("fork-first", [1, 0], work=800, span=9)], seed=name)
        for name, dear in (("a", 1400), ("b", 1600))
    ]
    within = choices_of(seeds).within
    assert within[1500, "cons@n"] == "fork-first" and within[3000, "cons@n"] == "fork-all"


def test_tries_in_a_row_are_chosen_on_validation_problems_by_how_they_count() -> None:
    tries = [
        point(f"{prefix}fork-tries", [[0, 1, -1]] * 2, role="fork", split=split)
        for prefix, split in (("validation-", "validation"), ("", "test"))
    ]
    once = [forking(name, [1, 0], work=100, span=9, split=split) for name, split in VALIDATED]
    within = choices_of([recording([*tries, *once])]).within
    assert within[1500, "pass@n"] == "fork-tries@3" and within[1500, "cons@n"] == "fork-first"


def test_serial_tries_that_are_too_few_are_marked_and_no_aim_counts_them() -> None:
    seed = recording(
        [
            forking("fork-first", [1, 1, 1, 1], work=900, span=1200),
            point("serial-window", [[0]] * 4),
            point("serial-samples", [[0] * 10] * 4),
        ]
    )
    row = section("matched work", seed)["1,500, cons@n · fork first, chosen on test"]
    assert row["serial short"].value == 500 and row["n"].value == 10
    assert section("matched span", seed)["fork first"]["serial short"].value == 200
    found = aims(seed)
    assert (
        found["gap to cons@n of window-limited serial at 1,500"][0] == "**not reached** (fork first, chosen on test, serial short)"
    )
    assert found["gap at matched span"][0] == "**not reached** (serial short)"
    assert "serial short" in table.page_block([seed], results_of([seed]))


def test_a_budget_that_no_forking_keeps_has_no_row() -> None:
    seed = with_serial(recording([forking("fork-first", [1, 1, 1, 1], work=2000, span=50)]))
    assert not [label for label in section("matched work", seed) if label.startswith("1,500")]
    assert aims(seed)["gap to cons@n of window-limited serial at 1,500"][0] == "**not reached** (no fork costs so little)"


def test_forking_that_kept_its_budget_on_validation_problems_alone_counts_for_no_aim() -> None:
    seed = with_serial(
        recording(
            [
                forking("validation-fork-first", [1, 1], work=1450, span=50, split="validation"),
                forking("fork-first", [1, 1, 1, 1], work=1510, span=50),
            ]
        )
    )
    row = section("matched work", seed)["1,500, cons@n · fork first, chosen on validation"]
    assert row["over budget"].value == 10 and row["serial work"].value >= 1510
    assert aims(seed)["gap to cons@n of window-limited serial at 1,500"][0].endswith("over budget)")
