"""Pages of examples, and a browser to open them with."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pytest

from bptt_solver import api
from bptt_solver.arithmetic import is_array
from bptt_solver.page import Embedding, page
from bptt_solver.page.cells import ones
from bptt_solver.problem.problem import Problem
from bptt_solver.solution import Solution

EXAMPLES = Path(__file__).parents[2] / "examples"


@cache
def _page(name: str, **choices: Any) -> str:
    folder = next(EXAMPLES.glob(f"{name}_*"))
    return api.solve(api.load(folder / "problem.yaml"), **choices).render("html")


@pytest.fixture(scope="session")
def example() -> Callable[..., str]:
    """Makes the page of the example whose folder begins so: ``example("01", by="loss")``."""
    return _page


class Helpers:
    """What tests of pages with changed numbers share."""

    SET = """async (given) => {
      await bptt.live.start();
      for (const [at, texts] of Object.entries(given)) bptt.live.given.get(Number(at)).texts = texts;
      bptt.live.recompute();
    }"""

    @staticmethod
    def changed(problem: Problem, seed: int) -> dict[int, list[float]]:
        """Other numbers for what is given, put into a problem too. What sums to 1 keeps its numbers."""
        chance = random.Random(seed)
        computation = api.solve(problem).computation
        unfolded = computation.unfolded
        kept = {unfolded.keys[number][0] for number in ones(computation)}
        found: dict[int, list[float]] = {}
        for number, grounds in enumerate(unfolded.grounds[: unfolded.first]):
            if grounds is None and unfolded.keys[number][0] not in kept:
                value = computation.values[number]
                data = [round(chance.uniform(-1, 1), 3) for _ in range(value.size if is_array(value) else 1)]
                found[number] = data
                shaped = numpy.array(data).reshape(value.shape) if is_array(value) else data[0]
                problem.given[unfolded.keys[number]] = shaped  # type: ignore[index]
        return found

    @staticmethod
    def page_of(solution: Solution) -> str:
        """A page with its first view alone."""
        return page(solution, Embedding("", ""))

    @staticmethod
    def written(text: str) -> str:
        """A line without what may be written in two ways: parentheses around a minus sign behind a plus sign."""
        return re.sub(r"\+\(−([^()]*)\)", r"−\1", text)

    @staticmethod
    def alike(mine: str, theirs: str) -> bool:
        """Whether two lines are the same, or one leaves a step out that looks like the next one there."""
        return Helpers.written(mine) == Helpers.written(theirs) or mine.count("=") != theirs.count("=")


@pytest.fixture(scope="session")
def helpers() -> type[Helpers]:
    """The functions of `Helpers`."""
    return Helpers


class Opened:
    """A page in a tab, with everything that it said or asked for."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.said: list[str] = []
        self.asked: list[str] = []
        tab.on("console", lambda message: self.said.append(message.text))
        tab.on("pageerror", lambda error: self.said.append(str(error)))
        tab.on("request", lambda request: self.asked.append(request.url))

    def quiet(self) -> bool:
        """Whether there was no message, and no request but that for the file and its own font."""
        return not self.said and all(url.startswith(("file:", "data:", "blob:")) for url in self.asked)


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Opens a page: ``opened(html, width=390, dark=True)``."""
    tabs: list[Any] = []

    def open_page(html: str, width: int = 1280, height: int = 900, dark: bool = False) -> Opened:
        path = tmp_path / f"page{len(tabs)}.html"
        path.write_text(html, encoding="utf-8")
        scheme = "dark" if dark else "light"
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        tabs.append(tab)
        found = Opened(tab)
        tab.goto(path.as_uri())
        return found

    yield open_page
    for tab in tabs:
        tab.close()
