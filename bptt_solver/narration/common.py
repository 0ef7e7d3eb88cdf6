"""What the sections share: lines, leads, tables, chains as words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bptt_solver.blocks import Line, Table, Value, Words
from bptt_solver.derivation import Chain, Cut, Derivation, Group, NumberTable
from bptt_solver.language.expressions import Reference
from bptt_solver.narration.catalogue import Catalogue


class Narration:
    """A derivation and the sentences to tell it with."""

    def __init__(self, derivation: Derivation, say: Catalogue) -> None:
        self.derivation = derivation
        self.say = say
        self.target = derivation.target

    def lead(self, group: Group) -> Words:
        """What marks the lines of one time step: ``t=3``."""
        return (Reference(group.variable), "=", Value(group.at)) if group.variable else ()

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
