"""The command line: what is asked for, file by file, and the exit code. Each command loads, calls and writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import click

from bptt_solver import __version__
from bptt_solver.batch import ENDINGS, Batch, Result, explain
from bptt_solver.output import one_line, say, write_stdout

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from bptt_solver.api import Problem

_PROGRAM = "bptt-solve"
_PATH = click.Path(readable=False)
_COMPLETION = "_BPTT_SOLVE_COMPLETE"
_EPILOG = """\b
Exit codes:
  0    solved and, unless --check none, verified
  1    the check found a derivative that does not agree
  2    bad input or usage, or a result that cannot be written
  70   an error in this program
  130  stopped with Ctrl-C
With several files it is the largest. A reader that closes
the pipe early (bptt-solve FILE | head) is not an error."""


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
        raise click.BadParameter("a name is missing between commas")
    return tuple(names)


def _limit_names(_context: object, _option: object, incomplete: str) -> list[str]:
    from bptt_solver.limits import TABLE

    return [f"{name}=" for name in TABLE if name.startswith(incomplete)]


def _notation_names(_context: object, _option: object, incomplete: str) -> list[str]:
    from bptt_solver.profiles.profile import profile_names

    return [name for name in profile_names() if name.startswith(incomplete)]


class FileGroup(click.Group):
    """Commands, of which ``solve`` need not be said: whatever is no command is a file or an option of ``solve``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``solve`` in front where no command stands; without any argument show the help as an error."""
        if not args and not ctx.resilient_parsing:
            say(ctx.get_help())
            ctx.exit(2)
        if not args or args[0] in self.commands or args[0] in {*ctx.help_option_names, "--version"}:
            return super().parse_args(ctx, args)
        if args[0].isalpha() and not os.path.exists(args[0]):
            from bptt_solver.errors import suggest

            near = suggest(args[0], self.commands)
            if near is not None:
                ctx.fail(f"there is no file or command '{args[0]}' ({near})")
        return super().parse_args(ctx, ["solve", *args])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of the group, the commands, and the options of ``solve``."""
        super().format_options(ctx, formatter)
        command = self.commands["solve"]
        records = (option.get_help_record(ctx) for option in command.params if isinstance(option, click.Option))
        with formatter.section("Options of solve"):
            formatter.write_dl([record for record in records if record is not None])

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
        shared = ("files", "output", "limit", "plugins", "target", "wrt", "eliminate", "quiet", "traceback")
        batch = Batch(**{name: given.pop(name) for name in shared})
        click.get_current_context().exit(body(batch, **given))

    update_wrapper(command, body)
    decorators: list[Callable[[Any], Any]] = [
        click.argument(
            "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True, readable=False)
        ),
        click.option(
            "-o",
            "--output",
            metavar="OUT",
            type=click.Path(allow_dash=True, readable=False),
            help="Write to the file OUT; with several files, or as OUT/, into the folder OUT.",
        ),
        click.option("--target", metavar="NAME", help="Differentiate this instance, for example E or C[3]."),
        click.option(
            "--wrt", metavar="NAMES", multiple=True, callback=split_names, help="With respect to these: W_h,h[2]."
        ),
        click.option(
            "--eliminate",
            metavar="NAMES",
            multiple=True,
            callback=split_names,
            help="Substitute the definitions of these first: h,o.",
        ),
        click.option(
            "--limit",
            metavar="NAME=VALUE",
            multiple=True,
            shell_complete=_limit_names,
            help="Set a limit, for example equations=5000000 or seconds=10.",
        ),
        click.option(
            "--plugin",
            "plugins",
            metavar="FILE",
            multiple=True,
            type=click.Path(readable=False),
            help="Run this Python file as a plugin.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="No warnings and no progress on standard error."),
        click.option("--traceback", is_flag=True, help="Show where an error comes from (for reports)."),
    ]
    wrapped: Callable[..., None] = command
    for decorate in reversed(decorators):
        wrapped = decorate(wrapped)
    return wrapped


@click.group(
    cls=FileGroup,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    options_metavar="",
    subcommand_metavar="[COMMAND] FILE... [OPTIONS]",
)
@click.version_option(__version__, message=f"{_PROGRAM} {__version__}")
def cli() -> None:
    """Derive ordered derivatives, step by step, from a file of equations, and check them.

    'bptt-solve FILE' is 'bptt-solve solve FILE'; FILE is a YAML document, or - for standard input. A file that is named
    like a command is ./plugins.
    """


@cli.command(short_help="Derive, evaluate and check (the default).")
@_files
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(list(ENDINGS)),
    help="Default: by the ending of OUT (.md .tex .json), else text.",
)
@click.option(
    "--detail",
    type=click.Choice(["summary", "matrix", "scalar"]),
    default="matrix",
    show_default=True,
    help="How far a line is expanded.",
)
@click.option(
    "--entry",
    "entries",
    metavar="NAME:I,J",
    multiple=True,
    help="With --detail scalar: expand this entry, h[2]:1 or W:1,2.",
)
@click.option(
    "--steps",
    type=click.Choice(["auto", "all"]),
    default="auto",
    show_default=True,
    help="Fold long recurrences into a table, or print every step.",
)
@click.option(
    "--by",
    type=click.Choice(["loss", "use", "both"]),
    help="Split each derivative by loss, by use, or both in a table.",
)
@click.option("--truncate", metavar="RULE", help="Truncated gradients: depth=2, or windows k1=2,k2=4.")
@click.option("--flow", is_flag=True, help="Gradient flow: how fast a state's influence vanishes or explodes.")
@click.option(
    "--notation",
    metavar="NAME",
    shell_complete=_notation_names,
    help="Names, signs and layout of a book or a note: werbos, boden, goodfellow, d2l, d2l-rows, karpathy, pytorch, "
    "nthu-bptt, nthu-rnn, lee, csdn, javaforall; standard: the program's own.",
)
@click.option(
    "--method",
    type=click.Choice(["bptt", "rtrl", "perturbation"]),
    default="bptt",
    show_default=True,
    help="Show another method, compared with the sweep: forward sensitivities, or one changed run for each entry.",
)
@click.option("--second", is_flag=True, help="Second derivatives as well (small systems).")
@click.option("--closed-form", is_flag=True, help="Formulas in the inputs alone (SymPy).")
@click.option("--simplify", is_flag=True, help="Simplify formulas (SymPy).")
@click.option(
    "--check",
    type=click.Choice(["none", "fast", "full"]),
    default="fast",
    show_default=True,
    help="How thoroughly every derivative is checked by other routes.",
)
@click.option(
    "--emit",
    type=click.Choice(["python", "numpy", "numba", "jax", "torch"]),
    help="Print the program for the gradients instead, for this library (python: for none).",
)
@click.option(
    "--backend",
    type=click.Choice(["python", "numpy", "numba", "jax", "torch"]),
    help="Compute the gradients once more with the program that --emit prints, and compare.",
)
@click.option("--memory", metavar="SIZE", help="With --backend numpy: in at most so much memory, 200MB.")
@click.option("--data-set", metavar="FILE", type=_PATH, help="Sum over the sequences of FILE (.npz, .csv) instead.")
@click.option("--workers", metavar="N", type=click.IntRange(1), help="With --data-set: in N processes.")
@click.option("--scheduler", metavar="URL", help="With --data-set: on the Dask cluster at tcp://host:8786.")
@click.option("--chunk", metavar="N", type=click.IntRange(1), help="With --data-set: sequences in one task.")
@click.option("--retries", metavar="N", type=click.IntRange(0), default=0, help="With --data-set: for lost workers.")
@click.option("--save", metavar="OUT", type=_PATH, help="Write the trained parameters to OUT (.npz).")
@click.option("--losses", metavar="OUT", type=_PATH, help="Write the loss of each step of training to OUT (.csv).")
@click.option("--resume", metavar="FILE", type=_PATH, help="Go on with the training that --save wrote to FILE.")
def solve(
    batch: Batch, form: str | None, save: str | None, losses: str | None, emit: str | None, data_set: str | None,
    workers: int | None, scheduler: str | None, chunk: int | None, retries: int, **choices: Any,
) -> int:  # fmt: skip
    """Derive, evaluate and check the ordered derivatives (the default command)."""
    from bptt_solver import api

    if emit is not None:
        return batch.run(lambda p: Result(api.emit(p, emit), warnings=p.warnings), "program")

    chosen = form or _format_of(batch.output)
    if data_set is not None:

        def add_up(problem: Problem) -> Result:
            summed = api.solve_data_set(
                problem, data_set, workers=workers, scheduler=scheduler, chunk=chunk, retries=retries
            )
            if not batch.quiet:
                say(summed.told)
            return Result(api.render_data_set(summed, chosen), warnings=problem.warnings)

        return batch.run(add_up, chosen)
    if workers or scheduler or chunk or retries:
        raise click.UsageError("--workers, --scheduler, --chunk and --retries go with --data-set")
    beside = [path for path in (save, losses) if path is not None]

    def work(problem: Problem) -> Result:
        if beside:
            from bptt_solver.training.saved import check_asked

            check_asked(problem, save)
        tell = None if batch.quiet else say
        solution = api.solve(problem, progress=batch.reporter(), tell=tell, **choices)
        text = solution.render(chosen)
        files = solution.training_files(save, losses) if beside else {}
        return Result(text, solution.verified, solution.warnings, files)

    return batch.run(work, chosen, beside)


@cli.command(short_help="Print the equations of a document.")
@_files
@click.option("--adjoint", is_flag=True, help="The equations of the ordered derivatives instead.")
@click.option("--unfold", is_flag=True, help="One line for each instance.")
def lower(batch: Batch, adjoint: bool, unfold: bool) -> int:
    """Print the equations that a document stands for, in the equation language."""
    from bptt_solver import api

    def work(problem: Problem) -> Result:
        return Result(api.lower(problem, adjoint=adjoint, unfold=unfold), warnings=problem.warnings)

    return batch.run(work, "equations")


@cli.command(short_help="List functions, losses, topologies and update rules.")
@click.option("--plugin", "plugins", metavar="FILE", multiple=True, type=click.Path(readable=False), help="Include it.")
@click.option("--traceback", is_flag=True, help="Show where an error comes from (for reports).")
def plugins(plugins: Sequence[str], traceback: bool) -> None:
    """List the functions, losses, topologies and update rules, and the plugins that bring them."""
    from bptt_solver import api

    write_stdout(_ended(api.plugins_text(plugins)))


@cli.command()
def schema() -> None:
    """Print the JSON Schema of documents, for editors."""
    from importlib.resources import files

    write_stdout(_ended(files("bptt_solver.problem").joinpath("problem.schema.json").read_text("utf-8")), "json")


@cli.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
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
        path = getattr(getattr(error, "ctx", None), "command_path", _PROGRAM)
        say(f"error: {one_line(error.format_message())}\nTry '{path} --help'.")
        return 2
    except BrokenPipeError:  # of the help
        return 0
    except Exception as error:
        code, message = explain(error, _PROGRAM, "--traceback" in arguments)
        say(message)
        return code
    return 0
