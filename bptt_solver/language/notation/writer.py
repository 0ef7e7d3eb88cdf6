"""What all notations share: precedence, parentheses, signs, and a walk that does not recurse.

A notation says, for every kind of node, which pieces it consists of: strings, and sub-expressions with the rank that
they need to stand there without parentheses. Ranks: a sum 1, a product 2, a minus sign 3, a power 4, everything else 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

from bptt_solver.language.expressions import (
    Call,
    Comparison,
    Expression,
    Index,
    IndexValue,
    Iverson,
    Lookup,
    Number,
    Range,
    Reference,
    Sum,
)

ADDITIVE, PRODUCT, NEGATIVE, POWER, ATOM = range(1, 6)
Shape = tuple[int, ...]
Piece = str | tuple[Expression, int, bool]  # a sub-expression, the least rank, whether it may start with a minus sign

# What may be the first operand of a product without parentheses; a mixture of @ with * and / always has them.
_FIRST = {"mul": ("div",), "div": ("mul", "div"), "matmul": ("matmul",), "outer": ("matmul",)}


class Style:
    """How names are written: ``indices`` as ``subscripts``, in ``parentheses`` ``h(t)``, in ``brackets`` ``h[t]``, or
    as ``superscripts`` in parentheses (on one line: parentheses); ``nabla``: ``∇_h E`` for an ordered derivative;
    ``raised``: names have superscripts, ``z^h``.
    """

    __slots__ = ("indices", "nabla", "raised")

    def __init__(self, indices: str = "subscripts", nabla: bool = False, raised: bool = False) -> None:
        self.indices = indices
        self.nabla = nabla
        self.raised = raised or indices == "superscripts"


def parts_of_derivative(text: str) -> Iterator[tuple[str, list[str] | None]]:
    """What the name of a derivative or of its target consists of: the signs ``∂⁺ ∂ ( ) /`` (with None), and names with
    their numbers in brackets."""
    at = 0
    while at < len(text):
        if text[at] in "()/∂":
            sign = "∂⁺" if text.startswith("∂⁺", at) else text[at]
            yield sign, None
            at += len(sign)
            continue
        end = at
        while end < len(text) and text[end] not in "()/∂":
            end += 1
        name, _, inside = text[at:end].partition("[")
        yield name, inside.rstrip("]").split(",") if inside else []
        at = end


PLAIN_STYLE = Style()


class Notation:
    """The walk, and the pieces of every kind of node. A notation overrides data and the methods that differ."""

    style = PLAIN_STYLE
    PLUS = " + "
    MINUS = " - "
    SIGN = "-"
    OPEN = "("
    CLOSE = ")"
    NEGATED = POWER  # the least rank of what stands after a minus sign
    RANKS: Mapping[str, int] = {  # of what is written with an operator
        "add": ADDITIVE,
        "mul": PRODUCT,
        "div": PRODUCT,
        "matmul": PRODUCT,
        "neg": NEGATIVE,
        "power": POWER,
        "transpose": ATOM,
    }
    OPERANDS: Mapping[str, int] = {
        "neg": 1,
        "transpose": 1,
        "div": 2,
        "matmul": 2,
        "power": 2,
    }  # of others: two or more

    def __init__(
        self,
        shape: Callable[[Expression], Shape | None] | None = None,
        leaf: Callable[[Expression], str | None] | None = None,
    ) -> None:
        self.shape = shape
        self.leaf = leaf

    def write(self, expression: Expression) -> str:
        """The text of an expression."""
        out: list[str] = []
        stack: list[Piece] = [(expression, 0, True)]
        while stack:
            piece = stack.pop()
            if isinstance(piece, str):
                out.append(piece)
                continue
            node, least, leading = piece
            text = self.own_text(node)
            enclosed = self.rank(node, text) < least or (not leading and self.starts_with_minus(node, text))
            if enclosed:
                out.append(self.OPEN)
                stack.append(self.CLOSE)
                leading = True
            if text is not None:
                out.append(text)
            else:
                stack.extend(reversed(self.pieces(node, leading)))
        return "".join(out)

    def operator(self, node: Expression) -> str:
        """``add``, ``neg``, ... if a node is written with an operator, else nothing."""
        if not isinstance(node, Call) or node.operation not in self.RANKS:
            return ""
        count = len(node.arguments)
        wanted = self.OPERANDS.get(node.operation)
        return node.operation if (count > 1 if wanted is None else count == wanted) else ""

    # --- leaves

    def own_text(self, node: Expression) -> str | None:
        """The text of a leaf; None for what has sub-expressions."""
        if isinstance(node, (Call, Sum)):
            return None
        if self.leaf is not None:
            text = self.leaf(node)
            if text is not None:
                return text
        if isinstance(node, Number):
            return self.number(node.value)
        if isinstance(node, Reference):
            return self.reference(node)
        if isinstance(node, IndexValue):
            return self.index(node.index)
        return self.iverson(node)

    def number(self, value: int | Fraction | float) -> str:
        """A number in a formula."""
        raise NotImplementedError

    def reference(self, node: Reference) -> str:
        """A name with indices, or an ordered derivative."""
        raise NotImplementedError

    def iverson(self, node: Iverson) -> str:
        """A guard."""
        raise NotImplementedError

    def index(self, index: Index) -> str:
        """An index."""
        raise NotImplementedError

    # --- ranks

    def rank(self, node: Expression, text: str | None) -> int:
        """How tightly a node holds together; ``text`` is that of a leaf."""
        if text is None:
            return self.RANKS.get(self.operator(node), ATOM)
        if isinstance(node, IndexValue):
            return ATOM if _is_plain(node.index) else ADDITIVE
        return rank_of_number(text) if text[:1] in "-−0123456789" else ATOM

    def starts_with_minus(self, node: Expression, text: str | None) -> bool:
        """Whether a node begins with a minus sign of its own."""
        return self.operator(node) == "neg" if text is None else text[:1] in ("-", "−")

    # --- nodes

    def pieces(self, node: Expression, leading: bool) -> Sequence[Piece]:
        """What an operation or a sum consists of."""
        if isinstance(node, Sum):
            return self.total(node)
        assert isinstance(node, Call)
        operator = self.operator(node)
        if operator == "add":
            return self.add(node.arguments, leading)
        if operator == "neg":
            return (self.SIGN, (node.arguments[0], self.NEGATED, False))
        if operator == "mul":
            return self.mul(node.arguments, leading)
        if operator in ("div", "matmul"):
            left, right = node.arguments
            return self.div(left, right, leading) if operator == "div" else self.matmul(left, right, leading)
        if operator == "power":
            return self.power(*node.arguments)
        if operator == "transpose":
            return self.transpose(node.arguments[0])
        return self.call(node.operation, node.arguments)

    def add(self, terms: Sequence[Expression], leading: bool) -> Sequence[Piece]:
        """A sum: what is negated, or a negative number, is subtracted."""
        pieces: list[Piece] = [(terms[0], PRODUCT, leading)]
        for term in terms[1:]:
            if self.operator(term) == "neg" and isinstance(term, Call):
                pieces += (self.MINUS, (term.arguments[0], PRODUCT, False))
                continue
            text = self.own_text(term)
            if text is not None and text[:1] in ("-", "−") and not isinstance(term, IndexValue):
                pieces += (self.MINUS, text[1:])
            else:
                pieces += (self.PLUS, (term, PRODUCT, False))
        return pieces

    def first(self, operation: str, node: Expression, leading: bool) -> Piece:
        """The first operand of a product."""
        operator = self.operator(node)
        loose = self.RANKS.get(operator) == PRODUCT and operator not in _FIRST[operation]
        return (node, NEGATIVE if loose else PRODUCT, leading)

    def mul(self, factors: Sequence[Expression], leading: bool) -> Sequence[Piece]:
        """A product of numbers, or elementwise."""
        raise NotImplementedError

    def div(self, top: Expression, bottom: Expression, leading: bool) -> Sequence[Piece]:
        """A quotient."""
        raise NotImplementedError

    def matmul(self, left: Expression, right: Expression, leading: bool) -> Sequence[Piece]:
        """A matrix product."""
        raise NotImplementedError

    def power(self, base: Expression, exponent: Expression) -> Sequence[Piece]:
        """A power."""
        raise NotImplementedError

    def transpose(self, base: Expression) -> Sequence[Piece]:
        """A transpose."""
        raise NotImplementedError

    def total(self, node: Sum) -> Sequence[Piece]:
        """A sum over indices."""
        raise NotImplementedError

    def call(self, name: str, arguments: Sequence[Expression]) -> Sequence[Piece]:
        """A function."""
        pieces: list[Piece] = [name, self.OPEN]
        for at, argument in enumerate(arguments):
            pieces += (", ", (argument, 0, True)) if at else ((argument, 0, True),)
        pieces.append(self.CLOSE)
        return pieces

    # --- indices

    def index_text(self, index: Index, style: IndexStyle) -> str:
        """An affine index: a term that is not subtracted comes first, then the order in which it was written."""
        out: list[str] = []
        stack: list[str | Index] = [index]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                out.append(item)
            else:
                stack.extend(reversed(style.pieces(item)))
        return "".join(out)

    def range_text(self, item: Range, style: IndexStyle, form: str) -> str:
        """A range; ``form`` joins the ends."""
        return f"{self.index_text(item.low, style)}{form}{self.index_text(item.high, style)}"

    def comparison(self, item: Comparison, style: IndexStyle, signs: dict[str, str]) -> str:
        """A condition."""
        left, right = self.index_text(item.left, style), self.index_text(item.right, style)
        return f"{left} {signs.get(item.operator, item.operator)} {right}"


class IndexStyle:
    """How indices are written: the signs, the product sign, and names of variables and maps."""

    def __init__(
        self,
        plus: str = "+",
        minus: str = "-",
        times: str = "*",
        name: Callable[[str], str] = str,
        sign: str | None = None,
    ) -> None:
        self.plus = plus
        self.minus = minus
        self.times = times
        self.name = name
        self.sign = minus.strip() if sign is None else sign

    def pieces(self, index: Index) -> list[str | Index]:
        """The parts of an index; those of map lookups are indices again."""
        terms: list[tuple[object, int]] = list(index.terms)
        if index.constant or not terms:
            terms.append((None, index.constant))
        if terms[0][1] < 0:
            first = next((i for i, (_, c) in enumerate(terms) if c > 0), 0)
            terms.insert(0, terms.pop(first))
        parts: list[str | Index] = []
        for at, (atom, coefficient) in enumerate(terms):
            if coefficient < 0:
                parts.append(self.minus if at else self.sign)
            elif at:
                parts.append(self.plus)
            size = abs(coefficient)
            if atom is None:
                parts.append(str(size))
                continue
            if size != 1:
                parts.append(f"{size}{self.times}")
            if isinstance(atom, Lookup):
                parts.append(self.name(atom.name) + "[")
                for number, inner in enumerate(atom.indices):
                    parts += (",", inner) if number else (inner,)
                parts.append("]")
            else:
                parts.append(self.name(str(atom)))
        return parts


def _is_plain(index: Index) -> bool:
    """Whether an index is one number, one variable, or one member of a map."""
    if not index.terms:
        return index.constant >= 0
    return len(index.terms) == 1 and index.terms[0][1] == 1 and not index.constant


def rank_of_number(text: str) -> int:
    """How tightly the digits of a number hold together: ``1/2`` and ``3·10⁻⁷`` are products, ``−1`` has a sign."""
    if "/" in text or "·" in text or "cdot" in text:
        return PRODUCT
    return NEGATIVE if text[:1] in ("-", "−") else ATOM
