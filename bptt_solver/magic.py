"""The cell magic ``%%bptt`` of notebooks: the cell is a document, the options are those of ``bptt-solve solve``."""

from __future__ import annotations

import inspect
import shlex
from typing import TYPE_CHECKING, Any

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, fail

if TYPE_CHECKING:
    from bptt_solver.solution import Solution

_LOADING = ("target", "wrt", "eliminate", "plugins")


def register(shell: Any) -> None:
    """Give a shell of IPython the magic; ``%load_ext bptt_solver`` calls it."""

    def bptt(line: str, cell: str) -> Solution | None:
        """Solve the document in the cell; the solution is shown, and is called ``solution`` afterwards."""
        from bptt_solver.output import say

        try:
            solution = solved(line, cell)
        except ProblemError as error:
            language = _language(line)
            for problem in error.problems:
                say(problem.render(language))
            return None
        shell.user_ns["solution"] = solution
        return solution

    shell.register_magic_function(bptt, "cell", "bptt")


def _language(line: str) -> str:
    """The language that the options ask for, else that of the locale."""
    from bptt_solver.wording import language_asked

    try:
        return language_asked(shlex.split(line))
    except ValueError:  # a quotation that is not closed
        return language_asked([])


def solved(line: str, cell: str) -> Solution:
    """What ``bptt-solve solve`` computes for a document with these options. Raises ProblemError, also for an option
    that is not known or makes no sense in a notebook."""
    import click

    from bptt_solver import api
    from bptt_solver.cli import cli
    from bptt_solver.limits import Limits
    from bptt_solver.output import speak, spoken
    from bptt_solver.wording import what_is_wrong

    before = spoken()
    command = cli.commands["solve"]
    try:
        context = command.make_context("%%bptt", [*shlex.split(line), "-"])
        language = spoken()
    except click.ClickException as error:
        raise fail(what_is_wrong(error, getattr(error, "ctx", None))) from None
    except ValueError as error:  # a quotation that is not closed
        raise fail(str(error)) from None
    except click.exceptions.Exit:
        raise fail(message("magic.options")) from None
    finally:
        speak(before)
    known = inspect.signature(api.solve).parameters
    given = {name: value for name, value in context.params.items() if name in known}
    loading = {name: context.params[name] for name in _LOADING}
    for option in command.params:
        name = option.name or ""
        source = context.get_parameter_source(name)
        other = name not in (*given, *loading, "files", "lang", "limit", "quiet", "traceback")
        if other and source is not None and source.name == "COMMANDLINE":
            raise fail(message("magic.option", option=option.opts[-1]))
    limits = Limits.parse(list(context.params["limit"]))
    problem = api.loads(cell, "<cell>", limits=limits, **loading)
    return api.solve(problem, **{**given, "language": language})
