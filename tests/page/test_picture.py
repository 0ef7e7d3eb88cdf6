"""The picture of a page in a real browser: its notation, its language, its numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from bptt_solver import api
from bptt_solver.pictures.words import number_text

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/problem.yaml"))
NAMES = [path.parent.name[:2] for path in EXAMPLES]
LONG = "title: Long\nnetwork: {topology: lstm, steps: 50, sizes: {input: 3, hidden: 4, output: 2}}\n"
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
NODE = "[...document.querySelector(\"#picture [data-node='%s']\").querySelectorAll('text')].map(n => n.textContent)"
NUMBERS = """() => [...document.querySelectorAll("#picture text[data-k], #picture g[data-k] > title")]
  .map((n) => n.textContent)"""
STICKS_OUT = """() => [...document.querySelectorAll("#picture [data-node]")].filter((node) => {
  const box = node.querySelector("rect")?.getBoundingClientRect();
  return box && [...node.querySelectorAll("text")].some((text) => {
    const own = text.getBoundingClientRect();
    return own.left < box.left || own.right > box.right || own.top < box.top || own.bottom > box.bottom + 1;
  });
}).map((node) => node.dataset.node)"""
COVERED = """() => {
  const boxes = (which) => [...document.querySelectorAll(which)].map((n) => n.getBoundingClientRect());
  const labels = boxes("#picture .edge-label text"), nodes = boxes("#picture [data-node] > rect");
  const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  return labels.flatMap((one, at) => [...labels.slice(at + 1), ...nodes].filter((other) => over(one, other))).length;
}"""
CONTRAST = """() => {
  const light = (colour) => {
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.match(/[\\d.]+/g).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const fill = (node) => light(getComputedStyle(node).fill);
  return [...document.querySelectorAll("#picture [data-node] text")].map((text) => {
    const pair = [fill(text), fill(text.parentNode.querySelector("rect"))];
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  });
}"""
LARGE = ["01", "04", "07", "10", "15", "16", "18", "19", "20"]  # of which several notations are looked at


def choose(tab: Any, **chosen: str) -> None:
    """Choose a language or a notation and wait until the picture is drawn."""
    for name, value in chosen.items():
        tab.select_option(f"#{name}", value)
    tab.wait_for_timeout(300)


def test_it_follows_the_notation_and_the_language(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    page = opened(example("07"))
    tab = page.tab
    assert tab.evaluate(NODE % "a[2]") == ["a2"]
    weights = tab.evaluate("[...document.querySelectorAll('#picture .edge-label')].map(n => n.textContent)")
    assert "Wh" in weights
    tab.click(".line[data-step='a[2]'][data-part='backward'] .left")
    choose(tab, notation="boden")
    assert tab.evaluate(NODE % "a[2]") == ["netj(2)"]
    assert "Wh" not in tab.evaluate("[...document.querySelectorAll('#picture .edge-label')].map(n => n.textContent)")
    assert tab.evaluate("[...document.querySelectorAll('#picture .node.lit')].map(n => n.dataset.node)") == ["a[2]"]
    assert tab.evaluate("document.querySelectorAll('#picture .edge.lit').length") > 0
    assert tab.text_content("#picture desc").startswith("The graph of E, unrolled")
    choose(tab, language="zh-Hant")
    assert tab.text_content("#picture desc").startswith("E 的計算圖（展開）")
    assert tab.evaluate(NODE % "a[2]") == ["netj(2)"]
    tab.click("#picture button[data-shows=folded]")
    tab.wait_for_selector("#picture [data-form=folded]")
    assert tab.evaluate(NODE % "a[t]") == ["netj(t)"]
    choose(tab, notation="standard", language="en")
    assert tab.evaluate(NODE % "a[t]") == ["at"]
    assert page.quiet(), page.said


@pytest.mark.parametrize("name", LARGE)
def test_nothing_is_cut_or_covered(
    name: str, opened: Callable[..., Any], example: Callable[..., str], helpers: Any
) -> None:
    """In the notations with the longest names, without and with numbers, and with numbers that become longer."""
    page = opened(example(name))
    tab = page.tab
    for notation in tab.evaluate("[...document.querySelector('#notation').options].map(o => o.value)")[::4]:
        choose(tab, notation=notation)
        assert tab.evaluate(STICKS_OUT) == []
        assert tab.evaluate(COVERED) == 0
    tab.click("#numbered")
    tab.wait_for_selector("#picture [data-form=numbers]")
    problem = api.load(EXAMPLES[NAMES.index(name)])
    tab.evaluate(
        helpers.SET, {at: [-1.23456e-123 * (1 + v) for v in data] for at, data in helpers.changed(problem, 3).items()}
    )
    assert "10⁻" in "".join(tab.evaluate(NUMBERS))
    assert tab.evaluate(STICKS_OUT) == []
    assert tab.evaluate(COVERED) == 0
    assert page.quiet(), page.said


@pytest.mark.parametrize("name", NAMES)
def test_its_numbers_are_computed_again(
    name: str, opened: Callable[..., Any], example: Callable[..., str], helpers: Any
) -> None:
    """Values, ordered derivatives and partials of other given numbers, as a picture of these has them."""
    page = opened(helpers.page_of(api.solve(api.load(EXAMPLES[NAMES.index(name)]))))
    tab = page.tab
    tab.click("#numbered")
    tab.wait_for_selector("#picture [data-form=numbers]")
    before = tab.evaluate(NUMBERS)
    problem = api.load(EXAMPLES[NAMES.index(name)])
    tab.evaluate(helpers.SET, helpers.changed(problem, 5))
    mine = tab.evaluate(NUMBERS)
    other = opened(helpers.page_of(api.solve(problem))).tab
    other.click("#numbered")
    other.wait_for_selector("#picture [data-form=numbers]")
    assert mine == other.evaluate(NUMBERS)
    assert mine != before or not before
    tab.evaluate("document.querySelector('#given button').click()")
    assert tab.evaluate(NUMBERS) == before
    assert page.quiet(), page.said


def test_partials_stand_on_the_edges(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    """The second example's partials depend on its number; the words beside an edge say them too."""
    tab = opened(example("02")).tab
    on_edges = "[...document.querySelectorAll('#picture .edge-label')].map(n => [n.dataset.of, n.textContent])"
    tab.click("#given > summary")
    before = dict(tab.evaluate(on_edges))
    tab.locator("#given input").fill("-1.7")
    tab.wait_for_selector(".changed")
    after = dict(tab.evaluate(on_edges))
    problem = api.loads(EXAMPLES[1].read_text(encoding="utf-8").replace("z1: 0.5", "z1: -1.7"))
    assert -1.7 in problem.given.values()
    computation = api.solve(problem).computation
    from bptt_solver.partials import local_partials

    unfolded = computation.problem.unfolded
    wanted = {}
    for number in unfolded.order:
        for read, value in local_partials(unfolded, number, computation.values, computation.arithmetic).items():
            wanted[f"{unfolded.keys[read][0]}>{unfolded.keys[number][0]}"] = number_text(value)
    assert after == wanted != before
    titles = tab.evaluate("[...document.querySelectorAll('#picture g.edge > title')].map(n => n.textContent)")
    assert sorted(re.sub(r".*∂/∂ = ", "", t) for t in titles) == sorted(after.values())


def test_a_number_that_is_not_defined(opened: Callable[..., Any]) -> None:
    html = api.solve(api.loads("equations: |\n  a = log(x)\n  E = 2*a + y\nvalues: {x: 2, y: 3}\n")).render("html")
    tab = opened(html).tab
    tab.click("#numbered")
    tab.click("#given > summary")
    tab.get_by_label("x", exact=True).fill("-2")
    tab.wait_for_selector(".message.bad")
    assert tab.evaluate(NODE % "a")[1] == "?"
    tab.get_by_label("x", exact=True).fill("2")
    tab.evaluate(FRAMES)
    assert tab.evaluate(NODE % "a")[1] == "0.693"


def test_steps_are_lit_in_the_picture_with_numbers(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    tab = opened(example("01")).tab
    tab.click("#numbered")
    tab.wait_for_selector("#picture [data-form=numbers]")
    tab.click("#last")
    assert tab.evaluate("[...document.querySelectorAll('#picture .node.lit')].map(n => n.dataset.node)") == ["z1"]
    lit = tab.evaluate("[...document.querySelectorAll('#picture .edge.lit')].map(n => n.dataset.edge)")
    assert sorted(lit) == ["z1>z2", "z1>z3", "z1>z4"]


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_the_page(width: int, opened: Callable[..., Any], example: Callable[..., str]) -> None:
    """With numbers, and with the fields open, the page is no wider than its window."""
    for name in ("07", "16"):
        page = opened(example(name), width=width)
        page.tab.click("#numbered")
        page.tab.wait_for_selector("#picture [data-form=numbers]")
        page.tab.click("#given > summary")
        assert page.tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.quiet(), page.said


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_accessible(dark: bool, opened: Callable[..., Any], example: Callable[..., str]) -> None:
    """What axe-core checks of the figure with numbers; and that they can be read: their contrast is at least 4.5."""
    pytest.importorskip("axe_core_python", reason="axe-core-python is not installed: pip install -e '.[test]'")
    tab = opened(example("04"), dark=dark).tab
    tab.click("#numbered")
    tab.wait_for_selector("#picture [data-form=numbers]")
    tab.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = tab.evaluate("axe.run('#picture').then(r => r.violations.map(v => [v.id, v.nodes[0].html.slice(0, 120)]))")
    assert found == []
    assert min(tab.evaluate(CONTRAST)) >= 4.5


def test_a_long_network_stays_small() -> None:
    assert len(api.solve(api.loads(LONG)).render("html").encode()) < 960_000


def test_keys_of_other_numbers_are_found(opened: Callable[..., Any], monkeypatch: Any, helpers: Any) -> None:
    """The planted fault: numbers that belong to other nodes."""
    from bptt_solver.page import drawings

    problem, own = api.load(EXAMPLES[3]), drawings.Drawings._key
    other = helpers.changed(problem, 5)
    monkeypatch.setattr(drawings.Drawings, "_key", lambda self, n, mark: own(self, max(n - 1, 0), mark))
    found = []
    for own_problem, given in ((api.load(EXAMPLES[3]), other), (problem, {})):
        tab = opened(helpers.page_of(api.solve(own_problem))).tab
        tab.click("#numbered")
        tab.wait_for_selector("#picture [data-form=numbers]")
        tab.evaluate(helpers.SET, given)
        found.append(tab.evaluate(NUMBERS))
    assert found[0] != found[1]


def test_texts_beyond_their_place_are_found(opened: Callable[..., Any], helpers: Any) -> None:
    """The planted fault: texts are not written smaller where they need more room."""
    problem = api.load(EXAMPLES[6])
    tab = opened(helpers.page_of(api.solve(problem))).tab
    tab.evaluate("() => { SVGTextContentElement.prototype.getComputedTextLength = () => 0; }")
    tab.click("#numbered")
    tab.wait_for_selector("#picture [data-form=numbers]")
    given = {at: [-1.23456e-123 * (1 + v) for v in data] for at, data in helpers.changed(problem, 3).items()}
    tab.evaluate(helpers.SET, given)
    assert tab.evaluate(STICKS_OUT) != []
