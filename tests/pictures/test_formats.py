"""Pictures as files: sound SVG whatever the names are, the same bytes each time, DOT that parses, charts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bptt_solver import api
from bptt_solver.catalogues import LANGUAGES, split
from bptt_solver.errors import ProblemError
from bptt_solver.language.notation.writer import PLAIN_STYLE, Style
from bptt_solver.pictures.charts import curve, shade, shaded
from bptt_solver.pictures.dot import quoted
from bptt_solver.pictures.labels import formula_label, name_label, plain
from bptt_solver.pictures.picture import FORMS, catalogue
from bptt_solver.pictures.svg import COLOURS, escaped
from bptt_solver.solution import Solution

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(p.parent.name for p in (ROOT / "examples").glob("*/problem.yaml"))
GOLDEN = Path(__file__).parent / "golden"
NAMESPACE = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert(1)</script> \"'&]]> \\input{x} \u202e"


@cache
def solution(name: str, language: str = "en") -> Solution:
    """An example, solved and not checked."""
    path = next((ROOT / "examples").glob(name + "*/problem.yaml"))
    return api.solve(api.load(path), check="none", language=language)


def parsed(svg: str) -> ElementTree.Element:
    """The tree of an SVG."""
    return ElementTree.fromstring(svg)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("form", FORMS)
def test_every_picture_is_sound(name: str, form: str) -> None:
    svg = solution(name).picture(form, show=["values", "derivatives", "weights"])
    root = parsed(svg)
    assert root.tag == NAMESPACE + "svg" and root.get("role") == "img"
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert {f"{i}" for i in (root.get("aria-labelledby") or "").split()} <= set(ids)
    assert all(e.tag.removeprefix(NAMESPACE) in ALLOWED for e in root.iter()), "nothing that runs or is fetched"
    assert not re.search(r"href|url\(|@import|on\w+=|https?://(?!www\.w3\.org/2000/svg)", svg)
    x, y, w, h = map(float, (root.get("viewBox") or "").split())
    for rect in root.iter(NAMESPACE + "rect"):
        left, top = float(rect.get("x", 0)), float(rect.get("y", 0))
        assert x - 0.2 <= left and left + float(rect.get("width", 0)) <= x + w + 0.2, rect.attrib
        assert y - 0.2 <= top and top + float(rect.get("height", 0)) <= y + h + 0.2, rect.attrib
    assert svg == solution(name).picture(form, show=["values", "derivatives", "weights"])
    for node in root.iter(NAMESPACE + "g"):
        if "node" in (node.get("class") or "").split():
            assert node.find(NAMESPACE + "title") is not None and node.get("data-node")


ALLOWED = {"svg", "title", "desc", "style", "rect", "text", "tspan", "g", "path", "circle"}


def test_the_numbers_in_the_nodes() -> None:
    """The first example's numbers are known: values 1, 2, 7, 33, 136 and ordered derivatives 136, 58, 16, 4, 1."""
    root = parsed(solution("01").picture(show=["values", "derivatives"]))
    told = {
        g.get("data-node"): ["".join(t.itertext()) for t in g.iter(NAMESPACE + "text")][1:]
        for g in root.iter(NAMESPACE + "g")
        if g.get("data-node")
    }
    assert told == {"z1": ["1", "136"], "z2": ["2", "58"], "z3": ["7", "16"], "z4": ["33", "4"], "E": ["136", "1"]}
    root = parsed(solution("01").picture())
    labels = {g.get("data-of"): "".join(g.itertext()) for g in root.iter(NAMESPACE + "g") if g.get("data-of")}
    assert labels == {"z1>z2": "2", "z2>z3": "3", "z1>z3": "1", "z3>z4": "4", "z2>z4": "2", "z1>z4": "1", "z4>E": "4",
                      "z2>E": "2"}  # fmt: skip


def words_of(svg: str) -> dict[str, str]:
    """The class of each node and edge, by name."""
    found = {}
    for group in parsed(svg).iter(NAMESPACE + "g"):
        name = group.get("data-node") or group.get("data-edge")
        if name:
            found[name] = (group.get("class") or "").split()[-1]
    return found


def test_a_step_lights_its_terms() -> None:
    lit = words_of(solution("04").picture("unrolled", step="h[2]"))
    assert [n for n, word in lit.items() if word == "lit"] == ["h[2]>y[2]", "h[2]>a[3]", "h[2]"]
    assert sorted(n for n, word in lit.items() if word == "later") == ["a[3]", "y[2]"]
    assert {word for n, word in lit.items() if n in ("h[1]", "E", "w", "a[1]>h[1]")} == {"faded"}
    lit = words_of(solution("04").picture("unrolled", step="u"))
    assert sorted(n for n, word in lit.items() if word == "lit") == ["h[0]>a[1]", "h[1]>a[2]", "h[2]>a[3]", "u"]
    lit = words_of(solution("07").picture("unrolled", step="o[2]"))
    assert {"o[2]>y[2]", "y[2]>e[2]"} <= {n for n, word in lit.items() if word == "lit"}
    assert solution("04").picture(step="∂⁺E/∂h[2]") == solution("04").picture(step="h[2]")
    first = words_of(solution("01").picture(step=1))
    assert first["E"] == "lit"
    folded = words_of(solution("04").picture("folded", step="h[2]"))
    assert folded["h[t]"] == "lit" and folded["h[t]>a[t]"] == "lit"
    boxes = words_of(solution("16").picture("folded", step="h[2]"))
    assert boxes["h[t]>h[t]·z⁻¹"] == "lit" and boxes["h[t]·z⁻¹>z_f[t]"] == "lit"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"step": 99}, "there is no step 99"),
        ({"step": "h[7]"}, "no step of the sweep is about 'h[7]'"),
        ({"form": "round"}, "unknown picture 'round'"),
        ({"show": ["value"]}, "a picture cannot show 'value' (did you mean 'values'?)"),
    ],
)
def test_what_cannot_be_drawn_is_told(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(ProblemError, match=re.escape(told)):
        solution("04").picture(**arguments)  # type: ignore[arg-type]


def test_the_sweep_in_turn() -> None:
    svg = solution("01").picture(animate=True)
    root = parsed(svg)
    beats = [g for g in root.iter(NAMESPACE + "g") if (g.get("class") or "").startswith("beat")]
    captions = ["".join(t.itertext()) for g in beats for t in g.iter(NAMESPACE + "text")]
    assert captions == ["1/5   ∂⁺E/∂E = 1", "2/5   ∂⁺E/∂z4 = 4", "3/5   ∂⁺E/∂z3 = 16", "4/5   ∂⁺E/∂z2 = 58",
                        "5/5   ∂⁺E/∂z1 = 136"]  # fmt: skip
    assert all(g.get("opacity") == "0" for g in beats)
    assert "prefers-reduced-motion" in svg and "step-end infinite" in svg


def test_many_steps_have_dots() -> None:
    data = {"x": {"random": {"shape": [200]}}, "d": {"random": {"shape": [200]}}}
    document = {"network": {"topology": "elman", "sizes": "scalar"}, "data": data}
    found = api.solve(api.loads(json.dumps(document)), check="none")
    svg = found.picture("unrolled")
    names = [g.get("data-node") or "" for g in parsed(svg).iter(NAMESPACE + "g") if g.get("data-node")]
    assert {"h[0]", "h[1]", "h[2]", "h[199]", "h[200]", "h…"} <= set(names) and "h[100]" not in names
    assert len(svg) < 60_000
    assert 'data-node="h[t]"' in found.picture()


def test_texts_stay_texts() -> None:
    document = {"title": NASTY, "equations": "y' = 2*x_1\nE = y'**2", "values": {"x_1": 1}}
    text = json.dumps(document).replace("\\u202e", "")
    found = api.solve(api.loads(text), check="none")
    for svg in (found.picture(), found.picture(step="x_1"), found.picture(animate=True)):
        root = parsed(svg)
        assert "<script" not in svg and root.find(NAMESPACE + "title").text.startswith("<script>")  # type: ignore[union-attr]
    assert escaped(NASTY + "\x00\x1b\ud800\ufffe") == (
        "&lt;script&gt;alert(1)&lt;/script&gt; &quot;&#39;&amp;]]&gt; \\input{x} \u202e\ufffd\ufffd\ufffd\ufffd"
    )
    dot = found.render("dot")
    assert quoted('a"b\\n\n') == '"a\\"b\\\\n\\n"'
    check_dot(dot)


# ----------------------------------------------------------------------------- DOT

STRING = r'"(?:[^"\\\n]|\\.)*"'
ID = rf"(?:{STRING}|[A-Za-z]\w*|\d+)"
ATTRIBUTES = rf"\[{ID}={ID}(?:, {ID}={ID})*\]"
STATEMENT = re.compile(
    rf"  (?:{ID}={ID}|{ID} {ATTRIBUTES}|{ID} -> {ID}(?: {ATTRIBUTES})?|\{{ rank=same; {ID}(?:; {ID})*; \}});"
    rf"|  \{{ rank=same; {ID}(?:; {ID})*; \}}"
)


def check_dot(text: str) -> list[str]:
    """Every line is a statement of the language; the names of the nodes."""
    lines = text.splitlines()
    assert re.fullmatch(rf"digraph {ID} \{{", lines[0]) and lines[-1] == "}"
    for line in lines[1:-1]:
        assert STATEMENT.fullmatch(line), line
    nodes = [json.loads(m[1]) for line in lines if (m := re.match(rf"  ({STRING}) \[label=", line))]
    for line in lines:
        for one, other in re.findall(rf"^  ({STRING}) -> ({STRING})", line):
            assert json.loads(one) in nodes and json.loads(other) in nodes
    return nodes


@pytest.mark.parametrize("name", EXAMPLES)
def test_dot(name: str) -> None:
    nodes = check_dot(solution(name).render("dot"))
    svg = solution(name).picture()
    parameters = {
        g.get("data-node") for g in parsed(svg).iter(NAMESPACE + "g") if "parameter" in (g.get("class") or "")
    }
    drawn = {g.get("data-node") for g in parsed(svg).iter(NAMESPACE + "g") if g.get("data-node")}
    assert set(nodes) == drawn - parameters


# ----------------------------------------------------------------------------- names, languages, charts


def test_names() -> None:
    def shown(name: str, indices: str, style: Style = PLAIN_STYLE) -> str:
        return plain(name_label(name, indices.split(",") if indices else [], style))

    assert shown("h", "t−1") == "h_{t−1}"
    assert shown("z1", "") == "z_{1}"
    assert shown("W_h", "") == "W_{h}"
    assert shown("h_fw", "2") == "h_{fw}[2]"
    assert shown("sigma", "1,2") == "σ_{1,2}"
    assert shown("W'", "i,j") == "W′[i,j]"
    assert shown("h", "t", Style("parentheses")) == "h(t)"
    assert shown("h", "t", Style("superscripts")) == "h^{(t)}"
    assert plain(formula_label("diag(1 − h_t²)")) == "diag(1 − h_{t}²)"
    assert plain(formula_label("W_{h}")) == "W_{h}"


def test_names_in_another_notation() -> None:
    found = api.solve(api.load(ROOT / "examples/07_elman/problem.yaml"), check="none", notation="goodfellow")
    title = found.picture("folded")
    assert "(t)" in title


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_words(language: str) -> None:
    english, own = catalogue("en"), catalogue(language)
    assert list(own) == list(english)
    for key, text in own.items():
        assert sorted(f for _, f in split(text)) == sorted(f for _, f in split(english[key])), key


def test_chinese() -> None:
    svg = solution("01", "zh-Hans").picture()
    assert "计算图" in svg and "nodes" not in svg


def test_the_curve_of_losses() -> None:
    svg = solution("26").chart("loss")
    root = parsed(svg)
    line = next(p for p in root.iter(NAMESPACE + "path") if p.get("class") == "curve")
    assert len((line.get("d") or "").split("L")) == 201
    with pytest.raises(ProblemError, match="update"):
        solution("01").chart("loss")
    with pytest.raises(ProblemError, match="did you mean 'loss'"):
        solution("26").chart("los")
    flat = parsed(curve([1.0, 1.0, 1.0], "t", "x", "y"))
    assert flat.tag == NAMESPACE + "svg"
    parsed(curve([], "t", "x", "y"))
    parsed(curve([1.0, float("nan"), float("inf")], "t", "x", "y"))
    assert len(curve([float(i % 7) for i in range(100_000)], "t", "x", "y")) < 20_000


def test_the_shaded_table() -> None:
    assert shade(0.0, 3) == "#ffffff" and shade(float("nan"), 3) == ""
    assert shade(-3.0, 3) == shade(None, 3) == "#2166ac" and shade(9.0, 3) == "#b2182b"
    root = parsed(solution("24").chart("flow"))
    colours = [r.get("fill") for r in root.iter(NAMESPACE + "rect") if r.get("stroke")]
    assert colours[0] == "#2166ac" and colours[-1] == "#ffffff"
    assert "exploded" in solution("25").chart("flow")
    with pytest.raises(ProblemError, match="nothing is carried"):
        solution("01").chart("flow")
    many = shaded([[0.0] * 400] * 40, [name_label("h", [str(k)], PLAIN_STYLE) for k in range(40)],
                  [str(k) for k in range(400)], "t", "d")  # fmt: skip
    assert len(many) < 60_000


def test_every_kind_has_a_colour() -> None:
    from bptt_solver.pictures.graph import KINDS

    assert sorted(COLOURS) == sorted(KINDS)


# ----------------------------------------------------------------------------- the command


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command on the first example."""
    path = ROOT / "examples/01_ordered_variables/problem.yaml"
    command = [sys.executable, "-m", "bptt_solver", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def test_the_command(tmp_path: Path) -> None:
    assert run("-f", "svg").stdout == solution("01").picture()
    assert run("-o", str(tmp_path / "a.dot")).returncode == 0
    assert (tmp_path / "a.dot").read_text("utf-8") == solution("01").render("dot")
    shown = run("-f", "svg", "--show", "values, derivatives", "--step", "z3").stdout
    assert shown == solution("01").picture(show=["values", "derivatives"], step="z3")
    for wrong in (("--step", "1"), ("-f", "dot", "--animate"), ("-f", "json", "--picture", "folded")):
        done = run(*wrong)
        assert done.returncode == 2 and "go with -f svg" in done.stderr


@pytest.mark.parametrize(("name", "edges"), [("01_ordered_variables", "partials"), ("07_elman", "weights")])
def test_golden(name: str, edges: str) -> None:
    """Looked at before they were kept; a change is looked at again."""
    expected = (GOLDEN / f"{name}.svg").read_text("utf-8")
    assert solution(name).picture("unrolled", show=["values", "derivatives", edges]) == expected
