"""What an expression comes to, found from its leaves upwards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bptt_solver.language.bottom_up import bottom_up
from bptt_solver.language.expressions import Call, Expression, Index, Number, Range, Reference, Sum, preorder

LEAVES = st.one_of(st.integers(0, 9).map(Number), st.sampled_from("abc").map(Reference))
OVER_T = (Range("t", Index(1), Index(3)),)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Call("add", tuple(parts))),
        inner.map(lambda body: Sum(body, OVER_T, ())),
    ),
)


def _text(leaf: Expression) -> str:
    return str(leaf.value) if isinstance(leaf, Number) else leaf.name if isinstance(leaf, Reference) else "?"


def test_parts_come_in_the_order_in_which_they_are_written() -> None:
    tree = Call("sub", (Reference("a"), Call("add", (Reference("b"), Number(2), Reference("c")))))
    assert bottom_up(tree, _text, lambda node, parts: f"{node.operation}({' '.join(parts)})") == "sub(a add(b 2 c))"


def test_a_call_without_arguments_takes_nothing_from_its_neighbour() -> None:
    tree = Call("add", (Reference("a"), Call("rand", ())))
    assert bottom_up(tree, _text, lambda node, parts: f"{node.operation}({' '.join(parts)})") == "add(a rand())"


def test_a_sum_is_its_body_unless_somebody_says_otherwise() -> None:
    tree = Sum(Reference("a"), OVER_T, ())
    assert bottom_up(tree, _text, lambda node, parts: "") == "a"
    assert bottom_up(tree, _text, lambda node, parts: "", lambda node, body: f"sum of {body}") == "sum of a"


def test_any_depth() -> None:
    tree: Expression = Reference("a")
    for _ in range(100_000):
        tree = Call("neg", (tree,))
    assert bottom_up(tree, lambda leaf: 0, lambda node, parts: parts[0] + 1) == 100_000


@given(TREES)
def test_every_part_is_met_once(tree: Expression) -> None:
    count = bottom_up(tree, lambda leaf: 1, lambda node, parts: 1 + sum(parts), lambda node, body: 1 + body)
    assert count == len(list(preorder(tree)))
