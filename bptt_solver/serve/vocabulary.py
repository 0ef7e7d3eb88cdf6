"""What the editor can complete: the keys of a document, and what the installed plugins know, with their choices.

What is said about them is there in every language, because the reader may change it in the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from bptt_solver.catalogues import FOLDER, Messages
from bptt_solver.errors import ProblemError
from bptt_solver.options import Noted, noting
from bptt_solver.records import Activation, Loss, OptionError, Topology
from bptt_solver.registry import Registry
from bptt_solver.serve.told import Told, told

_MOST_TRIED = 60  # builds of one topology, to find which options have which words


def vocabulary(plugins: Sequence[str] = ()) -> dict[str, Any]:
    """Functions, losses, topologies with their options, update rules and notations by name, and the schema."""
    from bptt_solver.formulas import OPERATORS
    from bptt_solver.language.operations import CORE, INTERNAL
    from bptt_solver.problem.schema import schema_text
    from bptt_solver.profiles.profile import profile, profile_names

    registry = Registry.load(plugins)
    topologies = registry.topologies
    functions: dict[str, dict[str, Told]] = {}
    for operation in CORE:
        if operation.name not in INTERNAL and operation.name not in OPERATORS:
            functions[operation.name] = {"kind": "function", "about": ""}
    for record in registry.functions:
        kind = "activation" if isinstance(record, Activation) else "loss" if isinstance(record, Loss) else "function"
        functions[record.name] = {"kind": kind, "about": told(record.summary)}
    return {
        "schema": described(json.loads(schema_text())),
        "functions": dict(sorted(functions.items())),
        "topologies": {t.name: {"about": told(t.summary), "options": options(t, registry)} for t in topologies},
        "rules": {
            r.name: {"about": told(r.summary), "options": {o: {"default": _shown(d)} for o, d in r.options.items()}}
            for r in registry.update_rules
        },
        "notations": {name: told(profile(name).title) for name in profile_names()},
    }


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its descriptions in every language: the catalogue names each by its place in the schema."""
    say = Messages(FOLDER, "schema")
    inside: list[tuple[Any, tuple[str, ...]]] = [(schema, ())]
    while inside:
        node, path = inside.pop()
        if isinstance(node, list):
            inside += [(item, (*path, str(number))) for number, item in enumerate(node)]
        elif isinstance(node, dict):
            if path and path[-1] != "properties" and isinstance(node.get("description"), str):
                node["description"] = told(say(".".join(path)))
            inside += [(item, (*path, name)) for name, item in node.items()]
    return schema


def options(topology: Topology, registry: Registry) -> dict[str, dict[str, Any]]:
    """The options of a topology: the default of each, its words or its keys, or that it is a function. They are what
    the topology itself asks `bptt_solver.options` for when it is built with its example, and with each word found."""
    noted: dict[tuple[str | int, ...], Noted] = {}
    waiting: list[Mapping[str, object]] = [topology.example]
    tried = 0
    while waiting and tried < _MOST_TRIED:
        given = waiting.pop(0)
        tried += 1
        with noting() as found, suppress(OptionError, ProblemError):
            registry.network(topology.name, given)
        for path, note in found.items():
            if path not in noted:
                noted[path] = note
                if len(path) == 1 and note.kind == "words":
                    waiting += [{**topology.example, str(path[0]): word} for word in note.words]
    known: dict[str, dict[str, Any]] = {}
    for name, default in topology.options.items():
        known[name] = {"default": _shown(default), "required": default is None}
        words = [n.words for path, n in noted.items() if path[0] == name and n.kind == "words"]
        keys = [n.words for path, n in noted.items() if path[0] == name and n.kind == "keys"]
        if words or isinstance(default, bool):
            flat = list(dict.fromkeys(chain(*words))) or ["true", "false"]
            known[name]["words"] = flat
        if keys:
            known[name]["keys"] = list(dict.fromkeys(chain(*keys)))
        if any(path[0] == name and note.kind == "function" for path, note in noted.items()):
            known[name]["function"] = True
    return known


def _shown(value: object) -> str:
    """A default as a document would have it."""
    if value is None:
        return ""
    if isinstance(value, str) and value:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
