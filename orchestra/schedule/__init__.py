"""The scheduler: runs plans on tools and models, within limits, and keeps what came out."""

from .budget import Budget
from .estimates import Durations
from .execution import Execution, execute
from .journal import Journal
from .outcome import Outcome, Result, Retry, Usage
from .resources import Limit, Resources
from .runtime import Hedge, Runtime

__all__ = [
    "Budget",
    "Durations",
    "Execution",
    "Hedge",
    "Journal",
    "Limit",
    "Outcome",
    "Resources",
    "Result",
    "Retry",
    "Runtime",
    "Usage",
    "execute",
]
