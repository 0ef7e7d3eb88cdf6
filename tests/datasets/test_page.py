"""What docs/data-sets.md says is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bptt_solver.datasets import alone, cluster, sums

PAGE = (Path(__file__).parents[2] / "docs" / "data-sets.md").read_text(encoding="utf-8")


def test_the_example_runs() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    scope: dict[str, Any] = {}
    exec(compile(code, "data-sets.md", "exec"), scope)
    assert scope["summed"].gradients["W"].shape == (3, 2)
    assert (scope["summed"].sequences, scope["summed"].chunks) == (40, 5)
    assert scope["step"].loss < scope["summed"].loss


def test_numbers_of_the_page() -> None:
    assert f"({sums.CHUNK} if nothing is said)" in PAGE
    assert f"an error, after {cluster.ANSWER:.0f} seconds at most" in PAGE
    assert f"an error, after {cluster.PATIENCE:.0f} seconds |" in PAGE
    assert f"more than {alone.MOST_STRAIGHT:,} numbers in a sequence" in PAGE
