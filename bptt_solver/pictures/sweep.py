"""The backward sweep in a picture: what a step is about, where its terms come from, and all steps in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.catalogues import message
from bptt_solver.contributions import contributions, instance_of
from bptt_solver.errors import fail, suggest
from bptt_solver.instances import instance_text
from bptt_solver.language.expressions import derivative_name
from bptt_solver.pictures.graph import Graph
from bptt_solver.pictures.labels import Label, Run
from bptt_solver.terms import AdjointEquation

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.pictures.words import Words
    from bptt_solver.system import Instance

MOST_STEPS = 400  # of an animation


class SweepStep:
    """One line of the sweep: whose ordered derivative it is, through which instances it comes, and what it says."""

    __slots__ = ("caption", "key", "number", "users")

    def __init__(self, number: int, key: Instance, users: Sequence[Instance], caption: Label):
        self.number = number
        self.key = key
        self.users = list(users)
        self.caption = caption


def sweep_steps(computation: Computation, words: Words) -> list[SweepStep]:
    """The lines of the sweep, in its order; gathered sums of weights at the end."""
    unfolded = computation.unfolded
    steps: list[SweepStep] = []
    lines = [n for n in unfolded.order if isinstance(unfolded.equations[n], AdjointEquation)]
    for at, number in enumerate(lines, 1):
        equation = unfolded.equations[number]
        assert isinstance(equation, AdjointEquation)
        key = equation.of, unfolded.keys[number][1]
        users: dict[Instance, None] = {}
        for part in contributions(computation, number):
            users[part.user] = None
            if part.term.matched is not None:  # an output function and its loss, in one step
                users[instance_of(part.term.matched.user, part.environment, computation)] = None
        equals = (Run(" = "), *words.value(computation.values[number]))
        caption = (Run(f"{at}/{len(lines)}   "), *words.derivative(key), *equals)
        steps.append(SweepStep(at, key, list(users), caption))
    return steps


def chosen_step(steps: Sequence[SweepStep], wanted: str | int, computation: Computation) -> SweepStep:
    """A step by its number (from 1) or by the instance whose derivative it is. Raises ProblemError for another."""
    text = str(wanted).strip()
    if text.isascii() and text.isdigit():
        if not 1 <= int(text) <= len(steps):
            raise fail(message("picture.no_step", number=text), hint=message("picture.step_count", count=len(steps)))
        return steps[int(text) - 1]
    text = text.removeprefix(derivative_name(computation.target_text, ""))
    for step in steps:
        if instance_text(step.key) == text:
            return step
    names = [instance_text(step.key) for step in steps]
    raise fail(message("picture.no_such_step", name=text), hint=suggest(text, names) or message("picture.instance"))


def lights(graph: Graph, step: SweepStep, fade: bool = True) -> dict[str, str]:
    """Class words by the names of nodes and edges: ``lit``, ``later`` for what the terms come through, ``faded``."""
    own = instance_text(step.key)
    users = [instance_text(user) for user in step.users]
    shown = {m: n.name for n in [*graph.nodes, *graph.parameters] for m in (n.members or [n.name])}
    for node in graph.parameters:
        for member in node.title.split(", "):
            shown.setdefault(member, node.name)
    mine, through = shown.get(own, own), [shown.get(u, u) for u in users]
    found: dict[str, str] = {}
    names = [n.name for n in graph.nodes]
    into = {(names[e.source], names[e.sink]): e for e in graph.edges}
    lit_edges: dict[str, None] = {}
    for user in through:
        if (mine, user) in into:
            lit_edges[f"{mine}>{user}"] = None
            continue
        for (one, other), edge in into.items():
            carried = other == user and own in edge.weights
            passed = one == mine and (other, user) in into
            delayed = one == mine and any(n.name == other and n.kind == "delay" for n in graph.nodes)
            if carried or passed or delayed:
                lit_edges[f"{one}>{other}"] = None
            if passed or (delayed and (other, user) in into):
                lit_edges[f"{other}>{user}"] = None
    if fade:
        found.update({name: "faded" for name in [*names, *(p.name for p in graph.parameters)]})
        found.update({f"{one}>{other}": "faded" for one, other in into})
    found.update(dict.fromkeys(through, "later"))
    found.update(dict.fromkeys(lit_edges, "lit"))
    found[mine] = "lit"
    return found
