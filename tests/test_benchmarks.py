"""The page of what is measured: its verdicts come from the figures, and the page that is there is the one that the
saved results make. The benchmarks themselves are not run here, but for what compares results."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"


def module(name: str) -> ModuleType:
    """A script of the folder."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(autouse=True)
def beside_each_other() -> Iterator[None]:
    """Scripts of the folder import each other by their names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield
    for name in [n for n in sys.modules if n.startswith("_") and (FOLDER / f"{n}.py").is_file()]:
        del sys.modules[name]


def saved(folder: Path, cases: list[tuple[str, float | None, float]], sense: str = "at most") -> None:
    """A small file of results."""
    common = module("_common")
    table = common.table_of("A table", ["peer", "least"], [["ours", "1 ms"], ["a|b", "WRONG"]])
    goal = common.goal("a-key", "At most so much.", cases, sense)
    whole = {"name": "own_cell", "quick": False, "machine": {"cores": "2"}, "goals": [goal], "tables": [table]}
    (folder / "own_cell.json").write_text(json.dumps(whole), encoding="utf-8")


def section(text: str) -> str:
    """The part of the page that the small file makes."""
    return text.partition("## A cell of one's own")[2].partition("\n## ")[0]


def test_a_goal_that_is_kept(tmp_path: Path) -> None:
    saved(tmp_path, [("first", 1.1, 1.15), ("second", 1.15, 1.15)])
    text = module("page").page(tmp_path, {"a-key": "it is hard"})
    assert "Reached (2 cases): 1.15 of at most 1.15 (second) at the worst." in section(text)
    assert "it is hard" not in text and "Not reached" not in text
    assert "| At most so much. | 2 of 2 | reached |" in text
    assert "| a\\|b | WRONG |" in text
    assert text.count("*Not measured yet.*") == 5


def test_a_goal_that_is_not_kept(tmp_path: Path) -> None:
    """A fault planted in one figure of a result that was good."""
    saved(tmp_path, [("first", 1.1, 1.15), ("second", 1.38, 1.15)])
    page = module("page")
    text = page.page(tmp_path, {})
    assert "**Not reached** in 1 of 2 cases." in section(text)
    assert "- 1.38 of at most 1.15 (second), 20 % over" in section(text) and "(first)" not in section(text)
    assert "No reason is known." in section(text)
    assert "| At most so much. | 1 of 2 | **not reached** |" in text
    assert "Reason: it is\n" not in text
    assert "Reason: it is hard\n" in page.page(tmp_path, {"a-key": " it is\n hard"})


def test_a_goal_of_at_least(tmp_path: Path) -> None:
    page = module("page")
    saved(tmp_path, [("first", 1.5, 1.0)], "at least")
    assert "Reached (1 case): 1.5 of at least 1 (first) at the worst." in page.page(tmp_path, {})
    saved(tmp_path, [("first", 0.75, 1.0)], "at least")
    assert "**Not reached**.\n\n- 0.75 of at least 1 (first), 25 % short" in page.page(tmp_path, {})


def test_what_was_not_measured_is_not_reached(tmp_path: Path) -> None:
    page = module("page")
    saved(tmp_path, [("first", None, 1.0), ("second", 0.5, 1.0)])
    text = page.page(tmp_path, {})
    assert (
        "Reached where it was measured (1 case): 0.5 of at most 1 (second) at the worst. Not measured: first." in text
    )
    assert "| At most so much. | 1 of 2 | open |" in text
    saved(tmp_path, [("first", None, 1.0)])
    assert "*Not measured.*" in section(page.page(tmp_path, {}))


def test_results_that_differ_have_no_times() -> None:
    race = module("_race")
    rows: list[dict[str, Any]] = [
        {"peer": "good", "check": [1.0, 2.0], "min": 1, "median": 1, "ready": 1},
        {"peer": "same", "check": [1.0, 2.0 + 1e-12], "min": 1, "median": 1, "ready": 1},
        {"peer": "off", "check": [1.0, 2.1], "min": 1, "median": 1, "ready": 1},
        {"peer": "lost", "check": [1.0, float("nan")], "min": 1, "median": 1, "ready": 1},
        {"peer": "short", "check": [1.0], "min": 1, "median": 1, "ready": 1},
    ]
    race.checked(rows, "good", 1e-9)
    assert [row["peer"] for row in rows if "min" in row] == ["good", "same"]
    assert [row.get("wrong") for row in rows] == [None, None, "0.05", "nan", "inf"]
    assert not any("check" in row for row in rows)
    shown = module("rnn_gradient").shown_rows(rows)
    assert shown[2][1].startswith("WRONG") and shown[1][1] == "1.00 s"


def test_peers_by_hand_agree_with_our_program() -> None:
    """The yardsticks themselves, at the smallest size."""
    sequences, hand, own = (module(name) for name in ("_sequences", "_by_hand", "own_cell"))
    peers = {"rnn": (hand.rnn_naive, hand.rnn_best), "lstm": (hand.lstm_naive, hand.lstm_best), "own": (own.own_best,)}
    for cell, makers in peers.items():
        task = {"cell": cell, "size": "textbook", "dtype": "float64", "threads": 1}
        ours = sequences.ours("numpy")(task)
        expected = ours.check(ours.call())
        for make in (*makers, sequences.straight("python")):
            made = make(task)
            assert made.check(made.call()) == pytest.approx(expected, abs=1e-13)


def test_the_page_is_what_its_results_make() -> None:
    page = module("page")
    made = page.page(FOLDER / "results", page.reasons_in(page.REASONS))
    assert page.PAGE.read_text(encoding="utf-8") == made, "python benchmarks/page.py writes it again"


def test_reasons_belong_to_goals() -> None:
    page = module("page")
    if any(not (FOLDER / "results" / f"{workload.name}.json").is_file() for workload in page.WORKLOADS):
        pytest.skip("not everything has been measured")
    known = {g["key"] for f in (FOLDER / "results").glob("*.json") for g in json.loads(f.read_text("utf-8"))["goals"]}
    assert set(page.reasons_in(page.REASONS)) <= known
