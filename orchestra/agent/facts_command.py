"""`orchestra facts`: what the planner in the box can be asked."""

from __future__ import annotations

import argparse
import sys

from ..plan.render.labels import printable
from ..tools.facts import UNITS, FactTable, fact_tools
from ..tools.facts.table import key_of
from .facts_planner import EXAMPLES, examples


def show(args: argparse.Namespace) -> int:
    """Questions, then names by attribute, then tools, as plain lines."""
    table = FactTable.read(args.facts) if args.facts else FactTable.packaged()
    about: dict[str, list[str]] = {}
    for entity, attribute, value in table.rows():
        about.setdefault(attribute, []).append(f"{entity} ({value})" if isinstance(value, str) else entity)
    lines = ["Questions such as", *(f"  {example}" for example in examples(table, len(EXAMPLES)))]
    lines += ["", "about"]
    for attribute, names in about.items():
        unit = f", in {UNITS[key_of(attribute)]}" if key_of(attribute) in UNITS else ""
        lines.append(f"  {attribute}{unit}: {', '.join(names)}")
    lines += ["", f"with {', '.join(tool.name for tool in fact_tools(table))}"]
    sys.stdout.write("".join(f"{line[: len(line) - len(line.lstrip())]}{printable(line)}\n" for line in lines))
    return 0
