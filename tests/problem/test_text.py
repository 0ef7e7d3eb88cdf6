"""From bytes to text: only regular files of honest UTF-8, and never a wait."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from bptt_solver.errors import ProblemError
from bptt_solver.limits import Limits
from bptt_solver.problem.text import read_text


def told(path: Path | str, *limits: str) -> str:
    with pytest.raises(ProblemError) as caught:
        read_text(str(path), Limits.parse(limits))
    return str(caught.value)


def test_missing(tmp_path: Path) -> None:
    assert "no such file or directory" in told(tmp_path / "none.yaml")


def test_folder(tmp_path: Path) -> None:
    assert "a folder, not a file" in told(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "a pipe, not a file" in told(tmp_path / "pipe")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices here")
def test_device() -> None:
    assert "/dev/zero: a device, not a file" in told("/dev/zero")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_impossible_names(name: str) -> None:
    assert "cannot read" in told(name)


def test_size_at_n_and_n_plus_1(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"abcdef")
    assert read_text(str(path), Limits.parse(["bytes=6"])).text == "abcdef"
    assert "has 6 bytes, limit 5 (--limit bytes=6)" in told(path, "bytes=5")


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    with open(path, "wb") as file:
        file.truncate(100_000_000)  # no space on the disk, no time
    assert "has 100,000,000 bytes, limit 16,000,000 (--limit bytes=100000000)" in told(path)


def test_standard_input_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abcdef")))
    assert "<stdin> has more than 5 bytes" in told("-", "bytes=5")


def test_standard_input_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in told("-")
