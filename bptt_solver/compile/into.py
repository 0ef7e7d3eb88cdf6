"""Expressions computed into arrays that are there already: one line an operation, nothing allocated on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bptt_solver.compile.code import ATOM, Code
from bptt_solver.compile.codes import _UFUNCS, Writer
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Number, Reference, transform
from bptt_solver.system import loose_shape

Room = Callable[[tuple[int, ...]], str]  # gives a temporary array of a shape, by name
_BINARY = {"max": "np.maximum", "min": "np.minimum", "div": "np.divide"}


class Placer:
    """Writes one statement as lines that compute into a destination."""

    def __init__(
        self,
        writer: Writer,
        shapes: Mapping[str, tuple[int, ...]],
        room: Room,
        free: Callable[[str], None],
        line: Callable[[str], None],
        turned: Callable[[str], str],
    ) -> None:
        self.writer = writer
        self.shapes = shapes
        self.room = room
        self.free = free
        self.line = line
        self.turned = turned  # the transpose of a matrix, by its name

    def place(self, node: Expression, into: Code) -> None:
        """Compute an expression into a destination that has its axes and rank. Raises NotCompiled before anything is
        written for what has to be written as an expression."""
        if isinstance(node, Call):
            own = getattr(self, f"_place_{node.operation}", None)
            if own is not None and own(node, into):
                return
            if node.operation in self.writer.dialect.placing and self._helped(node, into):
                return
            if node.operation in _UFUNCS and self._function(node, into):
                return
            formula = self._formula(node)
            if formula is not None:
                self.place(formula, into)
                return
        self.plain(node, into)

    def plain(self, node: Expression, into: Code) -> None:
        """Copy the value of an expression into a destination."""
        code = self.writer.write(node)
        spread = self.writer.spread(code, into.axes, into.rank) if code.axes or code.rank else code
        self.line(f"{into.text}[...] = {spread.text}")

    def _formula(self, node: Call) -> Expression | None:
        """An elementwise function of a plugin written out."""
        operation = self.writer.operations.find(node.operation)
        value = operation.value() if operation is not None else None
        if operation is None or value is None or operation.kind != "elementwise":
            return None
        if not all(isinstance(a, Reference | Number) or _is_view(a) for a in node.arguments):
            return None
        return build.rebuild(build.replace(value, operation.bind(node.arguments)))

    # -- operands

    def value(self, node: Expression) -> tuple[Code, str]:
        """An operand: where it lies, and the temporary to give back (or "")."""
        if isinstance(node, Number | Reference) or _is_view(node) or not isinstance(node, Call):
            return self.writer.write(node), ""
        code = self.writer.write(node)
        extents = [self.writer.loops[v].last - self.writer.loops[v].first + 1 for v in code.axes]
        shape = self._shape(node)
        if shape is None or None in shape or not (extents or shape) or not self._simple(node):
            return code, ""
        name = self.room((*extents, *(n for n in shape if n is not None)))
        self.place(node, Code(name, code.axes, code.rank))
        return Code(name, code.axes, code.rank), name

    def _shape(self, node: Expression) -> tuple[int | None, ...] | None:
        """The shape of an expression's entries; a part of a packed vector counts as a vector of its length."""
        shapes = dict(self.shapes)

        def change(inner: Expression) -> Expression:
            if isinstance(inner, Call) and inner.operation == "rows_of":
                whole, first, after = inner.arguments
                assert isinstance(whole, Reference) and isinstance(first, Number) and isinstance(after, Number)
                length = int(after.value) - int(first.value)
                name = f"{whole.name} {length}"
                shapes[name] = (length, *self.shapes[whole.name][1:])
                return Reference(name)
            return inner

        return loose_shape(transform(node, change), shapes, self.writer.operations)

    def _simple(self, node: Call) -> bool:
        operation = self.writer.operations.find(node.operation)
        return operation is not None and (
            operation.kind == "elementwise" or node.operation in ("add", "mul", "neg", "matmul", "div", "power")
        )

    def _fits(self, code: Code, into: Code) -> bool:
        return code.axes == into.axes and code.rank == into.rank

    def _operand(self, code: Code, into: Code) -> str:
        return self.writer.spread(code, into.axes, into.rank).text

    # -- operations

    def _function(self, node: Call, into: Code) -> bool:
        if len(node.arguments) == 1:
            (inner,) = node.arguments
            source = self._into_or_leaf(inner, into)
            self.line(f"{_UFUNCS[node.operation]}({source}, out={into.text})")
            return True
        if node.operation in _BINARY:
            self._pair(_BINARY[node.operation], node.arguments, into)
            return True
        return False

    def _helped(self, node: Call, into: Code) -> bool:
        """A function of the program that takes a destination."""
        if len(node.arguments) != 1:
            return False
        source = self._into_or_leaf(node.arguments[0], into)
        self.line(f"{self.writer.helpers(node.operation)}({source}, out={into.text})")
        return True

    def _place_stacked(self, node: Call, into: Code) -> bool:
        texts = [self.writer.write(a).text for a in node.arguments]
        self.line(f"np.concatenate(({', '.join(texts)}), out={into.text})")
        return not into.axes

    def _into_or_leaf(self, node: Expression, into: Code) -> str:
        """The operand of a function of one argument: where it lies, or the destination itself."""
        code = self.writer.write(node)
        if isinstance(node, Reference | Number) or _is_view(node) or not self._fits(code, into):
            return self._operand(code, into)
        self.place(node, into)
        return into.text

    def _pair(self, function: str, arguments: Sequence[Expression], into: Code) -> None:
        """``function(a, b, out=into)``, one of the two computed into the destination first."""
        first, second = arguments
        texts: list[str] = []
        taken = False
        given_back: list[str] = []
        for node in (first, second):
            code = self.writer.write(node)
            leaf = isinstance(node, Reference | Number) or _is_view(node) or not isinstance(node, Call)
            if leaf:
                texts.append(self._operand(code, into))
            elif not taken and self._fits(code, into) and isinstance(node, Call) and self._simple(node):
                self.place(node, into)
                taken = True
                texts.append(into.text)
            else:
                code, name = self.value(node)
                given_back.append(name)
                texts.append(self._operand(code, into))
        self.line(f"{function}({texts[0]}, {texts[1]}, out={into.text})")
        for name in given_back:
            if name:
                self.free(name)

    def _place_div(self, node: Call, into: Code) -> bool:
        self._pair("np.divide", node.arguments, into)
        return True

    def _place_power(self, node: Call, into: Code) -> bool:
        base, exponent = node.arguments
        if not isinstance(exponent, Number) or exponent.value != 2:
            return False
        source = self._into_or_leaf(base, into)
        self.line(f"np.multiply({source}, {source}, out={into.text})")
        return True

    def _place_neg(self, node: Call, into: Code) -> bool:
        source = self._into_or_leaf(node.arguments[0], into)
        self.line(f"np.negative({source}, out={into.text})")
        return True

    def _place_add(self, node: Call, into: Code) -> bool:
        terms = [
            (a.arguments[0], True) if isinstance(a, Call) and a.operation == "neg" else (a, False)
            for a in node.arguments
        ]
        return self._chain([t for t, _ in terms], ["np.subtract" if n else "np.add" for _, n in terms], into)

    def _place_mul(self, node: Call, into: Code) -> bool:
        return self._chain(list(node.arguments), ["np.multiply"] * len(node.arguments), into)

    def _chain(self, terms: Sequence[Expression], functions: Sequence[str], into: Code) -> bool:
        """Terms added (or multiplied) one after the other into the destination."""
        codes = [self.writer.write(t) for t in terms]
        heavy = [at for at, t in enumerate(terms) if isinstance(t, Call) and not _is_view(t) and self._simple(t)]
        full = [at for at in heavy if self._fits(codes[at], into)]
        start = next((at for at in full if functions[at] != "np.subtract"), full[0] if full else None)
        rest = [at for at in range(len(terms)) if at != start]
        negated = start is not None and functions[start] == "np.subtract"
        if start is None:
            positive = [at for at in rest if functions[at] != "np.subtract"]
            if not positive:
                return False
            first = next((at for at in positive if self._fits(codes[at], into)), positive[0])
            others = [at for at in rest if at != first]
            second = next(
                (at for at in others if self._fits(codes[at], into) or self._fits(codes[first], into)), others[0]
            )
            one, a = self.value(terms[first])
            two, b = self.value(terms[second])
            self.line(f"{functions[second]}({self._operand(one, into)}, {self._operand(two, into)}, out={into.text})")
            self._back(a, b)
            rest = [at for at in others if at != second]
        else:
            self.place(terms[start], into)
        for at in rest:
            code, name = self.value(terms[at])
            text = self._operand(code, into)
            if negated:  # into holds what is to be subtracted
                if functions[at] == "np.subtract":
                    self.line(f"np.add({into.text}, {text}, out={into.text})")
                else:
                    self.line(f"np.subtract({text}, {into.text}, out={into.text})")
                    negated = False
            else:
                self.line(f"{functions[at]}({into.text}, {text}, out={into.text})")
            self._back(name)
        if negated:
            self.line(f"np.negative({into.text}, out={into.text})")
        return True

    def _back(self, *names: str) -> None:
        for name in names:
            if name:
                self.free(name)

    def _place_softmax(self, node: Call, into: Code) -> bool:
        source = self._into_or_leaf(node.arguments[0], into)
        self.line(f"np.subtract({source}, {source}.max(-1, keepdims=True), out={into.text})")
        self.line(f"np.exp({into.text}, out={into.text})")
        self.line(f"np.divide({into.text}, {into.text}.sum(-1, keepdims=True), out={into.text})")
        return True

    def _place_matmul(self, node: Call, into: Code) -> bool:
        left, right = node.arguments
        matrix, vectors = self.writer.write(left), self.writer.write(right)
        if matrix.axes or vectors.rank != 1 or not self._fits(Code("", vectors.axes, 1), into):
            return False
        if not (isinstance(right, Reference) or _is_view(right)):
            return False
        if into.scattered and len(vectors.axes) > 1:
            return False
        product = "np.matmul" if into.scattered else "np.dot"  # np.dot wants its result side by side
        if not vectors.axes and matrix.transposed:  # v @ M is M.T @ v, and M.T need not be made
            self.line(f"{product}({vectors.text}, {matrix.transposed}, out={into.text})")
            return True
        if not vectors.axes:
            self.line(f"{product}({matrix.text}, {vectors.text}, out={into.text})")
            return True
        turned = matrix.transposed or self.turned(matrix.at(ATOM))
        if len(vectors.axes) == 1:
            self.line(f"{product}({vectors.text}, {turned}, out={into.text})")
        else:
            rows = self.writer.helpers("rows")
            self.line(f"np.dot({rows}({vectors.text}), {turned}, out={rows}({into.text}))")
        return True


def _is_view(node: Expression) -> bool:
    """Whether a call only names a part or the transpose of what lies somewhere."""
    return (
        isinstance(node, Call)
        and node.operation in ("rows_of", "transpose")
        and isinstance(node.arguments[0], Reference)
    )
