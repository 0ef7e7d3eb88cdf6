"""The files of one run of the command: each is solved for itself, its errors are told, its result is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from bptt_solver.collection import PausedCollection
from bptt_solver.errors import ProblemError, fail
from bptt_solver.output import OutputError, Outputs, Terminated, encode, one_line, say, write_stdout

if TYPE_CHECKING:
    from bptt_solver.api import Problem
    from bptt_solver.training.trainer import Progress

ENDINGS = {"text": ".txt", "markdown": ".md", "latex": ".tex", "json": ".json"}
_HEADINGS = {
    "text": "==> {} <==\n",
    "markdown": "<!-- {} -->\n\n",
    "latex": "% {}\n",
    "json": "",
    "equations": "# {}\n",
    "program": "# {}\n",
}
_INTERNAL = 70  # EX_SOFTWARE of sysexits.h
_TOLD = {0: "done", 1: "not verified", 2: "not solved", _INTERNAL: "stopped by an internal error"}


class OutOfTime(BaseException):
    """``--limit seconds`` has passed. Not an `Exception`, so that nobody's handler for those swallows it."""


class Result(NamedTuple):
    """What a command made of one problem."""

    text: str
    verified: bool = True
    warnings: Sequence[str] = ()
    files: Mapping[str, bytes] = {}  # more to be written, by place


class Batch:
    """The files of one run. Each is loaded, worked on and written; a bad one does not stop the next."""

    def __init__(self, files: Sequence[str], output: str | None, limit: Sequence[str], **loading: Any) -> None:
        from bptt_solver.limits import Limits

        self.files = files
        self.output = None if output == "-" else output
        self.limits = Limits.parse(list(limit))
        self.quiet: bool = loading.pop("quiet")
        self.traceback: bool = loading.pop("traceback")
        self.loading = loading

    def run(self, work: Callable[[Problem], Result], form: str, beside: Sequence[str] = ()) -> int:
        """Apply ``work`` to each problem, write the results in ``form``, and return the largest exit code. ``beside``
        are the places of the results' files."""
        if self.files.count("-") > 1:
            raise fail("standard input (-) can be read only once")
        codes: list[int] = []
        with Outputs([*(file for file in self.files if file != "-"), *self.loading["plugins"]]) as outputs:
            if beside and len(self.files) > 1:
                raise fail("--save and --losses are for one document at a time")
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
                elif not write_stdout(self._headed(text, file, form, first=len(codes) == 1), form):
                    break  # nobody reads on
            outputs.commit()
        self._summary(codes)
        return max(codes)

    def _attempt(self, file: str, work: Callable[[Problem], Result]) -> tuple[int, Result | None]:
        """The exit code for one file, and its result if there is one; messages are told here."""
        from bptt_solver import api

        name = "<stdin>" if file == "-" else one_line(file)
        try:
            if file == "-" and sys.stdin is None:
                raise fail("standard input is closed")
            with deadline(self.limits.get("seconds")), PausedCollection():
                result = work(api.load(file, limits=self.limits, **self.loading))
            text = result.text if result.text.endswith("\n") else result.text + "\n"
            self.limits.check("output_bytes", len(text.encode("utf-8", "replace")), "the result")
        except (KeyboardInterrupt, Terminated):
            raise
        except BaseException as error:
            code, message = explain(error, name, self.traceback)
            self._tell_plugins(error, name)
            say(message)
            return code, None
        if not self.quiet:
            for warning in result.warnings:
                say(f"{name}: warning: {warning}")
        if not result.verified:
            say(f"{name}: NOT VERIFIED: the check found a derivative that does not agree; the result says which")
        return (0 if result.verified else 1), result._replace(text=text)

    def _tell_plugins(self, error: BaseException, name: str) -> None:
        """What is wrong with the plugins that the command line names: a name may be unknown because of that."""
        if self.loading["plugins"] and isinstance(error, ProblemError) and not self.quiet:
            from bptt_solver.registry import Registry

            for warning in Registry.load(self.loading["plugins"]).warnings:
                say(f"{name}: warning: {warning}")

    def reporter(self) -> Progress | None:
        """What tells the progress of a training on standard error; None where nobody wants to know."""
        if self.quiet or sys.stderr is None:
            return None
        terminal = sys.stderr.isatty()
        told: Progress | None = None

        def report(step: int, last: int, loss: float) -> None:
            nonlocal told
            if told is None:  # few documents train
                from bptt_solver.training.progress import Reporter

                told = Reporter(say, terminal)
            told(step, last, loss)

        return report

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

    def _headed(self, text: str, file: str, form: str, *, first: bool) -> str:
        """A result for standard output, under its file's name if there are several."""
        if len(self.files) == 1:
            return text
        name = one_line(file).replace(">", "\ufffd")  # it must not end an HTML comment
        heading = _HEADINGS[form].replace("{}", name)
        return heading + text if first or form == "json" else "\n" + heading + text

    def _progress(self, done: int, file: str) -> None:
        if len(self.files) > 1 and not self.quiet and sys.stderr is not None and sys.stderr.isatty():
            say(f"[{done + 1}/{len(self.files)}] {one_line(file)}")

    def _summary(self, codes: list[int]) -> None:
        if len(self.files) > 1 and len(self.files) == len(codes) and not self.quiet:
            counts = (f"{codes.count(code)} {told}" for code, told in _TOLD.items() if code in codes)
            say(f"{len(codes)} files: {', '.join(counts)}")


def explain(error: BaseException, name: str, traceback: bool = False) -> tuple[int, str]:
    """The exit code and the message for an error that ended the work on one file."""
    code, message = 2, ""
    if isinstance(error, ProblemError):
        told = ((problem, problem.render()) for problem in error.problems)
        message = "\n".join(text if problem.span or name in text else f"{name}: {text}" for problem, text in told)
    elif isinstance(error, OutOfTime):
        message = f"{name}: error: took more than {error} seconds (--limit seconds=N lifts it)"
    elif isinstance(error, RecursionError):
        message = f"{name}: error: nested too deeply; do not raise the limits 'depth' and 'yaml_depth'"
    elif isinstance(error, MemoryError):
        message = f"{name}: error: not enough memory; smaller limits stop earlier (--limit instances=N, elements=N)"
    elif isinstance(error, OutputError):
        message = f"error: {error}"
    elif isinstance(error, OSError):
        place = one_line(str(error.filename)) if error.filename is not None else name
        message = f"{place}: error: {error.strerror or type(error).__name__}"
    else:
        code = _INTERNAL
        message = f"{name}: internal error: {_words(error)}; please report it (--traceback shows where)"
    if traceback:
        import traceback as tracebacks

        message = "".join(tracebacks.format_exception(error)) + message
    return code, message


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
        say("warning: there is no timer here; the limit 'seconds' is not kept")
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
