"""Backward equations of families with many definitions, and sums over members that maps lead to: what is left out
without a look at it has no member, and nothing else is left out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bptt_solver
from bptt_solver import guards, segments
from bptt_solver.boxes import Bound, Box, Boxes
from bptt_solver.language.expressions import Index
from bptt_solver.language.notation.source import equation_to_source
from bptt_solver.segments import Backward


def graph(nodes: int, seed: int = 1) -> str:
    """A graph that is written by hand: one equation for each member, each reads one or two of the last six."""
    source = random.Random(seed)
    lines = []
    for i in range(1, nodes + 1):
        reads = sorted({source.randint(max(0, i - 6), i - 1) for _ in range(2)})
        lines.append(f"  z[{i}] = " + " + ".join(f"{0.1 * (k % 7 + 1):.1f}*tanh(z[{k}])" for k in reads))
    return "equations: |\n" + "\n".join(lines) + f"\n  E = z[{nodes}]**2\nvalues:\n  z[0]: 0.5\n"


# ----------------------------------------------------------------------------- boxes that meet

ENDS = st.tuples(st.integers(-3, 12), st.integers(0, 6)).map(lambda p: (p[0], p[0] + p[1]))


def box(ends: tuple[tuple[int, int], ...]) -> Box:
    return tuple((Bound(a, Index(a)), Bound(b, Index(b))) for a, b in ends)


@st.composite
def _boxes(draw: st.DrawFn) -> tuple[list[tuple[tuple[int, int], ...]], tuple[tuple[int, int], ...]]:
    arity = draw(st.integers(1, 3))
    one = st.tuples(*[ENDS | st.integers(-3, 12).map(lambda n: (n, n))] * arity)
    return draw(st.lists(one, max_size=12)), draw(one)


@settings(max_examples=300, deadline=None)
@given(_boxes())
def test_boxes_that_meet(drawn: tuple[list[tuple[tuple[int, int], ...]], tuple[tuple[int, int], ...]]) -> None:
    several, one = drawn
    expected = [
        i for i, ends in enumerate(several)
        if all(max(a, c) <= min(b, d) for (a, b), (c, d) in zip(ends, one, strict=True))
    ]  # fmt: skip
    assert list(Boxes([box(ends) for ends in several]).meeting(box(one))) == expected


def test_what_is_no_box_meets_everything() -> None:
    point = box(((1, 1),))
    assert list(Boxes([None, point, None]).meeting(box(((5, 5),)))) == [0, 2]
    assert list(Boxes([None, point]).meeting(None)) == [0, 1]
    assert list(Boxes([]).meeting(point)) == []
    assert list(Boxes([(), ()]).meeting(())) == [0, 1]


# ----------------------------------------------------------------------------- many equations


@pytest.mark.parametrize("nodes", [5, 60, 450])
def test_graphs_written_by_hand(nodes: int) -> None:
    """With cells, and (beyond 400 members) with guards: the same derivatives as by independent routes."""
    assert bptt_solver.solve(bptt_solver.loads(graph(nodes)), check="fast").verified


def test_cells_and_guards_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = bptt_solver.loads(graph(40))
    cells = bptt_solver.solve(problem).ordered_derivatives
    monkeypatch.setattr(segments, "MOST_CELLS", 0)
    assert bptt_solver.solve(bptt_solver.loads(graph(40))).ordered_derivatives == pytest.approx(cells, rel=1e-13)


@pytest.mark.parametrize("nodes", [150, 600])
def test_work_grows_with_the_number_of_equations(nodes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the equations, about twice the work: counted, not measured."""
    calls = {"bounds": 0, "not_implied": 0, "inside": 0}

    def counted(module: Any, name: str) -> None:
        original = getattr(module, name)

        def count(*arguments: Any) -> Any:
            calls[name] += 1
            return original(*arguments)

        monkeypatch.setattr(module, name, count)

    counted(segments, "bounds")
    counted(segments, "inside")
    counted(guards, "not_implied")
    problem = bptt_solver.loads(graph(nodes))
    Backward(problem.system, problem.target).system()
    assert 2 * nodes < sum(calls.values()) < 24 * nodes


def test_a_member_that_is_passed_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: of the boxes that meet, the last is left out."""
    original = Boxes.meeting
    monkeypatch.setattr(Boxes, "meeting", lambda self, at: original(self, at)[:-1] or original(self, at))
    assert not bptt_solver.solve(bptt_solver.loads(graph(30))).verified


# ----------------------------------------------------------------------------- sums that are empty


def tree(children: list[tuple[int, int]], leaves: int) -> str:
    """A tree whose inner nodes have two children, which are looked up in maps."""
    left, right = ([pair[k] for pair in children] for k in (0, 1))
    last = leaves + len(children)
    return (
        "equations: |\n"
        f"  h[j] = tanh(u*h[left[j]] + w*h[right[j]]) for j in {leaves + 1}..{last}\n"
        f"  E = h[{last}]**2\n"
        f"maps: {{left: {{from: {leaves + 1}, values: {left}}}, right: {{from: {leaves + 1}, values: {right}}}}}\n"
        f"values:\n  u: 0.7\n  w: -0.4\n  h: {[round(0.3 * k - 0.5, 1) for k in range(1, leaves + 1)]}\n"
    )


def sweep(text: str) -> Iterator[str]:
    """The backward equations of h."""
    solution = bptt_solver.solve(bptt_solver.loads(text))
    assert solution.verified
    for equation in solution.computation.adjoint_equations:
        if equation.of == "h":
            yield equation_to_source(equation)


def test_the_root_of_a_tree_has_no_parent() -> None:
    lines = list(sweep(tree([(1, 2), (4, 3)], 3)))
    assert not any("== 5" in line or "== M" in line for line in lines)
    assert any("left[j'] == j" in line for line in lines)


def _random_tree(source: random.Random, leaves: int) -> list[tuple[int, int]]:
    free, children = list(range(1, leaves + 1)), []
    while len(free) > 1:
        pair = free.pop(source.randrange(len(free))), free.pop(source.randrange(len(free)))
        children.append(pair)
        free.append(leaves + len(children))
    return children


@pytest.mark.parametrize("seed", range(12))
def test_no_summand_is_lost(seed: int) -> None:
    """Random trees; `sweep` compares all derivatives with independent routes."""
    source = random.Random(seed)
    leaves = source.randint(2, 8)
    assert list(sweep(tree(_random_tree(source, leaves), leaves)))


def test_a_summand_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: every sum over a map counts as empty."""
    for module in (segments, guards):
        monkeypatch.setattr(module, "occurs", lambda term, ends, system: not term.ranges)
    with pytest.raises(AssertionError):
        list(sweep(tree([(1, 2), (4, 3)], 3)))
