"""What a library's program found, in words."""

from __future__ import annotations

from bptt_solver.analyses.program import ProgramResult
from bptt_solver.blocks import Block, Heading, Paragraph, Table
from bptt_solver.compile.budget import Plan
from bptt_solver.compile.within import Whole
from bptt_solver.narration.catalogue import Catalogue

MOST_KEPT = 10  # states that are named one by one in a row of a schedule


def program_blocks(result: ProgramResult, say: Catalogue) -> list[Block]:
    """One section: by which library and route, and whether the numbers are those of the sweep."""
    title = say("program.title", library=result.library)
    count = f"{len(result.pairs):,}"
    key = "program.agrees" if result.passed else "program.differs"
    return [
        Heading(title),
        Paragraph(say(f"program.route.{result.route}")),
        *([Paragraph(say("program.short"))] if result.dtype == "float32" else []),
        *([Paragraph(say("program.threads"))] if result.threads == 1 else []),
        *plan_blocks(result.plan, result.schedule, say),
        Paragraph(say(key, count=count, apart=f"{max(result.apart, 1e-16):.0e}")),
    ]


def plan_blocks(plan: Plan | Whole | None, schedule: bool, say: Catalogue) -> list[Block]:
    """How a budget of memory is kept; with all that is done, line by line, if that was asked for."""
    if plan is None:
        return []
    found: list[Block] = [Paragraph(say.told(sentence), depth=1) for sentence in plan.sentences()]
    found += [Paragraph((row,), depth=1) for row in plan.picture().splitlines()]
    if schedule and isinstance(plan, Plan):
        heads = [(say.text(f"program.schedule.{name}"),) for name in ("gradient", "from", "forward", "keeps")]
        rows = [
            ((_times(gradient),), (f"{start:,}",), (_times(forward),), (_kept(keeps),))
            for start, forward, keeps, gradient in plan.lines()
        ]
        found += [Paragraph(say("program.schedule.what")), Table(heads, rows)]
    return found


def _times(ends: tuple[int, ...]) -> str:
    """A stretch of time."""
    return f"{ends[0]:,}..{ends[1]:,}" if ends else "-"


def _kept(times: tuple[int, ...]) -> str:
    """States, not all of them where they are many."""
    shown = [f"{at:,}" for at in times]
    if len(shown) > MOST_KEPT:
        shown[3:-1] = ["…"]
    return ", ".join(shown) or "-"
