"""Questions of both kinds, as the dataset words them."""

from __future__ import annotations

from orchestra.evals.benchmarks.agents.dataset import take_apart
from orchestra.evals.benchmarks.agents.question import Kind, Question

FILMS = [
    ("Alien, Solaris, Moon, Sunshine", ["Gravity", "Grease", "Cats", "Clue"], "Gravity"),
    ('Amélie, Delicatessen, "Joy", Brazil', ["Heat", "Micmacs", "Jaws (1975)", "Rocky"], "Micmacs"),
    ("Up, Coco, Cars, Bambi", ["Saw", "Se7en", "Scream", "Dumbo"], "Dumbo"),
]
ARITHMETIC = [
    ("If K2 were 10% shorter and Aconcagua 2 times as high, which mountain would be higher?", "Aconcagua"),
    ("If the Volga River shrinks by 10% and the Mekong River grows by 5%, what is the difference of their lengths?", "1977.45"),
    ("What is the smaller ratio of the height of the CN Tower to K2, and of K2 to Mount Elbert?", "0.06425"),
]


def taken_apart(text: str, answer: str, kind: Kind = "parallelqa") -> Question:
    question = take_apart("1", text, answer, kind)
    assert isinstance(question, Question), question
    return question
