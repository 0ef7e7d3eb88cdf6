"""The command ``bptt-solve serve``: what is wrong with what is asked, and the server."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from importlib.util import find_spec

from bptt_solver.catalogues import message
from bptt_solver.errors import fail
from bptt_solver.limits import Limits
from bptt_solver.output import one_line, say, spoken, write_stdout


def serve(
    path: str,
    *,
    port: int = 0,
    browser: bool = True,
    limit: Sequence[str] = (),
    plugins: Sequence[str] = (),
    notation: str | None = None,
    traceback: bool = False,
) -> None:
    """Serve the preview of a document until Ctrl-C, which is raised again. Raises ProblemError for what cannot be
    served, and where the packages for it are missing."""
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise fail(message("serve.missing"), hint="pip install 'bptt-solver[serve]'")
    limits = Limits.parse(limit)
    check_place(path)
    if notation is not None:
        from bptt_solver.profiles.profile import profile

        profile(notation)
    from bptt_solver.serve.edited import Edited
    from bptt_solver.serve.server import Preview, run

    def preview() -> Preview:
        return Preview(
            Edited(path),
            limits=limit,
            seconds=limits.get("seconds"),
            plugins=[os.path.abspath(plugin) for plugin in plugins],
            language=spoken(),
            notation=notation,
            traceback=traceback,
        )

    def ready(address: str) -> None:
        write_stdout(address + "\n")
        say(message("serve.ready", name=one_line(path)))
        if browser:
            import webbrowser

            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    run(preview, port, ready)


def check_place(path: str) -> None:
    """Raise ProblemError unless there is a file that can be edited, or a folder for a new one."""
    shown = one_line(path)
    if path == "-":
        raise fail(message("serve.input"))
    if os.path.isdir(path):
        raise fail(message("serve.folder", path=shown))
    if os.path.lexists(path):
        if not os.path.isfile(path):
            raise fail(message("serve.not_file", path=shown))
        return
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise fail(message("serve.nowhere", path=shown, folder=one_line(folder)))
