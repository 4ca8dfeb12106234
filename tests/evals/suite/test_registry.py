"""The list of benchmarks: every entry loads, says what it must, and is found by its name."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from orchestra.evals.benchmark import Generated, Hub, Published
from orchestra.evals.listing import listing, needs
from orchestra.evals.suite import BENCHMARKS, all_benchmarks, benchmark
from rich.console import Console

from orchestra.errors import ConfigError


def test_every_benchmark_says_what_it_asks_how_many_and_under_which_licence() -> None:
    assert [found.name for found in all_benchmarks()] == list(BENCHMARKS)
    for found in all_benchmarks():
        assert found.title
        assert found.licence
        assert found.about.endswith(".")
        assert found.size > 0
        assert found.fields
        assert found.citation or isinstance(found.home, Generated)
        assert found.methods <= {"serial", "fork", "weave", "plan"}


@pytest.mark.parametrize(
    ("name", "words"), [("aime2024", "aime24"), ("AIME24", "aime24"), ("game-24", "game24"), ("zzzz", "there are tiny")]
)
def test_a_wrong_name_gets_those_that_are_like_it(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"no benchmark is called '{name}'.*{words}"):
        benchmark(name)


def test_the_listing_names_all_of_them_with_what_they_need() -> None:
    out = io.StringIO()
    Console(file=out, width=160).print(listing())
    text = out.getvalue()
    assert all(name in text for name in BENCHMARKS)
    assert "1,362" in text
    assert {needs(found) for found in all_benchmarks() if isinstance(found.home, Generated)} == {"nothing"}
    assert all("github.com" in needs(found) for found in all_benchmarks() if isinstance(found.home, Published))
    assert all(found.home.id in needs(found) for found in all_benchmarks() if isinstance(found.home, Hub))


def test_benchmarks_are_imported_when_they_are_asked_for() -> None:
    program = (
        "import sys, orchestra.evals.suite as suite\n"
        "suite.benchmark('aime24')\n"
        "loaded = [name for name in sys.modules if name.startswith('orchestra.evals.suite.')]\n"
        "assert not any(name.endswith(('.appbench', '.plan_over_graph', '.countdown')) for name in loaded), loaded\n"
        "assert not {'datasets', 'pyarrow', 'math_verify', 'torch', 'networkx'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
