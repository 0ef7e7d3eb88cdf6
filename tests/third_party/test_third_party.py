"""Somebody else's package, installed without a network and found by its entry point: used, and checked in one call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).parent / "package"
DOCUMENT = """
network:
  topology: residual
  sizes: {input: 1, hidden: 2, output: 1}
  hidden: bent
  loss: charbonnier
  lengths: [3, 2]
data:
  x: [[[0.5], [-1], [0.8]], [[1], [0.4], [0]]]
  d: [[[0.2], [0], [-0.4]], [[0.6], [0.1], [0]]]
parameters:
  W_x: [[0.7], [-0.4]]
  W_h: [[0.5, -0.3], [0.2, 0.6]]
  W_y: [[0.9, -0.2]]
  b_h: [0.1, -0.1]
  b_y: [0]
"""
CHECKS = """
import bptt_residual
from bptt_solver.testing import check_record
for record in (bptt_residual.BENT, bptt_residual.CHARBONNIER, bptt_residual.RESIDUAL):
    check_record(record)
print("sound")
"""


SAY = 'say = Messages(os.path.join(os.path.dirname(__file__), "locale"))'
FINISH = '    net.role("a", say("role"))\n    net.finish()'
CATALOGUE = {
    "en": {"note": "What a step computes is added to the state.", "role": "what is added"},
    "zh-Hant": {"note": "每一步算出的量加到狀態上。", "role": "加上的量"},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package was installed."""
    pytest.importorskip("setuptools")
    pytest.importorskip("pip")
    source = tmp_path_factory.mktemp("source") / "package"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path | None, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Python in another process, with the folder on its path."""
    paths = [*([str(folder)] if folder else []), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, *arguments]
    options: dict[str, Any] = {"input": given, "capture_output": True, "text": True, "timeout": 120}
    return subprocess.run(command, env=environment, check=False, **options)


def test_it_is_listed(site: Path) -> None:
    listed = run(site, "-m", "bptt_solver", "plugins").stdout
    assert "residual" in listed
    assert "charbonnier" in listed


def test_a_document_uses_it(site: Path) -> None:
    done = run(site, "-m", "bptt_solver", "-", "--format", "json", "--check", "full", given=DOCUMENT)
    assert (done.returncode, done.stderr) == (0, "")
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["check"]["passed"] is True
    text = run(site, "-m", "bptt_solver", "-", given=DOCUMENT).stdout
    assert "bent(a_{n,t})" in text
    assert "What a step computes is added to the state." in " ".join(text.split())


def test_it_may_speak_other_languages(site: Path, tmp_path: Path) -> None:
    """The same package with a catalogue beside its module."""
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    code = (folder / "bptt_residual.py").read_text(encoding="utf-8")
    note = f'net.network("{CATALOGUE["en"]["note"]}")'
    assert note in code
    code = code.replace(note, 'net.network(say("note"))').replace("    net.finish()", FINISH)
    code = code.replace("BENT = ", f"import os\nfrom bptt_solver.catalogues import Messages\n{SAY}\nBENT = ", 1)
    (folder / "bptt_residual.py").write_text(code, encoding="utf-8")
    (folder / "locale").mkdir()
    for language, texts in CATALOGUE.items():
        lines = "".join(f'"{key}" = "{text}"\n' for key, text in texts.items())
        (folder / "locale" / f"messages.{language}.toml").write_text(lines, encoding="utf-8")
    for language, said in (("en", "en"), ("zh-Hant", "zh-Hant"), ("zh-Hans", "en")):  # it has no simplified Chinese
        done = run(folder, "-m", "bptt_solver", "-", "--lang", language, given=DOCUMENT)
        assert (done.returncode, done.stderr) == (0, "")
        text = "".join(done.stdout.split())
        for sentence in CATALOGUE[said].values():
            assert "".join(sentence.split()) in text


def test_without_it_the_name_is_unknown() -> None:
    done = run(None, "-m", "bptt_solver", "-", given=DOCUMENT)
    assert done.returncode == 2
    assert "unknown topology 'residual'" in done.stderr


def test_its_records_are_sound(site: Path) -> None:
    done = run(site, "-c", CHECKS)
    assert done.stdout == "sound\n", done.stderr


@pytest.mark.parametrize(("right", "wrong"), [
    ("x/(2*sqrt(x**2 + 1)) + 1", "x/sqrt(x**2 + 1) + 1"),
    ('"d": "-(y - d)', '"d": "(y - d)'),
    ("W_h @ h[t-1]", "W_q @ h[t-1]"),
])  # fmt: skip
def test_a_wrong_record_is_caught(site: Path, tmp_path: Path, right: str, wrong: str) -> None:
    text = (site / "bptt_residual.py").read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "bptt_residual.py").write_text(text.replace(right, wrong), encoding="utf-8")
    done = run(tmp_path, "-c", CHECKS)
    assert "AssertionError" in done.stderr
