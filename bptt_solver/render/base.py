"""What the formats share: leaves and formulas as text, with the text around the slots of a tree kept from line to
line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence

from bptt_solver.blocks import (
    FIXED,
    Alert,
    Block,
    Flow,
    Formula,
    Formulas,
    Heading,
    Item,
    Leaf,
    Note,
    Paragraph,
    Partial,
    Table,
    Value,
    Words,
)
from bptt_solver.language.expressions import Call, Expression, Number, Reference, Sum, children, transform
from bptt_solver.language.notation.writer import ATOM, PLAIN_STYLE, Notation, Piece, Style
from bptt_solver.language.templates import Slot

SMALL = 100  # whole numbers up to here belong to the structure of a formula: ½, 2·x
# how a text holds together where it is put in; HIGH: a name with a superscript; PRIMED: a name with primes
PLAIN, NEGATIVE, PRODUCT, NEGATIVE_PRODUCT, RAISED, HIGH, PRIMED = range(7)


_SIGNED = (NEGATIVE, NEGATIVE_PRODUCT)


class Mark(Slot):
    """The place of a slot's text while the text around it is made. The text begins as the final one will."""

    __slots__ = ("kind",)

    def __init__(self, at: int, kind: int) -> None:
        super().__init__(at)
        self.kind = kind
        if kind == RAISED:
            self.name = "∂⁺"  # written as a fraction's top without parentheses

    def _parts(self) -> tuple[object, ...]:
        return self.at, self.kind


class Pattern:
    """The text of a tree around its slots."""

    __slots__ = ("order", "text")

    def __init__(self, text: str, count: int) -> None:
        first, *rest = text.split("\0")
        parts, order = [first.replace("%", "%%")], []
        for part in rest:
            at, _, behind = part.partition("\1")
            order.append(int(at))
            parts.append(behind.replace("%", "%%"))
        self.text = "%s".join(parts)
        self.order = None if order == list(range(count)) else tuple(order)

    def fill(self, texts: Sequence[str]) -> str:
        """The text with the slots' texts put in."""
        if self.order is not None:
            return self.text % tuple([texts[at] for at in self.order])
        return self.text % tuple(texts)


class Renderer:
    """Turns blocks into one text. A format gives the notation, the escaping, and one method a kind of block."""

    SIGN = "−"
    FRACTION = "∂"  # what an ordered derivative's text begins with
    NABLA = "∇"
    SUPERSCRIPT = ""  # what is in a name that cannot be raised without parentheses
    PRIME = ""  # what is in a name that cannot be raised without braces

    def __init__(self, style: Style = PLAIN_STYLE) -> None:
        self.style = style
        self._known: dict[
            int, tuple[int, str]
        ] = {}  # by the identity of a leaf: the blocks live as long as the rendering
        self._patterns: dict[tuple[int, tuple[object, ...]], Pattern] = {}
        self._trees: list[Expression] = []

    # -- what a format decides

    def notation(self) -> Notation:
        """A fresh notation that knows the leaves of `bptt_solver.blocks`."""
        raise NotImplementedError

    def name(self, reference: Reference) -> str:
        """A name as it stands in a formula."""
        raise NotImplementedError

    def number(self, value: Value) -> str:
        """A value as it stands in a formula."""
        raise NotImplementedError

    def plain(self, text: str) -> str:
        """Words, escaped."""
        raise NotImplementedError

    def inline(self, formula: str) -> str:
        """A formula inside a sentence."""
        raise NotImplementedError

    # -- blocks

    def render(self, blocks: Sequence[Block]) -> str:
        """The whole document."""
        raise NotImplementedError

    def block(self, block: Block) -> str:
        """One block. Raises TypeError for a kind that is not known."""
        kind = type(block)
        if kind is Heading:
            return self.heading(block)  # type: ignore[arg-type]
        if kind is Paragraph:
            return self.paragraph(block)  # type: ignore[arg-type]
        if kind is Formulas:
            return self.formulas(block)  # type: ignore[arg-type]
        if kind is Flow:
            return self.flow(block)  # type: ignore[arg-type]
        if kind is Table:
            return self.table(block)  # type: ignore[arg-type]
        if kind is Note:
            return self.note(block)  # type: ignore[arg-type]
        if kind is Alert:
            return self.alert(block)  # type: ignore[arg-type]
        raise TypeError(f"unknown block: {kind.__name__}")

    def heading(self, block: Heading) -> str:
        """The title or a section's name."""
        raise NotImplementedError

    def paragraph(self, block: Paragraph) -> str:
        """Sentences."""
        raise NotImplementedError

    def formulas(self, block: Formulas) -> str:
        """Lines of a derivation."""
        raise NotImplementedError

    def flow(self, block: Flow) -> str:
        """Short formulas side by side."""
        raise NotImplementedError

    def table(self, block: Table) -> str:
        """A table."""
        raise NotImplementedError

    def note(self, block: Note) -> str:
        """A remark."""
        raise NotImplementedError

    def alert(self, block: Alert) -> str:
        """A warning."""
        raise NotImplementedError

    # -- words and formulas

    def words(self, words: Words) -> str:
        """A sentence."""
        return "".join([self.plain(w) if isinstance(w, str) else self.inline(self.item(w)) for w in words])

    def item(self, item: Item) -> str:
        """What stands between two equals signs."""
        if type(item) is Formula:
            return self.formula(item)
        known = self._known.get(id(item))
        kind, text = known if known is not None else self._leaf(item)  # type: ignore[arg-type]
        return self.SIGN + text if kind in _SIGNED else text

    def formula(self, formula: Formula) -> str:
        """A tree with its slots filled."""
        expression, leaves = formula.expression, formula.leaves
        if not leaves:
            notation = self.notation()
            if formula.ranks is not None:
                notation.shape = arrays(expression, formula.ranks)
            return notation.write(expression)
        known = self._known
        kinds: list[object] = []
        texts: list[str] = []
        for leaf in leaves:
            found = known.get(id(leaf)) or self._leaf(leaf)
            kind, text = found
            kinds.append(kind if kind >= 0 else leaf)
            texts.append(text)
        key = (id(expression), tuple(kinds))
        pattern = self._patterns.get(key)
        if pattern is None:
            pattern = self._patterns[key] = self._pattern(formula, kinds)
        return pattern.fill(texts)

    def _leaf(self, leaf: Leaf) -> tuple[int, str]:
        """How a leaf's text holds together (-1: the leaf belongs to the structure), and the text without its sign."""
        known = self._known.get(id(leaf))
        if known is None:
            known = self._known[id(leaf)] = self._new_leaf(leaf)
        return known

    def _new_leaf(self, leaf: Leaf) -> tuple[int, str]:
        kind = type(leaf)
        if kind is Reference or kind is Partial:
            text = self.name(leaf)  # type: ignore[arg-type]
            return self._kind_of_name(text), text
        if kind is Value:
            return self._kind(self.number(leaf))  # type: ignore[arg-type]
        if kind is Number:
            value = leaf.value  # type: ignore[union-attr]
            if type(value) is int and abs(value) <= SMALL:
                return -1, ""
            return self._kind(self.number(Value(value, of=FIXED)))
        if isinstance(leaf, Reference):
            text = self.name(leaf)
            return self._kind_of_name(text), text
        return -1, ""

    def _kind_of_name(self, text: str) -> int:
        if text.startswith((self.FRACTION, self.NABLA)):
            return RAISED
        if self.SUPERSCRIPT and self.SUPERSCRIPT in text:
            return HIGH
        return PRIMED if self.PRIME and self.PRIME in text else PLAIN

    def _kind(self, text: str) -> tuple[int, str]:
        negative = text.startswith(self.SIGN)
        text = text[len(self.SIGN) :] if negative else text
        if text.startswith(self.FRACTION):
            return (NEGATIVE if negative else RAISED), text
        if text[:1].isdigit() and ("/" in text or "·" in text or "cdot" in text):
            return (NEGATIVE_PRODUCT if negative else PRODUCT), text
        return (NEGATIVE if negative else PLAIN), text

    def _pattern(self, formula: Formula, kinds: Sequence[object]) -> Pattern:
        marks: list[Expression] = []
        for at, kind in enumerate(kinds):
            marks.append(Mark(at, kind) if type(kind) is int else kind)  # type: ignore[arg-type]
        marked = transform(formula.expression, lambda node: marks[node.at] if type(node) is Slot else node)
        self._trees.append(formula.expression)
        notation = self.notation()
        if formula.ranks is not None:
            notation.shape = arrays(marked, formula.ranks)
        text = notation.write(marked).replace("0/\0", "\0").replace(self.FRACTION + "\0", "\0")
        return Pattern(text, len(kinds))

    def mark(self, mark: Mark) -> str:
        """The text that stands for a slot while the pattern is made."""
        sign = self.SIGN if mark.kind in (NEGATIVE, NEGATIVE_PRODUCT) else ""
        kind = "0/" if mark.kind in (PRODUCT, NEGATIVE_PRODUCT) else self.FRACTION if mark.kind == RAISED else ""
        return f"{sign}{kind}\0{mark.at}\1"


def block_of(name: str, arguments: Sequence[Expression]) -> Sequence[Piece] | None:
    """``columns(W, 2, x, h)`` is the block of W that meets h, ``W[:,h]``; ``rows`` those that make it. None for
    another function."""
    if name not in ("columns", "rows") or not isinstance(which := arguments[1], Number) or type(which.value) is not int:
        return None
    part: Piece = (arguments[1 + which.value], 0, True)
    inside: Sequence[Piece] = ("[:,", part, "]") if name == "columns" else ("[", part, ",:]")
    return ((arguments[0], ATOM, False), *inside)


def harmless(text: str) -> str:
    """Text from a document without what could steer a terminal or hide something: control and direction characters."""
    if text.isprintable():
        return text
    return "".join([c if unicodedata.category(c)[0] != "C" else " " if c in "\t\n\r" else "\ufffd" for c in text])


_SCALARS = frozenset(
    {"dot", "sum", "mean", "entry", "norm2", "logsumexp", "count", "max", "min"}
)  # of arrays: a number


def arrays(tree: Expression, ranks: Sequence[int] | Mapping[str, int]) -> Callable[[Expression], tuple[int, ...]]:
    """A function that tells a notation which parts of a tree are arrays (their length does not matter to it)."""
    known: dict[int, int] = {}
    stack: list[tuple[Expression, bool]] = [(tree, False)]
    while stack:
        node, ready = stack.pop()
        if isinstance(node, (Call, Sum)) and not ready:
            stack.append((node, True))
            stack.extend((child, False) for child in children(node))
        elif isinstance(node, Sum):
            known[id(node)] = known[id(node.body)]
        elif isinstance(node, Call):
            inner = max((known[id(a)] for a in node.arguments), default=0)
            one = len(node.arguments) == 1 or node.operation not in ("max", "min")
            known[id(node)] = 0 if node.operation in _SCALARS and one else max(inner, int(node.operation == "unit"))
        else:
            known[id(node)] = _leaf_rank(node, ranks)
    return lambda node: (1,) * known.get(id(node), 0)


def _leaf_rank(node: Expression, ranks: Sequence[int] | Mapping[str, int]) -> int:
    if isinstance(ranks, Mapping):
        return ranks.get(node.name, 0) if isinstance(node, Reference) else 0
    return ranks[node.at] if isinstance(node, Slot) else 0
