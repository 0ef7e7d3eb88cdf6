"""Programs as the command gives them: their text stands alone, and what runs is that text."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bptt_solver import api
from bptt_solver.compile.gradient import LIBRARIES
from bptt_solver.errors import ProblemError

ROOT = Path(__file__).parents[2]
ELMAN = ROOT / "examples" / "07_elman" / "problem.yaml"
RAGGED = ROOT / "examples" / "10_sequences" / "problem.yaml"


def test_the_text_runs_alone(tmp_path: Path) -> None:
    """A module that is written to a file needs NumPy and nothing of ours."""
    problem = api.load(ELMAN)
    (tmp_path / "network.py").write_text(api.emit(problem, "numpy"), encoding="utf-8")
    x = [problem.given["x", (t,)].tolist() for t in (1, 2, 3)]
    d = [problem.given["d", (t,)].tolist() for t in (1, 2, 3)]
    others = {n: np.asarray(problem.given[n, ()], dtype=float).tolist() for n in ("W_x", "W_h", "b_h", "W_y", "b_y")}
    script = f"""
import json, sys
import numpy as np
import network
given = {{name: np.array(value, dtype=float) for name, value in json.loads({json.dumps(json.dumps(others))}).items()}}
given |= {{"x": np.array({x}, dtype=float), "d": np.array({d}, dtype=float), "h": np.array([[0.0, 0.0, 0.0]])}}
given["h"][0] = {np.asarray(problem.given["h", (0,)], dtype=float).tolist()}
result = network.make(np.float64)(given)
print(json.dumps([float(result["E"]), result["∂⁺E/∂W_h"].tolist(), "bptt_solver" in sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{script}"],
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    value, gradient, ours = json.loads(done.stdout)
    solution = api.solve(problem)
    assert not ours
    assert value == pytest.approx(solution.value, rel=1e-13)
    np.testing.assert_allclose(gradient, solution["∂⁺E/∂W_h"], rtol=1e-12)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_agrees_with_the_sweep(library: str) -> None:
    if library not in ("python", "numpy"):
        pytest.importorskip(library)
    solution = api.solve(api.load(ELMAN), backend=library)
    assert solution.verified
    program = solution.as_dict()["program"]
    assert (program["library"], program["agrees"]) == (library, True)
    assert f"The program for {library}" in solution.render("text")
    assert "agree with the sweep" in solution.render("markdown") and solution.render("latex")


def test_a_wrong_program_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: one gradient of the program is off in its eighth digit."""
    from bptt_solver.compile import gradient as module

    right = module.Arrays.__call__

    def wrong(self: module.Arrays, given: module.Given) -> dict[tuple[str, tuple[int, ...]], object]:
        found = right(self, given)
        found["∂⁺E/∂W_h", ()] = found["∂⁺E/∂W_h", ()] * (1 + 1e-8)
        return found

    monkeypatch.setattr(module.Arrays, "__call__", wrong)
    solution = api.solve(api.load(ELMAN), backend="numpy")
    assert not solution.verified
    assert "NOT VERIFIED" in solution.render("text").partition("The program for numpy")[2]


def test_what_has_no_program_says_why() -> None:
    problem = api.load(RAGGED)
    for library in ("numpy", "torch"):
        with pytest.raises(ProblemError, match="the range of t depends on another index"):
            api.emit(problem, library)
    assert api.gradient_program(problem).route in ("straight", "levels")
    with pytest.raises(ProblemError, match="unknown library 'nunpy'"):
        api.emit(problem, "nunpy")


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "bptt_solver", str(ELMAN), "--emit", "numpy", "-o", str(tmp_path) + "/"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "problem.py").read_text(encoding="utf-8") == api.emit(api.load(ELMAN), "numpy")
