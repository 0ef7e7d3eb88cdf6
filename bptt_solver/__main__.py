"""The command ``bptt-solve`` and ``python -m bptt_solver``. Nothing is imported before it is needed."""

from __future__ import annotations

import os
import sys

from bptt_solver import __version__
from bptt_solver.output import OutputError, close, message, say, write_stdout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code (``bptt-solve --help`` lists them)."""
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        if given == ["--version"]:  # the only answer that needs no command line parser
            write_stdout(f"bptt-solve {__version__}\n")
            code = 0
        else:
            from bptt_solver.cli import run

            code = run(given)
    except KeyboardInterrupt:
        say(message("main.interrupted"))
        code = 130
    except OutputError as error:
        say(message("batch.error", text=error.args[0]))
        code = 2
    except SystemExit as stop:  # SIGTERM while files are written; the end of shell completion
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 70
    return close(code)


def _forget_working_folder() -> None:
    """``python -m`` looks for modules in the working folder first, and would run a file there named like a library."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if not sys.flags.safe_path and sys.path and sys.path[0] != here:
        del sys.path[0]


if __name__ == "__main__":
    _forget_working_folder()
    sys.exit(main())
