"""A document's blocks in another convention: what is equal stays equal, since whole lines change alike."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bptt_solver.blocks import (
    Belonging,
    Block,
    Entry,
    Flow,
    Formula,
    Formulas,
    Heading,
    Item,
    Line,
    Ordered,
    Paragraph,
    Partial,
    Step,
    Table,
    Use,
    Value,
    Way,
    Words,
)
from bptt_solver.language.expressions import Call, Reference, derivative_parts, is_derivative
from bptt_solver.language.templates import Slot
from bptt_solver.profiles.convention import Convention
from bptt_solver.profiles.rewriting import Rewriter

_SHAPES = re.compile(r"\d+×\d+(?: · \d+×\d+(?: = \d+×\d+)?)?")
_ENTRY = re.compile(r"\((\d+),(\d+)\)")


class Presenter:
    """Rewrites blocks."""

    def __init__(self, convention: Convention) -> None:
        self.convention = convention
        self.rewriter = Rewriter(convention)
        self.plain = not convention.signed  # δ is the derivative itself and may stand for it anywhere

    def blocks(self, blocks: Sequence[Block]) -> list[Block]:
        """All blocks."""
        return [self.block(b) for b in blocks]

    def block(self, block: Block) -> Block:
        """One block of the same kind."""
        if isinstance(block, Heading):
            return Heading(self.words(block.words), block.level, block.number, self.words(block.remark))
        if isinstance(block, Paragraph):
            return Paragraph(self.words(block.words), self.words(block.lead), block.depth)
        if isinstance(block, Formulas):
            return Formulas([self.line(x) for x in block.lines], self.words(block.lead), block.depth)
        if isinstance(block, Flow):
            return Flow([self.line(x) for x in block.items], self.words(block.lead), block.depth)
        if isinstance(block, Table):
            return self.table(block)
        return type(block)(self.words(block.words))

    def table(self, table: Table) -> Table:
        """Cells are words; matrices in them are transposed where all matrices that are named are."""
        cells = [table.caption, *table.header, *(c for row in table.rows for c in row)]
        turn = self._turns([w for c in cells for w in c])
        header = [self.words(c, turn) for c in table.header]
        rows = [[self.words(c, turn) for c in row] for row in table.rows]
        return Table(header, rows, self.words(table.caption), table.shade, table.curve)

    def _turns(self, words: Sequence[object]) -> bool:
        names = [_family(w) for w in words if isinstance(w, Reference)]
        matrices = [n for n in names if self.convention.rank(n) == 2]
        return bool(matrices) and all(self.convention.flips(n) for n in matrices)

    # -- lines

    def line(self, line: Line) -> Line:
        """A line: what is done to its first item is done to all."""
        if not line.chain:
            return Line((), self.words(line.lead), self.words(line.remark), line.step)
        chain = self._shown(line.chain, self._turns(line.lead))
        remark = self.words(line.remark)
        if self._shapes_turn(line.chain[0]):
            remark = tuple([_SHAPES.sub(_turned_shapes, w) if isinstance(w, str) else w for w in remark])
        return Line(chain, self.words(line.lead), remark, self._step(line))

    def _step(self, line: Line) -> Step | None:
        """The step that a line is, its terms in the order and in the names of the convention."""
        step = line.step
        if step is None or not step.ways:
            return step
        ways = [Way(way.instance, self.words(way.name)) for way in step.ways]
        if self.convention.signed and self._is_derivative(line.chain[0]):
            head = line.chain[0]
            front, count = self._front(line.chain, isinstance(head, Reference) and self.rewriter.flips(head), True, -1)
            if front and count == len(ways):
                ways = [ways[front], *ways[:front], *ways[front + 1 :]]
        return Step(step.instance, step.part, ways)

    def _shown(self, items: Sequence[Item], lead: bool) -> list[Item]:
        """A line's items, changed once for all languages: they share the derivation."""
        key = (id(items), lead)
        known = self.convention.shown.get(key)
        if known is None:
            known = self.convention.shown[key] = (items, self.chain(items, True, lead))
        return known[1]

    def chain(self, items: Sequence[Item], deltas: bool, lead: bool = False) -> list[Item]:
        """Items between equals signs. ``deltas``: with δ, and with its sign, where the notation has it. ``lead``:
        a value without a name is one of an array that is transposed."""
        head = items[0]
        turn = lead if isinstance(head, Value) else isinstance(head, Reference) and self.rewriter.flips(head)
        sign = -1 if deltas and self.convention.signed and self._is_derivative(head) else 1
        deltas = deltas or self.plain
        front, count = self._front(items, turn, deltas, sign)
        spots = _spots(items) if sign < 0 else []
        return [self.rewriter.formula(i, turn, deltas, sign, front if _terms(i) == count else 0, spots) for i in items]

    def _front(self, items: Sequence[Item], turn: bool, deltas: bool, sign: int) -> tuple[int, int]:
        """The term that comes first, so that the symbols do not begin with a minus sign, and of how many."""
        if sign > 0:
            return 0, 0
        symbols = next((i for i in items[1:] if _terms(i) > 1), None)
        if symbols is None:
            return 0, 0
        shown = self.rewriter.formula(symbols, turn, deltas, sign)
        tree = shown.expression if isinstance(shown, Formula) else None
        if not isinstance(tree, Call) or tree.operation != "add":
            return 0, 0
        minus = [isinstance(t, Call) and t.operation == "neg" for t in tree.arguments]
        return (minus.index(False) if minus[0] and not all(minus) else 0), len(minus)

    def _is_derivative(self, head: Item) -> bool:
        name = _family(head) if isinstance(head, Reference) and not isinstance(head, Partial) else ""
        return is_derivative(name) and "/∂" in name and derivative_parts(name)[0] == self.convention.target

    def _shapes_turn(self, head: Item) -> bool:
        if not isinstance(head, Reference):
            return False
        return self.rewriter.flips(head) or (self.convention.rows and self.rewriter.rank(head) == 1)

    # -- sentences

    def words(self, words: Words, turn: bool = False) -> Words:
        """A sentence; formulas with an equals sign between them are a chain. ``turn``: matrices on their own too."""
        out: list[str | Item] = []
        at = 0
        turned = self._turns(words)
        words = _joined(words)
        while at < len(words):
            word = words[at]
            if isinstance(word, str):
                out.append(_ENTRY.sub(r"(\2,\1)", word) if turned else word)
                at += 1
                continue
            run: list[Item] = [word]
            signs: list[str] = []
            while at + 2 < len(words) and isinstance(sign := words[at + 1], str) and sign.strip() == "=":
                run.append(words[at + 2])  # type: ignore[arg-type]
                signs.append(sign)
                at += 2
            at += 1
            shown = self.chain(run, False) if len(run) > 1 or not turn else [self._alone(word)]
            for position, item in enumerate(shown):
                out += [signs[position - 1], item] if position else [item]
        return tuple(out)

    def _alone(self, item: Item) -> Item:
        return self.rewriter.turned(item) if isinstance(item, Value) else self.chain([item], False)[0]


def _family(node: object) -> str:
    while isinstance(node, Belonging | Entry | Use | Ordered):
        node = node.below if isinstance(node, Ordered) else node.of
    return node.name if isinstance(node, Reference) else ""


def _terms(item: Item) -> int:
    tree = item.expression if isinstance(item, Formula) else None
    return len(tree.arguments) if isinstance(tree, Call) and tree.operation == "add" else 1


def _spots(items: Sequence[Item]) -> list[int]:
    """Which factor of each term is an ordered derivative, in the symbols of a line."""
    symbols = next((i for i in items[1:] if isinstance(i, Formula)), None)
    if symbols is None:
        return []
    tree = symbols.expression
    terms = tree.arguments if isinstance(tree, Call) and tree.operation == "add" else (tree,)
    found: list[int] = []
    for term in terms:
        factors = term.arguments if isinstance(term, Call) and term.operation == "mul" else ()
        names = [_family(symbols.leaves[f.at] if isinstance(f, Slot) else f) for f in factors]
        found.append(next((at for at, name in enumerate(names) if is_derivative(name)), 0))
    return found


def _joined(words: Words) -> Words:
    """The words with neighbouring texts in one."""
    out: list[str | Item] = []
    for word in words:
        if isinstance(word, str) and out and isinstance(last := out[-1], str):
            out[-1] = last + word
        else:
            out.append(word)
    return tuple(out)


def _turned_shapes(match: re.Match[str]) -> str:
    """``2×3 · 3×1`` as ``1×3 · 3×2``."""
    product, equals, result = match.group().partition(" = ")
    shapes = ["×".join(reversed(s.split("×"))) for s in reversed(product.split(" · "))]
    return " · ".join(shapes) + equals + "×".join(reversed(result.split("×")))
