"""Results leave here, whole or not at all: files beside their place and then renamed, standard output as bytes.

Only `os` and `sys` are imported at the top, because this module is on the way of ``bptt-solve --version``.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

    from bptt_solver.catalogues import Message

_CHUNK = 1 << 20


def message(key: str, **fields: object) -> Message:
    """A message of the catalogue, which is read where something is to be said."""
    from bptt_solver.catalogues import message

    return message(key, **fields)


class OutputError(Exception):
    """A result cannot be written where it should go; the text is one line for a person."""

    def __init__(self, place: str, reason: OSError | str) -> None:
        text = reason if isinstance(reason, str) else reason.strerror or type(reason).__name__
        shown = one_line(place) if type(place) is str else place
        super().__init__(message("output.reason", place=shown, reason=text))


class Terminated(SystemExit):
    """SIGTERM or SIGHUP came while there were temporary files."""


class Outputs:
    """The files of one run. All are written beside their places before the first is renamed.

    A context: leaving it without `commit` (an error, Ctrl-C, SIGTERM, SIGHUP) removes what was begun and leaves older
    files as they were. ``inputs`` are files that must not be overwritten.
    """

    def __init__(self, inputs: Iterable[str] = ()) -> None:
        self._inputs = [os.path.realpath(path) for path in inputs]
        self._begun: list[tuple[str, str]] = []  # (temporary name, place)
        self._places: dict[str, str] = {}  # real place: as it was asked for
        self._folder: str | None = None  # made by this run
        self._restore: list[Callable[[], object]] = []

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *_: object) -> None:
        for temporary, _place in self._begun:
            _quietly(os.unlink, temporary)
        self._begun.clear()
        if self._folder is not None:
            _quietly(os.rmdir, self._folder)  # fails, as it should, once there are results in it
        for restore in self._restore:
            restore()
        self._restore.clear()

    def reserve(self, path: str) -> None:
        """Make sure, before any work is done, that ``path`` is a place for a result. Raises `OutputError`."""
        place = os.path.realpath(path)
        if os.path.isdir(place) or not os.path.basename(path):
            raise OutputError(path, message("output.is_folder"))
        if place in self._places:
            raise OutputError(path, message("output.twice"))
        if any(place == known or _same_file(place, known) for known in self._inputs):
            raise OutputError(path, message("output.input"))
        _mode(path, place)
        if not os.path.isdir(os.path.dirname(place)):
            raise OutputError(path, message("output.no_folder"))
        self._places[place] = path

    def folder(self, path: str) -> None:
        """Make the folder for several results unless it is there; it goes again if nothing is written in it."""
        try:
            if not os.path.isdir(path):
                os.mkdir(path)
                self._folder = os.path.realpath(path)
        except FileExistsError:
            raise OutputError(path, message("output.not_folder")) from None
        except OSError as error:
            raise OutputError(path, error) from None

    def write(self, path: str, data: bytes) -> None:
        """Write a result completely to disk, beside its place (a symbolic link's target). Raises `OutputError`."""
        if not self._begun:
            self._guard()
        place = os.path.realpath(path)
        mode = _mode(path, place)
        try:
            descriptor = self._open(place)
            try:
                if mode is not None and hasattr(os, "fchmod"):
                    os.fchmod(descriptor, mode)
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view[:_CHUNK]) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise OutputError(path, error) from None

    def commit(self) -> None:
        """Rename all results to their places. Raises `OutputError`, which names the place that failed."""
        folders = sorted({os.path.dirname(place) for _, place in self._begun})
        count = len(self._begun)
        while self._begun:
            temporary, place = self._begun[0]
            try:
                os.replace(temporary, place)
            except OSError as error:
                reason = error.strerror or type(error).__name__
                if count > 1:
                    reason = message("output.written", reason=reason, done=count - len(self._begun), count=count)
                raise OutputError(self._places.get(place, place), reason) from None
            del self._begun[0]
        for folder in folders:
            _quietly(_sync_folder, folder)

    def _open(self, place: str) -> int:
        """A new file in the folder of ``place``, noted first so that it is removed whenever we are stopped."""
        folder = os.path.dirname(place)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        number = len(self._begun)
        while True:
            temporary = os.path.join(folder, f".bptt-solve-{os.getpid()}-{number}.tmp")
            self._begun.append((temporary, place))
            try:
                return os.open(temporary, flags, 0o666)
            except FileExistsError:  # left over from a killed run, or of a process with our number elsewhere
                del self._begun[-1]
                number += 1

    def _guard(self) -> None:
        """While there are temporary files, the signals that ask to stop become an exit that removes them."""
        import signal
        from functools import partial

        def stop(number: int, _frame: object) -> None:
            raise Terminated(128 + number)

        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is None or signal.getsignal(number) is not signal.SIG_DFL:
                continue
            try:
                signal.signal(number, stop)
            except ValueError:  # not in the main thread: whoever runs us looks after signals
                return
            self._restore.append(partial(signal.signal, number, signal.SIG_DFL))


def encode(text: str | bytes, form: str = "text", encoding: str = "utf-8", styled: bool = False) -> bytes:
    """The bytes of a result; those of a PDF as they are. Characters that a terminal obeys become U+FFFD, codes for
    emphasis too unless it is ``styled``. Where ``encoding`` lacks a character the whole text is spelled in ASCII: JSON
    with escapes (the same document), the rest as the language allows, with the Chinese characters that there are."""
    if isinstance(text, bytes):
        return text
    text = visible(text, styled)
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        pass
    if form in ("json", "ipynb"):
        import re

        return re.sub(r"[^\x00-\x7f]", lambda found: _json_escape(found[0]), text).encode(encoding)
    from bptt_solver.language.notation.numbers import ascii_text

    return ascii_text(text, encoding).encode(encoding, "backslashreplace")


def encoding_of(name: str) -> str:
    """The encoding that a standard stream's text leaves in."""
    stream = getattr(sys, name)
    try:
        asked = name != "stdout" or stream.isatty() or bool(os.environ.get("PYTHONIOENCODING"))
    except (AttributeError, OSError, ValueError):  # there is none, or it is closed
        return "utf-8"
    return (asked and getattr(stream, "encoding", None)) or "utf-8"


def is_terminal(name: str) -> bool:
    """Whether a standard stream is a terminal that does more than a typewriter."""
    stream = getattr(sys, name)
    try:
        kind = os.environ.get("TERM", "dumb" if os.name != "nt" else "console")
        return stream is not None and stream.isatty() and kind not in ("", "dumb")
    except (OSError, ValueError):  # closed
        return False


def is_unicode(encoding: str) -> bool:
    """Whether an encoding has all characters."""
    return encoding.lower().startswith(("utf", "gb18030"))


def write_stdout(text: str | bytes, form: str = "text", styled: bool = False) -> bool:
    """Write a result to standard output; False when the pipe's reader has gone. Closed from the start is no error.

    A file or a pipe gets UTF-8 whatever the locale, so that the bytes are the same everywhere; a terminal, and whoever
    sets PYTHONIOENCODING, gets that encoding. ``styled``: the codes for emphasis in it are ours. Raises `OutputError`
    (a full disk).
    """
    clear()
    stream = sys.stdout
    if stream is None or stream.closed:
        return True
    try:
        stream.flush()
        if hasattr(stream, "buffer"):
            stream.isatty()  # of a stream that is broken it is told here
            _write_all(stream, encode(text, form, encoding_of("stdout"), styled))
        else:  # a notebook, which takes any text
            stream.write(visible(text if isinstance(text, str) else repr(text), styled))
            stream.flush()
    except BrokenPipeError:
        _silence("stdout")
        return False
    except OSError as error:
        _silence("stdout")
        raise OutputError(message("output.stdout"), error) from None
    return True


def speak(language: str) -> None:
    """From now on messages are told in this language; `spoken` is which."""
    _spoken[0] = language


def spoken(stream: str = "") -> str:
    """The language of the run; English on a standard stream (``stdout``, ``stderr``) that lacks its characters."""
    language = _spoken[0]
    if language == "en" or not stream or is_unicode(encoding := encoding_of(stream)):
        return language
    from bptt_solver.spelling import lacks

    return "en" if lacks(language, encoding) else language


_spoken = ["en"]
_standing: list[Callable[[], object]] = []


def standing(remove: Callable[[], object]) -> None:
    """Something stands on the last row of the terminal: ``remove`` is called before the next thing is written."""
    _standing.append(remove)


def clear() -> None:
    """Remove what stands on the last row of the terminal."""
    while _standing:
        _standing.pop()()


def say(text: str) -> None:
    """One message on standard error, in the language of the run; lost, and not an error, where that cannot be
    written."""
    try:
        clear()
        if sys.stderr is not None:
            told = visible(_told(text)).rstrip("\n") + "\n"
            if not told.isascii() and not is_unicode(encoding := encoding_of("stderr")):
                from bptt_solver.spelling import spelled

                told = spelled(told, encoding)
            sys.stderr.write(told)  # never fails to encode: it has backslashreplace
            sys.stderr.flush()
    except (OSError, ValueError):
        _silence("stderr")


def _told(text: str) -> str:
    """A message (`bptt_solver.catalogues`) in the language of the run; another text as it is."""
    if type(text) is str:
        return text
    from bptt_solver.catalogues import in_language

    return in_language(text, spoken("stderr"))


def close(code: int) -> int:
    """Flush the standard streams at the end, so that the interpreter finds nothing to complain about. The exit code."""
    for name in ("stdout", "stderr"):
        try:
            stream = getattr(sys, name)
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError as error:
            _silence(name)
            if name == "stdout" and not isinstance(error, BrokenPipeError):
                say(message("output.stdout_failed", reason=error.strerror))
                code = code or 2
    return code


def one_line(text: str) -> str:
    """A file name, or another text that is not ours, to be shown inside a line."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def visible(text: str, styled: bool = False) -> str:
    """Text that a terminal shows and does not obey: control, direction and surrogate characters become U+FFFD. Of
    ``styled`` text the codes for emphasis stay; whoever put them in has seen to it that there are no others."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    import re

    if styled:
        return re.sub(f"({_EMPHASIS})|{_OBEYED}", lambda found: found[1] or "\ufffd", text)
    return re.sub(_OBEYED, "\ufffd", text)


_EMPHASIS = "\x1b\\[[0-9;]*m"


_OBEYED = (
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f"  # C0 without tab and line feed, delete, C1
    "\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _write_all(stream: TextIO, data: bytes) -> None:
    """Write the bytes, also where the other end does not block and takes a part at a time."""
    try:
        descriptor = -1 if stream.isatty() else stream.fileno()
    except OSError:  # a stream in memory
        descriptor = -1
    if descriptor < 0:
        stream.buffer.write(data)
        stream.flush()
        return
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view[:_CHUNK]) :]
        except BlockingIOError:
            import select

            select.select([], [descriptor], [])


def _silence(name: str) -> None:
    """Point a standard stream at nothing: what its buffer still holds must not fail once more at exit."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, getattr(sys, name).fileno())
        os.close(nothing)
    except (OSError, ValueError):
        setattr(sys, name, None)


def _mode(path: str, place: str) -> int | None:
    """The permissions of the regular, writable file that is there; None if there is none. Raises `OutputError`."""
    import stat

    try:
        found = os.stat(place)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(path, error) from None
    if not stat.S_ISREG(found.st_mode):
        raise OutputError(path, message("output.not_regular"))
    if not os.access(place, os.W_OK):
        raise OutputError(path, message("output.read_only"))
    return stat.S_IMODE(found.st_mode)


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quietly(action: Callable[[str], object], path: str) -> None:
    try:
        action(path)
    except OSError:
        return
