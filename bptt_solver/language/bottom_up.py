"""What an expression comes to, found from its leaves upwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bptt_solver.language.expressions import Call, Expression, Sum

Found = TypeVar("Found")


def bottom_up(
    expression: Expression,
    leaf: Callable[[Expression], Found],
    call: Callable[[Call, list[Found]], Found],
    total: Callable[[Sum, Found], Found] | None = None,
) -> Found:
    """``leaf`` of every leaf, ``call`` of every call with what was found for its arguments, and ``total`` of every sum
    over an index with what was found for its body (without ``total`` that is what is found for the sum). In the order
    in which the parts are written; no recursion, so that the depth of a tree does not matter."""
    nodes: list[Expression] = []  # each in front of its parts, and those from right to left
    stack = [expression]
    while stack:
        node = stack.pop()
        nodes.append(node)
        if isinstance(node, Call):
            stack += node.arguments
        elif isinstance(node, Sum):
            stack.append(node.body)
    done: list[Found] = []
    for node in reversed(nodes):
        if isinstance(node, Call):
            first = len(done) - len(node.arguments)
            parts = done[first:]
            del done[first:]
            done.append(call(node, parts))
        elif not isinstance(node, Sum):
            done.append(leaf(node))
        elif total is not None:
            done.append(total(node, done.pop()))
    return done[0]
