"""Results that are not text: into a file, a folder or a pipe, never onto a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIRST, SECOND = (str(ROOT / "examples" / name / "problem.yaml") for name in ("01_ordered_variables", "04_scalar_rnn"))


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The command; its environment speaks English."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "bptt_solver", *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=120, env=environment)


def test_a_pipe_gets_the_bytes_of_the_file(tmp_path: Path) -> None:
    """The ending of the file chooses the format."""
    place = tmp_path / "solution.docx"
    assert run(FIRST, "-o", str(place)).returncode == 0
    piped = run(FIRST, "-f", "docx")
    assert piped.returncode == 0
    assert piped.stdout == place.read_bytes()
    assert piped.stdout.startswith(b"PK\x03\x04")


def test_several_go_into_a_folder(tmp_path: Path) -> None:
    """One stream cannot hold them."""
    done = run(FIRST, SECOND, "-f", "docx", "-q")
    assert done.returncode == 2
    assert b"several results in docx do not go into one stream (write into a folder: -o OUT/)" in done.stderr
    assert run(FIRST, SECOND, "-f", "docx", "-q", "-o", f"{tmp_path}/").returncode == 0
    assert len(list(tmp_path.glob("*.docx"))) == 2


def test_a_terminal_gets_none() -> None:
    """It is told how to write a file."""
    pty = pytest.importorskip("pty")
    main, other = pty.openpty()
    try:
        command = [sys.executable, "-m", "bptt_solver", FIRST, "-f", "docx"]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, stdout=other, stderr=subprocess.PIPE, check=False, timeout=120, env=environment)
    finally:
        os.close(other)
        os.close(main)
    assert done.returncode == 2
    assert b"docx is not text for a terminal (write it to a file: -o FILE.docx)" in done.stderr


def test_fragment_is_for_latex() -> None:
    """Anything else is an error of usage."""
    done = run(FIRST, "-f", "markdown", "--fragment")
    assert done.returncode == 2
    assert b"--fragment goes with -f latex" in done.stderr
    assert b"documentclass" not in run(FIRST, "-f", "latex", "--fragment").stdout
