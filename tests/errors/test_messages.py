"""Wrong documents (``NAME.yaml``) with exactly what is said about them (``NAME.txt``).

``BPTT_REWRITE=1 pytest tests/errors`` writes the messages anew; read what changed before you keep it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bptt_solver.errors import ProblemError
from bptt_solver.problem.document import read_document

FOLDER = Path(__file__).parent
DOCUMENTS = sorted(FOLDER.glob("*.yaml"))


def loader() -> Callable[[str], object]:
    """The whole way from a file to a problem where it exists, else the reading of documents."""
    if importlib.util.find_spec("bptt_solver.api") is None:
        return read_document
    from bptt_solver import api

    return api.load


def message(path: Path) -> str:
    """What is said about a document, without the folder it lies in."""
    with pytest.raises(ProblemError) as caught:
        loader()(str(path))
    return str(caught.value).replace(f"{path.parent}{os.sep}", "") + "\n"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_message(path: Path) -> None:
    expected = path.with_suffix(".txt")
    told = message(path)
    if os.environ.get("BPTT_REWRITE"):
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8")


def test_every_message_belongs_to_a_document() -> None:
    assert [path.stem for path in sorted(FOLDER.glob("*.txt"))] == [path.stem for path in DOCUMENTS]


def test_there_are_many() -> None:
    assert len(DOCUMENTS) >= 60
