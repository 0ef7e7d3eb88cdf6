"""On a terminal: colours, width, pager, one row of progress - and nothing of that anywhere else."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from bptt_solver import api, output, terminal
from bptt_solver.bar import Bar
from bptt_solver.progress import counted, listened, tell
from bptt_solver.render.columns import columns
from bptt_solver.spelling import lacks, spelled

pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")

CODE = re.compile(r"\x1b\[[0-9;]*m")
SCALAR = "equations: |\n  z2 = 2*z1\n  z3 = 3*z2 + z1\n  E = 4*z3 + 2*z2\nvalues: {z1: 1}\n"
SLOW = """\
equations: |
  s[t] = tanh(w*s[t-1] + x[t]) for t in 1..T
  E = sum(s[t]*s[t] for t in 1..T)
sizes: {T: 1000}
values: {"s[0]": 0.5, x: {random: {shape: [1000], seed: 1}}}
parameters: {w: 0.9}
"""
TYPICAL = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PAGER": "cat", "COLUMNS": "90", "LINES": "24"}


class Seen(NamedTuple):
    code: int
    text: str  # standard output
    told: str  # standard error


def on_terminal(
    folder: Path,
    *arguments: str,
    keys: str = "",
    stop_at: str = "",
    **names: str,
) -> Seen:
    """Run the command with a terminal for its input and output and another for its messages."""
    out, out_end = pty.openpty()
    err, err_end = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "LESS", "LANG")}
    environment = {**kept, **TYPICAL, **names}
    child = os.fork()
    if child == 0:  # pragma: no cover
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(out_end, termios.TIOCSCTTY, 0)
        for number, end in enumerate((out_end, out_end, err_end)):
            os.dup2(end, number)
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, "-P", "-m", "bptt_solver", *arguments], environment)
    os.close(out_end)
    os.close(err_end)
    found = _read(child, out, err, [key.encode() for key in keys], stop_at.encode())
    return Seen(os.waitstatus_to_exitcode(found[0]), found[1], found[2])


def _read(child: int, out: int, err: int, keys: list[bytes], stop_at: bytes) -> tuple[int, str, str]:
    import select

    parts: dict[int, bytes] = {out: b"", err: b""}
    pending, end = [out, err], time.monotonic() + 60
    status = None
    while pending and time.monotonic() < end:
        ready, _, _ = select.select(pending, [], [], 0.2)
        for descriptor in ready:
            try:
                part = os.read(descriptor, 1 << 16)
            except OSError:
                part = b""
            parts[descriptor] += part
            if not part:
                pending.remove(descriptor)
        if stop_at and stop_at in parts[err] + parts[out]:
            stop_at = b""
            os.kill(child, signal.SIGINT)
        if not ready and keys and parts[out]:
            key = keys.pop(0)
            for descriptor in (out, err):  # some pagers read keys where messages go
                os.write(descriptor, key)
    for descriptor in (out, err):
        os.close(descriptor)
    _, status = os.waitpid(child, 0)
    texts = [parts[d].decode("utf-8", "replace").replace("\r\n", "\n") for d in (out, err)]
    return status, texts[0], texts[1]


@pytest.fixture
def scalar(tmp_path: Path) -> Path:
    """A folder with a document."""
    (tmp_path / "a.yaml").write_text(SCALAR, encoding="utf-8")
    return tmp_path


def test_a_terminal_shows_emphasis_and_the_same_text(scalar: Path) -> None:
    seen = on_terminal(scalar, "a.yaml")
    assert (seen.code, seen.told) == (0, "")
    assert "\x1b[1m" in seen.text and seen.text.count("\x1b[") == 2 * seen.text.count("\x1b[0m")
    assert CODE.sub("", seen.text) == on_terminal(scalar, "a.yaml", NO_COLOR="1").text
    assert max(map(columns, CODE.sub("", seen.text).splitlines())) <= 90


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], {"NO_COLOR": "1"}),
        ([], {"TERM": "dumb"}),
        (["--color", "never"], {"FORCE_COLOR": "1"}),
        (["-f", "markdown"], {}),
        (["-f", "latex"], {}),
        (["-f", "json"], {}),
        (["-f", "markdown", "--color", "always"], {}),
    ],
)
def test_no_codes_where_they_do_not_belong(scalar: Path, arguments: list[str], names: dict[str, str]) -> None:
    seen = on_terminal(scalar, "a.yaml", *arguments, **names)
    assert seen.code == 0 and "\x1b" not in seen.text


def test_a_file_gets_the_text_of_a_file(scalar: Path) -> None:
    assert on_terminal(scalar, "a.yaml", "-o", "out.txt", COLUMNS="40").code == 0
    assert on_terminal(scalar, "a.yaml", "-o", "forced.txt", "--color", "always", COLUMNS="40").code == 0
    expected = api.solve(api.loads(SCALAR)).render("text")
    assert (scalar / "out.txt").read_text(encoding="utf-8") == expected
    assert (scalar / "forced.txt").read_text(encoding="utf-8") == expected


@pytest.mark.parametrize(
    ("names", "most"), [({"COLUMNS": "40"}, 40), ({"COLUMNS": "300"}, 120), ({"COLUMNS": "5"}, 20)]
)
def test_text_is_as_wide_as_the_terminal(scalar: Path, names: dict[str, str], most: int) -> None:
    seen = on_terminal(scalar, "a.yaml", **names)
    assert max(map(columns, CODE.sub("", seen.text).splitlines())) <= most


def test_a_width_may_be_asked_for_anywhere(scalar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bptt_solver.__main__ import main

    assert main([str(scalar / "a.yaml"), "--width", "50"]) == 0
    assert max(map(columns, capsys.readouterr().out.splitlines())) <= 50
    assert main([str(scalar / "a.yaml"), "--width", "50", "-o", str(scalar / "o.txt")]) == 0
    assert max(map(columns, (scalar / "o.txt").read_text(encoding="utf-8").splitlines())) <= 50
    assert main([str(scalar / "a.yaml"), "--width", "5"]) == 2
    assert main([str(scalar / "a.yaml"), "--color", "always"]) == 0
    assert "\x1b[1m" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "terminal_there", "names", "expected"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", False, {"FORCE_COLOR": "1"}, True),
        ("auto", False, {"CLICOLOR_FORCE": "1"}, True),
        ("auto", False, {"FORCE_COLOR": "0"}, False),
        ("auto", True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("auto", True, {"CLICOLOR": "0"}, False),
        ("auto", True, {"CLICOLOR": "1"}, True),
        ("auto", False, {"CLICOLOR": "0", "CLICOLOR_FORCE": "1"}, True),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_who_decides_about_colours(asked: str, terminal_there: bool, names: dict[str, str], expected: bool) -> None:
    assert terminal.colours(asked, terminal_there, names) is expected


def test_names_in_a_document_are_no_codes(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('title: "a\\u001b[31mb\\u009b1m c\\u202ed"\n' + SCALAR, encoding="utf-8")
    seen = on_terminal(tmp_path, "a.yaml")
    assert "\x1b[31m" not in seen.text + seen.told and "\x9b" not in seen.text + seen.told


# ----------------------------------------------------------------------------- the pager


def pager(folder: Path, body: str) -> str:
    """A program that stands in for a pager."""
    path = folder / "pager.sh"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_long_text_goes_through_the_pager(scalar: Path) -> None:
    seen = on_terminal(scalar, "a.yaml", PAGER=pager(scalar, 'echo "paged $LESS"; cat'), LINES="10")
    assert seen.code == 0 and seen.text.startswith("paged FRX\n")
    plain = on_terminal(scalar, "a.yaml")
    assert seen.text.removeprefix("paged FRX\n") == plain.text


@pytest.mark.parametrize(
    ("arguments", "names"),
    [([], {"LINES": "500"}), (["--no-pager"], {}), (["-o", "o.txt"], {}), ([], {"TERM": "dumb"}), ([], {"TERM": ""})],
)
def test_no_pager_where_none_is_wanted(scalar: Path, arguments: list[str], names: dict[str, str]) -> None:
    seen = on_terminal(scalar, "a.yaml", *arguments, **{"PAGER": pager(scalar, "echo paged"), "LINES": "10", **names})
    assert seen.code == 0 and "paged" not in seen.text


def test_a_reader_who_leaves_the_pager_is_no_error(scalar: Path) -> None:
    (scalar / "a.yaml").write_text("title: " + "long " * 90 + "\n" + SCALAR, encoding="utf-8")
    seen = on_terminal(scalar, "a.yaml", "a.yaml", PAGER=pager(scalar, "exit 0"), LINES="10")
    assert seen.code == 0 and "Traceback" not in seen.told and "error" not in seen.told


@pytest.mark.parametrize("name", ["no-such-pager", "no-such-pager --quiet", "less 'and no end", "/"])
def test_a_pager_that_is_not_there(scalar: Path, name: str) -> None:
    seen = on_terminal(scalar, "a.yaml", PAGER=name, LINES="10")
    assert (seen.code, seen.told) == (0, "")
    assert seen.text == on_terminal(scalar, "a.yaml").text


def test_a_pager_with_arguments(scalar: Path) -> None:
    seen = on_terminal(scalar, "a.yaml", PAGER="sh -c 'head -n 1'", LINES="10")
    assert (seen.code, seen.told) == (0, "")
    assert CODE.sub("", seen.text) == "Ordered derivatives of E\n"


@pytest.fixture
def less() -> None:
    """Skips where it is not installed."""
    if shutil.which("less") is None:
        pytest.skip("there is no less")


@pytest.mark.usefixtures("less")
@pytest.mark.parametrize("options", ["FRX", "i", ""])
def test_q_in_less(scalar: Path, options: str) -> None:
    seen = on_terminal(scalar, "a.yaml", keys="q", PAGER="less", LESS=options, LINES="10")
    assert seen.code == 0 and seen.told.strip("q\n") == ""
    assert "ESC" not in seen.text  # it shows colours whatever its user has set


@pytest.mark.usefixtures("less")
def test_control_c_in_the_pager_is_for_the_pager(scalar: Path) -> None:
    """Also while it does not read: a text of this length does not fit into a pipe."""
    (scalar / "a.yaml").write_text(SLOW.replace("1000", "400"), encoding="utf-8")
    seen = on_terminal(scalar, "a.yaml", "--steps", "all", keys="\x03\x03\x03q", PAGER="less", LINES="10")
    assert seen.code == 0
    assert "interrupted" not in seen.told and "Traceback" not in seen.told


def test_control_c_ends_a_pager_that_wants_it(scalar: Path) -> None:
    seen = on_terminal(scalar, "a.yaml", keys="\x03", PAGER=pager(scalar, "echo here; exec sleep 50"), LINES="10")
    assert seen.code == 0
    assert "interrupted" not in seen.told and "Traceback" not in seen.told


# ----------------------------------------------------------------------------- progress


class Clock:
    """A clock that goes as far with each look as the test wants."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Told:
    """What came on standard error so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def __str__(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Told:
    """Standard error, 60 columns wide."""
    monkeypatch.setenv("COLUMNS", "60")
    return Told(capsys)


def test_the_row_comes_after_a_second_and_goes(told: Told) -> None:
    bar = Bar(Clock(0.05))
    with listened(bar):
        for at, _ in enumerate(counted(range(100), lambda: "looking")):
            if at < 15:
                assert str(told) == ""
    states = str(told).split("\r")[1:]
    assert len(states) > 20 and states[-1] == "\x1b[K"
    assert states[0].startswith("looking [###") and " of 100" in states[0]
    assert all(columns(state.removesuffix("\x1b[K")) < 60 for state in states)


def test_other_messages_stand_on_rows_of_their_own(told: Told) -> None:
    bar = Bar(Clock(2.0))
    bar("looking", 5, 10)
    bar("looking", 6, 10)
    assert str(told)
    output.say("a word")
    assert str(told).endswith("\r\x1b[Ka word\n")
    bar.training(3, 10, 0.25)
    assert "training" in str(told) and "loss 0.25" in str(told)
    output.clear()
    assert str(told).endswith("\r\x1b[K")


def test_a_name_cannot_steer_the_terminal_from_the_row(told: Told) -> None:
    bar = Bar(Clock(2.0))
    bar.restart("[1/2] a\x1b[2Jb\n学" + "x" * 100)
    assert "\x1b[2J" not in str(told) and "\n" not in str(told)
    output.clear()


def test_nobody_listens() -> None:
    items = range(3)
    assert counted(items, lambda: 1 / 0) is items  # type: ignore[arg-type, return-value]
    tell(lambda: 1 / 0, 1, 2)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("arguments", [["-q"], ["-q", "-f", "json"]])
def test_quiet_is_quiet(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "a.yaml").write_text(SLOW, encoding="utf-8")
    assert on_terminal(tmp_path, "a.yaml", "--check", "full", *arguments).told == ""


def test_long_work_shows_a_row_that_goes(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SLOW, encoding="utf-8")
    seen = on_terminal(tmp_path, "a.yaml", "--check", "full", "-o", "out.txt")
    assert seen.code == 0 and seen.text == ""
    assert "check by complex step [" in seen.told and seen.told.endswith("\r\x1b[K") and "\n" not in seen.told


def test_control_c_leaves_a_clean_row(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SLOW, encoding="utf-8")
    seen = on_terminal(tmp_path, "a.yaml", "--check", "full", stop_at="check by")
    assert seen.code == 130 and seen.told.endswith("\r\x1b[Kinterrupted\n") and "Traceback" not in seen.told


# ----------------------------------------------------------------------------- encodings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("学习", 4),
        ("e\u0301", 1),
        ("ｱ", 1),
        ("\u0915\u0941", 1),
        ("\u263a\ufe0f", 1),
        ("\U0001f469\u200d\U0001f467", 4),
        ("\u1112\u1161\u11ab", 2),
        ("∂⁺E", 3),
    ],
)
def test_marks_and_joiners_have_no_width(text: str, expected: int) -> None:
    assert columns(text) == expected


@pytest.mark.parametrize(
    ("language", "encoding", "expected"),
    [
        ("zh-Hans", "ascii", True),
        ("zh-Hans", "cp437", True),
        ("zh-Hans", "gbk", False),
        ("zh-Hans", "big5", True),
        ("zh-Hant", "big5", False),
        ("zh-Hant", "cp1252", True),
        ("zh-Hant", "gbk", False),
    ],
)
def test_which_languages_an_encoding_can_speak(language: str, encoding: str, expected: bool) -> None:
    assert lacks(language, encoding) is expected


def test_carets_stay_below_what_they_point_at() -> None:
    shown = spelled("a.yaml:3:9: 'β' is not defined\n  ∂⁺E = 权·β + 1\n        ^^\n", "ascii").split("\n")
    assert shown[1] == "  d+E = <U+6743>*beta + 1"
    assert [shown[2].index("^"), shown[2].count("^")] == [shown[1].index("<"), len("<U+6743>")]


def encoded(folder: Path, encoding: str, *arguments: str) -> tuple[str, str]:
    """What the command writes in an encoding, and its messages."""
    names = {**os.environ, "PYTHONIOENCODING": encoding}
    words = [sys.executable, "-P", "-m", "bptt_solver", "a.yaml", *arguments]
    done = subprocess.run(words, cwd=folder, env=names, capture_output=True, check=False)
    assert done.returncode == 0
    return done.stdout.decode(encoding), done.stderr.decode(encoding)


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_chinese_where_the_encoding_has_it(scalar: Path, form: str) -> None:
    text, told = encoded(scalar, "gbk", "--lang", "zh-Hans", "-f", form)
    assert "验算" in text and told == ""
    assert form != "text" or ("d+E/dz1" in text and "∂" not in text)


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_english_where_the_encoding_lacks_chinese(scalar: Path, form: str) -> None:
    text, told = encoded(scalar, "cp437", "--lang", "zh-Hant", "-f", form)
    assert text == encoded(scalar, "cp437", "--lang", "en", "-f", form)[0]
    assert told == "warning: the encoding cp437 of standard output has no characters for zh-Hant; English instead\n"
    assert encoded(scalar, "cp437", "--lang", "zh-Hant", "-f", form, "-q")[1] == ""
    assert encoded(scalar, "cp437", "--lang", "zh-Hant", "-f", form, "-o", "o")[1] == ""
    assert "驗算" in (scalar / "o").read_text(encoding="utf-8")
