"""Texts in the equation language become trees: without recursion, and as the user wrote them, nothing folded.

`grammar` finds the steps that build a tree; here they are run. Lines that differ only in their names and numbers have
the same steps, which are found once, so that 100,000 equations are read in seconds.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator

from bptt_solver.catalogues import message
from bptt_solver.errors import Excerpt, ProblemError, Problems, Span, fail
from bptt_solver.language.equations import Equation, Origin
from bptt_solver.language.expressions import Call, Expression, Reference, Sum
from bptt_solver.language.grammar import Machine
from bptt_solver.language.program import Leaves, Program
from bptt_solver.language.tokens import Malformed, check_characters
from bptt_solver.limits import Limits

# The leaves of an ASCII line: names that are no calls and no words of the language, and numbers. What is between them,
# with a sign for each leaf, is the shape of the line.
_LEAF = re.compile(
    r"((?<![\w'])(?<![^.]\.)(?!(?:for|where|in|and)\b)[A-Za-z][A-Za-z0-9_]*+(?:'[A-Za-z0-9_]*)*+(?![ \t]*\()"
    r"|(?<![\w'.])(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|(?<=\.\.)[0-9]+)",
    re.ASCII,
)
_SHAPES = 16384  # of lines that are kept
_OPEN_END = re.compile(r"(?:[-+*/@^=,(\[<>·⋅⊙−≤≥≠]|\.\.|\b(?:for|in|where|and))\Z")
_MOST_ERRORS = 1000


def parse_expression(excerpt: Excerpt, limits: Limits | None = None) -> Expression:
    """The tree of an expression that fills the whole excerpt. Raises `ProblemError`."""
    leaves, program = _single(excerpt, limits, equation=False)
    slots = program.run(leaves, program.words)
    return slots[program.right]  # type: ignore[return-value]


def parse_reference(excerpt: Excerpt, limits: Limits | None = None, *, allow_variables: bool = False) -> Reference:
    """A name with indices that fills the whole excerpt, such as ``h[2]``, ``W``, ``h[-1]`` or ``∂⁺E/∂h[2]``.

    The indices are whole numbers, unless ``allow_variables``. Raises `ProblemError`.
    """
    tree = parse_expression(excerpt, limits)
    everything = excerpt.span(0, len(excerpt.text))
    if not isinstance(tree, Reference):
        raise fail(message("syntax.no_name"), everything, message("syntax.name_example"))
    if not allow_variables and any(index.terms for index in tree.indices):
        raise fail(
            message("syntax.fixed_indices", name=tree.name), everything, message("syntax.fixed_example", name=tree.name)
        )
    return tree


def parse_equations(excerpt: Excerpt, limits: Limits | None = None) -> list[Equation]:
    """The equations in an excerpt, one on a line. Raises `ProblemError` with a problem for every line that is wrong."""
    check_characters(excerpt)
    collecting = gc.isenabled()
    gc.disable()  # trees have no cycles, and looking for some in millions of new nodes takes as long as making them
    try:
        return _read_all(excerpt, limits or Limits())
    finally:
        if collecting:
            gc.enable()


def _read_all(excerpt: Excerpt, limits: Limits) -> list[Equation]:
    reader = _Reader(excerpt, limits)
    problems = Problems()
    equations: list[Equation] = []
    errors = 0
    most = limits.get("equations")
    for start, end in _statements(excerpt.text, reader.longest):
        if len(equations) == most:
            count = sum(1 for _ in _statements(excerpt.text, reader.longest))
            limits.check("equations", count, lambda: message("limit.text"), excerpt.span(start, end))
        try:
            equations.append(reader.equation(start, end))
        except ProblemError as error:
            problems.extend(error)
            errors += 1
            if errors == _MOST_ERRORS:
                break
    problems.raise_if_any()
    return equations


def locate(equation: Equation, node: Expression | None) -> Span | None:
    """Where a node of ``equation.right`` (that object, else an equal one) was written; None: the left side.

    The text is parsed again with positions, so that trees need not carry any. A node that is not found there has the
    span of the equation; an equation that was not written has none.
    """
    origin = equation.origin
    if origin is None:
        return None
    try:
        leaves = Leaves(
            Limits({"depth": 300, "equation_nodes": 5_000_000, "name_length": 256, "digits": 4000, "indices": 32})
        )
        machine = Machine(origin.excerpt, origin.start, origin.end, leaves, equation=True)
        program = machine.parse()
    except ProblemError:
        return origin.span()
    if node is None:
        return origin.excerpt.span(*machine.left_span)
    found = _slot_of(program, equation.right, node, same=True)
    if found is None:
        found = _slot_of(program, equation.right, node, same=False)
    return origin.span() if found is None else origin.excerpt.span(*program.spans[found])


def _slot_of(program: Program, tree: Expression, node: Expression, same: bool) -> int | None:
    """The slot from which a node came, by going down the tree and the program side by side."""
    count = len(program.words)
    stack: list[tuple[int, Expression]] = [(program.right, tree)]
    while stack:
        slot, here = stack.pop()
        if here is node or (not same and here == node):
            return slot
        if slot < count or not isinstance(here, (Call, Sum)):
            continue
        operands = program.steps[slot - count][1]
        below = here.arguments if isinstance(here, Call) else (here.body,)
        if isinstance(here, Sum):
            operands = operands[:1]
        if len(below) == len(operands):
            stack.extend(reversed(list(zip(operands, below, strict=True))))
    return None


def _single(excerpt: Excerpt, limits: Limits | None, equation: bool) -> tuple[Leaves, Program]:
    check_characters(excerpt)
    limits = limits or Limits()
    limits.check("equation_length", len(excerpt.text), lambda: message("limit.text"), excerpt.span(0, 1))
    leaves = Leaves(limits)
    return leaves, Machine(excerpt, 0, len(excerpt.text), leaves, equation).parse()


class _Reader:
    """Reads equations of one excerpt and remembers the shapes of their lines."""

    def __init__(self, excerpt: Excerpt, limits: Limits) -> None:
        self.excerpt = excerpt
        self.leaves = Leaves(limits)
        self.limits = limits
        self.longest = limits.get("equation_length")
        self.word = min(limits.get("name_length"), limits.get("digits"))
        self.shapes: dict[str, Program] = {}

    def equation(self, start: int, end: int) -> Equation:
        """The equation that stands between two offsets."""
        line = self.excerpt.text[start:end]
        if len(line) > self.longest:
            self.limits.check(
                "equation_length", len(line), lambda: message("limit.equation"), self.excerpt.span(start, start + 1)
            )
        short = len(line) <= 300 and line.isascii() and "\n" not in line
        if short:
            shape, words = _split(line)
            program = self.shapes.get(shape)
            if program is not None and (len(line) <= self.word or max(map(len, words)) <= self.word):
                try:
                    return self._build(program, words, start, end)
                except (Malformed, ProblemError):
                    pass  # parsing it with positions tells what is wrong, and where
        program = Machine(self.excerpt, start, end, self.leaves, equation=True).parse()
        equation = self._build(program, program.words, start, end)
        if short and program.words == words and len(self.shapes) < _SHAPES:
            program.spans, program.words = [], []
            self.shapes[shape] = program
        return equation

    def _build(self, program: Program, words: list[str], start: int, end: int) -> Equation:
        slots = program.run(self.leaves, words)
        name, *indices = [slots[i] for i in program.left]
        ranges = tuple([slots[i] for i in program.ranges])
        conditions = tuple([slots[i] for i in program.conditions])
        origin = Origin(self.excerpt, start, end)
        return Equation(name, tuple(indices), slots[program.right], ranges, conditions, origin)  # type: ignore[arg-type]


def _split(line: str) -> tuple[str, list[str]]:
    """The shape of a line, and its leaves."""
    parts = _LEAF.split(line)
    words = parts[1::2]
    parts[1::2] = ["δ" if word < "A" else "ν" for word in words]  # digits and the point sort before letters
    return "".join(parts), words


def _statements(text: str, longest: int) -> Iterator[tuple[int, int]]:
    """Where the equations stand: lines without blanks and comments around them, joined with those that continue them.

    What is longer than ``longest`` is not read to its end; it will be refused.
    """
    at, size = 0, len(text)
    margin = -1
    find = text.find
    while at < size:
        end = find("\n", at)
        if end < 0:
            end = size
        line = text[at:end]
        code = line.partition("#")[0].strip() if "#" in line else line.strip()
        if not code:
            at = end + 1
            continue
        start = at + line.index(code[0])
        if margin < 0:
            margin = start - at
        stop = start + len(code)
        at = end + 1
        if text[at : at + 1] in (" ", "\t", "\r", "\n", "#"):
            stop, at = _continued(text, code, stop, at, margin, start + longest)
        yield start, stop


def _continued(text: str, code: str, stop: int, at: int, margin: int, most: int) -> tuple[int, int]:
    """The end of an equation that may go on in deeper lines, and where the next line starts."""
    size = len(text)
    balance = 0
    following = at
    while True:
        balance += sum(map(code.count, "([")) - sum(map(code.count, ")]"))
        if (balance <= 0 and not _OPEN_END.search(code)) or stop > most:
            return stop, following
        code = ""
        while not code:
            if at >= size:
                return stop, following
            end = text.find("\n", at)
            end = size if end < 0 else end
            line = text[at:end]
            code = line.partition("#")[0].strip()
            if code:
                indent = line.index(code[0])
                if indent <= margin:
                    return stop, following
                stop = at + indent + len(code)
                following = end + 1
            at = end + 1
