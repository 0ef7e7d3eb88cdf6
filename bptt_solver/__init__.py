"""Ordered derivatives and backpropagation through time, step by step and checked.

``load`` (a file), ``loads`` (a text), ``solve`` and ``lower`` are the verbs; they are imported when first used, so that
``import bptt_solver`` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what `typing` offers, without its import; type checkers know the name
if TYPE_CHECKING:
    from bptt_solver.api import Problem, Solution, load, loads, lower, solve
    from bptt_solver.errors import ProblemError

__version__ = "0.1.0"
__all__ = ["Problem", "ProblemError", "Solution", "__version__", "load", "loads", "lower", "solve"]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module("bptt_solver.errors" if name == "ProblemError" else "bptt_solver.api"), name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: object) -> None:
    """``%load_ext bptt_solver`` in a notebook: the cell magic ``%%bptt``."""
    from importlib import import_module

    import_module("bptt_solver.magic").register(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
