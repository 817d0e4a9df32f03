"""Mutants of a JSON file by its schema: values of other types and out of range, at every depth, drawn with a seed."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Place = tuple[str | int, ...]  # into a JSON value: names of objects and numbers of lists
Node = dict[str, Any]  # of a JSON schema
ABSENT = ""  # in place of a text: the field is left out
MOST = 2000  # items of a list or object that is made too long; a longer limit is tried once, not at random

# As they stand in a JSON text, by the JSON type that they are of.
TEXTS = {
    "lone surrogate": '"\\ud800"',
    "escape": '"\\u001b[2J\\u202e\\u0000"',
    "number as text": '"0.5"',
    "empty text": '""',
    "long text": json.dumps("x" * 30_000),
    "path": '"../../../etc/passwd"',
    "formula": '"=1+cmd|x"',
    "markup": '"<a href=x>{{7*7}}</a>"',
    "key": '"0123456789ab"',
}
NUMBERS = {
    "zero": "0",
    "minus zero": "-0.0",
    "minus one": "-1",
    "fraction": "1.5",
    "tiny": "5e-324",
    "large": "1e308",
    "beyond floats": "-1e999",
    "Infinity": "Infinity",
    "NaN": "NaN",
    "53 bits": str(2**53),
    "63 bits": str(2**63),
    "minus 63 bits": str(-(2**63) - 1),
    "401 digits": "1" + "0" * 400,
    "minus 401 digits": "-1" + "0" * 400,
    "10,000 digits": "9" * 10_000,
}
OBJECTS = {
    "empty object": "{}",
    "object": '{"x": {"y": [1]}}',
    "odd names": '{"": 0, "\\ud800": 1, "__class__": 2, "../x": 3}',
    "deep objects": '{"x":' * 60 + "1" + "}" * 60,
    "many entries": json.dumps({f"V{number}": 0.5 for number in range(3000)}),
    "one name twice": '{"x": 1, "x": []}',
}
LISTS = {
    "empty list": "[]",
    "list": "[1]",
    "mixed list": '[null, "x", {}, [[]]]',
    "brackets": "[" * 20_000,
    "deep lists": "[" * 200 + "]" * 200,
    "many items": json.dumps([0.5] * 3000),
}
OTHERS = {"null": "null", "true": "true", "false": "false", "no JSON": "nul", "absent": ABSENT}
ANY = TEXTS | NUMBERS | OBJECTS | LISTS | OTHERS


class Mutant(NamedTuple):
    """One changed file."""

    text: str
    words: str  # what was changed, for the message of a failed test


def places(values: Any, path: Place = ()) -> Iterator[Place]:
    """Every path into a JSON value: of the whole, and at every depth."""
    yield path
    if isinstance(values, dict):
        for name, item in values.items():
            yield from places(item, (*path, name))
    if isinstance(values, list):
        for number, item in enumerate(values):
            yield from places(item, (*path, number))


def nodes_at(schema: Node, path: Place) -> list[Node]:
    """The alternatives that a JSON schema has for the value at a path; [] where it says nothing of it."""
    nodes = _alternatives(schema, schema)
    for name in path:
        below = []
        for node in nodes:
            inner = _inner(node, name)
            if isinstance(inner, dict):
                below += _alternatives(schema, inner)
        nodes = below
    return nodes


def _inner(node: Node, name: str | int) -> Any:
    """The schema of one item of a list or one entry of an object."""
    if isinstance(name, int):
        return node.get("items")
    return node.get("properties", {}).get(name, node.get("additionalProperties"))


def _alternatives(schema: Node, node: Node) -> list[Node]:
    if "$ref" in node:
        return _alternatives(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    if "anyOf" not in node:
        return [node]
    nodes = []
    for alternative in node["anyOf"]:
        nodes += _alternatives(schema, alternative)
    return nodes


def fields(schema: Node, node: Node | None = None, path: Place = ()) -> Iterator[Place]:
    """Every field that a schema names, with "*" for the items of a list and the entries of an object."""
    yield path
    for alternative in _alternatives(schema, node or schema):
        for name, inner in alternative.get("properties", {}).items():
            yield from fields(schema, inner, (*path, name))
        for items in (alternative.get("items"), alternative.get("additionalProperties")):
            if isinstance(items, dict):
                yield from fields(schema, items, (*path, "*"))


def matches(path: Place, field: Place) -> bool:
    """Whether a path leads to a field of the schema."""
    return len(path) == len(field) and all(wanted in ("*", name) for name, wanted in zip(path, field))


def by_schema(nodes: list[Node], value: Any) -> dict[str, str]:
    """Words -> JSON texts at the bounds that the schema sets for a value, and just beyond them."""
    texts = {}
    for node in nodes:
        texts |= _at_bounds(node, value)
    return texts


def _at_bounds(node: Node, value: Any) -> dict[str, str]:
    texts = {}
    for name in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        if name in node:
            step = 1 if node["type"] == "integer" else 2.0**-30
            for shift in (-step, 0, step):
                texts[f"{name} {shift:+g}"] = json.dumps(node[name] + shift)
    most = node.get("maxItems", node.get("maxProperties", MOST))
    if isinstance(value, list) and value and most < MOST:
        texts["too many items"] = json.dumps(value[:1] * (most + 1))
        texts["one item more"] = json.dumps([*value, value[0]])
        texts["one item less"] = json.dumps(value[:-1])
    if isinstance(value, dict) and value and most < MOST:
        item = next(iter(value.values()))
        texts["too many entries"] = json.dumps({f"V{number}": item for number in range(most + 1)})
    if isinstance(value, dict):
        texts["an unknown entry"] = json.dumps({**value, "unknown_field": [{}]})
    return texts


def mutants(name: str, values: Any, schema: Node, count: int, seed: int) -> Iterator[Mutant]:
    """``count`` mutants of the file ``name`` with these values.

    The places take turns, so that each is met; what is put there is drawn: a value of any type, or in half of the cases
    one at the schema's bounds where it sets some. Every fourth mutant is changed at a second place too.
    """
    paths = list(places(values))
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        changes = {paths[number % len(paths)]: ""}
        if number % 4 == 3:
            changes[paths[int(rng.integers(len(paths)))]] = ""
        said = []
        for path in changes:
            words, changes[path] = _drawn(values, path, schema, rng)
            said.append(f"{'.'.join(map(str, path)) or 'all of it'}: {words}")
        yield Mutant(with_texts(values, changes), f"{name} {number}, {', '.join(said)}")


def _drawn(values: Any, path: Place, schema: Node, rng: np.random.Generator) -> tuple[str, str]:
    """(words, JSON text) of what is put at a path."""
    value = values
    for name in path:
        value = value[name]
    bounds = by_schema(nodes_at(schema, path), value)
    texts = bounds if bounds and rng.random() < 0.5 else ANY
    words = list(texts)[int(rng.integers(len(texts)))]
    return words, texts[words]


def with_texts(values: Any, changes: dict[Place, str]) -> str:
    """The JSON text of ``values`` with other texts at some paths; without the field where the text is ABSENT.

    A path below one that was changed before it is left as it is.
    """
    changed = json.loads(json.dumps(values))
    for number, (path, text) in enumerate(changes.items()):
        if not path:
            return text
        try:
            inner = changed
            for name in path[:-1]:
                inner = inner[name]
            if text == ABSENT:
                del inner[path[-1]]
            else:
                inner[path[-1]] = f"@{number}@"
        except (LookupError, TypeError):
            continue
    mutant = json.dumps(changed)
    for number, text in enumerate(changes.values()):
        mutant = mutant.replace(f'"@{number}@"', text)
    return mutant
