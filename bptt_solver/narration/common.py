"""What the sections share: lines, leads, tables, chains as words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bptt_solver.blocks import FIXED, Argument, Formula, Item, Line, Step, Table, Value, Way, Words
from bptt_solver.derivation import Chain, Cut, Derivation, Group, NumberTable
from bptt_solver.errors import Excerpt, ProblemError
from bptt_solver.language.expressions import (
    Call,
    Expression,
    Reference,
    derivative_parts,
    is_derivative,
    preorder,
    transform,
)
from bptt_solver.language.templates import Slot
from bptt_solver.narration.catalogue import Catalogue


class Narration:
    """A derivation and the sentences to tell it with."""

    def __init__(self, derivation: Derivation, say: Catalogue) -> None:
        self.derivation = derivation
        self.say = say
        self.target = derivation.target

    def lead(self, group: Group) -> Words:
        """What marks the lines of one time step: ``t=3``."""
        return (Reference(group.variable), "=", Value(group.at, of=FIXED)) if group.variable else ()

    def numbers(self, table: NumberTable) -> Table:
        """A table of values by time."""
        header: list[Words] = [(Reference(table.variable),)]
        header += [("‖", c, "‖") if norm else (c,) for c, norm in zip(table.columns, table.norms, strict=True)]
        rows: list[Sequence[Words]] = []
        for row in table.rows:
            if isinstance(row, Cut):
                rows.append([("…",), *(("…",) for _ in table.columns)])
            else:
                rows.append([(str(row[0]).replace("-", "−"),), *((v,) if v is not None else () for v in row[1])])
        return Table(header, rows)

    def line(self, chain: Chain | Cut) -> Line:
        """A chain as a line, its shape in parentheses behind it."""
        if isinstance(chain, Cut):
            return Line((), self.cut(chain))
        return Line(chain.items, remark=(f"({shape_text(chain.shape)})",) if chain.shape else ())

    def cut(self, cut: Cut) -> Words:
        """How many lines are left out."""
        return self.say("cut", count=f"{cut.count:,}")


def with_formulas(text: str, ranks: Mapping[str, int] | None = None, arguments: bool = False) -> Words:
    """A text with what stands in backticks as formulas; ``arguments``: their names are those of a function's
    arguments, whatever the system has under these names."""
    from bptt_solver.language.parser import parse_expression

    words: list[str | Formula | Reference | Value] = []
    for place, part in enumerate(text.split("`")):
        if not place % 2:
            words += [part] if part else []
            continue
        try:
            tree = parse_expression(Excerpt.of(part))
        except ProblemError:
            words.append(part)
            continue
        words.append(Formula(transform(tree, _argument) if arguments else tree, (), ranks))
    return tuple(words)


def _argument(node: Expression) -> Expression:
    return Argument(node.name, node.indices) if isinstance(node, Reference) else node


def step_of(items: Sequence[Item], node: Reference, part: str) -> Step:
    """The step that a line about a node is. A term of its sum comes through the instance whose ordered derivative
    stands in it; without one the effect is direct."""
    ways: list[Way] = []
    if part == "backward":
        symbols = next((i for i in items[1:] if isinstance(i, Formula)), None)
        if symbols is not None:
            ways = [_way(term, symbols) for term in terms_of(symbols)]
        elif isinstance(item := items[1], Reference):
            ways = [_way(item, Formula(item))]
    return Step(_instance(node.name, node), part, ways if any(way.instance for way in ways) else ())


def terms_of(formula: Formula) -> Sequence[Expression]:
    """The summands of a formula."""
    tree = formula.expression
    return tree.arguments if isinstance(tree, Call) and tree.operation == "add" else (tree,)


def _way(term: Expression, whole: Formula) -> Way:
    for node in preorder(term):
        leaf = whole.leaves[node.at] if isinstance(node, Slot) else node
        if type(leaf) is Reference and is_derivative(leaf.name):
            name = Reference(derivative_parts(leaf.name)[1], leaf.indices)
            return Way(_instance(name.name, name), (name,))
    return Way()


def _instance(name: str, reference: Reference) -> str:
    return name + (f"[{','.join([str(i.constant) for i in reference.indices])}]" if reference.indices else "")


def shape_text(shapes: Sequence[tuple[int, ...]]) -> str:
    """``3×1``, ``2×3 · 3×1``, ``3×1 · 1×2 = 3×2``."""
    texts = ["×".join(map(str, s if len(s) > 1 else (*s, 1))) for s in shapes]
    return texts[0] + " · " + texts[1] + "".join([f" = {t}" for t in texts[2:]]) if len(texts) > 1 else "".join(texts)


def chain_words(chain: Chain) -> Words:
    """A chain inside a sentence."""
    words: list[Any] = []
    for at, item in enumerate(chain.items):
        words += [" = ", item] if at else [item]
    return tuple(words)


def joined(parts: Sequence[Words], separator: str) -> Words:
    """Sentences one behind the other."""
    words: list[Any] = []
    for at, part in enumerate(parts):
        words += [separator, *part] if at else part
    return tuple(words)
