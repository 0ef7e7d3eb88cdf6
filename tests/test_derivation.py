"""The derivation as a student reads it: three golden texts, the numbers in them, what holds for every text."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bptt_solver.catalogues import read_catalogue, split
from bptt_solver.computation import Computation
from bptt_solver.derivation import Cut, derive
from bptt_solver.errors import ProblemError, Source
from bptt_solver.narrate import narrate, narrate_closed_forms, narrate_hessian
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.problem.problem import load_problem
from bptt_solver.render import render
from bptt_solver.verify import Check, Failure, Kink, Limited, Slopes, verify

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
EXAMPLES = {
    "ordered_variables": "01_ordered_variables",
    "scalar_rnn": "04_scalar_rnn",
    "matrix_rnn": "05_matrix_rnn",
}
DOCUMENTS = sorted(ROOT.glob("tests/acceptance/documents*/*.yaml"))
SECTIONS = [
    "1 Given",
    "2 Order",
    "3 Forward values",
    "4 Local partials",
    "5 Backward sweep",
    "6 Gather shared weights",
    "7 Check",
]


def computed(text: str) -> Computation:
    """A problem's computation, from the text of its document."""
    return Computation(load_problem(Source("<test>", text)))


def text_of(computation: Computation, check: Check | None = None, **options: object) -> str:
    """The derivation as plain text."""
    return render(narrate(derive(computation, check, **options)), "text")  # type: ignore[arg-type]


def example(name: str) -> Computation:
    """One of the examples whose text is golden."""
    return Computation(load_problem(ROOT / "examples" / EXAMPLES[name] / "problem.yaml"))


# ----------------------------------------------------------------------------- the golden texts


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    """The three written examples of the domain report, word by word (``--rewrite`` writes them anew)."""
    path = GOLDEN / f"{name}.txt"
    text = text_of(example(name))
    if request.config.getoption("--rewrite"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


D1 = """
z2 = 2·1 = 2|z3 = 3·2 + 1 = 7|z4 = 4·7 + 2·2 + 1 = 33|E = 4·33 + 2·2 = 136
∂E/∂z4 = 4|∂E/∂z3 = 0|∂E/∂z2 = 2|∂E/∂z1 = 0
∂⁺E/∂z4 = ∂E/∂z4 = 4
∂⁺E/∂z3 = ∂E/∂z3 + ∂⁺E/∂z4·∂z4/∂z3 = 0 + 4·4 = 16
∂⁺E/∂z2 = ∂E/∂z2 + ∂⁺E/∂z4·∂z4/∂z2 + ∂⁺E/∂z3·∂z3/∂z2 = 2 + 4·2 + 16·3 = 2 + 8 + 48 = 58
∂⁺E/∂z1 = ∂E/∂z1 + ∂⁺E/∂z4·∂z4/∂z1 + ∂⁺E/∂z3·∂z3/∂z1 + ∂⁺E/∂z2·∂z2/∂z1 = 0 + 4·1 + 16·1 + 58·2 = 0 + 4 + 16 + 116 = 136
z4 is used only by E.|z2 is used by E, z4 and z3.|z1 is used by z4, z3 and z2.
Set z1 = 1.001 and recompute z2, z3, z4, E: E = 136.136, so ΔE/Δz1 = 0.136/0.001 = 136. Agrees with 5.4.
Nothing is shared here.|One sweep gave all four
"""
D2 = """
a_1 = 1.2·(−0.5) + 0.8·0.3 = −0.36|h_1 = tanh(−0.36) = −0.345214|= 0.275022|= 0.304922|= 0.0711374
E = 0.275022 + 0.304922 + 0.0711374 = 0.651081
−0.741650 −0.780925 0.377193|0.880827 0.902053 0.0641008
h_3 is used only by y_3 (there is no a_4).
∂⁺E/∂h_3 = ∂⁺E/∂y_3·v = 0.377193·0.7 = 0.264035
∂⁺E/∂a_3 = ∂⁺E/∂h_3·(1 − h_3²) = 0.264035·0.0641008 = 0.0169249
h_2 is used by y_2 (same time) and by a_3 (next time): two contributions.
∂⁺E/∂h_2 = ∂⁺E/∂y_2·v + ∂⁺E/∂a_3·u = −0.780925·0.7 + 0.0169249·0.8 = −0.546647 + 0.0135399 = −0.533107
= −0.533107·0.902053 = −0.480891|h_1 is used by y_1 and by a_2.
= −0.741650·0.7 + (−0.480891)·0.8 = −0.519155 − 0.384713 = −0.903868
= −0.903868·0.880827 = −0.796151|h_0 is used by a_1.|∂⁺E/∂h_0 = ∂⁺E/∂a_1·u = −0.796151·0.8 = −0.636921
= 0.398076 − 0.240446 + 0.0253873 = 0.183017|= −0.238845 + 0.166010 + 0.00529689 = −0.0675382
= 0.256028 − 0.244402 + 0.364904 = 0.376530
e_1 −0.137186 −0.137186|e_2 −0.104242 0.170227 0.0659851|e_3 0.00258196 −0.00421634 0.00529689 0.00366250
[E(u + 10⁻⁵) − E(u − 10⁻⁵)] / (2·10⁻⁵) = −0.0675382|0.704662·0.721642·0.0512806 = 0.0260769
"""
D3 = """
a_1 = W_x x_1 + W_h h_0 = (−0.1, 1.2)|(−0.65, −0.7) + (0.0434983, 0.520126) = (−0.606502, −0.179874)
p_1 = softmax(o_1) = (0.165361, 0.550861, 0.283778)|= 1.29090|= 1.88717
∂o_t/∂h_t = W_y (3×2)|∂h_t/∂a_t = diag(1 − h_t²)|∂a_{t+1}/∂h_t = W_h (2×2)|1 − h_1² = (0.990066, 0.305020)
Going backwards every matrix appears transposed
∂⁺E/∂o_2 = p_2 − d_2 = (−0.724977, 0.418008, 0.306968) 3×1, sums to 0
h_2 is used only by o_2 (there is no a_3).|∂⁺E/∂h_2 = W_yᵀ ∂⁺E/∂o_2 = (−0.624397, 0.727592) 2×3 · 3×1
∂⁺E/∂h_1 = W_yᵀ ∂⁺E/∂o_1 + W_hᵀ ∂⁺E/∂a_2 = (0.425455, −0.413614) + (−0.317391, 0.378610) = (0.108064, −0.0350040)
= [0.376210 0.266870; −0.181654 −0.448815; −0.194556 0.181945] 3×1 · 1×2 = 3×2
0 + ∂⁺E/∂a_2 h_1ᵀ = [0.0439737 −0.367810; −0.0702210 0.587351]
= [0.548193 −0.00661906; −0.715227 0.330921]|Entry (1,2) of W_h by perturbation with ±10⁻⁵: −0.367810.
The columns of ∂⁺E/∂W_y sum to 0
"""


@pytest.mark.parametrize(("name", "expected"), [("ordered_variables", D1), ("scalar_rnn", D2), ("matrix_rnn", D3)])
def test_the_written_examples_have_these_lines(name: str, expected: str) -> None:
    """The lines of the domain report, wherever a line is broken."""
    text = re.sub(r"\s+", " ", text_of(example(name)))
    for line in expected.strip().splitlines():
        for part in line.split("|"):
            assert part in text


# ----------------------------------------------------------------------------- every derivation


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.stem)
@pytest.mark.parametrize("detail", ["matrix", "scalar"])
def test_every_document_has_the_seven_sections(path: Path, detail: str) -> None:
    """Same names, same order; nothing wider than the terminal; no approximation signs, no ASCII minus in numbers."""
    text = text_of(Computation(load_problem(path)), detail=detail)
    headings = [line for line in text.splitlines() if re.match(r"[1-7] [A-Z]", line)]
    assert [next((s for s in SECTIONS if h.startswith(s)), h) for h in headings] == SECTIONS
    assert max(map(len, text.splitlines())) <= 120
    assert "≈" not in text
    assert not re.search(r"(= |\(|, )-\d", text)
    assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.stem)
def test_what_is_printed_is_what_was_computed(path: Path) -> None:
    """The last number of every backward line is the derivative that was computed, to the digits that are shown."""
    computation = Computation(load_problem(path))
    derivation = derive(computation)
    lines = [step for group in derivation.sweep for step in group.lines if not isinstance(step, Cut)]
    for step in [*lines, *(s for s in derivation.gather if not isinstance(s, Cut))]:
        key = (step.node.name, tuple(i.constant for i in step.node.indices))
        shown = step.chain.items[-1].value
        assert abs(computation.derivative(key) - shown).max() == 0 if hasattr(shown, "max") else True
        assert float(computation.derivative(key)) == float(shown) if not hasattr(shown, "max") else True


def test_same_input_same_text() -> None:
    """No set, no clock and no address decides what is printed."""
    assert text_of(example("matrix_rnn"), detail="scalar") == text_of(example("matrix_rnn"), detail="scalar")


# ----------------------------------------------------------------------------- details


def test_summary_has_the_recurrences_and_the_results() -> None:
    """``summary``: what is given, the order, the folded equations, the results, the check."""
    text = text_of(example("scalar_rnn"), detail="summary")
    assert "t = 1..T−1: h_t is used by y_t and a_{t+1}." in text
    assert "∂⁺E/∂h_0 = −0.636921" in text
    assert "∂⁺E/∂u = Σ_{t=1..T} ∂⁺E/∂a_t·h_{t−1} = −0.0675382" in text
    assert "4 Local partials" not in text
    assert "h_3 is used only" not in text
    plain = text_of(example("ordered_variables"), detail="summary")
    assert "∂⁺E/∂z4 = 4    ∂⁺E/∂z3 = 16    ∂⁺E/∂z2 = 58    ∂⁺E/∂z1 = 136" in plain


def test_scalar_writes_out_entries() -> None:
    """One entry of a matrix line is the sum of its products."""
    text = re.sub(r"\s+", " ", text_of(example("matrix_rnn"), entries=("h[1]:2", "W_h:1,2")))
    assert (
        "∂⁺E/∂h_1[2] = W_y[1,2]·∂⁺E/∂o_1[1] + W_y[2,2]·∂⁺E/∂o_1[2] + W_y[3,2]·∂⁺E/∂o_1[3]"
        " + W_h[1,2]·∂⁺E/∂a_2[1] + W_h[2,2]·∂⁺E/∂a_2[2]"
    ) in text
    assert "∂⁺E/∂W_h[1,2] = ∂⁺E/∂a_1[1]·h_0[2] + ∂⁺E/∂a_2[1]·h_1[2]" in text
    assert "= 0.106991·0 + (−0.441202)·0.833655 = 0 − 0.367810 = −0.367810" in text
    everything = text_of(example("matrix_rnn"), detail="scalar")
    assert "The first entry of each kind of line is written out" in everything
    assert "∂⁺E/∂h_2[1]" in everything


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("q[1]:1", "there is no 'q[1]'"),
        ("h[1]:3", "h[1] is 2×1"),
        ("W_h:1", "W_h is 2×2"),
        ("h[1]:0", "h[1] is 2×1"),
        ("E:1", "E is a number"),
    ],
)
def test_entries_that_are_not_there(entry: str, said: str) -> None:
    """The message shows the entry and what there is."""
    with pytest.raises(ProblemError) as error:
        derive(example("matrix_rnn"), entries=(entry,))
    assert said in str(error.value)


def test_targets_that_do_not_sum_to_one_keep_their_sum() -> None:
    """p − d only where Σ d = 1 exactly."""
    text = (ROOT / "examples" / EXAMPLES["matrix_rnn"] / "problem.yaml").read_text(encoding="utf-8")
    other = text_of(computed(text.replace("[1, 0, 0]]", "[1, 0.5, 0]]")))
    assert "p_2·sum(d_2) − d_2" in other
    assert "because the targets sum to 1" not in other
    assert "p_1 − d_1" in other


# ----------------------------------------------------------------------------- long systems

LONG = f"""
equations: |
  h[t] = tanh(w*x[t] + u*h[t-1]) for t in 1..T
  E = sum(1/2*h[t]**2 for t in 1..T)
sizes: {{T: 50}}
values: {{"h[0]": 0.5}}
data: {{x: {[k % 7 / 10 for k in range(50)]}}}
parameters: {{w: 0.4, u: 0.9}}
"""


def test_fifty_steps_stay_readable() -> None:
    """The general recurrence once, then a table with the first and the last rows; ``all`` prints every line."""
    computation = computed(LONG)
    text = text_of(computation)
    assert len(text.splitlines()) < 70
    assert "t = 1..T−1: h_t is used by E and h_{t+1}." in text
    assert "--steps all" in text
    assert re.search(r"^ +50 +\S+$", text, re.MULTILINE)
    assert "∂⁺E/∂h_25" not in text
    everything = text_of(computation, steps="all")
    assert "∂⁺E/∂h_25 = " in everything
    assert "--steps all" not in everything


def test_long_graphs_show_their_ends() -> None:
    """A graph of 5,000 equations: a few lines of each section, and how many are left out."""
    lines = "".join(f"  z{k} = 0.5*z{k - 1} + 0.1*z{max(0, k - 2)}\n" for k in range(1, 5001))
    computation = computed(f"equations: |\n{lines}values: {{z0: 1}}\ntarget: z5000\n")
    text = text_of(computation)
    assert len(text.splitlines()) < 80
    assert "… 4,993 more …" in text or "… 4,992 more …" in text
    assert "5.5000 z0 is used by" in text


# ----------------------------------------------------------------------------- the check


def test_verified() -> None:
    """The summary of a check that passed."""
    computation = example("scalar_rnn")
    text = text_of(computation, verify(computation))
    assert re.search(r"Verified to \de-1\d: 23 of 23 derivatives, by complex step and forward mode \(worst ∂⁺E/∂", text)
    exact = example("ordered_variables")
    assert "Verified exactly: 5 of 5 derivatives" in text_of(exact, verify(exact))
    assert "not verified (--check none)" in text_of(exact, verify(exact, "none"))


def test_not_verified() -> None:
    """A failure shows both numbers, all digits, and whose they are."""
    computation = example("scalar_rnn")
    failure = Failure("∂⁺E/∂h[2]", ("h", (2,)), (), -0.5, -0.5331066831, "complex step")
    text = text_of(computation, Check("failed", failures=(failure,), more_failures=3))
    assert "! NOT VERIFIED: ∂⁺E/∂h_2: the sweep gives −0.5, complex step gives −0.5331066831." in text
    assert "NOT VERIFIED: 3 more derivatives do not agree." in text
    assert "Verified" not in text


def test_no_more_digits_than_are_verified() -> None:
    """An ill-conditioned derivative: fewer digits everywhere, said in the title."""
    computation = example("scalar_rnn")
    limited = Limited("∂⁺E/∂w", ("w", ()), (), 4)
    check = Check("verified_to_digits", ("complex step",), 1e-5, "∂⁺E/∂w", 23, 23, digits=4, limited=(limited,))
    text = text_of(computation, check)
    assert "(4 significant digits shown, full precision carried)" in text
    assert "−0.06754" in text
    assert "−0.0675382" not in text
    assert "∂⁺E/∂w is verified to 4 digits only" in text


def test_kinks_have_one_sided_slopes() -> None:
    """At a kink: the convention, and the slopes to the left and to the right."""
    computation = computed("equations: |\n  h = relu(x)\n  E = 3*h\nvalues: {x: 0}\n")
    text = text_of(computation, verify(computation))
    assert "A kink: relu in h at 0." in text
    assert "∂⁺E/∂x = 0 is a convention: the slope to the left is 0, to the right 3." in text
    kink = Kink("h", ("h", ()), "abs", (), 1, (0.0,), (("x", 0),))
    slopes = Slopes("∂⁺E/∂x", ("x", ()), (), 0, 3, 3)
    same = text_of(computation, Check("kink", ("complex step",), kinks=(kink,), slopes=(slopes,)))
    assert "∂⁺E/∂x = 0 follows the convention, but the slope on both sides is 3." in same


# ----------------------------------------------------------------------------- more


def test_hessian_and_closed_forms() -> None:
    """What is printed behind a derivation."""
    blocks = narrate_hessian("E", ["w", "h[0]:1"], [[1.5, 0.25], [0.25, 2]])
    text = render(blocks, "text")
    assert "h_0[1]" in text
    assert "The table is symmetric" in text
    assert "symmetric" not in render(narrate_hessian("E", ["a", "b"], [[1, 2], [3, 4]]), "text")
    computation = example("ordered_variables")
    name = computation.problem.system.equations[0]
    forms = narrate_closed_forms([(computation.target, name.right)])
    assert "E = 2·z1" in render(forms, "text")


def test_layers_are_not_times() -> None:
    """Where nothing is shared along the index that is shifted, no one says 'next time'."""
    text = text_of(
        computed(
            "equations: |\n  a[k] = tanh(w[k]*a[k-1]) for k in 1..L\n  E = a[L] + a[1]\nsizes: {L: 3}\n"
            'values: {"a[0]": 0.5}\nparameters: {w: [0.5, 0.6, 0.7]}\n'
        )
    )
    assert "time" not in text
    assert "k=3" in text


# ----------------------------------------------------------------------------- the catalogue


def test_the_catalogue_is_toml() -> None:
    """The few lines that read it read the same as TOML's own reader."""
    text = (ROOT / "bptt_solver" / "locale" / "en.toml").read_text(encoding="utf-8")
    assert read_catalogue(text) == tomllib.loads(text)


def test_every_sentence_is_used() -> None:
    """No key of the catalogue is left over: it stands in the code, or begins there (``f"check.{kind}"``), or is a
    variant of one that does (``title.columns.rows``)."""
    sources = [ROOT / "bptt_solver" / "narrate.py", *(ROOT / "bptt_solver" / "narration").glob("*.py")]
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    begun = tuple(re.findall(r'f"([a-z_.0-9]+\.)\{', code))
    for key in read_catalogue((ROOT / "bptt_solver" / "locale" / "en.toml").read_text(encoding="utf-8")):
        stem = key.rpartition(".")[0]
        assert f'"{key}"' in code or key.startswith(begun) or f'"{stem}"' in code, key


def test_fields_are_put_in_by_position_only() -> None:
    """No attribute access, no format specification, no nesting: a field is a name and nothing else."""
    assert split("a {b} c {d}") == [("a ", "b"), (" c ", "d"), ("", "")]
    say = Catalogue()
    words = say("sweep.used_by", node="{users.__class__} %s", users="{0}")
    assert "".join(map(str, words)) == "{users.__class__} %s is used by {0}."
    with pytest.raises(KeyError):
        say("sweep.used_by", node="x")
    with pytest.raises(ValueError, match="unknown language"):
        Catalogue("../en")
    with pytest.raises(ValueError, match="unknown language"):
        Catalogue("tlh")


@pytest.mark.parametrize("text", ["key", "key = 1", 'a = "x"\na = "y"', 'a = "x'])
def test_a_broken_catalogue_is_an_error(text: str) -> None:
    """Each names the line."""
    with pytest.raises(ValueError, match="line"):
        read_catalogue(text)


def test_a_description_stands_below_the_title() -> None:
    text = "title: T\ndescription: What it is about.\nequations: E = 2*z1\nvalues: {z1: 1}\n"
    computation = Computation(load_problem(Source("t.yaml", text)))
    lines = render(narrate(derive(computation, verify(computation))), "text").splitlines()
    assert [line.strip() for line in lines[:2]] == ["T", "What it is about."]
