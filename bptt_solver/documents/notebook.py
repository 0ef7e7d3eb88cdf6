"""A Jupyter notebook (nbformat 4.5): the derivation as Markdown, and cells that solve it again and check it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.blocks import Alert, Block, Heading
from bptt_solver.catalogues import message
from bptt_solver.language.notation.writer import PLAIN_STYLE
from bptt_solver.render.markdown import MarkdownRenderer
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.solution import Solution

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_PASSED_ON = ("detail", "entries", "second", "closed_form", "simplify", "steps")
_ASKED = ("by", "truncate", "flow", "method")
_DEFAULTS: dict[str, object] = {"detail": "matrix", "steps": "auto", "method": "bptt", "language": "en"}


class NotebookMarkdown(MarkdownRenderer):
    """Markdown for notebooks: formulas in dollars, which every viewer of notebooks knows."""

    def inline(self, formula: str) -> str:
        return f"${formula}$"

    def alert(self, block: Alert) -> str:
        return f"> ⚠ **{self.words(block.words)}**"

    def _math(self, rows: Sequence[str]) -> str:
        if len(rows) == 1:
            return f"$$\n{rows[0].replace('&', '', 1)}\n$$"
        body = " \\\\\n".join(rows)
        return f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"


def notebook(solution: Solution) -> str:
    """The notebook as JSON. Its cells have names made of what is in them: equal solutions give equal notebooks."""
    style = PLAIN_STYLE if solution.convention is None else solution.convention.style
    blocks = solution.blocks
    head, *sections = _sections(blocks)
    cells = [("markdown", _markdown(head, solution, style)), ("code", _solving(solution))]
    cells += [("markdown", _markdown(section, solution, style)) for section in sections]
    cells += _checking(solution)
    return _json(cells, solution.language)


def blocks_notebook(blocks: Sequence[Block], language: str) -> str:
    """A notebook of words alone, a cell for each section."""
    cells = [("markdown", NotebookMarkdown().render(section).rstrip("\n")) for section in _sections(blocks) if section]
    return _json(cells, language)


def markdown(solution: Solution) -> str:
    """The whole derivation as Markdown for a notebook."""
    style = PLAIN_STYLE if solution.convention is None else solution.convention.style
    return NotebookMarkdown(style).render(solution.blocks)


def _sections(blocks: Sequence[Block]) -> list[list[Block]]:
    """What stands before the first section, and the sections."""
    found: list[list[Block]] = [[]]
    for block in blocks:
        if isinstance(block, Heading) and block.level == 1:
            found.append([])
        found[-1].append(block)
    return found


def _markdown(blocks: Sequence[Block], solution: Solution, style: Any) -> str:
    if not blocks:
        return f"# {NotebookMarkdown(style).plain(solution.target)}"
    return NotebookMarkdown(style).render(blocks).rstrip("\n")


def _json(cells: Sequence[tuple[str, str]], language: str) -> str:
    made: list[dict[str, object]] = []
    for number, (kind, text) in enumerate(cells):
        name = hashlib.sha256(f"{number}\n{kind}\n{text}".encode("utf-8", "replace")).hexdigest()[:16]
        lines = text.splitlines(keepends=True)
        cell: dict[str, object] = {"cell_type": kind, "id": name, "metadata": {}, "source": lines}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell)
    about = {"kernelspec": _KERNEL, "language_info": {"name": "python"}, "bptt_solver": {"language": language}}
    data = {"cells": made, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


# --- the cells that run


def _solving(solution: Solution) -> str:
    """Code that loads the document and solves it with the same options."""
    document = solution.computation.problem.document
    text = document.source.text
    if "file:" in text and document.folder is not None:  # arrays beside the document
        loaded = f"bptt_solver.load({document.source.name!r}{_wanted(solution)})"
        return f"import bptt_solver\n\nsolution = bptt_solver.solve({loaded}{_options(solution)})\nsolution"
    return (
        f"import bptt_solver\n\ndocument = {_literal(text)}\n\n"
        f"problem = bptt_solver.loads(document{_wanted(solution)})\n"
        f"solution = bptt_solver.solve(problem{_options(solution)})\nsolution"
    )


def _literal(text: str) -> str:
    """A text as it would be typed; where that cannot be, with escapes. Whatever it holds, it stays a text."""
    plain = all(c == "\n" or c.isprintable() for c in text)
    if plain and "'''" not in text and "\\" not in text and not text.endswith("'"):
        return f"'''\\\n{text}'''"
    lines = "\n".join([f"    {line!a}" for line in text.splitlines(keepends=True)])
    return f"(\n{lines}\n)" if lines else "''"


def _wanted(solution: Solution) -> str:
    """The target and what is derived by, where the document does not say it itself."""
    from bptt_solver.errors import ProblemError
    from bptt_solver.problem.problem import load_problem

    problem = solution.computation.problem
    try:
        plain = load_problem(problem.document.source)
    except (ProblemError, OSError):
        return ""
    parts: list[str] = []
    if (
        instance_text((plain.target.name, ())) != instance_text((problem.target.name, ()))
        or plain.target != problem.target
    ):
        parts.append(f", target={solution.target!r}")
    if list(plain.wrt or ()) != list(problem.wrt or ()):
        parts.append(f", wrt={list(problem.wrt or ())!r}")
    return "".join(parts)


def _options(solution: Solution) -> str:
    """What was asked for, where it is not the default."""
    given: dict[str, object] = {name: solution.option(name) for name in (*_PASSED_ON, *_ASKED)}
    given["language"] = solution.language
    convention = solution.convention
    if convention is not None and "notation" not in solution.computation.problem.document.settings:
        given["notation"] = convention.profile.name
    shown = {name: value for name, value in given.items() if value and value != _DEFAULTS.get(name)}
    return "".join([f", {name}={value!r}" for name, value in shown.items()])


def _checking(solution: Solution) -> list[tuple[str, str]]:
    """Code that checks one of the wanted derivatives by changing a number and computing everything again."""
    chosen = _chosen(solution)
    if chosen is None:
        return []
    name, entry = chosen
    keys = ("documents.check", "documents.told", "documents.entry")
    title, told, comment = [message(key).in_language(solution.language) for key in keys]
    numbers = {"sweep": "{float(derivative):.8g}", "quotient": "{quotient:.8g}"}  # put in when the cell runs
    compared = message("documents.compared", **numbers).in_language(solution.language)
    told = f"## {title}\n\n{told}"
    code = (
        f"name, entry = {name!r}, {entry!r}  # {comment}\n\n"
        "derivative = solution.ordered_derivatives[name]\n"
        "for position in entry:\n    derivative = derivative[position - 1]\n"
        "quotient = solution.difference_quotient(name, entry, step=1e-5)\n"
        f'print(f"{compared}")\n'
        "assert abs(quotient - derivative) <= 1e-4 * max(1, abs(derivative))"
    )
    return [("markdown", told), ("code", code)]


def _chosen(solution: Solution) -> tuple[str, tuple[int, ...]] | None:
    """The first wanted instance that the target depends on, with its largest entry."""
    from bptt_solver.arithmetic import is_array

    for key in solution.wanted:
        if solution.computation.derivative_number(key) is None:
            continue
        value = solution.computation.derivative(key)
        if not is_array(value):
            return instance_text(key), ()
        flat = int(abs(value).argmax())
        entry: list[int] = []
        for size in reversed(value.shape):
            flat, at = divmod(flat, size)
            entry.insert(0, at + 1)
        return instance_text(key), tuple(entry)
    return None
