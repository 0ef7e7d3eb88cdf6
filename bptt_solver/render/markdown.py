"""Markdown for GitHub: formulas in ```math blocks and in $`...`$, tables with pipes, words escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bptt_solver.blocks import Alert, Block, Flow, Formulas, Heading, Note, Paragraph, Table
from bptt_solver.render.base import harmless
from bptt_solver.render.formulas import LatexFormulas

_SPECIAL = frozenset("\\`*_{}[]<>#|~$&")
_LINK = re.compile(r"(?i):(?=//)|(?<=www)\.|(?<=\w)@(?=\w)")  # GitHub makes links of such words
_BEGINS = re.compile(r"[-=]|\+(?=\s|$)|\d{1,9}(?=[.)](?:\s|$))")  # a list, or what makes a heading of the row above


class MarkdownRenderer(LatexFormulas):
    """Blocks as Markdown; a formula is LaTeX that GitHub's MathJax knows."""

    def render(self, blocks: Sequence[Block]) -> str:
        return "\n\n".join([self.block(b) for b in blocks]) + "\n"

    def plain(self, text: str) -> str:
        shown = "".join([f"\\{c}" if c in _SPECIAL else c for c in harmless(text)])
        return _LINK.sub(r"\\\g<0>", shown)

    def inline(self, formula: str) -> str:
        return f"$`{formula}`$"

    # -- blocks

    def heading(self, block: Heading) -> str:
        number = f"{block.number} " if block.number else ""
        text = f"{'#' * (block.level + 1)} {number}{self.words(block.words)}"
        return f"{text}\n\n*{self.words(block.remark).strip()}*" if block.remark else text

    def paragraph(self, block: Paragraph) -> str:
        lead = f"**{self.words(block.lead).strip()}** " if block.lead else ""
        return lead + self._start(self.words(block.words))

    def formulas(self, block: Formulas) -> str:
        lead = f"**{self.words(block.lead).strip()}**\n\n" if block.lead else ""
        if led := self.led(block):
            return lead + self._math(led)
        parts: list[str] = []
        rows: list[str] = []
        for line in block.lines:
            if line.lead or not line.chain:
                if rows:
                    parts.append(self._math(rows))
                    rows = []
                parts.append(self._start(self.words(line.lead)))
            rows += self.rows(line)
        if rows:
            parts.append(self._math(rows))
        return lead + "\n\n".join(parts)

    def flow(self, block: Flow) -> str:
        lead = f"**{self.words(block.lead).strip()}**\n\n" if block.lead else ""
        words: list[str] = []
        for item in block.items:
            if not item.chain:
                words.append(self._start(self.words(item.lead)))
        rows = self.packed(block.items)
        return lead + "\n\n".join([*([self._math(rows)] if rows else []), *words])

    def table(self, block: Table) -> str:
        rows = [[self.words(c).replace("|", "\\|") if c else " " for c in row] for row in (block.header, *block.rows)]
        width = max(map(len, rows))
        lines = ["| " + " | ".join([*row, *[" "] * (width - len(row))]) + " |" for row in rows]
        lines.insert(1, "|" + " :-- |" + " --: |" * (width - 1))
        caption = f"{self._start(self.words(block.caption))}\n\n" if block.caption else ""
        return caption + "\n".join(lines)

    def note(self, block: Note) -> str:
        return f"> {self._start(self.words(block.words))}"

    def alert(self, block: Alert) -> str:
        return f"> [!WARNING]\n> {self._start(self.words(block.words))}"

    # -- lines

    def _math(self, rows: Sequence[str]) -> str:
        if len(rows) == 1:
            return f"```math\n{rows[0].replace('&', '', 1)}\n```"
        body = " \\\\\n".join(rows)
        return f"```math\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n```"

    def _start(self, text: str) -> str:
        """A paragraph that begins neither as a list nor, with white space, as code would."""
        text = text.lstrip(" ")
        found = _BEGINS.match(text)
        if found is None:
            return text
        sign = found.end() - 1 if text[0] in "-=+" else found.end()
        return f"{text[:sign]}\\{text[sign:]}"
