"""Requests whose text is held to a schema, a grammar or a regular expression: how they are written for vLLM, and how others refuse them."""

from __future__ import annotations

import json
from typing import Any

from ..errors import ConfigError
from .base import Constraint, Engine, Request


def structured_outputs(constraint: Constraint) -> dict[str, Any]:
    """The same names in vLLM's `StructuredOutputsParams` and in the field `structured_outputs` of its server."""
    if constraint.json_schema is not None:
        return {"json": json.dumps(constraint.json_schema)}
    if constraint.grammar is not None:
        return {"grammar": constraint.grammar}
    return {"regex": constraint.regex}


def refuse_constraint(engine: Engine, request: Request) -> None:
    """For engines without `Capabilities.constraints`. Raises `ConfigError` when the request has a constraint."""
    if request.sampling.constraint is not None:
        raise ConfigError(
            f"{engine.name} cannot hold tokens to a schema, grammar or regex: use vLLM, in this process with"
            " `VllmEngine(…, constraints=True)` or as a server with `HttpEngine`"
        )
