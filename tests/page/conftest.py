"""Pages of examples, and a browser to open them with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bptt_solver import api

EXAMPLES = Path(__file__).parents[2] / "examples"


@cache
def _page(name: str, **choices: Any) -> str:
    folder = next(EXAMPLES.glob(f"{name}_*"))
    return api.solve(api.load(folder / "problem.yaml"), **choices).render("html")


@pytest.fixture(scope="session")
def example() -> Callable[..., str]:
    """Makes the page of the example whose folder begins so: ``example("01", by="loss")``."""
    return _page


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
