"""Second opinions on what a text means, read in other ways than the parsers do: Python's `ast` and `json` modules and plain loops.

What makes a mutant's result right ("no wrong silent result"): if a parser reports no error, then

* the oracle can read every statement that it finds in the text, and they are the parser's nodes, one by one, in order, exactly;
* the output is the oracle's;
* nothing that looks like a statement is left over.

So a parser may refuse whatever it likes, but what it accepts must be what the text says to a reader who never saw the original:
one that dropped, invented or bent a node, an argument or a reference without an error fails. `Unsure` is for the few texts that
the oracle's simple means cannot split.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from orchestra.plan.finding import errors
from orchestra.plan.formats.base import Parsed, Tools
from orchestra.plan.node import ANY_NODE, INPUT
from orchestra.plan.ref import Ref, Text, encode


class Refused(Exception):
    """A careful reader would not accept this."""


class Unsure(Exception):
    """The oracle cannot tell."""


def exactly(parsed: Parsed) -> str:
    """Nodes and output as text, so that 1, 1.0 and true are three things."""
    return json.dumps([[node.model_dump(mode="json") for node in parsed.plan.nodes], encode(parsed.plan.output)], indent=1)


def expected(nodes: Sequence[Mapping[str, Any]], output: Any) -> str:
    """The same from nodes in the exact form of the schema. Raises `Refused` for what is none."""
    try:
        return json.dumps([[ANY_NODE.validate_python(node).model_dump(mode="json") for node in nodes], output], indent=1)
    except ValueError as error:
        raise Refused(str(error)) from None


def accepted(parsed: Parsed) -> bool:
    return not errors(parsed.findings)


# References


def meant(value: Any, ids: Collection[str], below: int) -> Any:
    """`value` in the encoded form, with its strings read as the dollar rule says when `ids` are all nodes of the plan."""
    match value:
        case str():
            return encode(_string(value, ids, below))
        case list():
            return [meant(item, ids, below) for item in value]
        case dict() if set(value) & {"$ref", "$text", "$json"}:
            raise Unsure
        case dict():
            return {name: meant(item, ids, below) for name, item in value.items()}
    return encode(value)


def _string(text: str, ids: Collection[str], below: int) -> str | Ref | Text:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Refused("surrogate")
    if text.startswith("$") and (found := reference_at(text, 1)) and found[1] == len(text):
        return found[0]
    parts: list[str | Ref] = [""]
    at = 0
    while at < len(text):
        part, at = _part(text, at, ids, below)
        if isinstance(part, str) and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts += [part, ""] if isinstance(part, Ref) else [part]
    kept = tuple(part for part in parts if part != "")
    if not any(isinstance(part, Ref) for part in kept):
        return "".join(map(str, kept))
    return kept[0] if len(kept) == 1 else Text(kept)


def _part(text: str, at: int, ids: Collection[str], below: int) -> tuple[str | Ref, int]:
    if text[at] != "$":
        return text[at], at + 1
    following = text[at + 1 : at + 2]
    if following == "$":
        return "$", at + 2
    if following == "{":
        end = text.find("}", at)
        found = reference_at(text, at + 2, any_id=True)
        if end < 0 or not found or text[found[1] : found[1] + 1] != "}":
            raise Refused("braces that hold no reference")
        return found[0], found[1] + 1
    word = re.match(r"[A-Za-z0-9_]*", text[at + 1 :])[0]  # type: ignore[index] # it matches the empty string, too
    after = text[at + 1 + len(word) :]
    if not word.isdigit():
        longer = re.match(r"[A-Za-z0-9_]*(?:-+[A-Za-z0-9_]+)*", text[at + 1 :])[0]  # type: ignore[index]
        if word and (word in ids or longer in ids):
            raise Refused("the name of a node inside text")
        return "$" + word, at + 1 + len(word)
    if re.match(r"\.[0-9]|(,[0-9]{3})+(?![0-9])", after):
        return "$" + word, at + 1 + len(word)
    if word in ids or (word[0] != "0" and len(word) < 10 and int(word) < below):
        found = reference_at(text, at + 1)
        assert found is not None
        if text[found[1] : found[1] + 1] == "[":
            raise Refused("a path that cannot be read")
        return found
    return "$" + word, at + 1 + len(word)


def reference_at(text: str, at: int, *, any_id: bool = False) -> tuple[Ref, int] | None:
    """The reference after a dollar or a brace, and where it ends."""
    pattern = r"[A-Za-z0-9_][A-Za-z0-9_-]*" if any_id else r"[0-9]+(?![A-Za-z0-9_])|[A-Za-z_][A-Za-z0-9_-]*"
    name = re.compile(pattern).match(text, at)
    if not name:
        return None
    at, path = name.end(), list[str | int]()
    while step := re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(-?[0-9]{1,9})\]|\[\"([^\"\]]*)\"\]|\['([^'\]]*)'\]").match(text, at):
        field_, index, double, single = step.groups()
        path.append(field_ if field_ is not None else int(index) if index is not None else double if double is not None else single)
        at = step.end()
    return Ref(name[0], tuple(path)), at


# JSON


def strict_json(text: str, at: int = 0) -> tuple[Any, int]:
    """The JSON value at `at`, by Python's own reader, and where it ends. Raises `Refused`."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise Refused("a key that stands twice")
        return dict(pairs)

    def refuse(constant: str) -> Any:
        raise Refused(constant)

    try:
        value, end = json.JSONDecoder(strict=False, object_pairs_hook=unique, parse_constant=refuse).raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        raise Refused(str(error)) from None
    if re.search("[\ud800-\udfff]", json.dumps(value, ensure_ascii=False)):
        raise Refused("half of a surrogate pair")
    if math.inf in _numbers(value) or -math.inf in _numbers(value):
        raise Refused("a number without end")
    return value, end


def _numbers(value: Any) -> list[float]:
    if isinstance(value, (list, dict)):
        return [number for item in (value.values() if isinstance(value, dict) else value) for number in _numbers(item)]
    return [value] if isinstance(value, float) else []


def json_objects(text: str) -> tuple[list[dict[str, Any]], str]:
    """All objects of `text` that are in no other, and what is between them."""
    found: list[dict[str, Any]] = []
    between = ""
    at = 0
    while (begin := text.find("{", at)) >= 0:
        if '"' in text[at:begin].rpartition("\n")[2]:
            raise Refused("a part of an object before another")
        between += text[at:begin] + "\n"
        value, at = strict_json(text, begin)
        found.append(value)
    between += text[at:]
    for line in between.split("\n"):
        if "}" in line or line.lstrip(" \t\r[],").startswith('"') or re.search(r'"\s*:\s*\S', line.rstrip(" \t\r[],")):
            raise Refused("a part of an object")
    return found, between


_FIELDS = {"args": "arguments", "after": "depends_on"}
_OUTPUT = {"output", "join", "goal", "version", "thought"}


def json_lines(text: str, tools: Tools) -> str:
    """A plan of one object a line, the last of them the output."""
    found, _ = json_objects(re.sub("[\ud800-\udfff]", "\ufffd", text))
    ends = [item for item in found if set(item) & {"output", "join"} and set(item) <= _OUTPUT]
    if len(ends) != 1 or found[-1] is not ends[0]:
        raise Refused("not one output at the end")
    output = ends[0].get("output", ends[0].get("join"))
    if "join" in ends[0] and (output is True or output in ([], {}, "")):
        output = None
    return _short_plan(found[:-1], output, tools)


def document(text: str, tools: Tools) -> str:
    """One object with all nodes."""
    found, _ = json_objects(re.sub("[\ud800-\udfff]", "\ufffd", text))
    if len(found) != 1 or not isinstance(found[0].get("nodes"), list) or set(found[0]) - {"nodes", "output", "goal", "version"}:
        raise Refused("not one plan")
    if "version" in found[0]:
        return expected(found[0]["nodes"], found[0].get("output"))
    return _short_plan(found[0]["nodes"], found[0].get("output"), tools)


def _short_plan(objects: Sequence[Any], output: Any, tools: Tools) -> str:
    nodes = [_long(item, tools) for item in objects]
    ids = {str(node["id"]) for node in nodes}
    exact = [_exact(node, ids, _number(node["id"])) for node in nodes]
    return expected(exact, meant(output, ids, max(map(_number, ids), default=0) + 1))


def _number(node_id: str) -> int:
    return int(node_id) if re.fullmatch("[0-9]{1,9}", node_id) else 0


def _long(item: Any, tools: Tools) -> dict[str, Any]:
    """A node's fields under their long names."""
    if not isinstance(item, dict) or "id" not in item or len({_FIELDS.get(name, name) for name in item}) < len(item):
        raise Refused("no node, or a field twice")
    node = {str(_FIELDS.get(name, name)): value for name, value in item.items()}
    node["id"] = str(node["id"]) if type(node["id"]) is int else node["id"]
    if not isinstance(node["id"], str):
        raise Refused("an id that is no text")
    after = node.get("depends_on", [])
    node["depends_on"] = [str(each).removeprefix("$") for each in (after if isinstance(after, list) else [after])]
    if "kind" not in node:
        kinds = {"tool": "tool", "nodes": "plan", "n": "sample", "prompt": "model", "inputs": "aggregate"}
        node["kind"] = next((kind for name, kind in kinds.items() if name in node), None)
    if node["kind"] == "tool" and isinstance(node.get("arguments"), list):
        names: Sequence[str] = (
            tools[node["tool"]].parameter_names if node["tool"] in tools else tuple(map(str, range(len(node["arguments"]))))
        )
        if len(node["arguments"]) > len(names):
            raise Refused("too many arguments")
        node["arguments"] = dict(zip(names, node["arguments"], strict=False))
    if isinstance(node.get("nodes"), list):
        node["nodes"] = [_long(inner, tools) for inner in node["nodes"]]
    return node


def _exact(node: dict[str, Any], ids: Collection[str], below: int) -> dict[str, Any]:
    exact = dict(node)
    for name in {"prompt", "inputs", "system"} & set(node):
        exact[name] = meant(node[name], ids, below)
    if isinstance(node.get("arguments"), dict):
        exact["arguments"] = {name: meant(value, ids, below) for name, value in node["arguments"].items()}
    if isinstance(node.get("edges"), dict):
        exact["edges"] = {
            awaited: {**edge, "fallback": meant(edge.get("fallback"), ids, below)} if isinstance(edge, dict) else edge
            for awaited, edge in node["edges"].items()
        }
    if isinstance(node.get("nodes"), list):
        inside = {INPUT, *(inner["id"] for inner in node["nodes"])}
        exact["nodes"] = [_exact(inner, inside, 0) for inner in node["nodes"]]
        exact["output"] = meant(node.get("output"), inside, 0)
    return exact


def openai_tools(text: str, *, references: bool) -> str:
    """Calls side by side."""
    found, between = json_objects(re.sub("[\ud800-\udfff]", "\ufffd", text))
    if between.strip(" \t\r\n[],"):
        raise Refused("something that is no call")
    calls = [call for item in found for call in (item["tool_calls"] if isinstance(item.get("tool_calls"), list) else [item])]
    nodes = []
    for place, call in enumerate(calls, 1):
        body = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise Refused("no call")
        written = body.get("arguments", {})
        if isinstance(written, str):
            objects, rest = json_objects(written) if written.strip() else ([{}], "")
            if len(objects) != 1 or rest.strip(" \t\r\n[],"):
                raise Refused("arguments that are no object")
            written = objects[0]
        given = call.get("id")
        own = not references and isinstance(given, str) and re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", given)
        nodes.append({"kind": "tool", "id": given if own else str(place), "tool": body["name"], "arguments": written})
    ids = [node["id"] for node in nodes]
    for place, node in enumerate(nodes, 1):
        if not isinstance(node["arguments"], dict):
            raise Refused("arguments that are no object")
        arguments = node["arguments"].items()
        node["arguments"] = {name: meant(value, ids, place) if references else encode(value) for name, value in arguments}
    return expected(nodes, None)
