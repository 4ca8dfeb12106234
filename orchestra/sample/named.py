"""Policies by name, as the command line and eval configs write them.

    self_consistency:n=64
    adaptive:n=16,m=8,threshold=0.95,weight=length^1
    staged:5,11@7                                   five first, then eleven more until seven votes are in
    asc_events:n=64 | budget:tokens=200000          a budget around a policy

`read_policy` is the only parser; a name's parameters are those of its constructor in `policies/`.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Any

from ..errors import ConfigError
from .policy import Policy
from .weights import Kind, Weight

RECOMMENDED = "adaptive:n=14,m=9,weight=length"
"""Majority voting of 64 at a fifth of its tokens and half its span (`docs/sampling.md` has the replays)."""

_PLACES: Mapping[str, str] = {
    "adaptive": "adaptive:adaptive",
    "asc_events": "adaptive:asc_events",
    "self_consistency": "adaptive:self_consistency",
    "first_finish": "adaptive:first_finish",
    "short_m": "adaptive:short_m",
    "staged": "adaptive:staged",
}


@dataclass(frozen=True, slots=True)
class Named:
    """A policy that can be asked for by name."""

    name: str
    make: Callable[..., Policy]

    @property
    def summary(self) -> str:
        """The first sentence of its docstring."""
        return (inspect.getdoc(self.make) or "").split("\n\n")[0].replace("\n", " ")

    @property
    def usage(self) -> str:
        """What it takes, with the defaults: "n, m=none, threshold=0.95"."""
        taken = inspect.signature(self.make).parameters.values()
        return ", ".join(_default(parameter) for parameter in taken)


def _default(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return "LAUNCH[@VOTES],…"
    match parameter.default:
        case inspect.Parameter.empty:
            return parameter.name
        case None:
            return f"{parameter.name}=none"
        case Weight(kind=kind):
            return f"{parameter.name}={kind}"
        case bool() as flag:
            return f"{parameter.name}={str(flag).lower()}"
    return f"{parameter.name}={parameter.default}"


def names() -> list[str]:
    return sorted(_PLACES)


@cache
def named(name: str) -> Named:
    """Raises `ConfigError` for a name that nobody has."""
    place = _PLACES.get(name)
    if place is None:
        close = get_close_matches(name, names(), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names())}"
        raise ConfigError(f"no policy is called {name!r}: {hint}")
    module, attribute = place.split(":")
    return Named(name, getattr(import_module(f".policies.{module}", __package__), attribute))


def read_policy(text: str) -> Policy:
    """The policy that `text` describes. Raises `ConfigError` that names the part that is wrong."""
    first, *wrappers = (part.strip() for part in text.split("|"))
    policy = _staged(first) if first.partition(":")[0] == "staged" else _make(first)
    for wrapper in wrappers:
        name, _, arguments = wrapper.partition(":")
        if name != "budget":
            raise ConfigError(f"after `|` comes `budget:tokens=…,seconds=…,traces=…`, got {wrapper!r}")
        from .policies.budgeted import Budgeted

        policy = _call(wrapper, Budgeted, arguments, policy=policy)
    return policy


def _make(text: str) -> Policy:
    name, _, arguments = text.partition(":")
    return _call(text, named(name).make, arguments)


def _staged(text: str) -> Policy:
    from .policies.adaptive import staged

    stages: list[tuple[int, int | None]] = []
    rest: list[str] = []
    for item in text.partition(":")[2].split(","):
        launch, _, finish = item.partition("@")
        if launch.strip().isdigit() and (not finish or finish.strip().isdigit()):
            stages.append((int(launch), int(finish) if finish else None))
        else:
            rest.append(item)
    if not stages:
        raise ConfigError(f"{text!r}: write stages as `staged:5,11@7`, how many to launch and after how many votes to go on")
    return _call(text, lambda **options: staged(*stages, **options), ",".join(rest), signature=staged)


def _call(
    text: str, make: Callable[..., Policy], arguments: str, *, signature: Callable[..., Any] | None = None, **given: Any
) -> Policy:
    hints = typing.get_type_hints(signature or make) if not inspect.isclass(make) else typing.get_type_hints(make)
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(signature or make).parameters.items()
        if name not in given and parameter.kind is not parameter.VAR_POSITIONAL
    }
    options: dict[str, Any] = {}
    for item in filter(None, (item.strip() for item in arguments.split(","))):
        key, equals, value = item.partition("=")
        if not equals or key not in parameters:
            raise ConfigError(f"{text!r}: {item!r} is no `name=value` with a name of {', '.join(parameters)}")
        options[key] = _value(text, key, value, hints[key])
    missing = [n for n, p in parameters.items() if p.default is p.empty and n not in options and p.kind is not p.VAR_KEYWORD]
    if missing:
        raise ConfigError(f"{text!r} lacks {', '.join(f'`{name}=…`' for name in missing)}")
    try:
        return make(**given, **options)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{text!r}: {error}") from error


def _value(text: str, key: str, value: str, hint: Any) -> Any:
    """`value` as the type that a parameter is declared with."""
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    for kind in kinds:
        if kind is type(None) and value == "none":
            return None
        if kind is bool and value in ("true", "false"):
            return value == "true"
        if kind is str:
            return value
        if typing.get_origin(kind) is typing.Literal and value in typing.get_args(kind):
            return value
        if kind is Weight:
            return _weight(text, value)
        if kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    wanted = " or ".join(getattr(kind, "__name__", str(kind)).replace("NoneType", "none") for kind in kinds)
    raise ConfigError(f"{text!r}: `{key}` takes {wanted}, got {value!r}")


def _weight(text: str, value: str) -> Weight:
    kind, _, power = value.partition("^")
    if kind not in typing.get_args(Kind):
        raise ConfigError(f"{text!r}: a weight is one of {', '.join(typing.get_args(Kind))}, with ^POWER, got {value!r}")
    try:
        return Weight(typing.cast(Kind, kind), float(power) if power else 1.0)
    except ValueError as error:
        raise ConfigError(f"{text!r}: the power of a weight is a number, got {power!r}") from error
