"""Wrong documents (``NAME.yaml``) with exactly what is said about them (``NAME.txt``).

``BPTT_REWRITE=1 pytest tests/errors`` writes the messages anew; read what changed before you keep it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bptt_solver import api
from bptt_solver.errors import ProblemError

FOLDER = Path(__file__).parent
DOCUMENTS = sorted(FOLDER.glob("*.yaml"))
NO_PLACE = {"encoding_", "yaml_empty", "yaml_only_comment"}  # what is wrong with the whole file


def message(path: Path) -> str:
    """What is said about a document, without the folder it lies in."""
    with pytest.raises(ProblemError) as caught:
        api.solve(api.load(str(path)))
    return str(caught.value).replace(f"{path.parent}{os.sep}", "") + "\n"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_message(path: Path) -> None:
    expected = path.with_suffix(".txt")
    told = message(path)
    if os.environ.get("BPTT_REWRITE"):
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_message_says_where(path: Path) -> None:
    lines = path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    if not path.stem.startswith(tuple(NO_PLACE)):
        assert re.match(rf"{re.escape(path.name)}:\d+:\d+: ", lines[0])
        assert re.fullmatch(r" *\^+", lines[2])
    for line in lines:
        if ", limit " in line or "more than" in line:
            assert "--limit" in line


def test_every_message_belongs_to_a_document() -> None:
    assert [path.stem for path in sorted(FOLDER.glob("*.txt"))] == [path.stem for path in DOCUMENTS]


def test_there_are_many() -> None:
    assert len(DOCUMENTS) >= 250
