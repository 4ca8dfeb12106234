"""Demonstrations of one search in every format that can be trained, and checks of every file that is trained on.

    search.py     what is demonstrated: a forked symbolic search, and what became of each child
    convert.py    the same search as a tree of units in each format
    demo.py       such a tree, as data and as JSON lines
    expected.py   what a flawless model writes after a prompt, from the prompt alone
    followed.py   the same where the prompt leaves widths and order to it
    nested.py     and as a child that may fork again
    check.py      validity, leak and split checks of trees and of packed rows

    python -m orchestra.training.formats make --format weaver --problems 10000 --out data/weaver
    python -m orchestra.training.formats check data/weaver/*

A format is "serial" (no fork), "apr" (children with a fresh context) or "weaver" (children that see their parent's).
"""

from .check import Report, check_file, check_tree, check_unit
from .convert import CONVERTERS, protocol_of, to_apr, to_serial, to_weaver
from .demo import FORMATS, DemoTree, Format, read_trees, write_trees
from .expected import expected
from .search import Search, fates, searched

__all__ = [
    "CONVERTERS",
    "FORMATS",
    "DemoTree",
    "Format",
    "Report",
    "Search",
    "check_file",
    "check_tree",
    "check_unit",
    "expected",
    "fates",
    "protocol_of",
    "read_trees",
    "searched",
    "to_apr",
    "to_serial",
    "to_weaver",
    "write_trees",
]
