"""A LaTeX article that compiles with amsmath alone, or its body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bptt_solver.blocks import Alert, Block, Flow, Formulas, Heading, Note, Paragraph, Table
from bptt_solver.language.notation.latex import latex_name
from bptt_solver.language.notation.writer import PLAIN_STYLE, Style
from bptt_solver.render.base import harmless
from bptt_solver.render.columns import in_parentheses, is_wide
from bptt_solver.render.formulas import LatexFormulas

_PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage{iftex}
\ifPDFTeX % the others have fonts with more letters, which T1 would take from them
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\fi
"""
_COMMON = r"""\usepackage[a4paper,margin=2cm]{geometry}
\usepackage{amsmath,amssymb,iftex,graphicx}
\allowdisplaybreaks
\AtBeginDocument{\abovedisplayskip=7pt plus 2pt minus 4pt\belowdisplayskip=\abovedisplayskip}
\setlength{\parindent}{0pt}\setlength{\emergencystretch}{3em}
\setlength{\parskip}{4pt}
"""
_CHINESE = r"""% Chinese: compile with xelatex or lualatex and the package ctex, or with pdflatex and CJKutf8
% (TeX Live: collections langchinese and langcjk; Debian: texlive-lang-chinese).TOLD
\documentclass[11pt]{article}
\usepackage{iftex}
\ifPDFTeX
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{CJKutf8}
\AtBeginDocument{\begin{CJK}{UTF8}{TYPE1}}
\AtEndDocument{\clearpage\end{CJK}}
\else\IfFileExists{ctex.sty}{%
CTEX}{% without ctex: the font that is named here has to be installed
\usepackage[no-math]{fontspec}
\setmainfont{FONT}
\ifXeTeX % a line may end between characters, and between a character and a formula
\XeTeXlinebreaklocale "zh"\XeTeXlinebreakskip=0pt plus 1pt
\newXeTeXintercharclass\signs\newXeTeXintercharclass\stops
\newcount\sign\sign="4E00
\csname @whilenum\endcsname\sign<"A000\do{\XeTeXcharclass\sign=\signs\advance\sign by 1 }%
\def\stop##1{\XeTeXcharclass`##1=\stops}\stop，\stop。\stop；\stop：\stop、\stop）\stop”\stop」
\def\may{\hskip0pt plus 1pt\relax}
\XeTeXinterchartoks\signs 4095={\may}\XeTeXinterchartoks\stops 4095={\may}\XeTeXinterchartoks 4095\signs={\may}
\XeTeXinterchartokenstate=1
\fi}\fi
"""
_CTEX = r"\usepackage[scheme=plain]{ctex}"
_MING = ("PMingLiU", "Songti TC", "Noto Serif CJK TC")  # the best one last
_ARPHIC = r"\setCJKmainfont[AutoFakeBold,ItalicFont=bkai00mp.ttf]{bsmi00lp.ttf}"
_LACKING_FONT = """The font of ctex, Fandol, lacks
% characters such as 為 and 沒; the first of those below that is installed is taken, the last comes with TeX Live."""
_FITTING = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}"
_FRAGMENT = "% needs \\usepackage{amsmath,amssymb,graphicx}\n"
_CHINESE_FRAGMENT = "% and a class or a package that sets Chinese, such as ctex\n"
_HYPHENS = re.compile("-(?=-)")
_ALIGN = r"\begin{align*}"
NARROW = 58  # characters on a row of an article with its own margins
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
        if fragment:  # the lines of an article that does not set its margins are shorter
            self.WIDE = NARROW

    def render(self, blocks: Sequence[Block]) -> str:
        # a formula belongs to the paragraph in front of it: no empty line above it, and no end of a page
        body = "\n".join([self.block(b) for b in blocks]).replace(f"\n\n{_ALIGN}", f"\n{_ALIGN}")
        if self.fragment:
            told = _FRAGMENT if self.language == "en" else _FRAGMENT + _CHINESE_FRAGMENT
            return f"{told}\\begingroup\\setlength{{\\emergencystretch}}{{3em}}\n{body}\n\\par\\endgroup\n"
        start = _PREAMBLE if self.language == "en" else _chinese(self.language)
        declared = _declared([c for c in body if self.language == "en" or not is_wide(c)])
        return f"{start}{_COMMON}{declared}\\begin{{document}}\n{body}\n\\end{{document}}\n"

    def plain(self, text: str) -> str:
        shown = [_SPECIAL.get(c) or (f"${latex_name(c)}$" if "Α" <= c <= "ω" else c) for c in harmless(text)]
        return _HYPHENS.sub("-{}", "".join(shown))  # the font would join the hyphens of an option

    def inline(self, formula: str) -> str:
        return f"${formula}$"

    # -- blocks

    def heading(self, block: Heading) -> str:
        words = self.words(block.words)
        remark = f"\n\n{{\\small {in_parentheses(self.words(block.remark))}}}\n" if block.remark else ""
        if not block.level:
            return f"{{\\Large\\bfseries\\raggedright {words}\\par}}{remark or chr(10)}"
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
        return "\n".join([f"{_ALIGN}\n{body}\n\\end{{align*}}" for body in bodies])


def _chinese(language: str) -> str:
    """What stands before the text in Chinese: it compiles with each of the three engines."""
    chosen, told, font, small = _CTEX, "", "Noto Serif CJK SC", "gbsn"
    if language == "zh-Hant":
        told, font, small = " " + _LACKING_FONT, _MING[-1], "bsmi"
        chosen = _ARPHIC
        for name in _MING:
            chosen = f"\\IfFontExistsTF{{{name}}}{{\\setCJKmainfont{{{name}}}}}{{%\n{chosen}}}"
        chosen = f"{_CTEX.replace('plain', 'plain,fontset=none')}\n{chosen}"
    fields = {"TOLD": told, "CTEX": chosen, "FONT": font, "TYPE1": small}
    return re.sub("TOLD|CTEX|FONT|TYPE1", lambda found: fields[found[0]], _CHINESE)


def _declared(body: Iterable[str]) -> str:
    """What pdfLaTeX prints for characters that its fonts do not have: their code points. XeLaTeX and LuaLaTeX print
    them.
    """
    foreign = sorted({c for c in body if ord(c) > _LATIN or c in _LACKING})
    lines = [rf"\DeclareUnicodeCharacter{{{ord(c):04X}}}{{[U+{ord(c):04X}]}}" for c in foreign]
    return "\\ifPDFTeX\n" + "\n".join(lines) + "\n\\fi\n" if lines else ""


_LATIN = 0x17F
_LACKING = frozenset("ĦħĸĿŀŉŦŧſ")  # of those below
