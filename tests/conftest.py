"""Options of the test run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

os.environ["LC_ALL"] = "C"  # the language of the messages does not depend on who runs the tests


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--rewrite``: write the golden files anew instead of comparing with them."""
    parser.addoption("--rewrite", action="store_true", help="write the solutions of the examples anew")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window. Where there is none, or no playwright, the tests are skipped and say so.

    Its loop runs as long as it does, in this thread, so it ends with the module: other tests have loops of their own.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -e '.[test]'"
    )
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()
