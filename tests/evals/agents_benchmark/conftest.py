"""Questions for every test of the benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from orchestra.evals.benchmarks.agents import dataset
from orchestra.evals.benchmarks.agents.dataset import load
from orchestra.evals.benchmarks.agents.question import Question

from .made_questions import ARITHMETIC, FILMS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three questions of each kind, in the dataset's form."""
    films = [
        {"id": str(place), "question": f"Find a movie similar to {liked}\nOptions:\n" + "\n".join(options) + "\n", "answer": answer}
        for place, (liked, options, answer) in enumerate(FILMS)
    ]
    arithmetic = [{"id": str(place), "question": text, "answer": answer} for place, (text, answer) in enumerate(ARITHMETIC)]
    (tmp_path / dataset.FILES["movie"]).write_text(json.dumps(films))
    (tmp_path / dataset.FILES["parallelqa"]).write_text(json.dumps(arithmetic))
    return tmp_path


@pytest.fixture
def questions(data: Path) -> list[Question]:
    return [question for kind in dataset.FILES for question in load(data, kind).questions]
