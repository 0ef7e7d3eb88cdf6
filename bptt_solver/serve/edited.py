"""The one file that is edited: read with a mark of its version, and written whole, if nobody else has changed it."""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple

from bptt_solver.catalogues import message
from bptt_solver.output import Outputs

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
        data = self._bytes()
        if data is None:
            return Reading("", False, "")
        if len(data) > MOST:
            return Reading(f"{len(data)} {os.stat(self.path).st_mtime_ns}", True, None, message("serve.large"))
        version = hashlib.sha256(data).hexdigest()
        try:
            text = data.removeprefix(_MARK).decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError:
            return Reading(version, True, None, message("serve.encoding"))
        if "\r" in text or "\0" in text:  # a text field would change them
            return Reading(version, True, None, message("serve.characters"))
        return Reading(version, True, text)

    def save(self, text: str, base: str) -> Reading:
        """Write a text over the version ``base``, with the line ends and the mark that the file has. Raises `Conflict`
        where the file is another one by now, and `OutputError` where it cannot be written."""
        found = self.read()
        if found.version != base or found.text is None:
            raise Conflict(found)
        before = self._bytes() or b""
        data = text.replace("\r\n", "\n").encode("utf-8", "replace")
        lines = before.count(b"\n")
        if lines and before.count(b"\r\n") == lines:
            data = data.replace(b"\n", b"\r\n")
        if before.startswith(_MARK):
            data = _MARK + data
        with Outputs() as outputs:
            outputs.reserve(self.path)
            outputs.write(self.path, data)
            outputs.commit()
        return Reading(hashlib.sha256(data).hexdigest(), True, text)

    def _bytes(self) -> bytes | None:
        """The file's bytes, a few more than are edited; None where there is no regular file."""
        if not os.path.isfile(self.path):
            return None
        try:
            with open(self.path, "rb") as file:
                return file.read(MOST + 1)
        except OSError:
            return None
