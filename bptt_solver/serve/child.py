"""What a process of the preview does: it waits for one request, answers it, and ends.

Requests and answers are JSON (a page follows as bytes), so that nothing is unpickled that a document had a part in.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def serve_one(connection: Connection) -> None:
    """Warm up (a forked process is warm), and answer what comes over the line. Its times are limited by who asks."""
    from bptt_solver.serve.warm import ignore_interrupts

    ignore_interrupts()
    _first_to_go()
    threading.Thread(target=_leave_with_server, daemon=True).start()
    try:
        request = json.loads(connection.recv_bytes())
        read = _note_files(request["path"]) if "path" in request else {}
        if request["kind"] == "vocabulary":
            from bptt_solver.serve.vocabulary import vocabulary

            told, page = vocabulary(request["plugins"]), ""
        else:
            from bptt_solver.serve.job import answer

            told, page = answer(request)
        told["files"] = list(read)
        connection.send_bytes(json.dumps(told).encode())
        connection.send_bytes(page.encode("utf-8", "replace"))
    except (EOFError, OSError):  # the server has ended, or wants no answer any more
        pass
    finally:
        connection.close()


def _first_to_go() -> None:
    """Where there is no memory left, Linux shall end this process and not the server."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:  # another system, or it is not allowed
        pass


def _leave_with_server() -> None:
    """Nobody wants an answer after the server was killed."""
    from multiprocessing import connection, parent_process

    server = parent_process()
    if server is not None:
        connection.wait([server.sentinel])
        os._exit(1)


def _note_files(document: str) -> dict[str, None]:
    """The files in the document's folder that are opened from now on: when one changes, the page is made anew."""
    folder = os.path.join(os.path.realpath(os.path.dirname(document)), "")
    read: dict[str, None] = {}

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and len(read) < 100:
            path = os.path.realpath(arguments[0])
            if path.startswith(folder) and path.endswith((".json", ".csv", ".npy", ".npz", ".safetensors")):
                read[path] = None

    sys.addaudithook(note)
    return read
