"""A graph as text for Graphviz."""

from __future__ import annotations

from bptt_solver.pictures.graph import Graph
from bptt_solver.pictures.labels import plain
from bptt_solver.pictures.svg import COLOURS


def dot(graph: Graph, title: str) -> str:
    """The graph in the language DOT, with the same names, colours and labels. Every text is quoted."""
    lines = [f"digraph {quoted(title)} {{"]
    lines.append(f"  rankdir={'BT' if graph.form == 'tree' else 'LR'};")
    lines.append('  node [shape=circle, style=filled, fontname="serif", fontsize=12];')
    lines.append('  edge [fontname="serif", fontsize=10, color="#5b6770"];')
    for node in graph.nodes:
        fill, border = COLOURS[node.kind]
        label = "\n".join(plain(line) for line in node.lines)
        shape = {"dots": ", shape=plaintext", "delay": ", shape=box"}.get(node.kind, "")
        colours = "" if fill == "none" else f', fillcolor="{fill}", color="{border}"'
        lines.append(f"  {quoted(node.name)} [label={quoted(label)}{colours}{shape}];")
    columns: dict[tuple[str, int], list[str]] = {}
    for node in graph.nodes:  # the same kind of thing at one time stands in one column
        if node.time is not None and node.kind in ("state", "loss") and not graph.folded:
            columns.setdefault((node.kind, node.time), []).append(quoted(node.name))
    lines += [f"  {{ rank=same; {'; '.join(names)}; }}" for names in columns.values() if len(names) > 1]
    for edge in graph.edges:
        label = f" [label={quoted(plain(edge.label))}]" if edge.label else ""
        lines.append(f"  {quoted(graph.nodes[edge.source].name)} -> {quoted(graph.nodes[edge.sink].name)}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def quoted(text: str) -> str:
    """A text as DOT has it."""
    kept = "".join(c if c >= " " or c == "\n" else "\ufffd" for c in text)
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
