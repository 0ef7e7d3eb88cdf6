"""The gradients of a large system by its program alone, in words."""

from __future__ import annotations

from bptt_solver.blocks import Block, Formulas, Heading, Line, Paragraph, Value
from bptt_solver.gradients import Gradients
from bptt_solver.language.expressions import Index, Reference, derivative_name
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.narration.more import named
from bptt_solver.narration.program import plan_blocks

MOST = 50  # derivatives that are listed


def gradients_blocks(found: Gradients, lang: str = "en") -> list[Block]:
    """By which program, how memory is kept, a line for each derivative, and the check."""
    say = Catalogue(lang)
    outline = found.problem.outline
    lines = [Line((named(found.target), Value(found.value)))]
    for (name, indices), value in list(found.derivatives.items())[:MOST]:
        reference = Reference(derivative_name(found.target, name), tuple(map(Index, indices)))
        lines.append(Line((reference, Value(value if getattr(value, "ndim", 0) else float(value)))))
    left = len(found.derivatives) - MOST
    if left > 0:
        lines.append(Line((), say("gradients.cut", count=f"{left:,}")))
    key = (
        "gradients.unchecked" if found.apart is None else "gradients.agrees" if found.verified else "gradients.differs"
    )
    what = say("gradients.what", count=f"{outline.count:,}") if outline is not None else ()
    return [
        Heading((found.problem.title or say.text("gradients.title"),), level=0),
        Paragraph((*what, *say("gradients.by", library=found.library), " ", *say(f"program.route.{found.route}"))),
        *([Paragraph(say("program.short"))] if found.dtype == "float32" else []),
        *plan_blocks(found.plan, found.schedule, say),
        Formulas(lines),
        Paragraph(say(key, apart=f"{max(found.apart or 0, 1e-16):.0e}")),
    ]
