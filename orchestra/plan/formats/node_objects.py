"""Nodes as JSON objects: the short form that models write, and the exact form of the schema.

    short   {"id": 2, "tool": "search", "args": {"query": "about $1"}, "after": [1]}
    exact   {"kind": "tool", "id": "2", "tool": "search", "arguments": {"query": {"$text": ["about ", {"$ref": "1"}]}}, "depends_on": ["1"]}

The short form takes every field of the schema under its name there, too; kinds other than tool calls are told by their fields
("prompt", "prompt" with "n", "inputs", "nodes"). Its strings are read as `dollar_refs` says. Strings of the exact form are
literal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..node import INPUT, Node, NodeBase
from ..ref import Value, encode
from .base import Tools
from .dollar_refs import Dollars
from .reading import Unreadable, excerpt

SHORT = {"args": "arguments", "after": "depends_on"}
_VALUES = ("arguments", "prompt", "inputs", "output")
_KIND_OF = (("tool", "tool"), ("nodes", "plan"), ("n", "sample"), ("prompt", "model"), ("inputs", "aggregate"))


def read_object(found: Mapping[str, Any], tools: Tools) -> dict[str, Any]:
    """The fields, by their names in the schema, of a node in short form. Raises `Unreadable`."""
    fields: dict[str, Any] = {}
    for name, value in found.items():
        long = SHORT.get(name, name)
        if long in fields:
            raise Unreadable(f"`{long}` is given twice, once under its short name")
        fields[long] = value
    if isinstance(number := fields.get("id"), int) and not isinstance(number, bool):
        fields["id"] = str(number)
    if "kind" not in fields:
        kinds = [kind for field, kind in _KIND_OF if field in fields]
        if not kinds:
            raise Unreadable(f'a node needs `tool`: {{"id": "1", "tool": "…", "args": {{…}}}}, got {excerpt(", ".join(found))}')
        fields["kind"] = kinds[0]
    if "depends_on" in fields:
        fields["depends_on"] = _ids(fields["depends_on"])
    if fields["kind"] == "tool" and isinstance(fields.get("arguments"), list):
        fields["arguments"] = named(str(fields.get("tool")), fields["arguments"], {}, tools)
    if isinstance(nodes := fields.get("nodes"), list):
        fields["nodes"] = [read_object(node, tools) if isinstance(node, dict) else node for node in nodes]
    return fields


def _ids(value: Any) -> Any:
    """Ids to wait for: one or a list, as numbers or as text, with or without the dollar that references have."""
    listed = value if isinstance(value, list) else [value]
    return [str(item) if type(item) is int else item.removeprefix("$") if isinstance(item, str) else item for item in listed]


def named(tool: str, positional: Sequence[Any], keywords: Mapping[str, Any], tools: Tools) -> dict[str, Any]:
    """All arguments by name. Without a specification of the tool those without a name are called "0", "1", …

    Raises `Unreadable` for more than the tool takes, and for one that is given twice.
    """
    names: Sequence[str] = [str(index) for index in range(len(positional))]
    if spec := tools.get(tool):
        names = spec.parameter_names
        if len(positional) > len(names):
            known = f" ({', '.join(names)})" if names else ""
            raise Unreadable(f"`{tool}` takes at most {len(names)} arguments{known}, got {len(positional)}", "unknown-argument")
    arguments = dict(zip(names, positional, strict=False))
    if twice := [name for name in keywords if name in arguments]:
        raise Unreadable(f"`{tool}` gets `{twice[0]}` twice, once by its place and once by its name")
    return {**arguments, **keywords}


def exact_form(fields: Mapping[str, Any], dollars: Dollars) -> dict[str, Any]:
    """`fields` with every string that may hold references read. Raises `PlanError`."""
    exact = dict(fields)
    for name in _VALUES:
        if name not in exact or (name == "output" and "nodes" in exact):
            continue
        value = exact[name]
        if name == "arguments" and isinstance(value, dict):
            exact[name] = {argument: encode(dollars.read(item)) for argument, item in value.items()}
        else:
            exact[name] = encode(dollars.read(value))
    if isinstance(system := exact.get("system"), str):
        exact["system"] = dollars.read(system)
        if not isinstance(exact["system"], str):
            raise Unreadable("`system` cannot hold references: move them into `prompt`")
    if isinstance(edges := exact.get("edges"), dict):
        exact["edges"] = {awaited: _exact_edge(edge, dollars) for awaited, edge in edges.items()}
    if isinstance(nodes := exact.get("nodes"), list):
        ids = {node["id"] for node in nodes if isinstance(node, dict) and isinstance(node.get("id"), str)}
        inside = Dollars({INPUT, *ids}, node=exact.get("id"))
        exact["nodes"] = [exact_form(node, inside) if isinstance(node, dict) else node for node in nodes]
        if "output" in exact:
            exact["output"] = encode(inside.read(exact["output"]))
        dollars.adopt(inside)
    return exact


def _exact_edge(edge: Any, dollars: Dollars) -> Any:
    if isinstance(edge, dict) and "fallback" in edge:
        return {**edge, "fallback": encode(dollars.read(edge["fallback"]))}
    return edge


def write_object(node: Node, write: Callable[[Value], Any], short: Collection[str] = ()) -> dict[str, Any]:
    """`node` as JSON, without fields that have their default. Values are written by `write`, names in `short` by their short
    form."""
    dumped = node.model_dump(mode="json", exclude_defaults=True)
    common = {name: dumped.pop(name) for name in NodeBase.model_fields if name in dumped}
    fields = {"id": common.pop("id"), "kind": node.kind, **dumped, **common}
    for name in set(_VALUES) & set(fields):
        value = getattr(node, name)
        fields[name] = {key: write(item) for key, item in value.items()} if name == "arguments" else write(value)
    if "system" in fields:
        fields["system"] = write(fields["system"])
    for awaited, edge in node.edges.items():
        if edge.fallback is not None:
            fields["edges"][awaited]["fallback"] = write(edge.fallback)
    if node.kind == "plan":
        fields["nodes"] = [write_object(inner, write, short) for inner in node.nodes]
    if "arguments" in short and node.kind == "tool":
        del fields["kind"]
    shorter = {long: brief for brief, long in SHORT.items() if long in short}
    return {shorter.get(name, name): value for name, value in fields.items()}
