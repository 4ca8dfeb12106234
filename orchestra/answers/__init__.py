"""One equivalence of answers, for voting, entropy, stop rules and grading.

`extract` finds the answer in what a model wrote; `Equivalence` says which answers are the same; `quick_key` is the part of it that
needs nothing but a string; `exact_key` is for tasks whose answers are canonical already.
"""

from .equivalence import Equivalence, exact_key
from .extract import extract
from .normal import quick_key

__all__ = ["Equivalence", "exact_key", "extract", "quick_key"]
