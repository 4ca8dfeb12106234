"""Policies by name, as the command line and eval configs write them.

    self_consistency:n=64
    adaptive:n=16,m=8,threshold=0.95,weight=length^1
    staged:5,11@7                                   five first, then eleven more until seven votes are in
    distilled:widths=16/8/1                         several values are written with `/` between them,
    scale:fast=3,levels=0.2:1/0.6:8                 pairs with `:`
    asc_events:n=64 | budget:tokens=200000          a budget around a policy; several stack
    mine.py:Quorum:n=16,agree=4                     a policy of your own: what `Quorum(n=16, agree=4)` makes in that file

`read_policy` is the only parser; a name's parameters are those of its constructor, here in `policies/`.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Any

from ..errors import ConfigError
from ..user_modules import imported, public
from .policy import Policy
from .weights import Kind, Weight

RECOMMENDED = "adaptive:n=16,m=10,weight=length"
"""Majority voting of 64 at a fifth of its tokens and half its span (`docs/sampling.md` has the replays)."""

_PLACES: Mapping[str, str] = {
    "adaptive": "adaptive:adaptive",
    "adaptive_consistency": "sequential:AdaptiveConsistency",
    "asc_events": "adaptive:asc_events",
    "atts": "atts:Atts",
    "best_of": "best_of:BestOf",
    "code_monkeys": "monkeys:Monkeys",
    "deep_conf": "deepconf:DeepConf",
    "deep_conf_offline": "deepconf:DeepConfOffline",
    "deep_prune": "deep_prune:DeepPrune",
    "distilled": "distilled:Distilled",
    "dynasor": "probing:Dynasor",
    "esc": "sequential:EarlyStopping",
    "first_finish": "adaptive:first_finish",
    "parallel_muse": "muse:Muse",
    "parallel_probe": "probing:ParallelProbe",
    "pdr": "distilled:pdr",
    "probe_rank": "probing:ProbeRank",
    "rsa": "distilled:rsa",
    "scale": "scale:Scale",
    "scale_steps": "scale_steps:ScaleSteps",
    "seat": "rounds:Seat",
    "seer": "entropy:Seer",
    "self_consistency": "adaptive:self_consistency",
    "semantic_entropy": "entropy:SemanticEntropy",
    "sequential_refinement": "rounds:SequentialRefinement",
    "short_m": "adaptive:short_m",
    "slim_sc": "slim_sc:SlimSC",
    "staged": "adaptive:staged",
    "summary_of_n": "summary:SummaryOfN",
}
_LEAST: Mapping[str, Any] = {"calibration": (1.0,), "widths": (2, 1)}
"""Of required parameters that are not counts."""
_OWN = re.compile(r"(.+\.py):([^:]*):?(.*)")
_SENTENCE_END = re.compile(r"(?<=\.)\s+(?=[A-Z`\"])")


@dataclass(frozen=True, slots=True)
class Named:
    """A policy that can be asked for by name."""

    name: str
    make: Callable[..., Policy]

    @property
    def summary(self) -> str:
        """The first sentence of its docstring."""
        paragraph = (inspect.getdoc(self.make) or "").split("\n\n")[0].replace("\n", " ")
        return _SENTENCE_END.split(paragraph)[0]

    @property
    def usage(self) -> str:
        """What it takes, with the defaults: "n, m=none, threshold=0.95"."""
        taken = inspect.signature(self.make).parameters.values()
        return ", ".join(_default(parameter) for parameter in taken)

    @property
    def needs(self) -> str:
        """What an engine must provide for it under its defaults, beside tokens and aborts, in words; "" for nothing."""
        if self.name == "staged":
            policy = self.make((1, None))
        else:
            taken = inspect.signature(self.make).parameters.values()
            policy = self.make(**{p.name: _LEAST.get(p.name, 2) for p in taken if p.default is p.empty})
        needs = policy.needs
        parts = [
            *(["log-probabilities"] if needs.logprobs else []),
            *(["forced answers of running traces"] if needs.probes else []),
            *(f"the judge {question}" for question in sorted(needs.judges)),
            *(f"the arm {arm}" for arm in sorted(needs.arms)),
            *(["prompts that show other traces"] if needs.purposes else []),
            *(["continued prefixes of traces"] if needs.branches else []),
        ]
        return ", ".join(parts)


def _default(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return "LAUNCH[@VOTES],…"
    if parameter.default is parameter.empty:
        return parameter.name
    return f"{parameter.name}={_written(parameter.default)}"


def _written(value: object) -> str:
    """As `read_policy` reads it."""
    match value:
        case None:
            return "none"
        case Weight(kind=kind, power=power):
            return kind if power == 1 else f"{kind}^{power:g}"
        case bool():
            return str(value).lower()
        case tuple():
            return "/".join(":".join(map(_written, item)) if isinstance(item, tuple) else _written(item) for item in value)
    return str(value)


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
    if own := _OWN.match(text):
        return _own(text, *own.groups(default=""))
    name, _, arguments = text.partition(":")
    return _call(text, named(name).make, arguments)


def _own(text: str, file: str, name: str, arguments: str) -> Policy:
    """A user's. The file is run: name only what you would run."""
    defined = public(imported(file))
    make = defined.get(name)
    if not callable(make):
        raise ConfigError(
            f"{text!r}: {file} defines no policy {name!r}, but {', '.join(defined) or 'nothing'}: write FILE.py:NAME:…"
        )
    policy = None if inspect.iscoroutinefunction(make) else _call(text, make, arguments)
    if not isinstance(policy, Policy):
        raise ConfigError(f"{text!r}: {name} makes no policy, which has `needs`, `most` and `decider()` (`examples/own_policy.py`)")
    return policy


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
    hints = _hints(signature or make)
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(signature or make).parameters.items()
        if name not in given and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    options: dict[str, Any] = {}
    for item in filter(None, (item.strip() for item in arguments.split(","))):
        key, equals, value = item.partition("=")
        if not equals or key not in parameters:
            raise ConfigError(f"{text!r}: {item!r} is no `name=value` with a name of {', '.join(parameters)}")
        if key in options:
            raise ConfigError(f"{text!r}: `{key}` is given twice")
        if key not in hints:
            raise ConfigError(f"{text!r}: declare the type of `{key}` in the code, such as `{key}: int`: values are read by it")
        options[key] = _value(text, key, value, hints[key])
    missing = [n for n, p in parameters.items() if p.default is p.empty and n not in options]
    if missing:
        raise ConfigError(f"{text!r} lacks {', '.join(f'`{name}=…`' for name in missing)}")
    try:
        return make(**given, **options)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{text!r}: {error}") from error


def _hints(make: Callable[..., Any]) -> dict[str, Any]:
    """Types of the parameters: those of a class stand at its fields or at its `__init__`."""
    own: object = vars(make).get("__init__") if isinstance(make, type) else None
    return typing.get_type_hints(make) | (typing.get_type_hints(own) if inspect.isfunction(own) else {})


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
        if typing.get_origin(kind) is tuple:
            return _several(text, key, value, typing.get_args(kind))
        if kind is Weight:
            return _weight(text, value)
        if kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    wanted = " or ".join(_in_words(kind) for kind in kinds)
    raise ConfigError(f"{text!r}: `{key}` takes {wanted}, got {value!r}")


def _several(text: str, key: str, value: str, kinds: Sequence[Any]) -> tuple[Any, ...]:
    """`1/2/3` for a tuple of any length, `0.2:1` for one of a fixed length."""
    if kinds[-1] is Ellipsis:
        return tuple(_value(text, key, part.strip(), kinds[0]) for part in value.split("/"))
    parts = value.split(":")
    if len(parts) != len(kinds):
        raise ConfigError(f"{text!r}: `{key}` takes {len(kinds)} values with `:` between them, got {value!r}")
    return tuple(_value(text, key, part.strip(), kind) for part, kind in zip(parts, kinds, strict=True))


def _in_words(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(str(choice) for choice in typing.get_args(kind))
    return getattr(kind, "__name__", str(kind)).replace("NoneType", "none")


def _weight(text: str, value: str) -> Weight:
    kind, _, power = value.partition("^")
    if kind not in typing.get_args(Kind):
        raise ConfigError(f"{text!r}: a weight is one of {', '.join(typing.get_args(Kind))}, with ^POWER, got {value!r}")
    try:
        number = float(power) if power else 1.0
    except ValueError as error:
        raise ConfigError(f"{text!r}: the power of a weight is a number, got {power!r}") from error
    try:
        return Weight(typing.cast(Kind, kind), number)
    except ValueError as error:
        raise ConfigError(f"{text!r}: {error}") from error
