"""Which words belong to which analysis."""

from __future__ import annotations

from bptt_solver.asked import Analysis
from bptt_solver.blocks import Block
from bptt_solver.narration.catalogue import Catalogue


def analysis_blocks(analysis: Analysis, say: Catalogue) -> list[Block]:
    """The section of one analysis. Raises KeyError for one that nobody put into words."""
    raise KeyError(analysis.key)
