"""What HTML has and the other formats have not: marked terms, entries behind a click, shades, curves, live numbers."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy
import pytest

from bptt_solver import api
from bptt_solver.blocks import (
    FIXED,
    Cell,
    Curve,
    Formula,
    Formulas,
    Heading,
    Line,
    Paragraph,
    Several,
    Step,
    Table,
    Value,
    Way,
)
from bptt_solver.language.expressions import Call, Index, Number, Reference
from bptt_solver.language.templates import slot
from bptt_solver.profiles.profile import profile_names
from bptt_solver.render import render
from bptt_solver.render.curve import curve_svg
from bptt_solver.render.html import HtmlRenderer

ROOT = Path(__file__).parents[2]
A, B = Reference("a"), Reference("b")
SUM = Call("add", (slot(0), Call("mul", (slot(1), slot(2)))))


def tree(text: str) -> ElementTree.Element:
    """The elements; what is written here is XML as well."""
    return ElementTree.fromstring(f"<x>{text}</x>")


def classes(text: str, name: str) -> list[str]:
    return re.findall(rf'class="{name} (\w+)"', text)


def test_terms_are_marked_by_their_way() -> None:
    step = Step("h[1]", "backward", (Way(), Way("a[2]", (Reference("a", (Index(2),)),))))
    symbols, numbers = Formula(SUM, (A, B, A)), Formula(SUM, (Value(1), Value(-2), Value(-0.5)))
    text = render([Formulas([Line((Reference("g"), symbols, numbers, Value(2)), step=step)])], "html")
    found = tree(text)
    line = found.find(".//*[@data-step]")
    assert line is not None
    assert (line.get("data-step"), line.get("data-part")) == ("h[1]", "backward")
    terms = [e for e in line.iter("span") if (e.get("class") or "").startswith("term")]
    assert [e.get("class") for e in terms] == ["term direct", "term through"] * 2
    assert [e.get("data-through") for e in terms] == [None, "a[2]"] * 2
    labels = ["".join(e.itertext()) for e in found.iter("small")]
    assert labels == ["direct", "through a2"]  # of the symbols only


def test_a_line_with_one_way_is_not_marked() -> None:
    step = Step("h[1]", "backward", (Way("a[2]", (A,)),))
    assert "term" not in render([Formulas([Line((A, Formula(SUM, (A, B, A))), step=step)])], "html")


def test_direct_terms_side_by_side_are_one() -> None:
    total = Call("add", (slot(0), Call("neg", (slot(1),)), Call("mul", (slot(2), slot(3)))))
    step = Step("y", "backward", (Way(), Way(), Way("a", (A,))))
    text = render([Formulas([Line((A, Formula(total, (A, B, A, B))), step=step)])], "html")
    assert classes(text, "term") == ["direct", "through"]


def test_entries_stand_behind_a_click_under_their_line() -> None:
    lines = [
        Line((A, Value(1)), step=Step("a", "backward")),
        Line((A, Value(2)), step=Step("a", "entry")),
        Line((A, Value(3)), step=Step("a", "entry")),
        Line((B, Value(4)), step=Step("b", "backward")),
    ]
    found = tree(render([Formulas(lines)], "html"))
    kinds = [child.tag for child in found[0]]
    assert kinds == ["div", "details", "div"]
    assert len(found[0][1].findall(".//*[@data-step]")) == 2
    assert found[0][1].get("open") is None
    assert '<details class="entries" open>' in HtmlRenderer(open_entries=True).render([Formulas(lines)])


def test_a_long_sum_is_in_pieces_and_keeps_its_signs() -> None:
    terms = tuple(Call("neg", (slot(k),)) if k % 2 else slot(k) for k in range(6))
    line = Line((A, Formula(Call("add", terms), tuple(Value(-1.2345 * (k + 1)) for k in range(6)))))
    found = tree(render([Formulas([line])], "html"))
    right = next(e for e in found.iter("div") if e.get("class") == "right")
    assert len(right.findall("math")) == 6
    text = "".join("".join(e.itertext()) for e in right).replace(" ", "")
    assert text == "=−1.2345−(−2.469)−3.7035−(−4.938)−6.1725−(−7.407)"


def test_a_sum_in_a_sum_and_a_long_product_are_in_pieces() -> None:
    """Each piece begins with its sign, which brings no space of its own: one stands between the pieces."""
    inner = Call("add", (slot(1), Call("neg", (slot(2),))))
    numbers = (Value(0.123456789), Value(0.987654321), Value(0.333333333))
    text = render([Formulas([Line((A, Formula(Call("add", (slot(0), inner)), numbers)))])], "html")
    signs = re.findall(r'<math><mo form="infix" lspace="0">(.)</mo>', text)
    assert signs == ["=", "+", "−"]
    factors = tuple(Reference(f"{letter}_" + "x" * 15) for letter in "abcd")
    product = Formula(Call("mul", tuple(map(slot, range(4)))), factors)
    text = render([Formulas([Line((A, product)), Line((A, Formula(Call("mul", (A, B)))))])], "html")
    assert re.findall(r'<math><mo form="infix" lspace="0">(.)</mo>', text) == ["=", "·", "·", "·", "="]


def test_what_stands_around_a_formula_stays_with_it() -> None:
    """No row ends with an opening parenthesis; an apostrophe is none of the primes of a name."""
    text = render([Paragraph(("see [", A, ") and all of ", B, "'s effect, ±", Value(1), "."))], "html")
    kept = re.findall(r'<span class="kept">(.*?)</span>', text.replace('<span class="kept"><span', "<span"))
    assert [re.sub(r"<[^>]*>", "", piece) for piece in kept] == ["[a", "b’", "±1"]
    assert "’s effect" in re.sub(r"<[^>]*>", "", text) and "'" not in text


def test_numbers_know_which_they_are() -> None:
    text = render(
        [Paragraph((Value(-2.5, of=Cell("d", 7)), " ", Value(numpy.array([[1.0, -2.0]]), of=Cell("v", 3))))],
        "html",
    )
    assert '<mo form="prefix">−</mo><mn data-k="d7" data-n="">2.5</mn>' in text
    assert '<mn data-k="v3:0,0">1</mn>' in text
    assert '<mn data-k="v3:0,1">−2</mn>' in text
    assert Cell("t", 3, (1,)).key() == "t3:1"
    assert Cell("d", 7).transposed().negated().key((0, 1)) == "-d7:1,0"
    assert Cell("d", 7).negated().negated().key() == "d7"
    assert Several([Cell("v", 1), Cell("v", 4)]).key((1,)) == "v4"
    assert render([Paragraph((Value(1e-9, of=Cell("p", 1)),))], "html").count("data-k") == 1
    assert '<mrow data-k="v1"><mfrac>' in render([Paragraph((Value(Fraction(1, 3), of=Cell("v", 1)),))], "html")
    assert '<mn class="s">3</mn>' in render([Paragraph((Value(3),))], "html")  # a page cannot compute it again
    assert "<mn>3</mn>" in render([Paragraph((Value(3, of=FIXED),))], "html")


@pytest.mark.parametrize(
    ("shade", "numbers", "expected"),
    [
        ("size", [100.0, -9.0, 0.2, 0.0, 1e-9], ["p5", "n3", "p2", "s0", "s0"]),
        ("growth", [1.0, 10.0, 0.1, 1e-9, math.inf], ["s0", "p2", "n2", "n5", "s0"]),
        ("", [1.0], []),
    ],
)
def test_shades(shade: str, numbers: list[float], expected: list[str]) -> None:
    table = Table([("t",), *((A,) for _ in numbers)], [[("x",), *((Value(n),) for n in numbers)]], shade=shade)
    assert re.findall(r'<td class="(\w\d)"', render([table], "html")) == expected


def test_a_curve() -> None:
    text = render([Table([("step",)], [[("1",)]], ("The <loss>",), curve=Curve(0, [3.0, 2.0, 1.0]))], "html")
    found = tree(text)
    assert found.find(".//svg") is not None
    assert "&lt;loss&gt;" in text
    points = re.search(r'class="curve" d="M([^"]*)"', text)
    assert points
    heights = [float(p.split()[1]) for p in points[1].split("L")]
    assert heights == sorted(heights)
    assert len(heights) == 3
    assert curve_svg(0, [math.nan, 1.0], "") == ""
    long = curve_svg(1, [1.0 / (k + 1) ** 2 for k in range(5000)], "")
    assert long.count("L") <= 401
    assert "5,000" in long


def test_sections_are_named_by_their_headings() -> None:
    text = render(
        [Heading(("T",), 0), Heading(("One",), number="1"), Heading(("Two",), number="2", remark=("r",))], "html"
    )
    found = tree(text)
    assert [e.tag for e in found] == ["h1", "section", "section"]
    assert [e.get("aria-labelledby") for e in found.findall("section")] == ["s1", "s2"]
    assert [e.get("id") for e in found.iter("h2")] == ["s1", "s2"]


def test_a_name_with_an_index_is_raised_over_it() -> None:
    square = Formula(Call("power", (slot(0), slot(1))), (Reference("h", (Index(2),)), Number(2)))
    assert "<msubsup><mi>h</mi><mn>2</mn><mrow><mn>2</mn></mrow></msubsup>" in render([Paragraph((square,))], "html")


@pytest.mark.parametrize("name", ["04_scalar_rnn", "07_elman", "20_encoder_decoder"])
def test_every_notation_is_well_formed(name: str) -> None:
    problem = api.load(ROOT / "examples" / name / "problem.yaml")
    for notation in profile_names():
        solution = api.solve(problem, notation=notation, check="none")
        convention = solution.convention
        style = {} if convention is None else {"style": convention.style}
        tree(render(solution.blocks, "html", **style))


def test_steps_of_an_example() -> None:
    """By hand: h_2 of the scalar network is read by y_2 at its own time and by a_3."""
    blocks = api.solve(api.load(ROOT / "examples" / "04_scalar_rnn" / "problem.yaml")).blocks
    lines = [line for b in blocks for line in getattr(b, "lines", getattr(b, "items", ())) if line.step is not None]
    ways = {line.step.instance: [w.instance for w in line.step.ways] for line in lines if line.step.part == "backward"}
    assert ways["h[2]"] == ["y[2]", "a[3]"]
    assert ways["h[3]"] == ["y[3]"]
    assert ways["y[1]"] == []
    assert [line.step.instance for line in lines if line.step.part == "gather"] == ["w", "u", "v"]
