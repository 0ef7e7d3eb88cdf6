"""A LaTeX article that compiles with amsmath alone, or its body."""

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
"""
_COMMON = r"""\usepackage[a4paper,margin=2cm]{geometry}
\usepackage{amsmath,amssymb,iftex,graphicx}
\allowdisplaybreaks
\setlength{\parindent}{0pt}\setlength{\emergencystretch}{3em}
\setlength{\parskip}{4pt}
"""
_CHINESE = r"""% Chinese: compile with xelatex or lualatex. The package ctex (TeX Live: langchinese) sets it properly;
% without it the font that is named below has to be installed. pdflatex prints the numbers of the characters.
\documentclass[11pt]{article}
\usepackage{iftex}
\ifPDFTeX
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\else
\IfFileExists{ctex.sty}{\usepackage[scheme=plain]{ctex}}{\usepackage[no-math]{fontspec}\setmainfont{FONT}}
\ifXeTeX\XeTeXlinebreaklocale "zh"\XeTeXlinebreakskip=0pt plus 1pt\fi
\fi
"""
_FITTING = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}"
_FONTS = {"zh-Hans": "Noto Serif CJK SC", "zh-Hant": "Noto Serif CJK TC"}
_FRAGMENT = "% needs \\usepackage{amsmath,amssymb,graphicx}\n"
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
        font = _FONTS.get(self.language)
        start = _PREAMBLE if font is None else _CHINESE.replace("FONT", font)
        return f"{start}{_COMMON}{_declared(body)}\\begin{{document}}\n{body}\n\\end{{document}}\n"

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
        if self._columns(rows) > self.WIDE * 0.9:  # smaller, if it does not fit
            table = f"{_FITTING}{{!}}{{%\n{table}}}"
        return f"{caption}\\begin{{center}}\\small{spread}\n{table}\n\\end{{center}}\n"

    def _columns(self, rows: Sequence[Sequence[str]]) -> float:
        """Roughly how many characters wide a table is."""
        count = max(map(len, rows))
        return sum(max(self.width(row[at]) for row in rows if at < len(row)) + 2 for at in range(count))

    def note(self, block: Note) -> str:
        return f"\\emph{{{self.words(block.words)}}}\n"

    def alert(self, block: Alert) -> str:
        return f"\\fbox{{\\parbox{{0.95\\linewidth}}{{{self.words(block.words)}}}}}\n"

    def _math(self, rows: Sequence[str]) -> str:
        """Rows aligned at their signs of equality, in as many groups as the page needs: a long left side would push the
        right sides of its neighbours over the edge."""
        groups: list[list[str]] = []
        left = right = 0.0
        for row in rows:
            before, _, after = row.partition("&")
            wide, rest = self.width(before), self.width(after)
            new = max(left, wide) + max(right, rest) > self.WIDE and before != ""
            if not groups or new:
                groups.append([])
                left = right = 0.0
            groups[-1].append(row)
            left, right = max(left, wide), max(right, rest)
        bodies = [" \\\\\n".join(group) for group in groups]
        return "\n".join([f"\\begin{{align*}}\n{body}\n\\end{{align*}}" for body in bodies])


def _declared(body: str) -> str:
    """What pdfLaTeX prints for characters that its fonts do not have: their code points. XeLaTeX and LuaLaTeX print
    them.
    """
    foreign = sorted({c for c in body if ord(c) > _LATIN})
    lines = [rf"\DeclareUnicodeCharacter{{{ord(c):04X}}}{{[U+{ord(c):04X}]}}" for c in foreign]
    return "\\ifPDFTeX\n" + "\n".join(lines) + "\n\\fi\n" if lines else ""


_LATIN = 0x17F
