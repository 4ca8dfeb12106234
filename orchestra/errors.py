"""Every error that `orchestra` raises on purpose.

OrchestraError
├── ConfigError    this setup cannot work; the message says which flag, file or package to change
├── EngineError    an engine failed after its retries; `.status` is the HTTP status if there was one
├── ProblemError   a problem is malformed or outside what its task allows
├── PlanError      a plan cannot be run as it stands; `.findings` says everything that is wrong with it
├── ToolError      a tool failed or was called wrongly; a model can act on the message
├── BudgetError    asked for more than the run may spend
├── JournalError   a journal belongs to another run, is damaged, or is in use
├── PolicyError    a sampling policy broke the rules: it launches more than it said, or neither launches nor stops

A thread that finds nothing, is cancelled or is refused is data in the run tree, never an exception; so is a node that fails, in the outcomes
of its plan.
"""

from __future__ import annotations


class OrchestraError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(OrchestraError):
    """This setup cannot work. The message names the flag, file or package to change."""


class EngineError(OrchestraError):
    """An engine failed after its retries. It says nothing about the answer: never score it as wrong."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status of the last attempt; None when no response came or no HTTP was involved."""


class ProblemError(OrchestraError, ValueError):
    """A problem is malformed or outside what its task allows."""


class PlanError(OrchestraError, ValueError):
    """A plan cannot be run as it stands. The message lists all that is wrong, in words that a model can act on."""


class ToolError(OrchestraError):
    """A tool failed or was called wrongly. Inside a plan it is the outcome of a node, never a crash."""


class BudgetError(OrchestraError):
    """Asked for more than the run may spend."""


class JournalError(OrchestraError):
    """A journal belongs to another run, is damaged, or is in use by another process."""


class PolicyError(OrchestraError):
    """A sampling policy broke the rules of its seam. The message says which decision, and what the rules want."""


def first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception inside nested groups: task groups wrap what one of several alike tasks has met."""
    first = group.exceptions[0]
    return first_cause(first) if isinstance(first, BaseExceptionGroup) else first
