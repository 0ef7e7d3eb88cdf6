"""`bptt_solver.output`: results are whole or absent, whatever fails; bytes and characters are safe."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bptt_solver import output
from bptt_solver.output import OutputError, Outputs, Terminated, encode, one_line, visible

OLD, NEW = b"the old result\n", b"the new result, longer than a chunk\n" * 50_000


def put(*places: Path, data: bytes = NEW) -> None:
    with Outputs() as outputs:
        for place in places:
            outputs.reserve(str(place))
        for place in places:
            outputs.write(str(place), data)
        outputs.commit()


def test_a_new_file_is_written_with_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        put(tmp_path / "new.txt")
    finally:
        os.umask(before)
    assert (tmp_path / "new.txt").read_bytes() == NEW
    assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o666])
def test_an_old_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    place = tmp_path / "old.txt"
    place.write_bytes(OLD)
    place.chmod(mode)
    put(place)
    assert place.read_bytes() == NEW
    assert stat.S_IMODE(place.stat().st_mode) == mode


def test_a_symbolic_link_stays_and_its_target_changes(tmp_path: Path) -> None:
    (tmp_path / "target.txt").write_bytes(OLD)
    (tmp_path / "link.txt").symlink_to("target.txt")
    put(tmp_path / "link.txt")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_bytes() == NEW


def test_the_longest_file_name_is_fine(tmp_path: Path) -> None:
    place = tmp_path / ("n" * 255)
    put(place)
    assert place.read_bytes() == NEW


def test_an_empty_result_is_a_file(tmp_path: Path) -> None:
    put(tmp_path / "empty", data=b"")
    assert (tmp_path / "empty").read_bytes() == b""


def test_without_commit_nothing_is_left(tmp_path: Path) -> None:
    with Outputs() as outputs:
        outputs.folder(str(tmp_path / "made"))
        outputs.write(str(tmp_path / "made" / "a.txt"), NEW)
        assert len(list((tmp_path / "made").iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_left_over_temporary_file_is_not_touched(tmp_path: Path) -> None:
    left = tmp_path / f".bptt-solve-{os.getpid()}-0.tmp"
    left.write_bytes(OLD)
    put(tmp_path / "a.txt", tmp_path / "b.txt")
    assert left.read_bytes() == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == [left.name, "a.txt", "b.txt"]


def failing(name: str, at: int, code: int) -> Callable[..., Any]:
    """``os.name``, whose call number ``at`` fails."""
    real = getattr(os, name)
    calls = 0

    def call(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise OSError(code, os.strerror(code))
        return real(*given, **named)

    return call


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize("at", range(1, 7))
@pytest.mark.parametrize("name", ["open", "fchmod", "write", "fsync", "replace", "stat"])
def test_every_call_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int, code: int) -> None:
    """Whichever system call fails, each place holds the old or the new file whole, and nothing else is left."""
    old, fresh = tmp_path / "old.txt", tmp_path / "fresh.txt"
    old.write_bytes(OLD)
    failed = False
    with monkeypatch.context() as patch:
        patch.setattr(os, name, failing(name, at, code))
        try:
            put(old, fresh)
        except OutputError as error:
            failed = True
            assert "\n" not in str(error)
            assert os.strerror(code) in str(error) or name == "stat"
    assert old.read_bytes() in (OLD, NEW)
    assert not fresh.exists() or fresh.read_bytes() == NEW
    assert {path.name for path in tmp_path.iterdir()} <= {"old.txt", "fresh.txt"}
    if failed and name != "replace":  # nothing is renamed before everything is written
        assert old.read_bytes() == OLD and not fresh.exists()
    if not failed:
        assert old.read_bytes() == NEW and fresh.read_bytes() == NEW


def test_a_failing_rename_says_how_far_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", failing("replace", 2, errno.EACCES))
    with pytest.raises(OutputError, match=r"b\.txt: Permission denied \(1 of 2 results were written before\)"):
        put(tmp_path / "a.txt", tmp_path / "b.txt")


def test_a_file_size_limit_of_the_system(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OutputError, match="File too large"):
            put(tmp_path / "a.txt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []


def refused(place: Path | str, inputs: tuple[str, ...] = ()) -> str:
    with Outputs(inputs) as outputs, pytest.raises(OutputError) as caught:
        outputs.reserve(str(place))
    return str(caught.value)


def test_places_that_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "hard").hardlink_to(tmp_path / "file")
    assert "is a folder" in refused(tmp_path)
    assert "is a folder" in refused("")
    assert "is not a regular file" in refused(tmp_path / "pipe")
    for device in ("/dev/null", "/dev/full"):
        assert "is not a regular file; leave out -o" in refused(device)
    assert "the folder does not exist" in refused(tmp_path / "none" / "a.txt")
    assert "Too many levels of symbolic links" in refused(tmp_path / "loop")
    assert "is an input of this run" in refused(tmp_path / "file", (str(tmp_path / "file"),))
    assert "is an input of this run" in refused(tmp_path / "hard", (str(tmp_path / "file"),))
    assert "\ufffd" in refused(tmp_path / "a\x1b]0;b\n" / "c")


def test_a_read_only_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "precious.txt"
    place.write_bytes(OLD)
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, who may write anything
    assert "is read-only" in refused(place)


def test_two_results_do_not_share_a_place(tmp_path: Path) -> None:
    with Outputs() as outputs:
        outputs.reserve(str(tmp_path / "a.txt"))
        with pytest.raises(OutputError, match="two results would be written here"):
            outputs.reserve(str(tmp_path / "x" / ".." / "a.txt"))


def test_the_folder_of_several_results(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    with Outputs() as outputs:
        with pytest.raises(OutputError, match="is not a folder"):
            outputs.folder(str(tmp_path / "file"))
        with pytest.raises(OutputError, match="No such file"):
            outputs.folder(str(tmp_path / "none" / "deeper"))
        outputs.folder(str(tmp_path / "made"))
        outputs.write(str(tmp_path / "made" / "a.txt"), NEW)
        outputs.commit()
    assert (tmp_path / "made" / "a.txt").read_bytes() == NEW


def test_a_signal_to_stop_cleans_up_and_handlers_come_back(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        with pytest.raises(Terminated) as caught, Outputs() as outputs:
            outputs.write(str(tmp_path / "a.txt"), NEW)
            os.kill(os.getpid(), number)
        assert caught.value.code == 128 + number
        assert signal.getsignal(number) is signal.SIG_DFL
        assert list(tmp_path.iterdir()) == []


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with Outputs() as outputs:
            outputs.write(str(tmp_path / "a.txt"), NEW)
            os.kill(os.getpid(), signal.SIGHUP)
            outputs.commit()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (tmp_path / "a.txt").read_bytes() == NEW


OBEYED = "\x00\x07\x08\x0b\x0c\r\x1b\x7f\x80\x9b\x9f\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ud800\udfff"


@pytest.mark.parametrize("character", list(OBEYED))
def test_no_character_that_a_terminal_obeys_gets_out(character: str) -> None:
    assert visible(f"a{character}b") == "a\ufffdb"
    assert encode(f"a{character}b") == "a\ufffdb".encode()
    assert one_line(f"a{character}b") == "a\ufffdb"


def test_honest_characters_get_out_unchanged() -> None:
    text = "plain\ttext\nund ∂⁺E/∂h₁ = ½·φ′ − ŷ 学习 e\u0301 𝓛\n"
    assert visible(text) == text
    assert encode(text) == text.encode()
    assert one_line("zwei\nZeilen") == "zwei\ufffdZeilen"


def test_json_is_escaped_where_the_encoding_is_poor() -> None:
    document = {"∂⁺E/∂é": 1.5, "𝓛": "\ufffd"}
    text = json.dumps(document, ensure_ascii=False)
    assert encode(text, "json") == text.encode()
    poor = encode(text, "json", "ascii")
    assert poor.isascii()
    assert json.loads(poor) == document


class Stream(io.TextIOWrapper):
    """Standard output in memory, perhaps with a terminal's or a broken pipe's ways."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = False, error: OSError | None = None) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self.terminal = terminal
        self.error = error

    def isatty(self) -> bool:
        if self.error:
            raise self.error
        return self.terminal


def test_standard_output_is_utf8_except_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    for encoding, terminal, expected in [
        ("ascii", False, "{∂é}".encode()),
        ("latin-1", False, "{∂é}".encode()),
        ("utf-8", True, "{∂é}".encode()),
        ("ascii", True, b"{\\u2202\\u00e9}"),
        ("latin-1", True, b"{\\u2202\\u00e9}"),
    ]:
        stream = Stream(encoding, terminal)
        monkeypatch.setattr(sys, "stdout", stream)
        assert output.write_stdout("{∂é}", "json")
        assert stream.buffer.getvalue() == expected  # type: ignore[attr-defined]
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    stream = Stream("ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert output.write_stdout("{∂é}", "json")
    assert stream.buffer.getvalue() == b"{\\u2202\\u00e9}"  # type: ignore[attr-defined]


def test_text_is_spelled_in_ascii_where_the_encoding_is_poor() -> None:
    spelled = encode("∂⁺E/∂h₁ = ½·φ′ − ŷ 学\n", "text", "ascii")
    assert spelled.isascii() and spelled.endswith(b"\n")


def test_standard_output_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert output.write_stdout("text")
    assert output.close(1) == 1
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    assert output.write_stdout("te\x1bxt")
    assert stream.getvalue() == "te\ufffdxt"
    stream.close()
    assert output.write_stdout("text")
    assert output.close(0) == 0


def test_standard_output_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Stream(error=BrokenPipeError(errno.EPIPE, "Broken pipe")))
    assert not output.write_stdout("text")
    monkeypatch.setattr(sys, "stdout", Stream(error=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OutputError, match="standard output: No space left on device"):
        output.write_stdout("text")


def test_messages_are_lost_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    output.say("lost")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    output.say("lost")
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    output.say("one\x1b[2J\n")
    assert stream.getvalue() == "one\ufffd[2J\n"


def test_a_pipe_that_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else may have made our end of the pipe non-blocking: all bytes arrive nevertheless."""
    import threading

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    parts: list[bytes] = []

    def read() -> None:
        while part := os.read(reading, 1 << 16):
            parts.append(part)

    reader = threading.Thread(target=read)
    with open(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        reader.start()
        assert output.write_stdout("∂" * 1_000_000)
    reader.join()
    os.close(reading)
    assert b"".join(parts) == ("∂" * 1_000_000).encode()
