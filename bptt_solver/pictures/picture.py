"""A picture from a computation: what is shown, how it is laid out, what is lit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from math import ceil
from typing import TYPE_CHECKING

from bptt_solver.catalogues import FOLDER, message, read_catalogue, split
from bptt_solver.errors import fail, suggest
from bptt_solver.pictures.dot import dot
from bptt_solver.pictures.folding import Folding, folded
from bptt_solver.pictures.graph import Graph
from bptt_solver.pictures.labels import Run, plain, width
from bptt_solver.pictures.layered import in_layers, on_a_line
from bptt_solver.pictures.reading import Reading
from bptt_solver.pictures.routes import LABEL, route
from bptt_solver.pictures.svg import measure, svg
from bptt_solver.pictures.sweep import MOST_STEPS, chosen_step, lights, sweep_steps
from bptt_solver.pictures.timeline import Timeline
from bptt_solver.pictures.unrolling import unrolled
from bptt_solver.pictures.words import Words

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.profiles.convention import Convention

FORMS = ("auto", "folded", "unrolled")
SHOWN = ("weights", "partials", "values", "derivatives")
MOST_DRAWN = 300  # nodes of an SVG
MOST_UNROLLED = 90  # nodes and edges of a picture that is unrolled unless something else is asked for


def picture(
    computation: Computation,
    form: str = "auto",
    show: Sequence[str] | None = None,
    convention: Convention | None = None,
    step: str | int | None = None,
    animate: bool = False,
    language: str = "en",
) -> str:
    """The graph as SVG. ``form`` is ``unrolled``, ``folded`` or ``auto`` (unrolled if it is small); ``show`` names what
    stands on edges (``weights`` or ``partials``) and in nodes (``values``, ``derivatives``); ``step`` is lit, a step of
    the sweep by number or by name; ``animate`` lights one after the other. Raises ProblemError for anything else."""
    words = Words(computation, convention)
    graph = laid_out(computation, words, form, show)
    title, told = described(graph, computation, language)
    if animate:
        from bptt_solver.pictures.animation import layers

        steps = sweep_steps(computation, words)
        if len(steps) > MOST_STEPS:
            raise fail(message("picture.steps", count=len(steps)), hint=message("picture.one_step"))
        body, style = layers(graph, steps)
        longest = max((s.caption for s in steps), key=lambda c: len(plain(c)), default=())
        moving = f"{told} {sentence(language, 'moving')}"
        return svg(graph, title, moving, longest=longest, extra=body, style=style)
    if step is not None:
        found = chosen_step(sweep_steps(computation, words), step, computation)
        told += " " + sentence(language, "lit", step=plain(found.caption[1:]))
        return svg(graph, title, told, lit=lights(graph, found), caption=found.caption)
    return svg(graph, title, told)


def picture_dot(
    computation: Computation,
    form: str = "auto",
    show: Sequence[str] | None = None,
    convention: Convention | None = None,
    language: str = "en",
) -> str:
    """The same graph in the language of Graphviz."""
    graph, _ = graph_of(computation, Words(computation, convention), form, show)
    return dot(graph, described(graph, computation, language)[0])


def laid_out(computation: Computation, words: Words, form: str = "auto", show: Sequence[str] | None = None) -> Graph:
    """The graph with places, paths and labels. Raises ProblemError where it is too large to be looked at."""
    graph, variables = graph_of(computation, words, form, show)
    check_size(graph)
    return arranged(graph, variables)


def check_size(graph: Graph) -> None:
    """Raise ProblemError for a graph that is too large to be looked at."""
    if len(graph.nodes) > MOST_DRAWN:
        told = message("picture.nodes", count=f"{len(graph.nodes):,}", most=MOST_DRAWN)
        raise fail(told, hint=message("picture.dot") if graph.folded else message("picture.dot_folded"))


def arranged(graph: Graph, variables: Sequence[str]) -> Graph:
    """The same graph with places, paths and labels; labels that may grow get the room that they may need."""
    measure(graph)
    labels = [edge.label for edge in graph.edges]
    for edge in graph.edges:
        if width(edge.label, LABEL) < edge.room:
            edge.label = (Run("0" * ceil(edge.room / width((Run("0"),), LABEL))),)
    if graph.form == "time":
        Timeline(graph, variables).place()
    elif graph.form == "line":
        on_a_line(graph)
    else:
        in_layers(graph, graph.form == "tree")
    route(graph)
    for edge, label in zip(graph.edges, labels, strict=True):
        edge.label = label
    return graph


def graph_of(
    computation: Computation, words: Words, form: str = "auto", show: Sequence[str] | None = None
) -> tuple[Graph, list[str]]:
    """The graph without places, and the names of its times."""
    if form not in FORMS:
        raise fail(
            message("picture.form", name=form),
            hint=suggest(form, FORMS) or message("api.one_of", names=", ".join(FORMS)),
        )
    for name in show or ():
        if name not in (*SHOWN, "none"):
            raise fail(
                message("picture.cannot_show", name=name),
                hint=suggest(name, SHOWN) or message("picture.shows", names=", ".join(SHOWN)),
            )
    reading = Reading(computation)
    chosen = shown_first(computation, reading) if show is None else tuple(show)
    folding = Folding(reading)
    large = sum(1 + len(reading.unfolded.reads(n)) for n in reading.unfolded.order) > MOST_UNROLLED * 2
    if folding.folds and (form == "folded" or (form == "auto" and large and bool(reading.clock))):
        return folded(computation, reading, folding, words, chosen), []
    graph = unrolled(computation, reading, words, chosen)
    return graph, list(dict.fromkeys(v for _, v in reading.clock.values()))


def shown_first(computation: Computation, reading: Reading) -> tuple[str, ...]:
    """The numbers on the edges of a small graph of numbers; the weights on those of a network."""
    return ("weights",) if reading.clock or computation.shapes or reading.weights else ("partials",)


def described(graph: Graph, computation: Computation, language: str) -> tuple[str, str]:
    """The title, and what a screen reader says."""
    target = computation.target_text
    key = "described.folded" if graph.folded else "described.unrolled"
    told = sentence(language, key, target=target, nodes=str(len(graph.nodes)), edges=str(len(graph.edges)))
    return computation.problem.title or sentence(language, "graph", target=target), told


def sentence(language: str, key: str, **fields: str) -> str:
    """A sentence with its fields put in."""
    return "".join(text + (fields[field] if field else "") for text, field in split(catalogue(language)[key]))


@cache
def catalogue(language: str) -> dict[str, str]:
    """The words of pictures in a language."""
    with open(os.path.join(FOLDER, f"pictures.{language}.toml"), encoding="utf-8") as file:
        return read_catalogue(file.read())
