"""Folded backward systems in the corners: targets inside grids, ragged ends, maps on the left."""

from __future__ import annotations

import pytest

from bptt_solver import loads, lower
from bptt_solver.api import solve

GRID = """
equations: |
  h[i,j] = tanh(u*h[i-1,j] + v*h[i,j-1] + x[i,j]) for i in 1..3, j in 1..3
values: {u: 0.5, v: -0.4, "h[0,1]": 0.1, "h[0,2]": 0.2, "h[0,3]": 0.3, "h[1,0]": 0.4, "h[2,0]": 0.5, "h[3,0]": 0.6}
data: {x: [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]}
target: h[2,2]
"""
RAGGED_END = """
equations: |
  h[n,len[n]+1] = h0 for n in 1..N
  h[n,t] = w*x[n,t] + u*h[n,t+1] for n in 1..N, t in 1..len[n]
  E = sum(h[n,1]*h[n,1] for n in 1..N)
sizes: {N: 2}
maps: {len: [3, 2]}
values: {h0: 2, w: 3, u: 1, "x[1,1]": 1, "x[1,2]": 2, "x[1,3]": -1, "x[2,1]": 1, "x[2,2]": 3}
"""
RAGGED_GIVEN = RAGGED_END.replace("  h[n,len[n]+1] = h0 for n in 1..N\n", "").replace(
    "h0: 2", '"h[1,4]": 2, "h[2,3]": 2'
)
MAP_ON_THE_LEFT = """
equations: |
  h[n,t] = tanh(w*x[n,t] + u*h[n,t-1]) for n in 1..2, t in 1..len[n]
  y[n,len[n]] = v*h[n,len[n]] for n in 1..2
  E = sum(y[n,len[n]]**2 for n in 1..2)
maps: {len: [2, 1]}
values: {w: 0.3, u: 0.5, v: 0.7, "h[1,0]": 0.1, "h[2,0]": 0.2, "x[1,1]": 1, "x[1,2]": -1, "x[2,1]": 0.5}
"""
LONG_SUM = """
equations: |
  E = exp(a) + exp(b) + exp(c) + exp(d) + exp(e) + exp(f) + exp(g) + exp(h) + exp(i) + exp(j)
values: {a: 0.1, b: 0.2, c: 0.3, d: 0.4, e: 0.5, f: 0.6, g: 0.7, h: 0.8, i: 0.9, j: 1.5}
"""
BROADCAST = """
equations: |
  h = tanh(W @ x)
  q = h/c + clip(h, c, 0.9) + max(h, c)
  E = squared_error(h, c) + sum(q*q)
values: {W: [[0.5, -0.3], [0.8, 0.2]], x: [1, 2], c: 0.4}
target: E
"""


@pytest.mark.parametrize(
    "text",
    [GRID, RAGGED_END, RAGGED_GIVEN, MAP_ON_THE_LEFT, LONG_SUM, BROADCAST],
    ids=["grid", "ragged end", "ragged given", "map on the left", "long sum", "broadcast"],
)
def test_every_derivative_is_verified(text: str) -> None:
    solution = solve(loads(text), check="full")
    assert solution.check.status in ("verified", "exact"), solution.check.as_json()


def test_what_comes_after_the_target_does_not_count() -> None:
    solution = solve(loads(GRID))
    assert solution["∂⁺h[2,2]/∂h[3,3]"] == 0
    assert solution["∂⁺h[2,2]/∂h[2,2]"] == 1


def test_segments_read_like_a_textbook() -> None:
    text = """
equations: |
  h[t] = tanh(u*h[t-1] + x[t]) for t in 1..T
  E = sum(h[t]**2 for t in 1..T)
values: {u: 0.5, "h[0]": 0.1}
data: {x: [1, 2, 3]}
"""
    assert lower(loads(text), adjoint=True).splitlines() == [
        "∂⁺E/∂E = 1",
        "∂⁺E/∂h[T] = 2*h[T]",
        "∂⁺E/∂h[t] = 2*h[t] + ∂⁺E/∂h[t+1] * (1 - h[t+1]**2) * u for t in 1..T-1",
        "∂⁺E/∂h[0] = ∂⁺E/∂h[1] * (1 - h[1]**2) * u",
        "∂⁺E/∂x[t] = ∂⁺E/∂h[t] * (1 - h[t]**2) for t in 1..T",
        "∂⁺E/∂u = sum(∂⁺E/∂h[t] * (1 - h[t]**2) * h[t-1] for t in 1..T)",
    ]
