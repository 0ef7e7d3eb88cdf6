"""The state of the parser: a stack of what is not complete yet, and the steps that were found. `grammar` drives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from bptt_solver.catalogues import message
from bptt_solver.errors import Excerpt, ProblemError, Span, fail
from bptt_solver.language.expressions import ORDERED, derivative_name
from bptt_solver.language.program import CONSTANT, NUMBER_, TEXT, Leaves, Step
from bptt_solver.language.tokens import NAME, OPENED, Malformed, Token, scan

RANKS = {"add": 1, "mul": 2, "div": 2, "matmul": 2, "neg": 3, "power": 4}
_DERIVATIVE = "syntax.derivative_example"  # the key of a hint


class Frame:
    """Something that waits on the stack: an operator for its right operand, or a bracket for what closes it."""

    __slots__ = (
        "conditions",
        "indexing",
        "items",
        "kind",
        "left",
        "name",
        "negative",
        "operator",
        "ranges",
        "rank",
        "start",
    )

    def __init__(self, kind: str, rank: int, start: int, items: list[int]) -> None:
        self.kind = kind
        self.rank = rank
        self.start = start
        self.items = items
        self.negative = False  # of a sum: the operand to come is subtracted
        self.indexing = False  # of a bracket: whether an index was being written around it
        self.name = ""
        self.left = 0  # of conditions: the left side of a comparison ...
        self.operator = ""  # ... and its sign, until the right side is there
        self.ranges: list[int] | None = None
        self.conditions: list[int] | None = None


class Builder:
    """What is known while one equation (``equation=True``) or expression is being read, and the steps made so far."""

    def __init__(self, excerpt: Excerpt, start: int, end: int, leaves: Leaves, equation: bool) -> None:
        self.excerpt = excerpt
        self.begin = start
        self.stop = end
        self.end = start  # where the last token ended
        self.after = start  # where the one that is being looked at ends
        self.leaves = leaves
        self.depth = leaves.limits.get("depth")
        self.kinds: list[int] = []
        self.words: list[str] = []
        self.places: list[tuple[int, int]] = []  # spans of leaves
        self.steps: list[Step] = []
        self.spans: list[tuple[int, int]] = []  # spans of steps
        self.heights: list[int] = []
        self.fixed: set[int] = set()  # slots of indices that are plain numbers
        self.indexing = False
        self.nesting = 0  # brackets that are open
        self.waiting = 0  # minus signs and powers that wait for their operand
        self.value = 0  # the slot of the last complete operand ...
        self.start = start  # ... and where it starts
        self.tokens = scan(excerpt.text, start, end)
        self.left_span = (start, end)
        self.left: tuple[int, ...] | None = None if equation else ()
        self.stack = [Frame("top", 0, start, [])]

    def span(self, start: int, end: int) -> Span:
        """The span of a stretch of the excerpt."""
        return self.excerpt.span(start, end)

    def wrong(self, message: str, at: int, end: int, hint: str | None = None) -> NoReturn:
        """Raise `ProblemError` for a stretch of the excerpt."""
        raise fail(message, self.span(at, max(end, at + 1)), hint)

    def leaf(self, kind: int, word: str, at: int) -> int:
        """One more leaf, checked; returns its slot."""
        end = at + len(word)
        try:
            if kind in (NUMBER_, CONSTANT):
                self.leaves.pools[kind][word]  # so that a bad number is told here, with its place
            elif word[0] != ORDERED[0]:
                word = self.leaves.names[word]
        except Malformed as error:
            self.wrong(error.message, at, end, error.hint)
        except ProblemError as error:
            for problem in error.problems:
                problem.span = problem.span or self.span(at, end)
            raise
        self.kinds.append(kind)
        self.words.append(word)
        self.places.append((at, end))
        return -len(self.words)

    def emit(self, what: str | Callable[..., object], operands: tuple[int, ...], start: int, end: int) -> int:
        """One more step; returns its slot."""
        heights = self.heights
        height = 1
        for operand in operands:
            if operand >= 0 and heights[operand] >= height:
                height = heights[operand] + 1
        if height > self.depth:
            self._too_deep(start)
        self.steps.append((what, operands))
        self.spans.append((start, end))
        heights.append(height)
        return len(heights) - 1

    def _too_deep(self, at: int) -> NoReturn:
        where = self.span(at, at + 1)
        raise self.leaves.limits.exceeded("depth", self.depth + 1, message("limit.equation"), where, or_more=True)

    def nest(self, at: int) -> None:
        """One more bracket is open."""
        self.nesting += 1
        if self.nesting > self.depth:
            self._too_deep(at)

    def wait(self, kind: str, at: int, items: list[int]) -> Frame:
        """An operator waits for its right operand."""
        rank = RANKS[kind]
        if rank >= RANKS["neg"]:
            self.waiting += 1
            if self.waiting > self.depth:
                self._too_deep(at)
        frame = Frame(kind, rank, at, items)
        self.stack.append(frame)
        return frame

    def open(self, kind: str, start: int, items: list[int]) -> Frame:
        """A bracket (or ranges), which waits for what closes it."""
        if kind != "range":
            self.nest(start)
        frame = Frame(kind, 0, start, items)
        frame.indexing = self.indexing
        self.stack.append(frame)
        return frame

    def shut(self) -> None:
        """The innermost bracket (or ranges) is complete: it is the operand now."""
        frame = self.stack.pop()
        if frame.kind not in ("range", "where"):
            self.nesting -= 1
        self.indexing = frame.indexing
        self.start = frame.start

    def name(self, word: str, at: int) -> str:
        """A name that is not a leaf: of a function, or a part of an ordered derivative."""
        self.leaf(TEXT, word, at)
        self.kinds.pop()
        self.places.pop()
        return self.words.pop()

    # --- ordered derivatives: ∂⁺ target / ∂ family, where both may be such things in parentheses

    def derivative(self, at: int) -> str:
        """Reads on until one is complete; returns its name. ``targets`` are those of the ones that are open."""
        targets = [""]
        inner = False
        part = ""
        self.nest(at)
        while True:
            if not inner:
                kind, word, at = self._next()
                if word == "(":
                    self._need(ORDERED, "syntax.only_derivative")
                    self.nest(at)
                    targets.append("")
                    continue
                if kind not in (NAME, OPENED):
                    self.wrong(message("syntax.derivative_name"), at, self.after, message(_DERIVATIVE))
                part = self.name(word, at)
            if targets[-1]:  # then this is the family
                if inner:
                    self._need(")", "syntax.inner_open")
                part = derivative_name(targets.pop(), part)
                self.nesting -= 1
                if not targets:
                    return part
                inner = True
                continue
            word = self._next()[1]
            if word == "[":
                part += self._member()
                word = self._next()[1]
            if inner:
                self._need(")", "syntax.inner_open", word)
                word = self._next()[1]
            self._need("/", "syntax.needs_partial", word)
            self._need("∂", "syntax.needs_partial")
            targets[-1] = part
            inner = False

    def _next(self) -> Token:
        token = next(self.tokens)
        self.end = self.after
        self.after = token[2] + len(token[1])
        return token

    def _need(self, wanted: str, key: str, word: str | None = None) -> None:
        if (self._next()[1] if word is None else word) != wanted:
            self.wrong(message(key), max(self.after - 1, 0), self.after, message(_DERIVATIVE))

    def _member(self) -> str:
        """The brackets after a target: whole numbers, because a target is one instance."""
        text = "["
        while text[-1] != "]":
            _, word, at = self._next()
            last = text[-1]
            digits = word.isdigit() and last in "[,-"
            if not (digits or (word == "-" and last in "[,") or (word in (",", "]") and last.isdigit())):
                self.wrong(message("syntax.target_index"), at, self.after, message("syntax.target_example"))
            text += word
        return text
