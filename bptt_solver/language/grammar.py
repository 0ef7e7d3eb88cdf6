"""The grammar as a machine with one stack: every token takes it from one state to the next, and nothing recurses.

States are methods: each gets a token and returns the state for the next one. Operators wait on the stack for their
right operand (rank 1 to 4); brackets, ranges and conditions wait with rank 0 for what closes them.
"""

from __future__ import annotations

from collections.abc import Callable

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, fail
from bptt_solver.language import explain
from bptt_solver.language import program as steps
from bptt_solver.language.expressions import ORDERED
from bptt_solver.language.machine import RANKS, Builder, Frame
from bptt_solver.language.program import CONSTANT, NUMBER_, REFERENCE, TEXT, VARIABLE, Program
from bptt_solver.language.tokens import END, NAME, NUMBER, OPENED, POWER, SYMBOL, Malformed, superscript

_BINARY = {
    "+": "add",
    "-": "add",
    "−": "add",
    "*": "mul",
    "·": "mul",
    "⋅": "mul",
    "⊙": "mul",
    "/": "div",
    "@": "matmul",
}
_BINARY |= {"**": "power", "^": "power"}
_FOLDED_FROM = {"add": 2, "mul": 3, "div": 2, "matmul": 2, "power": 5}  # what an operator finds waiting it completes
_IN_INDEX: dict[str, Callable[..., object]] = {"add": steps.plus, "mul": steps.times, "neg": steps.minus}
_WORDS = ("for", "where", "in", "and")
_ENDS = frozenset({")", "]", ",", "..", "=", *steps.COMPARE})

State = Callable[[int, str, int], object]  # returns the next State; mypy has no recursive callables


class Machine(Builder):
    """Parses one equation (``equation=True``), or an expression."""

    def parse(self) -> Program:
        """The program of the whole text. Raises `ProblemError` at the first thing that is wrong."""
        state: State = self._operand
        for kind, word, at in self.tokens:
            self.after = at + len(word)
            state = state(kind, word, at)  # type: ignore[assignment]
            self.end = self.after
        top = self.stack[0]
        nodes = len(self.words) + len(self.steps)
        if nodes > self.leaves.limits.get("equation_nodes"):
            self.leaves.limits.check(
                "equation_nodes", nodes, lambda: message("limit.equation"), self.span(self.begin, self.begin + 1)
            )
        parts = self.left or (), self.value, tuple(top.ranges or ()), tuple(top.conditions or ())
        return Program(self.kinds, self.words, self.steps, self.places + self.spans, parts)

    # --- where an operand is expected

    def _operand(self, kind: int, word: str, at: int) -> State:
        if kind == NAME:
            self.value = self.leaf(VARIABLE if self.indexing else REFERENCE, word, at)
            self.start = at
            return self._operator
        if kind == NUMBER:
            self.value = self.leaf(CONSTANT if self.indexing else NUMBER_, word, at)
            if self.indexing:
                self.fixed.add(self.value)
            self.start = at
            return self._operator
        if kind == OPENED:
            if self.indexing:
                self.wrong(message("syntax.map_in_index", word=word), at, at + len(word), message("syntax.map_example"))
            self.open("call", at, []).name = self.name(word, at)
            return self._swallow
        if word == "(":
            self.open("(", at, [])
            return self._operand
        if word in ("-", "−"):
            self.wait("neg", at, [])
            return self._operand
        if word == "[" and not self.indexing:
            self.open("guard", at, [])
            self.indexing = True
            return self._operand
        if word == ORDERED and not self.indexing:
            self.value = self.leaf(REFERENCE, self.derivative(at), at)
            self.places[-1] = (at, self.after)
            self.start = at
            return self._operator
        raise explain.no_operand(self, kind, word, at)

    def _swallow(self, _kind: int, _word: str, _at: int) -> State:
        return self._operand  # the "(" that belongs to a call

    # --- where an operator or the end of something is expected

    def _operator(self, kind: int, word: str, at: int) -> State:
        if kind == SYMBOL:
            operation = _BINARY.get(word)
            if operation is not None:
                return self._binary(operation, word, at)
            if word in (".T", "ᵀ"):
                return self._postfix("transpose", (), at)
            if word == "[":
                return self._bracket(at)
            if word not in _ENDS:
                raise explain.no_operator(self, kind, word, at)
        elif kind == POWER:
            try:
                exponent = str(superscript(word, self.leaves.limits))
            except Malformed as error:
                self.wrong(error.message, at, self.after, error.hint)
            except ProblemError as error:
                raise fail(error.problems[0].message, self.span(at, self.after), error.problems[0].hint) from None
            power = self.leaf(NUMBER_, exponent, at)
            self.places[-1] = (at, self.after)
            return self._postfix("power", (power,), at)
        elif kind != END and word not in _WORDS:
            raise explain.no_operator(self, kind, word, at)
        while self.stack[-1].rank:
            self._fold(self.stack.pop())
        top = self.stack[-1]
        return _CLOSING[top.kind](self, top, word, at)

    def _binary(self, operation: str, word: str, at: int) -> State:
        if self.indexing and operation not in _IN_INDEX:
            raise explain.not_affine(self, message("syntax.word", word=word), at)
        stack = self.stack
        least = _FOLDED_FROM[operation]
        while stack[-1].rank >= least:
            self._fold(stack.pop())
        if operation == "mul" and stack[-1].rank == 2 and stack[-1].kind != "mul":
            self._fold(stack.pop())
        top = stack[-1]
        if top.kind == operation and operation in ("add", "mul"):
            top.items.append(self._signed(top))
        else:
            top = self.wait(operation, self.start, [self.value])
        top.negative = word in ("-", "−")
        return self._operand

    def _signed(self, frame: Frame) -> int:
        return self._make("neg", (self.value,), self.start) if frame.negative else self.value

    def _fold(self, frame: Frame) -> None:
        """An operator has its right operand."""
        if frame.rank >= RANKS["neg"]:
            self.waiting -= 1
        self.value = self._make(frame.kind, (*frame.items, self._signed(frame)), frame.start)
        self.start = frame.start
        if frame.kind == "mul":
            self._many(len(frame.items) + 1, "limit.factors", frame.start, self.end)

    def _many(self, count: int, what: str, start: int, end: int) -> None:
        """Every simple partial of a product holds all other factors, and the like: n of them have n*n."""
        limits = self.leaves.limits
        if count * count > limits.get("elements"):
            told = message(what, count=f"{count:,}")
            limits.check("elements", count * count, told, self.span(start, end))

    def _make(self, operation: str, operands: tuple[int, ...], start: int) -> int:
        if not self.indexing:
            return self.emit(operation, operands, start, self.end)
        fixed = self.fixed
        varying = sum(o not in fixed for o in operands)
        if operation == "mul" and varying > 1:
            raise explain.not_affine(self, message("syntax.product_of_variables"), start)
        made = self.emit(_IN_INDEX[operation], operands, start, self.end)
        if not varying:
            fixed.add(made)
        return made

    def _postfix(self, operation: str, more: tuple[int, ...], at: int) -> State:
        if self.indexing:
            raise explain.not_affine(
                self, message("syntax.a_transpose") if operation == "transpose" else message("syntax.a_power"), at
            )
        self.value = self.emit(operation, (self.value, *more), self.start, self.after)
        return self._operator

    def _bracket(self, at: int) -> State:
        """A ``[`` after an operand: the indices of a name."""
        leaf = self.value
        if leaf < 0:
            kind, place = self.kinds[~leaf], self.places[~leaf]
            if kind in (REFERENCE, VARIABLE) and place == (self.start, self.end):
                self.kinds[~leaf] = TEXT
                self.open("index", self.start, [leaf])
                self.indexing = True
                return self._operand
        raise explain.no_index(self, at)

    # --- what closes brackets; each gets the bracket that is open, everything in it has been folded

    def _close_parenthesis(self, top: Frame, word: str, at: int) -> State:
        if word != ")":
            raise explain.stray(self, top, word, at)
        self.shut()
        return self._operator

    def _close_call(self, top: Frame, word: str, at: int) -> State:
        if word == "for" and top.name == "sum" and not top.items:
            top.items.append(self.value)
            return self._ranges(top, at)
        if word not in (",", ")"):
            raise explain.stray(self, top, word, at)
        top.items.append(self.value)
        if word == ",":
            return self._operand
        self.shut()
        self.value = self.emit(top.name, tuple(top.items), top.start, self.after)
        self._many(len(top.items), "limit.arguments", top.start, self.after)
        return self._operator

    def _close_index(self, top: Frame, word: str, at: int) -> State:
        if word not in (",", "]"):
            raise explain.stray(self, top, word, at)
        top.items.append(self.value)
        if word == ",":
            return self._operand
        if len(top.items) - 1 > self.leaves.limits.get("indices"):
            name = message("syntax.word", word=self.words[~top.items[0]])
            self.leaves.limits.check("indices", len(top.items) - 1, name, self.span(top.start, self.after))
        self.shut()
        self.value = self.emit(
            steps.lookup if self.indexing else steps.reference, tuple(top.items), top.start, self.after
        )
        return self._operator

    def _close_conditions(self, top: Frame, word: str, at: int) -> State:
        compares = word in steps.COMPARE
        if not compares and (word == "=" or not top.operator or word in ("where", "for", "in", "..")):
            raise explain.no_condition(self, top, word, at)
        if top.operator:
            start = self.places[~top.left][0] if top.left < 0 else self.spans[top.left][0]
            top.items.append(self.emit(steps.COMPARE[top.operator], (top.left, self.value), start, self.end))
            self._many(len(top.items), "limit.conditions", top.start, self.end)
        top.operator = ""
        if compares:
            top.left, top.operator = self.value, word
            return self._operand
        if word in (",", "and"):
            return self._operand
        if top.kind == "where":
            self.stack[-2].conditions = top.items
            return self._leave_ranges(word, at)
        if word != "]":
            raise explain.stray(self, top, word, at)
        self.shut()
        self.value = self.emit(steps.guard, tuple(top.items), top.start, self.after)
        return self._operator

    def _ranges(self, owner: Frame, at: int) -> State:
        """After ``for``."""
        owner.ranges = []
        self.open("range", at, [])
        self.indexing = True
        return self._variable

    def _variable(self, kind: int, word: str, at: int) -> State:
        top = self.stack[-1]
        if kind not in (NAME, OPENED):
            self.wrong(message("syntax.index_name"), at, self.after, message("syntax.write_for"))
        top.start = at
        top.items = [self.leaf(TEXT, word, at)]
        return self._in

    def _in(self, _kind: int, word: str, at: int) -> State:
        if word != "in":
            name = self.words[-1]
            self.wrong(message("syntax.in_missing", name=name), at, self.after, message("syntax.write_in", name=name))
        return self._operand

    def _close_range(self, top: Frame, word: str, at: int) -> State:
        if word == ".." and len(top.items) == 1:
            top.items.append(self.value)
            return self._operand
        if word not in (",", "where", ")", "") or len(top.items) < 2:
            raise explain.no_range(self, top, word, at)
        owner = self.stack[-2]
        assert owner.ranges is not None
        owner.ranges.append(self.emit(steps.interval, (*top.items, self.value), top.start, self.end))
        limits = self.leaves.limits
        if len(owner.ranges) > limits.get("indices"):
            where = self.span(top.start, self.end)
            raise limits.exceeded("indices", len(owner.ranges), message("syntax.this_for"), where, or_more=True)
        if word == ",":
            return self._variable
        if word == "where":
            top.kind, top.items, top.start = "where", [], at
            return self._operand
        return self._leave_ranges(word, at)

    def _leave_ranges(self, word: str, at: int) -> State:
        """What closes the sum or the equation comes after its ranges."""
        self.shut()
        owner = self.stack[-1]
        if owner.kind == "top":
            if word:
                raise explain.stray(self, owner, word, at)
            self.value = owner.items[0]
            return self._operator
        if word != ")":
            raise explain.stray(self, owner, word, at)
        ranges = self.emit(steps.group, tuple(owner.ranges or ()), owner.start, self.end)
        conditions = self.emit(steps.group, tuple(owner.conditions or ()), owner.start, self.end)
        self.shut()
        self.value = self.emit(steps.total, (owner.items[0], ranges, conditions), owner.start, self.after)
        return self._operator

    def _close_top(self, top: Frame, word: str, at: int) -> State:
        if word == "=" and self.left is None:
            self.left = self._left_side(at)
            return self._operand
        if word == "for" and self.left:
            top.items = [self.value]
            return self._ranges(top, at)
        if word or self.left is None:
            raise explain.stray(self, top, word, at)
        return self._operator

    def _left_side(self, at: int) -> tuple[int, ...]:
        value = self.value
        self.left_span = (self.start, self.end)
        if value < 0 and self.kinds[~value] == REFERENCE and self.places[~value] == self.left_span:
            self.kinds[~value] = TEXT
            return (value,)
        if value >= 0 and self.steps[value][0] is steps.reference and self.spans[value] == self.left_span:
            self.spans.pop()
            self.heights.pop()
            return self.steps.pop()[1]
        self.wrong(message("syntax.left_side"), *self.left_span, message("syntax.left_example"))


_CLOSING: dict[str, Callable[[Machine, Frame, str, int], State]] = {
    "(": Machine._close_parenthesis,
    "call": Machine._close_call,
    "index": Machine._close_index,
    "guard": Machine._close_conditions,
    "where": Machine._close_conditions,
    "range": Machine._close_range,
    "top": Machine._close_top,
}
