"""From bytes to text that may be looked at: a regular file of a bounded size, strict UTF-8, no hidden characters."""

from __future__ import annotations

import os
import re
import stat
import sys
import unicodedata

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, Problems, Source, Span, fail
from bptt_solver.limits import Limits

STANDARD_INPUT = "<stdin>"

# Control characters, lone surrogates, line ends that are invisible, directions and joiners that are invisible, private
# use, non-characters. `\r\n` is an ordinary line end.
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u2028-\u202e\u2060-\u2069\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f\U000f0000-\U0010ffff]|\r(?!\n)"
)
_CONTROL_NAMES = {0: "NULL", 7: "BELL", 8: "BACKSPACE", 0x1B: "ESCAPE"}
_UNNAMED = {"Cc": "character.control", "Co": "character.private"}  # keys of messages
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_KINDS = (
    (b"PK\x03\x04", "file.zip"),
    (b"\x1f\x8b", "file.gzip"),
    (b"%PDF-", "file.pdf"),
    (b"\x89PNG", "file.png"),
    (b"\x93NUMPY", "file.numpy"),
    (b"\x80\x04\x95", "file.python"),
)


def read_text(path: str, limits: Limits) -> Source:
    """Read a file, or standard input for ``-``. Raises `ProblemError` for everything that is not honest UTF-8 text."""
    if path == "-":
        return decode(_read_standard_input(limits), STANDARD_INPUT)
    return decode(read_bytes(path, path, limits), path)


def read_bytes(path: str, shown: str, limits: Limits, span: Span | None = None) -> bytes:
    """The bytes of a regular file below the limit ``bytes``; never waits for a pipe or a device."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise fail(message("file.no_file", name=shown, kind=message(_kind(status.st_mode))), span)
            limits.check("bytes", status.st_size, shown, span)
            with open(handle, "rb", closefd=False) as file:
                data = file.read(limits.get("bytes") + 1)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise unreadable(shown, error, span) from None
    if len(data) > limits.get("bytes"):  # it grew while it was read
        raise limits.exceeded("bytes", len(data), shown, span, or_more=True)
    return data


def unreadable(shown: str, error: Exception, span: Span | None = None) -> ProblemError:
    """The error for a file that the system does not let us read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return fail(
        message("file.cannot_read", name=shown, reason=_reason(error, f"{reason[:1].lower()}{reason[1:]}")), span
    )


def _reason(error: Exception, said: str) -> str:
    """The usual reasons of the system in every language; the others in its own words."""
    key = _REASONS.get(type(error))
    told = message(key) if key else said
    return told if told == said else said


_REASONS: dict[type, str] = {
    FileNotFoundError: "file.not_found",
    PermissionError: "file.permission",
    IsADirectoryError: "file.is_folder",
}


def _kind(mode: int) -> str:
    tests = ((stat.S_ISDIR, "file.folder"), (stat.S_ISFIFO, "file.pipe"), (stat.S_ISSOCK, "file.socket"))
    return next((name for test, name in tests if test(mode)), "file.device")


def _read_standard_input(limits: Limits) -> bytes:
    if sys.stdin is None:
        raise fail(message("file.stdin_closed"))
    try:
        data = sys.stdin.buffer.read(limits.get("bytes") + 1)
    except (OSError, ValueError) as error:
        raise unreadable(STANDARD_INPUT, error) from None
    if len(data) > limits.get("bytes"):
        raise limits.exceeded("bytes", len(data), STANDARD_INPUT, or_more=True)
    return data


def decode(data: bytes, name: str) -> Source:
    """The text of bytes in strict UTF-8, without byte order mark; `check_characters` looks at what is in it."""
    encoding = next((kind for mark, kind in _MARKS if data.startswith(mark)), None)
    if encoding is None and len(data) > 3 and 0 in data[:2]:
        encoding = message("file.utf16")
    if encoding:
        raise fail(message("file.encoding", name=name, encoding=encoding), hint=message("file.save"))
    kind = next((kind for mark, kind in _KINDS if data.startswith(mark)), None)
    if kind:
        raise fail(message("file.no_document", name=name, kind=message(kind)), hint=message("file.yaml"))
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    try:
        return Source(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _not_utf8(data, error, name) from None


def _not_utf8(data: bytes, error: UnicodeDecodeError, name: str) -> ProblemError:
    source = Source(name, data.decode("utf-8", "replace"))
    at = len(data[: error.start].decode("utf-8"))
    byte = data[error.start]
    hint = message("file.save_file_latin" if byte >= 0xA0 else "file.save_file", character=chr(byte))
    return fail(message("file.not_utf8", byte=f"{byte:02x}", offset=f"{error.start:,}"), Span(source, at, at + 1), hint)


def check_characters(source: Source) -> None:
    """Raise `ProblemError` for control, direction-override, invisible and private-use characters, with their places."""
    problems = Problems()
    for count, found in enumerate(FORBIDDEN.finditer(source.text)):
        if count >= Problems.MOST:
            break
        told, hint = forbidden(found.group())
        problems.add(told, Span(source, found.start(), found.end()), hint)
    problems.raise_if_any()


def forbidden(character: str) -> tuple[str, str]:
    """Message and hint for a character that `FORBIDDEN` matches."""
    code = ord(character)
    name: str = message("character.return") if character == "\r" else _CONTROL_NAMES.get(code, "")
    name = name or unicodedata.name(character, "")
    if not name:
        name = message(_UNNAMED.get(unicodedata.category(character), "character.none"))
    reason = "character.direction" if character in _DIRECTIONS else "character.unseen"
    return message("character.not_allowed", code=f"U+{code:04X}", name=name), message(reason)
