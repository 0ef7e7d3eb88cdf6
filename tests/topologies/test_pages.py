"""docs/topologies.md is what the program says: options from the modules' texts, equations and adjoint equations from
the topologies' own examples. To write it anew: `pytest tests/topologies/test_pages.py --rewrite`.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import bptt_solver
import bptt_solver.draft
from bptt_plugins.topologies import cells
from bptt_solver.draft import COMMON
from bptt_solver.limits import Limits
from bptt_solver.problem.document import read_document
from bptt_solver.records import Topology
from bptt_solver.registry import Registry

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "topologies.md"
REGISTRY = Registry.load()
MODULES = {"jordan": "narx"}  # where a topology's module has another name
OF_CELLS = tuple(name for name in cells.OPTIONS if name not in COMMON)
HEAD = """# Topologies

`network: {topology: NAME, ...}` stands for equations. A topology writes them from a few options; `bptt-solve lower
FILE` prints them, with `--adjoint` also the equations of the sweep, and `bptt-solve plugins` lists the topologies that
are installed. `bptt-solve FILE` names in its first section the choices that a topology made.
[plugins.md](plugins.md) says how to write one.

This page is written by the program: for each topology its options, and the equations of a small example.

## Options of all networks over time

Inputs and targets over time: one-to-many is `inputs: first`, many-to-one `targets: last`, synced the default, unsynced
the topology `encoder_decoder`; partial targets are `targets: [2, 3]`, weighted ones `targets: mask`; sequences of
unequal lengths are `lengths: [3, 2]`. Functions are named by what `bptt-solve plugins` lists, with numbers where they
have parameters: `leaky_relu(0.2)`.
"""
CELLS = """
## Options of cells

The topologies `bidirectional`, `lstm`, `gru` and `cell` can be put into layers and directions.
"""


def meanings(text: str) -> dict[str, str]:
    """The options that a module's text lists: ``name   what it is``, and more in lines that are indented further."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        entry = re.fullmatch(r"([a-z_]+(?:, [a-z_]+)*) {2,}(\S.*)", line)
        if entry:
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif names and line.startswith("     "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            names = []
    return found


def shown(value: object) -> str:
    """A default as a document has it."""
    if value is None:
        return "needed"
    plain = list(value) if isinstance(value, tuple) else value
    if isinstance(plain, str):
        return f"`{plain}`" if plain else "none"
    return f"`{json.dumps(plain)}`"


def table(options: Mapping[str, object], texts: Mapping[str, str]) -> Iterator[str]:
    """A row for each option."""
    yield "| option | default | meaning |"
    yield "|---|---|---|"
    for name, default in options.items():
        yield f"| `{name}` | {shown(default)} | {texts[name].replace('``', '`')} |"


def flow(value: object) -> str:
    """Options in one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return json.dumps(text) if "\n" in text else text


def module_text(topology: Topology) -> str:
    """The text at the beginning of a topology's module."""
    name = MODULES.get(topology.name, topology.name)
    return importlib.import_module(f"bptt_plugins.topologies.{name}").__doc__ or ""


def examples(topology: str) -> list[str]:
    """The folders of the examples with this topology."""
    found = []
    for path in sorted(ROOT.glob("examples/*/problem.yaml")):
        network = read_document(path, Limits()).network
        if network is not None and network.topology == topology:
            found.append(path.parent.name)
    return found


def section(topology: Topology) -> Iterator[str]:
    """Everything about one topology."""
    text = module_text(topology)
    known = meanings(bptt_solver.draft.__doc__ or "") | meanings(cells.__doc__ or "")
    texts = known | meanings(text)
    yield f"\n## {topology.name}\n"
    source = f" ({topology.source})" if topology.source else ""
    names = f" Also called {', '.join(f'`{name}`' for name in topology.aliases)}." if topology.aliases else ""
    yield f"{topology.summary[0].upper()}{topology.summary[1:]}{source}.{names}\n"
    folders = examples(topology.name)
    if folders:
        yield "Examples: " + ", ".join(f"[{name}](../examples/{name}/solution.md)" for name in folders) + ".\n"
    own = {name: default for name, default in topology.options.items() if name not in COMMON or topology.name in (
        "feedforward", "tree") or (name in meanings(text) and name != "hidden")}  # fmt: skip
    if "directions" in own:
        own = {name: default for name, default in own.items() if name not in OF_CELLS}
    if own:
        yield from table(own, texts)
        yield ""
    yield from others(topology, own)
    yield "```yaml"
    yield f"network: {flow({'topology': topology.name, **topology.example})}"
    yield "```\n"
    problem = bptt_solver.loads(json.dumps({"network": {"topology": topology.name, **topology.example}}))
    network = REGISTRY.network(topology.name, topology.example)
    yield "```text"
    yield network.equations
    yield "```\n"
    yield "The equations of the sweep:\n"
    yield "```text"
    yield bptt_solver.lower(problem, adjoint=True).strip()
    yield "```\n"
    yield "| parameter | shape | what it is |"
    yield "|---|---|---|"
    for name, shape in network.parameters.items():
        sizes = "×".join(map(str, shape)) if len(shape) > 1 else "".join(map(str, shape)) or "number"
        yield f"| `{name}` | {sizes} | {network.roles.get(name.partition('[')[0], '')} |"
    if network.notes:
        yield ""
        yield from (f"- {note}" for note in network.notes)


def others(topology: Topology, own: Mapping[str, object]) -> Iterator[str]:
    """Which of the common options there are, and their defaults here."""
    common = [name for name in COMMON if name in topology.options and name not in own]
    if not common:
        return
    missing = [name for name in COMMON if name not in topology.options]
    said = "Besides, the options of [all networks over time](#options-of-all-networks-over-time)"
    said += f" but for {', '.join(f'`{name}`' for name in missing)}" if missing else ""
    said += " and [of cells](#options-of-cells)" if "directions" in topology.options else ""
    both = {**cells.OPTIONS, **COMMON}
    differ = [f"`{name}: {topology.options[name]}`" for name in both if name in topology.options and name not in own
              and topology.options[name] != both[name]]  # fmt: skip
    yield said + (f"; here {', '.join(differ)} is the default" if differ else "") + ".\n"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    draft = meanings(bptt_solver.draft.__doc__ or "")
    parts += table(COMMON, draft)
    parts.append(CELLS)
    parts += table({name: cells.OPTIONS[name] for name in OF_CELLS}, meanings(cells.__doc__ or ""))
    for topology in sorted(REGISTRY.topologies, key=lambda t: t.name):
        parts += section(topology)
    return "\n".join(parts) + "\n"


def test_the_page_is_what_the_program_says(request: pytest.FixtureRequest) -> None:
    written = page()
    if request.config.getoption("--rewrite"):
        PAGE.write_text(written, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == written, "pytest tests/topologies/test_pages.py --rewrite writes it anew"


def test_every_topology_has_an_example_and_every_option_a_meaning() -> None:
    known = meanings(bptt_solver.draft.__doc__ or "") | meanings(cells.__doc__ or "")
    for topology in REGISTRY.topologies:
        assert examples(topology.name), topology.name
        assert set(topology.options) <= set(known | meanings(module_text(topology))), topology.name
