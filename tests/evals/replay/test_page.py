"""The pictures and the page of a report."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from orchestra.evals.replay.compare import report_of
from orchestra.evals.replay.labels import Box, pieces, place, wrapped
from orchestra.evals.replay.page import frontier_page
from orchestra.evals.replay.plot import colours, frontier_svg, kin
from orchestra.evals.replay.resample import Resampling, run
from orchestra.evals.replay.results import Report, Skipped

from orchestra.sample.named import read_policy
from orchestra.sample.pool import Pool

from .made import problem, random_pool, trace

SPECS = ["self_consistency:n=16", "asc_events:n=8", "asc_events:n=16", "short_m:n=16,m=4", "adaptive:n=14,m=9,weight=length"]


def report(pool: Pool | None = None, specs: list[str] = SPECS) -> Report:
    resampling = Resampling(pool=pool or random_pool(problems=6, groups=2), policies=[read_policy(s) for s in specs], resamples=5)
    return report_of(resampling, specs, run(resampling), skipped=[Skipped(policy="best_of:n=4", reason="no <rewards>")])


@pytest.fixture(scope="module", name="usual")
def usual_report() -> Report:
    return report()


def test_every_policy_is_a_point_with_its_name_in_both_panels(usual: Report) -> None:
    svg = ElementTree.fromstring(frontier_svg(usual))
    marks = [c for c in svg.iter("{http://www.w3.org/2000/svg}circle") if c.get("class") in ("mark", "base")]
    assert len(marks) == 2 * len(SPECS)
    names = "".join(t.text or "" for t in svg.iter("{http://www.w3.org/2000/svg}text") if t.get("class") == "name")
    assert all(names.count(spec) >= 2 for spec in SPECS)


def test_every_point_lies_in_the_picture(usual: Report) -> None:
    svg = ElementTree.fromstring(frontier_svg(usual))
    for mark in svg.iter("{http://www.w3.org/2000/svg}circle"):
        if mark.get("class") in ("mark", "base"):
            assert 42 <= float(mark.get("cx") or 0) <= 448 and 30 <= float(mark.get("cy") or 0) <= 340


def test_names_from_outside_are_never_markup() -> None:
    hostile = report(random_pool(problems=2, name="<script>alert(1)</script>\x00&"))
    assert "<script" not in frontier_page(hostile)
    ElementTree.fromstring(frontier_svg(hostile))


def test_the_page_needs_nothing_from_outside(usual: Report) -> None:
    page = frontier_page(usual)
    assert not re.search(r"(src|href)=|url\((?!#)|@import", page)
    assert "prefers-color-scheme: dark" in page and "default-src 'none'" in page


def test_the_page_says_what_was_left_out_and_each_set(usual: Report) -> None:
    page = frontier_page(usual)
    assert "no &lt;rewards&gt;" in page and "set0 (3)" in page and "set1 (3)" in page


@pytest.mark.parametrize(
    "pool",
    [
        Pool("one", [problem("p", *(trace(9) for _ in range(16)))]),
        Pool("blank", [problem("p", *(trace(9, None) for _ in range(16)))]),
        Pool("empty traces", [problem("p", *(trace(0) for _ in range(16)))]),
        random_pool(problems=2, traces=16),
    ],
)
def test_pools_at_the_edge_have_a_picture(pool: Pool) -> None:
    found = report(pool, SPECS[:2])
    ElementTree.fromstring(frontier_svg(found))
    assert frontier_page(found)


def test_policies_that_differ_in_their_number_of_traces_share_a_colour(usual: Report) -> None:
    shades = colours(usual)
    assert shades["asc_events:n=8"] == shades["asc_events:n=16"] != shades["short_m:n=16,m=4"]
    assert kin("short_m:n=16,m=4") == kin("short_m:n=8,m=4") != kin("short_m:n=8,m=2")


def test_labels_of_points_in_a_row_do_not_overlap() -> None:
    inside = Box(0, 0, 460, 350)
    labels = place([(60 + 40 * k, 150 + 3 * k, ["asc_events:n=16"]) for k in range(8)], inside)
    assert all(not a.box.shared(b.box) for a, b in combinations(labels, 2))
    assert all(label.box.shared(inside) == pytest.approx(label.box.area) for label in labels)


def test_a_name_is_broken_after_its_signs_and_nothing_of_it_is_lost() -> None:
    spec = "adaptive:n=14,m=9,weight=length"
    assert wrapped(spec, 17) == ["adaptive:n=14,", "m=9,weight=length"]
    assert "".join(pieces(spec)) == "".join(wrapped(spec, 5)) == spec
    assert wrapped("adaptive_consistency:n=8", 17) == ["adaptive_", "consistency:n=8"]
    assert wrapped(spec, 9, most=2) == ["adaptive:", "n=14,m=9…"]
