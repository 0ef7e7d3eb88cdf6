"""Tables of contributions and of gradient flow in a real browser: their numbers and shades when given ones change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bptt_solver import api

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/problem.yaml"))
NAMES = [path.parent.name[:2] for path in EXAMPLES]
BEHIND = """() => [...document.querySelectorAll("#steps section")]
  .filter((s) => s.querySelector("[data-k]") && !(Number(s.querySelector(".number")?.textContent) < 6))
  .flatMap((s) => [...s.querySelectorAll("td, .line")]).filter((n) => !n.querySelector("mn.s"))
  .map((n) => `${n.className} ${n.textContent.replace(/\\s+/g, "")}`)"""
STRUCK = """() => [...document.querySelectorAll("#steps section:not(.stale) mn.s")].map((n) => n.textContent)"""


def lines_of(tab: Any) -> list[str]:
    found: list[str] = tab.evaluate(BEHIND)
    return found


@pytest.mark.parametrize("by", ["loss", "use", "both"])
@pytest.mark.parametrize("name", ["04", "07", "10", "15", "16", "18"])
def test_contributions(name: str, by: str, opened: Callable[..., Any], helpers: Any) -> None:
    """Every number of a contribution table, and its shade, as Python has them for other given numbers."""
    problem = api.load(EXAMPLES[NAMES.index(name)])
    shown = opened(helpers.page_of(api.solve(problem, by=by)))
    before = lines_of(shown.tab)
    shown.tab.evaluate(helpers.SET, helpers.changed(problem, 5))
    assert shown.tab.evaluate(STRUCK) == []
    lines = lines_of(shown.tab)
    again = lines_of(opened(helpers.page_of(api.solve(problem, by=by))).tab)
    assert len(lines) == len(again) > 10
    assert [(a, b) for a, b in zip(lines, again, strict=True) if not helpers.alike(a, b)] == []
    assert lines != before
    assert shown.quiet(), shown.said


@pytest.mark.parametrize("name", ["04", "11", "13", "16", "18", "24"])
def test_gradient_flow(name: str, opened: Callable[..., Any], helpers: Any) -> None:
    """Jacobians of the end, singular values, steps, bounds, lengths of error signals, with their shades; what is not
    computed again (factors, ways) is struck through."""
    problem = api.load(EXAMPLES[NAMES.index(name)])
    shown = opened(helpers.page_of(api.solve(problem, flow=True)))
    before = lines_of(shown.tab)
    shown.tab.evaluate(helpers.SET, helpers.changed(problem, 5))
    lines = lines_of(shown.tab)
    again = lines_of(opened(helpers.page_of(api.solve(problem, flow=True))).tab)
    assert len(lines) == len(again) > 10
    assert [(a, b) for a, b in zip(lines, again, strict=True) if not helpers.alike(a, b)] == []
    assert lines != before
    assert shown.quiet(), shown.said


def test_a_wrong_sweep_is_found(opened: Callable[..., Any], monkeypatch: Any, helpers: Any) -> None:
    """The planted fault: what one loss contributes is computed with the seed of another."""
    from bptt_solver.analyses import made_sweeps

    monkeypatch.setattr(made_sweeps, "seeds_of", lambda computation, losses: [0] * len(losses))
    monkeypatch.setattr("bptt_solver.analyses.contribution_table.seeds_of", made_sweeps.seeds_of)
    problem = api.load(EXAMPLES[3])
    shown = opened(helpers.page_of(api.solve(problem, by="both")))
    shown.tab.evaluate(helpers.SET, helpers.changed(problem, 5))
    again = lines_of(opened(helpers.page_of(api.solve(problem, by="both"))).tab)
    assert [a for a, b in zip(lines_of(shown.tab), again, strict=True) if not helpers.alike(a, b)]


def test_a_table_returns_to_what_it_was(opened: Callable[..., Any], helpers: Any) -> None:
    problem = api.load(EXAMPLES[3])
    tab = opened(helpers.page_of(api.solve(problem, by="both", flow=True))).tab
    before = tab.inner_html("#steps")
    tab.evaluate(helpers.SET, helpers.changed(problem, 5))
    assert tab.inner_html("#steps") != before
    tab.evaluate("document.querySelector('#given button').click()")
    assert tab.inner_html("#steps") == before
