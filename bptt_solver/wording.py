"""The command line in the language of the run: its help and what it says of wrong usage, from ``locale/cli.*.toml``.

The classes are those of click with the texts looked up when they are shown; only then is it known which language is
spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from bptt_solver.catalogues import ENGLISH, FOLDER, LANGUAGES, Message, Messages, in_language, language_of
from bptt_solver.output import speak, spoken

words = Messages(FOLDER, "cli")


def told(key: str, **fields: object) -> str:
    """A text of the command line in the language that is spoken."""
    return words(key, **fields).in_language(spoken("stdout"))


def language_asked(arguments: Sequence[str]) -> str:
    """The language to speak, found before anything else is read of the arguments; what is wrong with ``--lang`` itself
    is told when its turn comes."""
    asked = None
    for at, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument.startswith("--lang="):
            asked = argument.partition("=")[2]
        elif argument == "--lang" and at + 1 < len(arguments):
            asked = arguments[at + 1]
    try:
        return language_of(asked)
    except ValueError:
        return language_of(None)


def _chosen_language(_context: object, _option: object, asked: str | None) -> None:
    if asked is not None:
        try:
            speak(language_of(asked))
        except ValueError:
            known = words.listed(LANGUAGES)
            raise click.BadParameter(words("usage.language", name=repr(asked), known=known)) from None


class Option(click.Option):
    """An option whose help is the text ``option.<name>`` of the catalogue, or of another ``key``."""

    def __init__(self, *arguments: Any, key: str | None = None, **settings: Any) -> None:
        self._given: str | None = None
        self._key = key
        super().__init__(*arguments, **settings)

    @property
    def help(self) -> str | None:
        """What it does; a text that was given where it was declared stays as it is."""
        return self._given if self._given is not None else told(self._key or f"option.{self.name}")

    @help.setter
    def help(self, text: str | None) -> None:
        self._given = text

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option and its help, with the default."""
        record = super().get_help_record(ctx)
        if record is None or not self.show_default:
            return record
        return record[0], record[1].replace(f"  [default: {self.default}]", told("help.default", default=self.default))

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """The value in its type."""
        try:
            return super().type_cast_value(ctx, value)
        except click.BadParameter as error:
            raise _refused(self, error, value) from None


class Argument(click.Argument):
    """An argument that says in each language what is wrong with it."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """The value in its type."""
        try:
            return super().type_cast_value(ctx, value)
        except click.BadParameter as error:
            raise _refused(self, error, value) from None


def _refused(parameter: click.Parameter, error: click.BadParameter, value: object) -> click.BadParameter:
    """The error that click makes of a value, in our words."""
    kind = parameter.type
    if isinstance(error, click.MissingParameter):
        return error
    if isinstance(kind, click.Choice):
        text = words("usage.choice", value=repr(value), choices=", ".join(map(repr, kind.choices)))
    elif isinstance(kind, click.IntRange):
        whole = str(value).removeprefix("-").isdecimal()
        least = kind.min if kind.min is not None else "-∞"
        text = words("usage.range", value=value, least=least) if whole else words("usage.whole", value=repr(value))
    else:
        return error
    return click.BadParameter(text, error.ctx, parameter)


def option(*declared: str, **settings: Any) -> Callable[[Any], Any]:
    """`click.option` with its help from the catalogue."""
    return click.option(*declared, cls=Option, **settings)


def language_option(wrapped: Any) -> Any:
    """``--lang``, which every command has."""
    return option(
        "--lang",
        metavar="LANGUAGE",
        is_eager=True,
        expose_value=False,
        callback=_chosen_language,
        shell_complete=lambda _context, _option, start: [name for name in LANGUAGES if name.startswith(start)],
    )(wrapped)


class Formatter(click.HelpFormatter):
    """Writes help; in Chinese it counts the columns that a text fills and breaks it between any two characters."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The line of usage."""
        if spoken("stdout") == ENGLISH:
            super().write_usage(prog, args, prefix)
        else:
            self.write(f"{told('help.usage')}{prog} {args}\n")

    def write_heading(self, heading: str) -> None:
        """The heading of a section."""
        self.write(f"{'':>{self.current_indent}}{told('help.heading', title=heading)}\n")

    def write_text(self, text: str) -> None:
        """Paragraphs."""
        if spoken("stdout") == ENGLISH:
            super().write_text(text)
            return
        indent = " " * self.current_indent
        for at, paragraph in enumerate(text.split("\n\n")):
            rows = _rows(paragraph, self.width - self.current_indent)
            self.write("\n" * (at > 0) + "".join(f"{indent}{row}\n" for row in rows))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Terms with what they mean."""
        if spoken("stdout") == ENGLISH:
            super().write_dl(list(rows), col_max, col_spacing)
            return
        listed = list(rows)
        first = min(max(len(term) for term, _ in listed), col_max) + col_spacing
        for term, text in listed:
            head = " " * self.current_indent + term
            gap = " " * (self.current_indent + first)
            behind = head.ljust(len(gap)) if len(term) <= first - col_spacing else f"{head}\n{gap}"
            self.write(behind + f"\n{gap}".join(_rows(text, max(self.width - first - 2, 10))) + "\n")


def _rows(text: str, width: int) -> list[str]:
    """A text broken into rows of at most so many columns where it can be."""
    from bptt_solver.render.columns import breakable, columns

    rows = [""]
    for gap, piece in breakable(text):
        if not rows[-1]:
            rows[-1] = piece
        elif columns(rows[-1] + gap + piece) <= width:
            rows[-1] += gap + piece
        else:
            rows.append(piece)
    return rows


class Context(click.Context):
    """A context whose help is written by `Formatter`."""

    formatter_class = Formatter


class Command(click.Command):
    """A command whose texts are ``command.<name>`` and, shorter, ``short.<name>`` of the catalogue."""

    context_class = Context
    allow_extra_args = True  # what is too much is told here, not by click
    _own_help: click.Option | None = None

    @property
    def help(self) -> str | None:
        """What it is for."""
        return told(f"command.{self.name}")

    @help.setter
    def help(self, _text: str | None) -> None:
        """The catalogue knows."""

    @property
    def short_help(self) -> str | None:
        """What it is for, in a few words."""
        return told(f"short.{self.name}")

    @short_help.setter
    def short_help(self, _text: str | None) -> None:
        """The catalogue knows."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments; one that is too much is an error."""
        rest = _parsed(super().parse_args, ctx, args)
        if rest and not ctx.resilient_parsing:
            ctx.fail(words("usage.extra" if len(rest) == 1 else "usage.extras", given=" ".join(rest)))
        return rest

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """``--help``."""
        if self._own_help is None:  # one object: click compares it with itself
            self._own_help = _explained(super().get_help_option(ctx))
        return self._own_help

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options."""
        write_options(self, ctx, formatter, "help.options", self.get_params(ctx))


class Group(click.Group):
    """Commands; what is true of `Command` is true of the group, whose text is ``command.cli``."""

    context_class = Context
    command_class = Command
    _own_help: click.Option | None = None

    @property
    def help(self) -> str | None:
        """What the program is for."""
        return told("command.cli")

    @help.setter
    def help(self, _text: str | None) -> None:
        """The catalogue knows."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments of the group."""
        return _parsed(super().parse_args, ctx, args)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """``--help``."""
        if self._own_help is None:  # one object: click compares it with itself
            self._own_help = _explained(super().get_help_option(ctx))
        return self._own_help

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of the group, and the commands."""
        write_options(self, ctx, formatter, "help.options", self.get_params(ctx))
        with formatter.section(told("help.commands")):
            formatter.write_dl([(name, self.commands[name].short_help or "") for name in self.list_commands(ctx)])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The exit codes, line by line."""
        formatter.write_paragraph()
        formatter.write("".join(f"  {line}\n" for line in told("help.epilog").split("\n")))


def write_options(
    command: click.Command,
    ctx: click.Context,
    formatter: click.HelpFormatter,
    title: str,
    params: list[click.Parameter],
) -> None:
    """A section of help with options."""
    records = [option.get_help_record(ctx) for option in params if isinstance(option, click.Option)]
    with formatter.section(told(title, name=command.name) if title != "help.options" else told(title)):
        formatter.write_dl([record for record in records if record is not None])


def _explained(found: click.Option | None) -> click.Option | None:
    """``--help`` with its text from the catalogue."""
    if found is None:
        return None
    return Option(
        found.opts, is_flag=True, is_eager=True, expose_value=False, callback=found.callback, key="option.help"
    )


def _parsed(parse: Callable[..., list[str]], ctx: click.Context, args: list[str]) -> list[str]:
    """The arguments; an error knows its command, which click does not tell it in every case."""
    try:
        return parse(ctx, args)
    except click.UsageError as error:
        error.ctx = error.ctx or ctx
        raise


def complaint(error: click.ClickException) -> str:
    """What is wrong, in the language that is spoken, and where help is."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "bptt-solve"
    text = in_language(what_is_wrong(error, context), spoken("stderr"))
    return told("usage.error", text=text, path=path)


def what_is_wrong(error: click.ClickException, context: click.Context | None) -> str:
    """What is wrong with the arguments, as a message."""
    if isinstance(error, click.NoSuchOption):
        name, near = repr(error.option_name), [repr(name) for name in sorted(error.possibilities or ())]
        if not near:
            return words("usage.no_option", name=name)
        return words("usage.near" if len(near) == 1 else "usage.several_near", name=name, names=", ".join(near))
    if isinstance(error, click.BadParameter):
        parameter, at = error.param, error.ctx
        hint = parameter.get_error_hint(at) if parameter is not None and at is not None else ""
        if isinstance(error, click.MissingParameter) and parameter is not None:
            if isinstance(parameter.type, click.Choice):
                return words("usage.missing_choice", name=hint, choices=", ".join(parameter.type.choices))
            return words("usage.missing", name=hint)
        return words("usage.invalid", name=hint, text=error.message)
    if isinstance(error, click.BadOptionUsage) and context is not None:
        declared = (option for option in context.command.params if error.option_name in option.opts)
        flag = any(isinstance(option, click.Option) and option.is_flag for option in declared)
        return words("usage.no_value" if flag else "usage.no_argument", name=repr(error.option_name))
    return error.message if isinstance(error.message, Message) else error.format_message()
