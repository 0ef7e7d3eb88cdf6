"""One solve of the preview: a document comes in, its page goes out, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bptt_solver.batch import deadline, explain
from bptt_solver.catalogues import ENGLISH, in_language
from bptt_solver.collection import PausedCollection
from bptt_solver.errors import ProblemError, Source
from bptt_solver.limits import Limits
from bptt_solver.output import speak, spoken

if TYPE_CHECKING:
    from bptt_solver.problem.model import Problem

SECONDS = 20  # unless --limit seconds says otherwise
Answer = tuple[dict[str, Any], str]


def answer(request: Mapping[str, Any]) -> Answer:
    """Solve a document and make its page. ``request`` has its ``name`` and its ``text`` (without one it is read from
    ``path``), and perhaps ``folder``, ``limits``, ``plugins``, ``language``, ``notation``, ``steps``."""
    name = request["name"]
    speak(request.get("language", ENGLISH))
    try:
        limits = Limits.parse(request.get("limits", ()))
        with deadline(limits.get("seconds") or SECONDS), PausedCollection():
            return _solved(request, limits)
    except BaseException as error:
        text = in_language(explain(error, name, bool(request.get("traceback")))[1], spoken())
        return {"solved": False, "error": text, "places": _places(error, name)}, ""


def _solved(request: Mapping[str, Any], limits: Limits) -> Answer:
    from bptt_solver import api
    from bptt_solver.page import page, page_of
    from bptt_solver.serve.frame import BRIDGE

    name, language = request["name"], spoken()
    problem = _problem(request, limits)
    choices = {"notation": request.get("notation"), "steps": request.get("steps", "auto"), "method": "bptt"}
    told: dict[str, Any] = {"solved": True, "unfolds": False}
    found = api.gradients_if_large(problem, form="html", **choices)
    if found is not None:
        from bptt_solver.narration.gradients import gradients_blocks

        text = page_of(gradients_blocks(found, language), problem.title or name, language, embedded=BRIDGE)
        verified, warnings = found.verified, problem.warnings
    else:
        solution = api.solve(problem, language=language, **choices)
        text = page(solution, embedded=BRIDGE)
        verified, warnings = solution.verified, solution.warnings
        told["unfolds"] = solution.shortened or choices["steps"] == "all"
        told["notation"] = "standard" if solution.convention is None else solution.convention.profile.name
    limits.check("output_bytes", len(text), "the page")
    told["warnings"] = [in_language(warning, language) for warning in warnings]
    told["verified"] = verified
    told["title"] = problem.title or ""
    return told, text


def _problem(request: Mapping[str, Any], limits: Limits) -> Problem:
    from bptt_solver.problem.document import read_document
    from bptt_solver.problem.problem import build_problem, load_problem

    plugins = request.get("plugins", ())
    if request.get("text") is None:
        return load_problem(request["name"], limits, plugins)
    source = Source(request["name"], request["text"])
    return build_problem(read_document(source, limits, request.get("folder")), limits, plugins)


def _places(error: BaseException, name: str) -> list[dict[str, int]]:
    """Where in the document the problems are: lines and columns, from 1."""
    places: list[dict[str, int]] = []
    for problem in error.problems if isinstance(error, ProblemError) else ():
        span = problem.span
        if span is not None and span.source.written_by is not None:
            span = span.source.written_by
        if span is None or span.source.name != name:
            continue
        line, column = span.source.position(span.start)
        places.append({"line": line, "column": column, "length": span.end - span.start})
    return places
