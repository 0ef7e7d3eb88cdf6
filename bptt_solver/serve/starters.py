"""The examples that come with the program, to start a document from."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

_PACKAGE = Path(__file__).parent / "examples"  # in an installation
_CHECKOUT = Path(__file__).parents[2] / "examples"  # in a copy of the repository


class Starter(NamedTuple):
    """An example: its folder's name, its title, what its first comment says of it, and its text."""

    name: str
    title: str
    about: str
    text: str


@cache
def starters() -> tuple[Starter, ...]:
    """All examples that are installed, in order."""
    folder = _PACKAGE if _PACKAGE.is_dir() else _CHECKOUT
    found = sorted(folder.glob("[0-9][0-9]_*/problem.yaml")) if folder.is_dir() else []
    return tuple(_starter(os.path.basename(path.parent), path.read_text(encoding="utf-8")) for path in found)


def _starter(name: str, text: str) -> Starter:
    about: list[str] = []
    lines = text.splitlines()
    for line in lines:
        if not line.startswith("#"):
            break
        about.append(line.lstrip("# "))
    title = next((line.partition(":")[2].strip() for line in lines if line.startswith("title:")), name)
    return Starter(name, title.strip('"'), " ".join(about), text)
