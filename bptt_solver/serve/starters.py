"""The examples that come with the program, to start a document from."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bptt_solver.catalogues import FOLDER, Messages
from bptt_solver.serve.told import Told, told

_PACKAGE = Path(__file__).parent / "examples"  # in an installation
_CHECKOUT = Path(__file__).parents[2] / "examples"  # in a copy of the repository


_SAY = Messages(FOLDER, "starters")


class Starter(NamedTuple):
    """An example: its folder's name, its title and what its first comment says of it in every language, and its
    text."""

    name: str
    title: Told
    about: Told
    text: str


@cache
def starters() -> tuple[Starter, ...]:
    """All examples that are installed, in order."""
    folder = _PACKAGE if _PACKAGE.is_dir() else _CHECKOUT
    found = sorted(folder.glob("[0-9][0-9]_*/problem.yaml")) if folder.is_dir() else []
    return tuple(_starter(os.path.basename(path.parent), path.read_text(encoding="utf-8")) for path in found)


def _starter(name: str, text: str) -> Starter:
    return Starter(name, told(_SAY(f"{name}.title")), told(_SAY(f"{name}.about")), text)


def own_words(name: str, text: str) -> tuple[str, str]:
    """The title of a document, and what its first comment says of it: what the English catalogue has."""
    about: list[str] = []
    lines = text.splitlines()
    for line in lines:
        if not line.startswith("#"):
            break
        about.append(line.lstrip("# "))
    title = next((line.partition(":")[2].strip() for line in lines if line.startswith("title:")), name)
    return title.strip('"'), " ".join(about)
