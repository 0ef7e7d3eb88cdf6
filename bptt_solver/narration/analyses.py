"""Which words belong to which analysis."""

from __future__ import annotations

from bptt_solver.asked import Analysis
from bptt_solver.blocks import Block
from bptt_solver.narration.catalogue import Catalogue


def analysis_blocks(analysis: Analysis, say: Catalogue) -> list[Block]:
    """The section of one analysis. Raises KeyError for one that nobody put into words."""
    if analysis.key == "gradient_flow":
        from bptt_solver.analyses.gradient_flow import Flow
        from bptt_solver.narration.gradient_flow import flow_blocks

        assert isinstance(analysis, Flow)
        return flow_blocks(analysis, say)
    if analysis.key == "contributions":
        from bptt_solver.analyses.contribution_table import ContributionTable
        from bptt_solver.narration.contribution_table import contribution_blocks

        assert isinstance(analysis, ContributionTable)
        return contribution_blocks(analysis, say)
    if analysis.key == "truncation":
        from bptt_solver.analyses.truncation import Truncation
        from bptt_solver.narration.truncation import truncation_blocks

        assert isinstance(analysis, Truncation)
        return truncation_blocks(analysis, say)
    if analysis.key == "program":
        from bptt_solver.analyses.program import ProgramResult
        from bptt_solver.narration.program import program_blocks

        assert isinstance(analysis, ProgramResult)
        return program_blocks(analysis, say)
    if analysis.key in ("clip", "training"):
        from bptt_solver.narration.training import training_blocks

        return training_blocks(analysis, say)
    if analysis.key in ("rtrl", "perturbation"):  # their sections stand in the place of the sweep's
        return []
    raise KeyError(analysis.key)
