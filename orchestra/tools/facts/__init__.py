"""The domain of the shipped planner: eighteen typed tools over a small table of facts, all offline.

    orchestra run "How much higher is K2 than Mont Blanc, in feet?"

`TOOLS` know the packaged table; `fact_tools(FactTable.read(path))` know yours.
"""

from .table import UNITS, Facts, FactTable
from .tools import fact_tools

__all__ = ["TOOLS", "UNITS", "FactTable", "Facts", "fact_tools"]

TOOLS = fact_tools(FactTable.packaged())
