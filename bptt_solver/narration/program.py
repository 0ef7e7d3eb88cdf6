"""What a library's program found, in words."""

from __future__ import annotations

from bptt_solver.analyses.program import ProgramResult
from bptt_solver.blocks import Block, Heading, Paragraph
from bptt_solver.narration.catalogue import Catalogue


def program_blocks(result: ProgramResult, say: Catalogue) -> list[Block]:
    """One section: by which library and route, and whether the numbers are those of the sweep."""
    title = say("program.title", library=result.library)
    count = f"{len(result.pairs):,}"
    key = "program.agrees" if result.passed else "program.differs"
    return [
        Heading(title),
        Paragraph(say(f"program.route.{result.route}")),
        *(Paragraph((line,), depth=1) for line in result.plan if line.strip()),
        Paragraph(say(key, count=count, apart=f"{max(result.apart, 1e-16):.0e}")),
    ]
