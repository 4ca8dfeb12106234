"""Every error that `orchestra` raises on purpose.

OrchestraError
├── ConfigError    this setup cannot work; the message says which flag, file or package to change
├── EngineError    an engine failed after its retries; `.status` is the HTTP status if there was one
├── ProblemError   a problem is malformed or outside what its task allows

A thread that finds nothing, is cancelled or is refused is data in the run tree, never an exception.
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


def first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception inside nested groups: task groups wrap what one of several alike tasks has met."""
    first = group.exceptions[0]
    return first_cause(first) if isinstance(first, BaseExceptionGroup) else first
