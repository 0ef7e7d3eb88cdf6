"""The one file that is edited: read with a mark of its version, and written whole, if nobody else has changed it."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

from bptt_solver.catalogues import message
from bptt_solver.output import OutputError, Outputs

MOST = 1_000_000  # bytes of a text that is edited in the page
_MARK = b"\xef\xbb\xbf"


class Reading(NamedTuple):
    """A file as it was found. ``text`` is None where it cannot be edited, and ``reason`` says why."""

    version: str
    exists: bool
    text: str | None
    reason: str = ""


class Conflict(Exception):
    """The file is no longer the version that was edited."""

    def __init__(self, found: Reading) -> None:
        super().__init__(found.version)
        self.found = found


class Edited:
    """A file by its path; ``name`` is how it is shown, as on the command line."""

    def __init__(self, path: str) -> None:
        self.name = path
        self.path = os.path.abspath(path)

    @property
    def folder(self) -> str:
        """Where the files lie that the document may name."""
        return os.path.dirname(self.path)

    def read(self) -> Reading:
        """The file as it is now; line ends are those of a text field."""
        return self._read()[0]

    def _read(self) -> tuple[Reading, bytes]:
        try:
            found = os.stat(self.path)
            if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
                return Reading("special", True, None, message("serve.special")), b""
            with open(self.path, "rb") as file:
                data = file.read(MOST + 1)
        except (FileNotFoundError, NotADirectoryError):
            return Reading("", False, ""), b""
        except OSError as error:
            reason = message("serve.unreadable", reason=error.strerror or type(error).__name__)
            return Reading("unreadable", True, None, reason), b""
        if len(data) > MOST:
            return Reading(f"{found.st_size} {found.st_mtime_ns}", True, None, message("serve.large")), b""
        version = hashlib.sha256(data).hexdigest()
        try:
            text = data.removeprefix(_MARK).decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError:
            return Reading(version, True, None, message("serve.encoding")), data
        if "\r" in text or "\0" in text:  # a text field would change them
            return Reading(version, True, None, message("serve.characters")), data
        return Reading(version, True, text), data

    def save(self, text: str, base: str) -> Reading:
        """Write a text over the version ``base``, with the line ends and the mark that the file has. Raises `Conflict`
        where the file is another one by now, and `OutputError` where it cannot be written."""
        found, before = self._read()
        if found.text is None:
            raise OutputError(self.name, found.reason)
        if found.version != base:
            raise Conflict(found)
        try:
            data = text.replace("\r\n", "\n").encode("utf-8")
        except UnicodeEncodeError:  # half a character: a file cannot hold it
            raise OutputError(self.name, message("serve.characters")) from None
        lines = before.count(b"\n")
        if lines and before.count(b"\r\n") == lines:
            data = data.replace(b"\n", b"\r\n")
        if before.startswith(_MARK):
            data = _MARK + data
        with Outputs() as outputs:
            outputs.reserve(self.path)
            outputs.write(self.path, data)
            found = self.read()  # to write takes a while
            if found.version != base:
                raise Conflict(found)
            outputs.commit()
        return Reading(hashlib.sha256(data).hexdigest(), True, text)
