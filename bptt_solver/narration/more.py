"""What is printed behind a derivation when it is asked for: second derivatives, closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bptt_solver.blocks import Block, Entry, Formula, Formulas, Heading, Line, Paragraph, Table, Value, Words
from bptt_solver.language.expressions import Expression, Reference
from bptt_solver.narration.catalogue import Catalogue

MOST_ROWS = 12  # of a Hessian that is printed as a table
ASYMMETRY = 1e-12


def hessian_blocks(target: str, labels: Sequence[str], rows: Sequence[Sequence[Any]], say: Catalogue) -> list[Block]:
    """The table of second derivatives."""
    names = [named(label) for label in labels]
    blocks: list[Block] = [
        Heading((say.text("second.title"),)),
        Paragraph(say("second.what", target=named(target))),
    ]
    shown = range(min(len(names), MOST_ROWS))
    header: list[Words] = [(), *((names[k],) for k in shown)]
    table: list[list[Words]] = [[(names[i],), *((Value(rows[i][j]),) for j in shown)] for i in shown]
    blocks.append(Table(header, table))
    if len(names) > MOST_ROWS:
        blocks.append(Paragraph(say("second.cut", shown=str(MOST_ROWS), count=f"{len(names):,}")))
    largest = max((abs(float(v)) for row in rows for v in row), default=0.0)
    apart = max((abs(float(rows[i][j]) - float(rows[j][i])) for i in range(len(rows)) for j in range(i)), default=0.0)
    if len(names) > 1 and apart <= ASYMMETRY * largest:
        blocks.append(Paragraph(say("second.symmetry")))
    return blocks


def closed_form_blocks(forms: Sequence[tuple[Reference, Expression]], say: Catalogue) -> list[Block]:
    """One line a closed form."""
    lines = [Line((name, Formula(formula))) for name, formula in forms]
    return [Heading((say.text("closed.title"),)), Paragraph(say("closed.what")), Formulas(lines)]


def named(label: str) -> Reference:
    """``h[2]:1`` as the first entry of h_2."""
    from bptt_solver.language.expressions import Index

    front, _, entry = label.partition(":")
    name, bracket, inside = front.partition("[")
    at = tuple(int(i) for i in entry.split(",")) if entry else ()
    if front.startswith("∂"):
        return Reference(front)
    reference = Reference(name, tuple(Index(int(i)) for i in inside.rstrip("]").split(",")) if bracket else ())
    return Entry(reference, at) if at else reference
