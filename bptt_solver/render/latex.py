"""A LaTeX article that compiles with amsmath alone."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.blocks import Alert, Block, Flow, Formulas, Heading, Note, Paragraph, Table
from bptt_solver.language.notation.latex import latex_name
from bptt_solver.language.notation.writer import PLAIN_STYLE, Style
from bptt_solver.render.base import harmless
from bptt_solver.render.formulas import LatexFormulas

_PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage[a4paper,margin=2cm]{geometry}
\usepackage{amsmath,amssymb,iftex}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
"""
_FRAGMENT = "% needs \\usepackage{amsmath,amssymb}\n"
_FONTS = {"zh-Hans": "Noto Serif CJK SC", "zh-Hant": "Noto Serif CJK TC"}
_CHINESE = {
    language: rf"""% Chinese: compile with xelatex or lualatex. With the package ctex (TeX Live: langchinese) nothing else is needed;
% without it LuaLaTeX or XeLaTeX takes the font that is named here, wherever it is installed.
\PassOptionsToPackage{{no-math}}{{fontspec}}
\AddToHook{{begindocument/before}}{{\ifPDFTeX\else
\IfFileExists{{ctex.sty}}{{\usepackage[scheme=plain,fontset=fandol]{{ctex}}}}{{\usepackage{{fontspec}}\setmainfont{{{font}}}}}\fi}}
"""
    for language, font in _FONTS.items()
}
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "−": "$-$", "∂": r"$\partial$", "⁺": "$^{+}$", "→": r"$\to$", "·": r"$\cdot$",
    "×": r"$\times$", "Σ": r"$\Sigma$", "Δ": r"$\Delta$", "ᵀ": r"$^{\top}$", "‖": r"$\Vert$", "…": r"\ldots{}",
    "½": r"$\frac{1}{2}$", "±": r"$\pm$", '"': "''", "`": "'", "∈": r"$\in$", "ℝ": r"$\mathbb{R}$", "≤": r"$\le$",
    "≥": r"$\ge$", "≈": r"$\approx$", "≠": r"$\ne$", "∞": r"$\infty$", "∇": r"$\nabla$", "⊙": r"$\odot$", "²": "$^{2}$",
    "³": "$^{3}$",
}  # fmt: skip


class LatexRenderer(LatexFormulas):
    """Blocks as an article."""

    WIDE = 80
    PAGE = True
    SPACE = 0.5

    def __init__(self, style: Style = PLAIN_STYLE, language: str = "en", fragment: bool = False) -> None:
        super().__init__(style)
        self.language = language
        self.fragment = fragment

    def render(self, blocks: Sequence[Block]) -> str:
        body = "\n".join([self.block(b) for b in blocks])
        if self.fragment:
            return f"{_FRAGMENT}{body}\n"
        chinese = _CHINESE.get(self.language, "")
        return f"{chinese}{_PREAMBLE}{_declared(body)}\\begin{{document}}\n{body}\n\\end{{document}}\n"

    def plain(self, text: str) -> str:
        return "".join([_SPECIAL.get(c) or (f"${latex_name(c)}$" if "Α" <= c <= "ω" else c) for c in harmless(text)])

    def inline(self, formula: str) -> str:
        return f"${formula}$"

    # -- blocks

    def heading(self, block: Heading) -> str:
        words = self.words(block.words)
        remark = f"\n\n{{\\small({self.words(block.remark)})}}\n" if block.remark else ""
        if not block.level:
            return f"{{\\Large\\bfseries {words}}}{remark or chr(10)}"
        return f"\\section*{{{block.number + chr(126) if block.number else ''}{words}}}{remark}"

    def paragraph(self, block: Paragraph) -> str:
        lead = f"\\textbf{{{self.words(block.lead)}}}\\quad " if block.lead else ""
        return f"{lead}{self.words(block.words)}\n"

    def formulas(self, block: Formulas) -> str:
        lead = f"\\textbf{{{self.words(block.lead)}}}\n" if block.lead else ""
        if led := self.led(block):
            return lead + self._math(led)
        parts: list[str] = []
        rows: list[str] = []
        for line in block.lines:
            if line.lead or not line.chain:
                if rows:
                    parts.append(self._math(rows))
                    rows = []
                parts.append(self.words(line.lead) + "\n")
            rows += self.rows(line)
        if rows:
            parts.append(self._math(rows))
        return lead + "\n".join(parts)

    def flow(self, block: Flow) -> str:
        lead = f"\\textbf{{{self.words(block.lead)}}}\n" if block.lead else ""
        words = [self.words(item.lead) + "\n" for item in block.items if not item.chain]
        rows = self.packed(block.items)
        return lead + "\n".join([*([self._math(rows)] if rows else []), *words])

    def table(self, block: Table) -> str:
        rows = [[self.words(c) for c in row] for row in (block.header, *block.rows)]
        width = max(map(len, rows))
        body = " \\\\\n".join([" & ".join([*row, *[""] * (width - len(row))]) for row in rows])
        head, _, rest = body.partition("\\\\\n")
        caption = f"{self.words(block.caption)}\n\n" if block.caption else ""
        table = f"\\begin{{tabular}}{{l{'r' * (width - 1)}}}\n{head}\\\\\n\\hline\n{rest}\n\\end{{tabular}}"
        spread = "\\renewcommand{\\arraystretch}{1.6}" if "\\frac" in body else ""  # fractions do not touch each other
        return f"{caption}\\begin{{center}}\\small{spread}\n{table}\n\\end{{center}}\n"

    def note(self, block: Note) -> str:
        return f"\\emph{{{self.words(block.words)}}}\n"

    def alert(self, block: Alert) -> str:
        return f"\\fbox{{\\parbox{{0.95\\linewidth}}{{{self.words(block.words)}}}}}\n"

    def _math(self, rows: Sequence[str]) -> str:
        body = " \\\\\n".join(rows)
        return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _declared(body: str) -> str:
    """What pdfLaTeX prints for characters that its fonts do not have: their code points. XeLaTeX and LuaLaTeX print
    them.
    """
    foreign = sorted({c for c in body if ord(c) > _LATIN})
    lines = [rf"\DeclareUnicodeCharacter{{{ord(c):04X}}}{{[U+{ord(c):04X}]}}" for c in foreign]
    return "\\ifPDFTeX\n" + "\n".join(lines) + "\n\\fi\n" if lines else ""


_LATIN = 0x17F
