"""The notation in words: said once, at the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bptt_solver.blocks import Block, Formula, Heading, Paragraph, Words
from bptt_solver.language.expressions import Call, Reference, derivative_name
from bptt_solver.narration.catalogue import Catalogue

if TYPE_CHECKING:
    from bptt_solver.profiles.convention import Convention

MOST = 40  # names that are listed
MOST_DELTAS = 3


def convention_blocks(convention: Convention, say: Catalogue) -> list[Block]:
    """What is different from the program's own notation, in one paragraph."""
    words: list[object] = [*say("notation.title", title=convention.profile.title)]
    pairs = [
        say("notation.pair", new=convention.reference(Reference(family)), old=Reference(family))
        for family in convention.names
    ]
    if pairs:
        words += [say.gap, *say("notation.names", pairs=say.listed(pairs, "list.comma", MOST))]
    words += _deltas(convention, say)
    ranks = [convention.rank(f) for f in convention.problem.system.ranks]
    if max(ranks, default=0):
        layout = "rows" if convention.rows else "columns"
        words += [say.gap, *say(f"notation.{layout}")]
        if max(ranks) > 1:
            weights = "senders" if convention.transposed else "receivers"
            words += [say.gap, *say(f"notation.{weights}")]
            if convention.rows or convention.transposed:
                words += [say.gap, *say("notation.partials")]
    for family, name in convention.kept.items():
        words += [say.gap, *say("notation.kept", name=Reference(family), new=Reference(name))]
    if convention.unknown and pairs:
        names = [Reference(f) for f in convention.unknown]
        words += [say.gap, *say("notation.unknown", names=say.listed(names, "list.and", 12))]
    return [Paragraph(tuple(words))]  # type: ignore[arg-type]


def _deltas(convention: Convention, say: Catalogue) -> list[object]:
    words: list[object] = []
    shown = [f for f in convention.deltas if f in convention.problem.system.defining] or list(convention.deltas)
    definitions: list[Words] = []
    for family in shown[:MOST_DELTAS]:
        name, before = convention.deltas[family]
        equations = convention.problem.system.defining.get(family)
        indices = equations[0].indices if equations else ()
        derivative = convention.reference(Reference(derivative_name(convention.target, family), indices))
        right = Formula(Call("neg", (derivative,))) if convention.signed else derivative
        definitions.append((Reference(name, (*before, *indices)), " = ", right))
    if definitions:
        more = len(convention.deltas) > len(definitions)
        key = "notation.deltas" + ("" if not more else ".all" if "*" in convention.profile.derivatives else ".more")
        words += [say.gap, *say(key, definitions=say.listed(definitions, "list.comma"))]
    if convention.profile.sign < 0 and not convention.signed:
        words += [say.gap, *say("notation.no_delta")]
    if convention.signed:
        words += [say.gap, *say("notation.sign")]
    return words


def with_convention(blocks: list[Block], convention: Convention, say: Catalogue) -> list[Block]:
    """The document with the paragraph about its notation before the first section."""
    at = next((i for i, b in enumerate(blocks) if isinstance(b, Heading) and b.level), len(blocks))
    return [*blocks[:at], *convention_blocks(convention, say), *blocks[at:]]
