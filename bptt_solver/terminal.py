"""The terminal that a run writes to: its width, its colours, the characters it lacks, the pager for long results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bptt_solver.output import encoding_of, is_terminal, is_unicode, visible, write_stdout
from bptt_solver.render.columns import columns
from bptt_solver.render.screen import WIDTH, Screen, palette

NARROWEST = 20
_PAGER_OFF = ("", "cat")  # values of PAGER
_LESS = "FRX"  # end if it fits, show colours, leave the text where it was


def screen(color: str = "auto", width: int | None = None, to_file: bool = False) -> Screen | None:
    """Where the results of a run are read: as wide as the terminal but not more than `WIDTH`, or ``width``; in colours
    as `colours` says. None: a file or a pipe like any other."""
    terminal = not to_file and is_terminal("stdout")
    codes = palette() if not to_file and colours(color, terminal) else None
    encoding = "utf-8" if to_file else encoding_of("stdout")
    poor = "" if is_unicode(encoding) else encoding
    if not (terminal or codes or poor or width):
        return None
    if width is None:
        width = max(NARROWEST, min(WIDTH, size()[0])) if terminal else WIDTH
    return Screen(width, codes, poor, terminal)


def colours(asked: str, terminal: bool, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether to emphasise: ``--color`` first, then NO_COLOR, then FORCE_COLOR and CLICOLOR_FORCE, then whether it is a
    terminal and CLICOLOR is not 0."""
    if asked != "auto":
        return asked == "always"
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if environment.get("CLICOLOR") == "0":
        return False
    return terminal and (os.name != "nt" or "WT_SESSION" in environment)


def size(name: str = "stdout") -> tuple[int, int]:
    """Columns and rows of the terminal, COLUMNS and LINES first."""
    try:
        found = os.get_terminal_size(getattr(sys, name).fileno())
        columns, lines = found.columns, found.lines
    except (OSError, ValueError, AttributeError):
        columns, lines = 0, 0
    told = [os.environ.get(variable, "") for variable in ("COLUMNS", "LINES")]
    columns, lines = (int(t) if t.isdecimal() and int(t) else n for t, n in zip(told, (columns, lines), strict=True))
    return columns or 80, lines or 24


class Results:
    """Standard output for the results of one run: kept for the pager where that is wanted, else written at once."""

    def __init__(self, pager: bool = True) -> None:
        self._paged = pager and _pages()
        self._kept: list[str] = []
        self._styled = False

    def write(self, text: str | bytes, form: str, styled: bool = False) -> bool:
        """Write a result; False when nobody reads on."""
        if not self._paged or isinstance(text, bytes):
            return write_stdout(text, form, styled)
        self._kept.append(text)
        self._styled = self._styled or styled
        return True

    def close(self, form: str) -> None:
        """Show what was kept: with the pager if it is longer than the terminal."""
        text = "".join(self._kept)
        self._kept.clear()
        if not text:
            return
        encoding = encoding_of("stdout")
        pager = ""
        if self._is_long(text) and (is_unicode(encoding) or text.isascii()):
            pager = _pager(self._styled)
        if not pager:
            write_stdout(text, form, self._styled)
            return
        import click

        less = {"LESS": os.environ.get("LESS", _LESS)}
        if is_unicode(encoding):
            less["LESSCHARSET"] = os.environ.get("LESSCHARSET", "utf-8")
        sys.stdout.flush()
        with _changed(PAGER=pager, **less), _not_interrupted():
            click.echo_via_pager(visible(text, self._styled).removesuffix("\n"), color=self._styled)

    def _is_long(self, text: str) -> bool:
        width, lines = size()
        rows = 1  # that of the prompt
        for row in text.split("\n"):
            rows += 1 if self._styled else max(1, -(-columns(row) // width))
            if rows > lines:
                return True
        return False


def _pages() -> bool:
    return is_terminal("stdout") and is_terminal("stdin") and os.environ.get("PAGER", "less") not in _PAGER_OFF


def _pager(styled: bool) -> str:
    """The pager as a command; "" where there is no such program."""
    import shlex
    from shutil import which

    command = os.environ.get("PAGER", "").strip() or "less"
    try:
        program = shlex.split(command, posix=os.name != "nt")[0]
    except ValueError:  # quotes without an end
        return ""
    if which(program) is None:
        return ""
    if styled and os.path.basename(program) == "less":
        command += " -R"  # LESS may have been set by somebody who thought of no colours
    return command


@contextmanager
def _changed(**names: str) -> Iterator[None]:
    """The environment with some names set to these values, in the body."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _not_interrupted() -> Iterator[None]:
    """Ctrl-C is for the pager, which may go on: `less` ends a search with it."""
    import signal

    try:
        before = signal.signal(signal.SIGINT, lambda *_: None)
    except ValueError:  # not in the main thread, which gets the signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
