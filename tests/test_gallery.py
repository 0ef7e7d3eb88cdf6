"""docs/gallery is what its script makes of the examples."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "gallery.py"


@pytest.fixture(scope="module")
def files() -> dict[Path, str]:
    made: dict[Path, str] = runpy.run_path(str(SCRIPT))["files"]()
    return made


def test_the_gallery_is_what_the_script_writes(files: dict[Path, str]) -> None:
    there = {SCRIPT.with_suffix(".md"), *(ROOT / "docs" / "gallery").iterdir()}
    assert there == set(files), "python docs/gallery.py writes it anew"
    old = [path.name for path, text in files.items() if path.read_text(encoding="utf-8") != text]
    assert old == [], "python docs/gallery.py writes it anew"


def test_every_example_has_a_picture(files: dict[Path, str]) -> None:
    names = {path.parent.name for path in (ROOT / "examples").glob("*/problem.yaml")}
    pictures = {path: text for path, text in files.items() if path.suffix == ".svg"}
    assert names <= {path.stem for path in pictures}
    for text in pictures.values():
        assert ElementTree.fromstring(text).tag.endswith("svg")
