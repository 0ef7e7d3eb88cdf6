"""The files of one run of the command: each is solved for itself, its errors are told, its result is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from bptt_solver.catalogues import in_language, message
from bptt_solver.collection import PausedCollection
from bptt_solver.errors import Problem as Mistake
from bptt_solver.errors import ProblemError, fail
from bptt_solver.output import (
    OutputError,
    Outputs,
    Terminated,
    clear,
    encode,
    encoding_of,
    is_terminal,
    one_line,
    say,
    spoken,
    write_stdout,
)
from bptt_solver.progress import listened

if TYPE_CHECKING:
    from bptt_solver.api import Problem
    from bptt_solver.bar import Bar
    from bptt_solver.render.screen import Screen
    from bptt_solver.terminal import Results
    from bptt_solver.training.trainer import Progress

ENDINGS = {
    "text": ".txt", "markdown": ".md", "latex": ".tex", "html": ".html", "json": ".json", "svg": ".svg", "dot": ".dot",
    "typst": ".typ", "pdf": ".pdf", "docx": ".docx", "ipynb": ".ipynb",
}  # fmt: skip
_HEADINGS = {
    "text": "==> {} <==\n",
    "markdown": "<!-- {} -->\n\n",
    "latex": "% {}\n",
    "html": "<!-- {} -->\n",
    "json": "",
    "svg": "<!-- {} -->\n",
    "dot": "// {}\n",
    "typst": "// {}\n",
    "ipynb": "",
    "equations": "# {}\n",
    "program": "# {}\n",
}
BINARY = ("pdf", "docx")
_INTERNAL = 70  # EX_SOFTWARE of sysexits.h
_TOLD = {
    0: "batch.some_done",
    1: "batch.some_unverified",
    2: "batch.some_unsolved",
    _INTERNAL: "batch.some_stopped",
}


class OutOfTime(BaseException):
    """``--limit seconds`` has passed. Not an `Exception`, so that nobody's handler for those swallows it."""


class Result(NamedTuple):
    """What a command made of one problem."""

    text: str | bytes
    verified: bool = True
    warnings: Sequence[str] = ()
    files: Mapping[str, bytes] = {}  # more to be written, by place
    styled: bool = False  # whether the codes in the text are ours


class Batch:
    """The files of one run. Each is loaded, worked on and written; a bad one does not stop the next."""

    def __init__(self, files: Sequence[str], output: str | None, limit: Sequence[str], **loading: Any) -> None:
        from bptt_solver.limits import Limits

        self.files = files
        self.output = None if output == "-" else output
        self.limits = Limits.parse(list(limit))
        self.quiet: bool = loading.pop("quiet")
        self.bar = None if self.quiet else _bar()
        no_pager: bool = loading.pop("no_pager", False)
        self._results = None if self.output is not None else _results(no_pager)
        self.traceback: bool = loading.pop("traceback")
        self.loading = loading

    def run(self, work: Callable[[Problem], Result], form: str, beside: Sequence[str] = ()) -> int:
        """Apply ``work`` to each problem, write the results in ``form``, and return the largest exit code. ``beside``
        are the places of the results' files."""
        if self.files.count("-") > 1:
            raise fail(message("batch.stdin_once"))
        codes: list[int] = []
        with Outputs([*(file for file in self.files if file != "-"), *self.loading["plugins"]]) as outputs:
            if beside and len(self.files) > 1:
                raise fail(message("batch.one_document"))
            if form in BINARY and self.output is None:
                self._check_stream(form)
            places = self._places(outputs, {**ENDINGS, "program": ".py"}.get(form, ".txt"))
            for path in beside:
                outputs.reserve(path)
            for file, place in zip(self.files, places, strict=True):
                self._progress(len(codes), file)
                code, result = self._attempt(file, work)
                codes.append(code)
                if result is None:
                    continue
                for path, data in result.files.items():
                    outputs.write(path, data)
                text = result.text
                if place is not None:
                    outputs.write(place, encode(text, form))
                elif not self._write(self._headed(text, file, form, first=len(codes) == 1), form, result.styled):
                    break  # nobody reads on
            outputs.commit()
        clear()
        if self._results is not None:
            self._results.close(form)
        self._summary(codes)
        return max(codes)

    def screen(self, form: str, color: str, width: int | None) -> Screen | None:
        """Where the results are read: a terminal, or a place of an unusual width or encoding; None for any file or
        pipe."""
        told = ("FORCE_COLOR", "CLICOLOR_FORCE", "PYTHONIOENCODING")
        plain = color == "auto" and width is None and (self.output is not None or not is_terminal("stdout"))
        if form != "text" or (plain and not any(name in os.environ for name in told)):
            return None
        from bptt_solver.terminal import screen

        return screen(color, width, self.output is not None)

    def language(self) -> str:
        """The language of the results: English, and that is said, where standard output lacks its characters."""
        language = spoken() if self.output is not None else spoken("stdout")
        if language != spoken() and not self.quiet:
            say(message("terminal.language", language=spoken(), encoding=encoding_of("stdout")))
        return language

    def _write(self, text: str | bytes, form: str, styled: bool) -> bool:
        if self._results is not None:
            return self._results.write(text, form, styled)
        return write_stdout(text, form, styled)

    def _check_stream(self, form: str) -> None:
        """What is not text goes into one file or pipe. Raises ProblemError."""
        if len(self.files) > 1:
            raise fail(message("documents.one", format=form), hint=message("documents.to_folder"))
        if sys.stdout is not None and sys.stdout.isatty():
            hint = message("documents.to_file", ending=ENDINGS[form])
            raise fail(message("documents.terminal", format=form), hint=hint)

    def _attempt(self, file: str, work: Callable[[Problem], Result]) -> tuple[int, Result | None]:
        """The exit code for one file, and its result if there is one; messages are told here."""
        from bptt_solver import api

        name = "<stdin>" if file == "-" else one_line(file)
        try:
            if file == "-" and sys.stdin is None:
                raise fail(message("batch.stdin_closed"))
            with deadline(self.limits.get("seconds")), PausedCollection(), listened(self.bar):
                result = work(api.load(file, limits=self.limits, **self.loading))
            made = result.text
            if isinstance(made, str):
                made = made if made.endswith("\n") else made + "\n"
            size = len(made if isinstance(made, bytes) else made.encode("utf-8", "replace"))
            if size > self.limits.get("output_bytes"):  # else the message is not needed
                self.limits.check("output_bytes", size, message("batch.result"))
        except (KeyboardInterrupt, Terminated):
            raise
        except BaseException as error:
            code, text = explain(error, name, self.traceback)
            self._tell_plugins(error, name)
            say(text)
            return code, None
        if not self.quiet:
            for warning in result.warnings:
                say(message("batch.warning", name=name, text=warning))
        if not result.verified:
            say(message("batch.not_verified", name=name))
        return (0 if result.verified else 1), result._replace(text=made)

    def _tell_plugins(self, error: BaseException, name: str) -> None:
        """What is wrong with the plugins that the command line names: a name may be unknown because of that."""
        if self.loading["plugins"] and isinstance(error, ProblemError) and not self.quiet:
            from bptt_solver.registry import Registry

            for warning in Registry.load(self.loading["plugins"]).warnings:
                say(message("batch.warning", name=name, text=warning))

    def reporter(self) -> Progress | None:
        """What tells the progress of a training on standard error; None where nobody wants to know."""
        if self.quiet or sys.stderr is None:
            return None
        if self.bar is not None:
            return self.bar.training
        told: Progress | None = None

        def report(step: int, last: int, loss: float) -> None:
            nonlocal told
            if told is None:  # few documents train
                from bptt_solver.training.progress import Reporter

                told = Reporter(say)
            told(step, last, loss)

        return report

    def counter(self) -> Callable[[int, int], object] | None:
        """What shows how many chunks of a data set are added, on a terminal."""
        bar = self.bar
        return None if bar is None else lambda done, last: bar(message("progress.data_set"), done, last)

    def _places(self, outputs: Outputs, ending: str) -> list[str | None]:
        """Where the results go: nowhere (standard output), a file, or files in a folder named after the inputs."""
        if self.output is None:
            return [None] * len(self.files)
        if len(self.files) == 1 and not self.output.endswith(("/", os.sep)):
            outputs.reserve(self.output)
            return [self.output]
        outputs.folder(self.output)
        stems = ["stdin" if file == "-" else os.path.splitext(os.path.basename(file))[0] for file in self.files]
        folded = [stem.casefold() for stem in stems]
        places: list[str | None] = []
        for file, stem in zip(self.files, stems, strict=True):
            name = stem
            if folded.count(stem.casefold()) > 1:  # 01_first/problem.yaml and 02_second/problem.yaml
                name = f"{os.path.basename(os.path.dirname(os.path.abspath(file)))}-{stem}"
            places.append(os.path.join(self.output, name + ending))
            outputs.reserve(os.path.join(self.output, name + ending))
        return places

    def _headed(self, text: str | bytes, file: str, form: str, *, first: bool) -> str | bytes:
        """A result for standard output, under its file's name if there are several."""
        if len(self.files) == 1 or isinstance(text, bytes):
            return text
        name = one_line(file).replace(">", "\ufffd")  # it must not end an HTML comment
        heading = _HEADINGS[form].replace("{}", name)
        return heading + text if first or form in ("json", "ipynb") else "\n" + heading + text

    def _progress(self, done: int, file: str) -> None:
        if self.bar is not None and len(self.files) > 1:
            self.bar.restart(f"[{done + 1}/{len(self.files)}] {one_line(file)}")

    def _summary(self, codes: list[int]) -> None:
        if len(self.files) > 1 and len(self.files) == len(codes) and not self.quiet:
            counts = [message(key, count=codes.count(code)) for code, key in _TOLD.items() if code in codes]
            say(message("batch.summary", count=len(codes), told=message.listed(counts, "list.comma")))


def _bar() -> Bar | None:
    """What shows the progress on a terminal."""
    if not is_terminal("stderr"):
        return None
    from bptt_solver.bar import Bar

    return Bar()


def _results(no_pager: bool) -> Results | None:
    """Standard output where it is a terminal; None: it is written to at once."""
    if not is_terminal("stdout"):
        return None
    from bptt_solver.terminal import Results

    return Results(not no_pager)


def explain(error: BaseException, name: str, traceback: bool = False) -> tuple[int, str]:
    """The exit code and the message, in the language of the run, for an error that ended the work on one file."""
    code = 2
    text: str
    if isinstance(error, ProblemError):
        text = "\n".join(_problem(problem, name) for problem in error.problems)
    elif isinstance(error, OutOfTime):
        text = message("batch.timeout", name=name, seconds=error)
    elif isinstance(error, RecursionError):
        text = message("batch.depth", name=name)
    elif isinstance(error, MemoryError):
        text = message("batch.memory", name=name)
    elif isinstance(error, OutputError):
        text = message("batch.error", text=error.args[0])
    elif isinstance(error, OSError):
        place = one_line(str(error.filename)) if error.filename is not None else name
        text = message("batch.place", name=place, text=error.strerror or type(error).__name__)
    else:
        code = _INTERNAL
        text = message("batch.internal", name=name, text=_words(error))
    if traceback:
        import traceback as tracebacks

        text = "".join(tracebacks.format_exception(error)) + in_language(text, spoken("stderr"))
    return code, text


def _problem(problem: Mistake, name: str) -> str:
    """A problem as a person reads it, with the name of the file."""
    language = spoken("stderr")
    text = problem.render(language)
    return text if problem.span or name in text else message("batch.named", name=name, text=text).in_language(language)


def _words(error: BaseException) -> str:
    try:
        text = one_line(str(error))[:200]
    except Exception:  # whoever made the error did not make it well
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the body after so many seconds, and again in case someone swallows it; 0 is no limit."""
    if not seconds:
        yield
        return
    import signal

    def stop(_number: int, _frame: object) -> NoReturn:
        raise OutOfTime(f"{seconds:g}")

    try:
        before = signal.signal(signal.SIGALRM, stop)
    except (AttributeError, ValueError):  # no such signal on this system, or we are in some thread
        say(message("batch.timer"))
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
