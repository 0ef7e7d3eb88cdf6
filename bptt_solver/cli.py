"""The command line: what is asked for, file by file, and the exit code. Each command loads, calls and writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import click

from bptt_solver import __version__
from bptt_solver.batch import ENDINGS, Batch, Result, explain
from bptt_solver.output import say, speak, spoken, write_stdout
from bptt_solver.wording import (
    Argument,
    Group,
    Option,
    complaint,
    language_asked,
    language_option,
    option,
    words,
    write_options,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from bptt_solver.api import Problem

_PROGRAM = "bptt-solve"
_PATH = click.Path(readable=False)
_COMPLETION = "_BPTT_SOLVE_COMPLETE"


def split_names(_context: object, _option: object, texts: Sequence[str]) -> tuple[str, ...]:
    """The names in ``a[2,1],b``: commas inside brackets do not separate."""
    names: list[str] = []
    for text in texts:
        depth, start = 0, 0
        for at, character in enumerate(text + ","):
            depth += (character in "([") - (character in ")]")
            if character == "," and (depth <= 0 or at == len(text)):
                names.append(text[start:at].strip())
                start = at + 1
    if not all(names):
        raise click.BadParameter(words("usage.comma"))
    return tuple(names)


def _limit_names(_context: object, _option: object, incomplete: str) -> list[str]:
    from bptt_solver.limits import TABLE

    return [f"{name}=" for name in TABLE if name.startswith(incomplete)]


def _notation_names(_context: object, _option: object, incomplete: str) -> list[str]:
    from bptt_solver.profiles.profile import profile_names

    return [name for name in profile_names() if name.startswith(incomplete)]


class FileGroup(Group):
    """Commands, of which ``solve`` need not be said: whatever is no command is a file or an option of ``solve``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``solve`` in front where no command stands; without any argument show the help as an error."""
        speak(language_asked(args))
        at = 0  # where the command stands: the language may be in front of it
        while args[at : at + 1] == ["--lang"] or (at < len(args) and args[at].startswith("--lang=")):
            at += 1 if "=" in args[at] else 2
        first = args[at] if at < len(args) else ""
        if at == len(args) and not ctx.resilient_parsing:
            say(ctx.get_help())
            ctx.exit(2)
        if at >= len(args) or first in self.commands or first in {*ctx.help_option_names, "--version"}:
            return super().parse_args(ctx, args)
        if first.isalpha() and not os.path.exists(first):
            from bptt_solver.errors import suggest

            near = suggest(first, self.commands)
            if near is not None:
                ctx.fail(words("usage.no_file", name=first, hint=near))
        return super().parse_args(ctx, [*args[:at], "solve", *args[at:]])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of the group, the commands, and the options of ``solve``."""
        super().format_options(ctx, formatter)
        command = self.commands["solve"]
        own = [option for option in command.params if option.name != "lang"]
        write_options(command, ctx, formatter, "help.options_of", own)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands, then what ``solve`` takes: files and options."""
        command = self.commands["solve"]
        inner = click.Context(command, parent=ctx, info_name="solve", resilient_parsing=True)
        files = [] if incomplete.startswith("-") else command.params[0].shell_complete(inner, incomplete)
        own = super().shell_complete(ctx, incomplete)
        known = [item.value for item in own]
        options = [item for item in command.shell_complete(inner, incomplete) if item.value not in known]
        return [*own, *options, *files]


def _files(body: Callable[..., int]) -> Callable[..., None]:
    """Give a command the arguments that all commands on files share; the body gets them as a `Batch`."""

    def command(**given: Any) -> None:
        shared = ("files", "output", "limit", "plugins", "target", "wrt", "eliminate", "quiet", "traceback", "no_pager")
        batch = Batch(**{name: given.pop(name) for name in shared})
        click.get_current_context().exit(body(batch, **given))

    update_wrapper(command, body)
    decorators: list[Callable[[Any], Any]] = [
        click.argument(
            "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True, readable=False)
        ),
        option(
            "-o",
            "--output",
            metavar="OUT",
            type=click.Path(allow_dash=True, readable=False),
        ),
        option("--target", metavar="NAME"),
        option("--wrt", metavar="NAMES", multiple=True, callback=split_names),
        option(
            "--eliminate",
            metavar="NAMES",
            multiple=True,
            callback=split_names,
        ),
        option(
            "--limit",
            metavar="NAME=VALUE",
            multiple=True,
            shell_complete=_limit_names,
        ),
        option(
            "--plugin",
            "plugins",
            metavar="FILE",
            multiple=True,
            type=click.Path(readable=False),
        ),
        option("-q", "--quiet", is_flag=True),
        option("--no-pager", is_flag=True),
        option("--traceback", is_flag=True),
        language_option,
    ]
    wrapped: Callable[..., None] = command
    for decorate in reversed(decorators):
        wrapped = decorate(wrapped)
    return wrapped


@click.group(
    cls=FileGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    options_metavar="",
    subcommand_metavar="[COMMAND] FILE... [OPTIONS]",
)
@click.version_option(__version__, message=f"{_PROGRAM} {__version__}", cls=Option, help=None)
@language_option
def cli() -> None:
    """Derive ordered derivatives, step by step, from a file of equations, and check them.

    'bptt-solve FILE' is 'bptt-solve solve FILE'; FILE is a YAML document, or - for standard input. A file that is named
    like a command is ./plugins.
    """


@cli.command()
@_files
@option(
    "-f",
    "--format",
    "form",
    type=click.Choice(list(ENDINGS)),
)
@option(
    "--detail",
    type=click.Choice(["summary", "matrix", "scalar"]),
    default="matrix",
    show_default=True,
)
@option(
    "--entry",
    "entries",
    metavar="NAME:I,J",
    multiple=True,
)
@option(
    "--steps",
    type=click.Choice(["auto", "all"]),
    default="auto",
    show_default=True,
)
@option(
    "--by",
    type=click.Choice(["loss", "use", "both"]),
)
@option("--truncate", metavar="RULE")
@option("--flow", is_flag=True)
@option(
    "--notation",
    metavar="NAME",
    shell_complete=_notation_names,
)
@option(
    "--method",
    type=click.Choice(["bptt", "rtrl", "perturbation"]),
    default="bptt",
    show_default=True,
)
@option("--second", is_flag=True)
@option("--closed-form", is_flag=True)
@option("--simplify", is_flag=True)
@option(
    "--check",
    type=click.Choice(["none", "fast", "full"]),
    default="fast",
    show_default=True,
)
@option(
    "--emit",
    type=click.Choice(["python", "numpy", "numba", "jax", "torch"]),
)
@option(
    "--backend",
    type=click.Choice(["python", "numpy", "numba", "jax", "torch"]),
)
@option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
)
@option("--memory", metavar="SIZE")
@option("--schedule", is_flag=True)
@option("--data-set", metavar="FILE", type=_PATH)
@option("--workers", metavar="N", type=click.IntRange(1))
@option("--scheduler", metavar="URL")
@option("--chunk", metavar="N", type=click.IntRange(1))
@option("--retries", metavar="N", type=click.IntRange(0), default=0)
@option(
    "--picture",
    type=click.Choice(["auto", "folded", "unrolled"]),
)
@option(
    "--show",
    metavar="WORDS",
)
@option("--step", metavar="N|NAME")
@option("--animate", is_flag=True)
@option("--fragment", is_flag=True)
@option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@option("--width", metavar="N", type=click.IntRange(20))
@option("--save", metavar="OUT", type=_PATH)
@option("--losses", metavar="OUT", type=_PATH)
@option("--resume", metavar="FILE", type=_PATH)
def solve(
    batch: Batch, form: str | None, save: str | None, losses: str | None, emit: str | None, data_set: str | None,
    workers: int | None, scheduler: str | None, chunk: int | None, retries: int, fragment: bool, color: str,
    width: int | None, **choices: Any,
) -> int:  # fmt: skip
    """Derive, evaluate and check the ordered derivatives (the default command)."""
    from bptt_solver import works

    if emit is not None:
        return batch.run(works.program(emit, choices["dtype"], batch.language()), "program")
    chosen = form or _format_of(batch.output)
    drawing = {name: choices.pop(name) for name in ("picture", "show", "step", "animate")}
    if any(drawing.values()) and chosen not in (("svg",) if drawing["step"] or drawing["animate"] else works.DRAWN):
        raise click.UsageError(words("usage.picture"))
    if fragment and chosen != "latex":
        raise click.UsageError(words("usage.fragment"))
    if data_set is not None and chosen in works.DRAWN:
        raise click.UsageError(words("usage.data_set_picture"))
    shown = works.Shown(chosen, batch.language(), batch.screen(chosen, color, width), fragment)
    spread = {"workers": workers, "scheduler": scheduler, "chunk": chunk, "retries": retries}
    if data_set is not None:
        return batch.run(works.sums(batch, shown, data_set, **spread), chosen)
    if any(spread.values()):
        raise click.UsageError(words("usage.workers"))
    if choices["schedule"] and not choices["memory"]:
        raise click.UsageError(words("usage.schedule"))
    beside = [path for path in (save, losses) if path is not None]
    return batch.run(works.derivation(batch, shown, drawing, save, losses, **choices), chosen, beside)


@cli.command()
@_files
@option("--adjoint", is_flag=True)
@option("--unfold", is_flag=True)
def lower(batch: Batch, adjoint: bool, unfold: bool) -> int:
    """Print the equations that a document stands for, in the equation language."""
    from bptt_solver import api

    def work(problem: Problem) -> Result:
        text = api.lower(problem, adjoint=adjoint, unfold=unfold, language=spoken("stdout"))
        return Result(text, warnings=problem.warnings)

    return batch.run(work, "equations")


@cli.command()
@click.argument("file", metavar="FILE", type=click.Path(allow_dash=True, readable=False), cls=Argument)
@option("--port", metavar="N", type=click.IntRange(0, 65535), default=0)
@option("--open/--no-open", "browser", default=True)
@option("--notation", metavar="NAME", shell_complete=_notation_names)
@option("--limit", metavar="NAME=VALUE", multiple=True, shell_complete=_limit_names)
@option("--plugin", "plugins", metavar="FILE", multiple=True, type=click.Path(readable=False))
@option("--traceback", is_flag=True)
@language_option
def serve(file: str, port: int, browser: bool, **choices: Any) -> None:
    """Show a document in the browser, and again each time it changes."""
    from bptt_solver.serve.command import serve as run_server

    run_server(file, port=port, browser=browser, **choices)


@cli.command()
@option("--plugin", "plugins", metavar="FILE", multiple=True, type=click.Path(readable=False), key="option.include")
@option("--traceback", is_flag=True)
@language_option
def plugins(plugins: Sequence[str], traceback: bool) -> None:
    """List the functions, losses, topologies and update rules, and the plugins that bring them."""
    from bptt_solver import api

    write_stdout(_ended(api.plugins_text(plugins, spoken("stdout"))))


@cli.command()
@language_option
def schema() -> None:
    """Print the JSON Schema of documents, for editors."""
    from importlib.resources import files

    write_stdout(_ended(files("bptt_solver.problem").joinpath("problem.schema.json").read_text("utf-8")), "json")


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), cls=Argument)
@language_option
def completion(shell: str) -> None:
    """Print the completion script of a shell: eval "$(bptt-solve completion bash)"."""
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    write_stdout(_ended(ShellComplete.source(kind(cli, {}, _PROGRAM, _COMPLETION))))


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _format_of(output: str | None) -> str:
    endings = {ending: form for form, ending in ENDINGS.items()}
    return endings.get(os.path.splitext(output or "")[1].lower(), "text")


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code; messages go to standard error."""
    try:
        if _COMPLETION in os.environ:
            cli.main(list(arguments), prog_name=_PROGRAM)  # answers the shell and exits
        with cli.make_context(_PROGRAM, list(arguments)) as context:
            cli.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        say(complaint(error))
        return 2
    except BrokenPipeError:  # of the help
        return 0
    except Exception as error:
        code, text = explain(error, _PROGRAM, "--traceback" in arguments)
        say(text)
        return code
    return 0
