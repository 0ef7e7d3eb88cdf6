"""The sweep as one SVG that moves by itself: a layer for each step, shown in turn by the style sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bptt_solver.pictures.graph import Graph
from bptt_solver.pictures.labels import Label
from bptt_solver.pictures.svg import INK, LATER, LIT, NAME, decimal, drawn, text
from bptt_solver.pictures.sweep import SweepStep, lights

SECONDS = 1.4  # for each step


def layers(graph: Graph, steps: Sequence[SweepStep]) -> tuple[Callable[[float, float], str], str]:
    """What is put on top of a picture (where its caption stands is told when it is drawn), and the style that shows one
    step after the other. Who does not want movement sees the first step."""
    whole = SECONDS * (len(steps) + 1)
    shown = 100 / (len(steps) + 1)
    style = (
        f"@keyframes bptt-beat{{0%{{opacity:1}}{shown:.4f}%{{opacity:0}}100%{{opacity:0}}}}"
        f".bptt-graph .beat{{animation:bptt-beat {whole:.1f}s step-end infinite}}"
    )
    style += "".join(
        f".bptt-graph .beat-{s.number}{{animation-delay:{SECONDS * at:.1f}s}}" for at, s in enumerate(steps)
    )
    style += "@media (prefers-reduced-motion:reduce){.bptt-graph .beat{animation:none}.bptt-graph .beat-1{opacity:1}}"

    def body(x: float, y: float) -> str:
        return "\n".join(_layer(graph, step, x, y) for step in steps)

    return body, style


def _layer(graph: Graph, step: SweepStep, x: float, y: float) -> str:
    lit = lights(graph, step, fade=False)
    parts = [f'<g class="beat beat-{step.number}" opacity="0">', _caption(step.caption, x, y)]
    for node in [*graph.nodes, *graph.parameters]:
        state = lit.get(node.name)
        if state is None or node.kind == "dots":
            continue
        colour, thick = (LIT, 3.2) if state == "lit" else (LATER, 2.6)
        radius = 6.0 if node.kind in ("parameter", "delay") else min(20.0, node.width / 2, node.height / 2)
        parts.append(
            f'<rect class="ring" x="{decimal(node.x - node.width / 2)}" y="{decimal(node.y - node.height / 2)}" '
            f'width="{decimal(node.width)}" height="{decimal(node.height)}" rx="{decimal(radius)}" fill="none" '
            f'stroke="{colour}" stroke-width="{thick}"/>'
        )
    for edge in graph.edges:
        name = f"{graph.nodes[edge.source].name}>{graph.nodes[edge.sink].name}"
        if name in lit and edge.path:
            path, tip = drawn(edge.path, bool(edge.via))
            parts.append(
                f'<path d="{path}" fill="none" stroke="{LIT}" stroke-width="2.6"/><path d="{tip}" fill="{LIT}"/>'
            )
    return "".join([*parts, "</g>"])


def _caption(label: Label, x: float, y: float) -> str:
    return text(label, x, y, NAME, f'class="caption" text-anchor="start" fill="{INK}"')
