"""What a tool can ask about the call that it is in."""

from __future__ import annotations

from contextvars import ContextVar

idempotency_key: ContextVar[str | None] = ContextVar("orchestra_idempotency_key", default=None)
"""The same for every try of one node's call, also after a crash: services that take such a key then do the work once. None when the run has no
journal."""
