"""Options of the test run."""

from __future__ import annotations

import os

import pytest

os.environ["LC_ALL"] = "C"  # the language of the messages does not depend on who runs the tests


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--rewrite``: write the golden files anew instead of comparing with them."""
    parser.addoption("--rewrite", action="store_true", help="write the solutions of the examples anew")
