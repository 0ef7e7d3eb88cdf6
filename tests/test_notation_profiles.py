"""Notation profiles: what they print must be true, in their own names, signs and layout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.blocks import Domain, Entry, Flow, Formula, Formulas, Line, Partial, Use, Value
from bptt_solver.errors import ProblemError
from bptt_solver.language.expressions import Call, Index, IndexValue, Iverson, Lookup, Number, Reference, Sum
from bptt_solver.language.expressions import derivative_name as derivative
from bptt_solver.language.templates import Slot
from bptt_solver.profiles.convention import Convention
from bptt_solver.profiles.profile import chosen, profile, profile_names
from bptt_solver.unfold import instance_text

ROOT = Path(__file__).parent.parent
EXAMPLES = [
    "04_scalar_rnn",
    "05_matrix_rnn",
    "07_elman",
    "11_deep",
    "16_lstm",
    "17_gru",
    "20_encoder_decoder",
]
MORE = [
    "03_feedforward", "06_second_derivative", "08_many_to_one", "10_sequences", "12_jordan", "13_lags", "14_narx",
    "15_ordered_net", "18_bidirectional", "19_recursive_tree", "21_custom_cell", "22_leaky",
]  # fmt: skip
PROFILES = [name for name in profile_names() if name != "standard"]
SEEDS = ROOT / "tests" / "acceptance" / "documents"


@cache
def problem_of(example: str) -> Any:
    return bptt_solver.load(ROOT / "examples" / example / "problem.yaml")


@cache
def solution_of(example: str, name: str) -> Any:
    return bptt_solver.solve(problem_of(example), notation=name, check="none")


def seed(identifier: str, name: str, **options: Any) -> Any:
    loading = {"eliminate": options.pop("eliminate")} if "eliminate" in options else {}
    problem = bptt_solver.load(SEEDS / f"{identifier}.yaml", **loading)
    return bptt_solver.solve(problem, notation=name, check="none", **options)


# -- an evaluator of what is printed, which knows nothing of how it was made


class World:
    """Values by printed name: arrays that a profile transposes are transposed, vectors are 1 x n in rows, n x 1 in
    columns; δ has its sign.
    """

    def __init__(self, solution: Any, convention: Convention) -> None:
        self.rows = convention.rows
        self.values: dict[tuple[str, tuple[int, ...]], Any] = {}
        self.partials = solution.simple_partials
        self.instances: dict[tuple[str, tuple[int, ...]], str] = {}
        self.sizes = dict(convention.problem.system.sizes)
        self.convention = convention
        computation = solution.computation
        sign = convention.profile.sign
        for key in computation.instances():
            text, (family, indices) = instance_text(key), key
            new, before = convention.name(family)
            place = (*(i.constant for i in before), *indices)
            value = solution.values[text]
            self.values[new, place] = self.array(value, True)
            self.instances[new, place] = text
            if text in solution.ordered_derivatives:
                gradient = self.array(solution.ordered_derivatives[text], True)
                target = convention.reference(Reference(derivative(solution.target, family))).name
                self.values[target, place] = gradient
                delta = convention.deltas.get(family)
                if delta is not None:
                    self.values[delta[0], place] = gradient * sign

    def array(self, value: Any, turn: bool = False) -> Any:
        array = np.asarray(value, dtype=float)
        if array.ndim == 1:
            return array[None, :] if self.rows else array[:, None]
        return array.T if array.ndim == 2 and turn and self.convention.transposed else array

    def evaluate(self, node: Any, formula: Formula, at: Mapping[str, int]) -> Any:
        if isinstance(node, Slot):
            return self.evaluate(formula.leaves[node.at], formula, at)
        if isinstance(node, Value):
            return self.array(node.value)
        if isinstance(node, Number):
            return np.float64(node.value)
        if isinstance(node, Entry):
            array = self.evaluate(node.of, formula, at)
            places = [int(i) - 1 for i in node.at]
            return array.reshape(-1)[places[0]] if len(places) == 1 else array[tuple(places)]
        if isinstance(node, Use | Partial | Domain):
            raise LookupError
        if isinstance(node, Reference):
            return self.values[node.name, tuple(self.index(i, at) for i in node.indices)]
        if isinstance(node, IndexValue):
            return np.float64(self.index(node.index, at))
        if isinstance(node, Sum):
            return sum(
                self.evaluate(node.body, formula, inner) for inner in self.members(node.ranges, node.conditions, at)
            )
        if isinstance(node, Iverson):
            return np.float64(self.holds(node.conditions, at))
        assert isinstance(node, Call)
        guards = [a for a in node.arguments if isinstance(a, Iverson)]
        if node.operation == "mul" and not all(self.holds(g.conditions, at) for g in guards):
            return np.float64(0)
        return self.call(node.operation, [self.evaluate(a, formula, at) for a in node.arguments])

    def index(self, index: Index, at: Mapping[str, int]) -> int:
        known = {**self.sizes, **at}
        total = index.constant
        for atom, factor in index.terms:
            if isinstance(atom, Lookup):
                table = self.convention.problem.system.maps[atom.name].table
                total += factor * table[tuple(self.index(i, at) for i in atom.indices)]
            else:
                total += factor * known[atom]
        return total

    def holds(self, conditions: Any, at: Mapping[str, int]) -> bool:
        tests = {
            "==": int.__eq__,
            "!=": int.__ne__,
            "<": int.__lt__,
            "<=": int.__le__,
            ">": int.__gt__,
            ">=": int.__ge__,
        }
        return all(tests[c.operator](self.index(c.left, at), self.index(c.right, at)) for c in conditions)

    def members(self, ranges: Any, conditions: Any, at: Mapping[str, int]) -> Iterator[dict[str, int]]:
        found = [dict(at)]
        for r in ranges:
            found = [
                {**f, r.variable: k} for f in found for k in range(self.index(r.low, f), self.index(r.high, f) + 1)
            ]
        yield from (f for f in found if self.holds(conditions, f))

    def call(self, name: str, values: list[Any]) -> Any:
        plain = {
            "tanh": np.tanh,
            "exp": np.exp,
            "log": np.log,
            "sum": np.sum,
            "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        }
        if name in plain:
            return plain[name](values[0])
        if name == "add":
            return sum(values[1:], values[0])
        if name == "neg":
            return -values[0]
        if name == "mul":
            result = values[0]
            for value in values[1:]:
                assert not np.ndim(result) or not np.ndim(value) or np.shape(result) == np.shape(value)
                result = result * value
            return result
        if name == "div":
            return values[0] / values[1]
        if name == "power":
            return values[0] ** values[1]
        if name == "matmul":
            return values[0] @ values[1]
        if name == "outer":
            assert values[0].shape[1] == values[1].shape[1] == 1
            return values[0] @ values[1].T
        if name == "transpose":
            return values[0].T
        if name == "diag":
            return np.diag(values[0].reshape(-1))
        if name == "softmax":
            shifted = np.exp(values[0] - values[0].max())
            return shifted / shifted.sum()
        if name == "cross_entropy":
            return -np.sum(values[1] * np.log(values[0]))
        if name == "squared_error":
            return 0.5 * np.sum((values[0] - values[1]) ** 2)
        raise LookupError(name)


def lines(solution: Any) -> Iterator[Line]:
    for block in solution.blocks:
        if isinstance(block, Formulas):
            yield from block.lines
        elif isinstance(block, Flow):
            yield from block.items


def checked(solution: Any, convention: Convention) -> tuple[int, int]:
    """How many lines were found true, and how many of them have an index; raises for one that is not."""
    world = World(solution, convention)
    plain = folded = 0
    for line in lines(solution):
        if len(line.chain) < 2 or isinstance(line.chain[0], Partial):
            continue
        places: list[dict[str, int]] = [{}]
        domain = next((w for w in line.remark if isinstance(w, Domain)), None)
        if domain is not None:
            ranged = {*world.sizes, *(r.variable for r in domain.ranges)}
            conditions = [c for c in domain.conditions if {*c.left.variables(), *c.right.variables()} <= ranged]
            places = list(world.members(domain.ranges, conditions, {}))
        for place in places:
            try:
                values = [world.evaluate(_tree(i), _formula(i), place) for i in line.chain]
            except (LookupError, TypeError):
                continue
            for value in values[1:]:
                zero = isinstance(value, float) and value == 0
                assert zero or np.shape(value) == np.shape(values[0]), (line.chain[0], np.shape(value))
                assert np.allclose(value, values[0], rtol=1e-9, atol=1e-12), (line.chain[0], values)
            plain, folded = plain + 1, folded + (domain is not None)
    return plain, folded


def _tree(item: Any) -> Any:
    return item.expression if isinstance(item, Formula) else item


def _formula(item: Any) -> Formula:
    return item if isinstance(item, Formula) else Formula(item)


def convention_of(solution: Any, name: str) -> Convention:
    return Convention(profile(name), solution.computation.problem, solution.target)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_line_is_true_in_its_own_notation(example: str, name: str) -> None:
    solution = solution_of(example, name)
    plain, folded = checked(solution, convention_of(solution, name))
    assert plain > 20
    assert folded > 5


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_simple_partial_is_true_in_its_own_notation(example: str, name: str) -> None:
    solution = solution_of(example, name)
    world = World(solution, convention_of(solution, name))
    found = 0
    for line in lines(solution):
        head = line.chain[0] if len(line.chain) > 1 else None
        if not isinstance(head, Partial):
            continue
        for place in places_of(solution, line):
            try:
                above, below = (
                    world.instances[r.name, tuple(world.index(i, place) for i in r.indices)]
                    for r in (head.above, head.below)
                )
                wanted = np.asarray(world.partials[above][below], dtype=float)
                values = [world.evaluate(_tree(i), _formula(i), place) for i in line.chain[1:]]
            except (LookupError, AttributeError):
                continue
            for value in values:
                if np.ndim(value) == wanted.ndim:
                    assert np.allclose(value, wanted, rtol=1e-9, atol=1e-12), (head, value, wanted)
                    found += 1
    assert found


def places_of(solution: Any, line: Line) -> list[dict[str, int]]:
    """All values that the free indices of a line might have."""
    free = sorted({v for r in (line.chain[0].above, line.chain[0].below) for i in r.indices for v in i.variables()})
    found: list[dict[str, int]] = [{}]
    for variable in free:
        if variable not in solution.computation.problem.system.sizes:
            found = [{**f, variable: k} for f in found for k in range(3 if variable == "k" else 4)]
    return found


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("example", EXAMPLES)
def test_definitions_are_true_in_their_own_notation(example: str, name: str) -> None:
    """The folded equations of section 1, which say where they hold in front."""
    solution = solution_of(example, name)
    world = World(solution, convention_of(solution, name))
    found = 0
    for block in solution.blocks:
        domain = next((w for w in block.lead if isinstance(w, Domain)), None) if isinstance(block, Flow) else None
        if domain is None:
            continue
        for line in block.items:
            for place in world.members(domain.ranges, domain.conditions, {}):
                values = [world.evaluate(_tree(i), _formula(i), place) for i in line.chain]
                assert all(np.allclose(v, values[0], rtol=1e-9) for v in values), line.chain[0]
                found += 1
    assert found >= 10


@pytest.mark.parametrize("example", MORE)
def test_every_line_of_other_networks_is_true(example: str) -> None:
    for name in PROFILES:
        solution = solution_of(example, name)
        assert checked(solution, convention_of(solution, name))[0] > 10


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_line_of_the_seeds_is_true(path: Path) -> None:
    problem = bptt_solver.load(path)
    for name in ("werbos", "d2l-rows", "pytorch", "nthu-bptt", "csdn"):
        solution = bptt_solver.solve(problem, notation=name, check="none")
        assert checked(solution, convention_of(solution, name))[0] > 1


# -- planted faults: the evaluator above must see them


@pytest.mark.parametrize(
    ("name", "fault"),
    [("boden", "sign"), ("csdn", "sign"), ("d2l-rows", "transpose"), ("nthu-bptt", "transpose"), ("d2l-rows", "order"),
     ("goodfellow", "names")],
)  # fmt: skip
def test_a_planted_fault_is_found(name: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from bptt_solver.profiles import rewriting

    if fault == "sign":
        monkeypatch.setattr(rewriting, "minus", lambda tree, spots=(): tree)
    elif fault == "transpose":
        monkeypatch.setattr(rewriting.Rewriter, "turned", lambda self, value: value)
    elif fault == "order":
        product = lambda self, a, b: rewriting.Both(*[rewriting.Call("matmul", (a.same, b.same))] * 2, rank=1)  # noqa: E731
        monkeypatch.setattr(rewriting.Rewriter, "_product", product)
    solution = bptt_solver.solve(problem_of("07_elman"), notation=name, check="none")
    convention = convention_of(solution, name)
    if fault == "names":
        blocks = solution.blocks
        convention.names["W_x"], convention.names["W_h"] = convention.names["W_h"], convention.names["W_x"]
        assert blocks
    with pytest.raises((AssertionError, ValueError)):
        checked(solution, convention)


# -- one structure underneath


@pytest.mark.parametrize("name", PROFILES)
def test_the_numbers_do_not_depend_on_the_notation(name: str) -> None:
    plain = bptt_solver.solve(problem_of("07_elman"), check="none").render("json")
    assert solution_of("07_elman", name).render("json") == plain


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
@pytest.mark.parametrize("name", PROFILES)
def test_every_format_prints_every_notation(name: str, form: str) -> None:
    for example in ("05_matrix_rnn", "16_lstm"):
        text = solution_of(example, name).render(form)
        assert profile(name).title.split()[-1].strip("()'") in text.replace("\\", "")
        assert "#" not in text or form == "markdown"
        assert "^{2}^" not in text
        assert "}^{(t)}^" not in text


def test_a_document_without_a_notation_is_as_before() -> None:
    problem = problem_of("05_matrix_rnn")
    plain = bptt_solver.solve(problem, check="none").render("text")
    assert bptt_solver.solve(problem, check="none", notation="standard").render("text") == plain
    assert "Notation of" not in plain


def test_the_convention_is_said_once_and_first() -> None:
    text = solution_of("05_matrix_rnn", "boden").render("text")
    assert text.count("Notation of Bodén 2001.") == 1
    head = " ".join(text.partition("1 Given")[0].split())
    assert "δ_j(t) = −∂⁺C/∂net_j(t), δ_k(t) = −∂⁺C/∂net_k(t)." in head
    assert "V for W_x, U for W_h, W for W_y" in head
    assert "Vectors are columns. A matrix has a row for each receiving unit." in head
    rows = " ".join(solution_of("05_matrix_rnn", "d2l-rows").render("text").partition("1 Given")[0].split())
    assert "Vectors are rows. A matrix has a row for each sending unit: it is printed transposed." in rows


def test_a_profile_that_does_not_fit_says_so() -> None:
    head = " ".join(solution_of("16_lstm", "lee").render("text").partition("1 Given")[0].split())
    assert "ŷ for d, l for e, L for E" in head
    assert "Not in it, and named as in the document: c, W_i," in head
    graph = bptt_solver.solve(problem_of("02_nonlinear_graph"), notation="boden", check="none")
    assert "There is no δ here" in said(graph)
    assert "−∂⁺C" not in said(graph)


def test_whatever_enters_an_activation_has_a_delta() -> None:
    text = said(solution_of("16_lstm", "boden"))
    assert "δ_z_i(t) = −∂⁺C/∂z_i(t), δ_z_f(t) = −∂⁺C/∂z_f(t)" in text
    assert "and so on for whatever enters an activation" in text
    assert "−∂⁺C/∂U_i = Σ_{t=1..T} δ_z_i(t)·y_j(t−1)" in text
    assert "+ δ_z_g(t+1)·U_g + δ_z_f(t+1)·U_f" in text


# -- what the five notes write


def said(solution: Any) -> str:
    return " ".join(solution.render("text").split())


@pytest.mark.parametrize(
    ("identifier", "name", "eliminate", "formulas"),
    [
        ("S000-deep-rnn", "nthu-bptt", (), [
            "z(k,t) = U(k)ᵀ a(k,t−1) + W(k)ᵀ a(k−1,t)",
            "δ(L,t) = a(L,t) − y(t)",
            "∂⁺C/∂a(k,t) = W(k+1) δ(k+1,t) + U(k) δ(k,t+1)",  # blue: next layer, red: next time
            "δ(k,t) = ∂⁺C/∂a(k,t) ⊙ (1 − a(k,t)²)",
            "∂⁺C/∂U(1) = Σ_{t=1..T} a(1,t−1) δ(1,t)ᵀ",  # a product first, then the sum
            "∂⁺C/∂W(3) = Σ_{t=1..T} a(2,t) δ(3,t)ᵀ",
        ]),
        ("S001-many-to-many-synced", "nthu-rnn", (), [
            "z(1,t) = U1 a(1,t−1) + W1 x(t)",
            "a(1,t) = tanh(z(1,t))",
        ]),
        ("S000-deep-rnn", "nthu-rnn", (), [
            "z(k,t) = U(k) a(k,t−1) + W(k) a(k−1,t)",
            "a(k,t) = tanh(z(k,t))",
            "C = Σ_{t=1..T} c(t)",
        ]),
        ("S002-feedforward", "lee", (), [
            "z_k = w_k a_{k−1} + b_k",
            "a_k = sigmoid(z_k)",
            "∂⁺l/∂a_k = w_{k+1}ᵀ ∂⁺l/∂z_{k+1}",  # w3 ∂l/∂z' + w4 ∂l/∂z''
            "∂⁺l/∂z_k = ∂⁺l/∂a_k ⊙ a_k ⊙ (1 − a_k)",
            "∂⁺l/∂w_1 = ∂⁺l/∂z_1 a_0ᵀ",  # ∂z/∂w is the input
        ]),
        ("S003-sse-sigmoid", "csdn", (), [
            "net_j(t) = V x(t) + U s(t−1) + θ_j",
            "net_k(t) = W s(t) + θ_k",
            "δ_k(t) = −∂⁺C/∂y(t) ⊙ y(t) ⊙ (1 − y(t))",
            "−∂⁺C/∂y(t) = d(t) − y(t)",
            "−∂⁺C/∂s(t) = Wᵀ δ_k(t) + Uᵀ δ_j(t+1)",
            "δ_j(t) = −∂⁺C/∂s(t) ⊙ s(t) ⊙ (1 − s(t))",
            "−∂⁺C/∂W = Σ_{t=1..T} δ_k(t) s(t)ᵀ",  # times η: Δw
            "−∂⁺C/∂V = Σ_{t=1..T} δ_j(t) x(t)ᵀ",
            "−∂⁺C/∂U = Σ_{t=1..T} δ_j(t) s(t−1)ᵀ",
        ]),
        ("S003-sse-sigmoid", "csdn", ("s", "y"), [
            "δ_k(t) = (d(t) − sigmoid(net_k(t))) ⊙ sigmoid(net_k(t)) ⊙ (1 − sigmoid(net_k(t)))",
            "δ_j(T) = (Wᵀ δ_k(T)) ⊙ sigmoid(net_j(T)) ⊙ (1 − sigmoid(net_j(T)))",
            "+ (Uᵀ δ_j(t+1)) ⊙ sigmoid(net_j(t)) ⊙ (1 − sigmoid(net_j(t)))",
        ]),
        ("S003-ce-softmax", "csdn", (), ["δ_k(t) = d(t) − y(t)"]),
        ("S004-rnn-square", "javaforall", (), [
            "xc_t = concat(x_t, h_{t−1})",
            "z^h_t = w_ih xc_t + b_ih",
            "h_t = tanh(z^h_t)",
            "z^o_t = w_ho h_t + b_ho",
            "c_t = −sum(ŷ_t ⊙ log(y_t))",
            "∂⁺C/∂z^o_t = y_t − ŷ_t",
            "∂⁺C/∂w_ho = Σ_{t=1..T} ∂⁺C/∂z^o_t h_tᵀ",  # z^o: the note has z^h here
            "∂⁺C/∂w_ih = Σ_{t=1..T} ∂⁺C/∂z^h_t xc_tᵀ",
        ]),
        ("W1990-lag2", "werbos", (), [
            "net(t) = W·x(t) + W'·y(t−1) + W''·y(t−2)",
            "F_y(t) = y(t) − Y(t) + F_net(t+1)·W' + F_net(t+2)·W''",
            "F_net(t) = F_y(t)·y(t)·(1 − y(t))",
        ]),
    ],
)  # fmt: skip
def test_the_formulas_of_a_note_can_be_read_off(
    identifier: str, name: str, eliminate: tuple[str, ...], formulas: list[str]
) -> None:
    text = said(seed(identifier, name, eliminate=eliminate))
    for formula in formulas:
        assert formula in text, formula


@pytest.mark.parametrize(
    ("name", "formulas"),
    [
        ("goodfellow", ["a(t) = U x(t) + W h(t−1) + b", "o(t) = V h(t) + c", "∇_{o(t)} L = ŷ(t) − y(t)",
                        "∇_{h(t)} L = Vᵀ ∇_{o(t)} L + Wᵀ ∇_{a(t+1)} L", "∇_{V} L = Σ_{t=1..T} ∇_{o(t)} L h(t)ᵀ"]),
        ("d2l", ["a_t = W_hx x_t + W_hh h_{t−1} + b_h", "o_t = W_qh h_t + b_q",
                 "∂⁺L/∂W_qh = Σ_{t=1..T} ∂⁺L/∂o_t h_tᵀ"]),
        ("d2l-rows", ["a_t = X_t W_xh + H_{t−1} W_hh + b_h", "O_t = H_t W_hq + b_q",
                      "∂⁺L/∂W_hh = Σ_{t=1..T} H_{t−1}ᵀ ∂⁺L/∂a_t"]),
        ("karpathy", ["hraw[t] = Wxh xs[t] + Whh hs[t−1] + bh", "ys[t] = Why hs[t] + by", "dy[t] = ps[t] − targets[t]",
                      "dh[t] = Whyᵀ dy[t] + Whhᵀ dhraw[t+1]", "dhraw[t] = dh[t] ⊙ (1 − hs[t]²)",
                      "dWhh = Σ_{t=1..T} dhraw[t] hs[t−1]ᵀ"]),
        ("pytorch", ["a_t = x_t W_ihᵀ + h_{t−1} W_hhᵀ + b_ih", "∂⁺E/∂W_ih = Σ_{t=1..T} (∂⁺E/∂a_t)ᵀ x_t"]),
        ("boden", ["net_j(t) = V x(t) + U y_j(t−1) + θ_j", "δ_k(t) = d(t) − y_k(t)",
                   "−∂⁺C/∂U = Σ_{t=1..T} δ_j(t) y_j(t−1)ᵀ"]),
        ("werbos", ["net(t) = W x(t) + W' h(t−1) + b_h", "F_h(t) = W_yᵀ F_net_Ŷ(t) + W'ᵀ F_net(t+1)"]),
    ],
)  # fmt: skip
def test_the_formulas_of_a_book_can_be_read_off(name: str, formulas: list[str]) -> None:
    text = said(solution_of("07_elman", name))
    for formula in formulas:
        assert formula in text, formula


# -- settings of a document

BASE = """
equations: |
  a[t] = W_x @ x[t] + W_h @ h[t-1]  for t in 1..T
  h[t] = tanh(a[t])                 for t in 1..T
  e[t] = 1/2*sum((h[t] - d[t])**2)  for t in 1..T
  E    = sum(e[t] for t in 1..T)
data: {x: [[1, 2], [-1, 0.5]], d: [[0, 1], [1, 0]]}
parameters: {W_x: [[0.5, -0.3], [0.8, 0.2]], W_h: [[0.4, 0.1], [-0.2, 0.6]], "h[0]": [0.1, 0.2]}
"""


def with_setting(setting: str, **options: Any) -> Any:
    return bptt_solver.solve(bptt_solver.loads(f"{BASE}notation: {setting}\n", "d.yaml"), check="none", **options)


def test_a_document_names_its_notation() -> None:
    assert "Notation of Werbos 1990." in with_setting("werbos").render("text")
    assert "Notation of Bodén 2001." in with_setting("werbos", notation="boden").render("text")
    assert "Notation of" not in with_setting("werbos", notation="standard").render("text")


def test_a_document_changes_a_notation() -> None:
    solution = with_setting("{profile: werbos, rename: {W_h: U}, delta_sign: -1, layout: rows, weights: senders}")
    text = said(solution)
    assert "net(t) = x(t) W + h(t−1) U" in text
    assert "F_U = Σ_{t=1..T} h(t−1)ᵀ F_net(t)" in text
    assert "F_net(t) = −∂⁺E/∂net(t)" in text
    convention = Convention(chosen(solution.computation.problem.document.settings["notation"], None),
                            solution.computation.problem, solution.target)  # fmt: skip
    assert checked(solution, convention)[0] > 20


def test_a_sign_alone_names_a_delta() -> None:
    text = said(with_setting("{delta_sign: -1}"))
    assert "δ^a_t = −∂⁺E/∂a_t." in text
    assert "δ^a_t = −∂⁺E/∂h_t ⊙ (1 − h_t²)" in text
    assert "−∂⁺E/∂W_h = Σ_{t=1..T} δ^a_t h_{t−1}ᵀ" in text
    assert r"\delta^{a}_{t}" in with_setting("{delta_sign: -1}").render("latex")


def test_a_derivative_gets_the_name_that_is_asked_for() -> None:
    assert "g_t = ∂⁺E/∂h_t ⊙ (1 − h_t²)" in said(with_setting("{delta: {a: g}}"))


@pytest.mark.parametrize(
    ("setting", "message", "hint", "place"),
    [
        ("werbo", "unknown notation 'werbo'", "did you mean 'werbos'?", "d.yaml:9:11"),
        ("[werbos]", "expected the name of a notation", "one of standard, werbos", "d.yaml:9:11"),
        ("{profile: bodn}", "unknown notation 'bodn'", "did you mean 'boden'?", "d.yaml:9:21"),
        ("{layuot: rows}", "unknown option 'layuot' of 'notation'", "did you mean 'layout'?", "d.yaml:9:12"),
        ("{layout: diagonal}", "'layout' is one of columns, rows", "", "d.yaml:9:20"),
        ("{weights: sender}", "'weights' is one of receivers, senders", "did you mean 'senders'?", "d.yaml:9:21"),
        ("{indices: 3}", "'indices' is one of subscripts", "", "d.yaml:9:21"),
        ("{delta_sign: 2}", "'delta_sign' is 1 or -1", "-1: δ is minus the derivative", "d.yaml:9:24"),
        ("{rename: [a]}", "'rename' maps names to names", "rename: {W_h: U}", "d.yaml:9:20"),
        ("{rename: {W_h: 3}}", "the new name of 'W_h' is not a name", "", "d.yaml:9:26"),
        ("{rename: {W_h: 'U[1]'}}", "the new name of 'W_h' is not a name", "", "d.yaml:9:26"),
        ("{rename: {W_q: U}}", "'W_q' is not a name of this document", "did you mean 'W_x'?", "d.yaml:9:21"),
        ("{rename: {W_h: W_x}}", "'W_h' cannot be written 'W_x': 'W_x' has that name", "one thing", "d.yaml:9:26"),
        ("{rename: {W_h: U, W_x: U}}", "cannot be written 'U': so is 'W_h'", "one thing", "d.yaml:9:34"),
        ("{rename: {W_h: x}}", "'W_h' cannot be written 'x': 'x' has that name", "one thing", "d.yaml:9:26"),
        ("{rename: {W_h: А, W_x: A}}", "cannot be written 'A': so is 'W_h'", "one thing", "d.yaml:9:34"),
        ("{rename: {W_h: T}}", "'W_h' cannot be written 'T': 'T' has that name", "one thing", "d.yaml:9:26"),
        ("{rename: {W_h: t}}", "'W_h' cannot be written 't': 't' has that name", "one thing", "d.yaml:9:26"),
        ("{delta: {q: g}}", "'q' is not a name of this document", "", "d.yaml:9:20"),
        ("{delta: {a: h}}", "the derivative of 'a' cannot be written 'h'", "", "d.yaml:9:23"),
        ("{delta: {E: g}}", "'E' is what is differentiated", "", "d.yaml:9:20"),
        ("{delta: {a: g, h: g}}", "two derivatives would be written 'g'", "", "d.yaml:9:"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_told_where_it_stands(setting: str, message: str, hint: str, place: str) -> None:
    with pytest.raises(ProblemError) as caught:
        with_setting(setting)
    text = str(caught.value)
    assert message in text
    assert hint in text
    assert place in text


def test_names_may_change_places() -> None:
    text = said(with_setting("{rename: {W_h: W_x, W_x: W_h}}"))
    assert "a_t = W_h x_t + W_x h_{t−1}" in text


def test_a_profile_gives_way_to_the_names_of_a_document() -> None:
    text = BASE.replace("E    = sum(", "E    = U*sum(").replace("parameters: {", "parameters: {U: 2, ")
    solution = bptt_solver.solve(bptt_solver.loads(text), check="none", notation="boden")
    assert "W_h keeps its name, because U is something else here." in said(solution)
    assert checked(solution, convention_of(solution, "boden"))[0] > 20


def test_unknown_notations_of_the_command_line() -> None:
    with pytest.raises(ProblemError, match="unknown notation 'wrbos'"):
        bptt_solver.solve(problem_of("07_elman"), notation="wrbos", check="none")


def test_data_schema_and_help_name_the_same_profiles() -> None:
    schema = json.loads((ROOT / "bptt_solver" / "problem" / "problem.schema.json").read_text(encoding="utf-8"))
    assert schema["$defs"]["profile"]["enum"] == profile_names()
    from bptt_solver.cli import cli

    option = next(o for o in cli.commands["solve"].params if o.name == "notation")
    assert all(name in option.help for name in profile_names())


@pytest.mark.parametrize("name", ["d2l-rows", "boden", "nthu-bptt", "goodfellow"])
@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_analyses_have_the_notation_too(name: str, form: str) -> None:
    problem = problem_of("05_matrix_rnn")
    plain = bptt_solver.solve(problem, by="both", truncate="depth=0", flow=True, method="rtrl", check="none")
    solution = bptt_solver.solve(
        problem, by="both", truncate="depth=0", flow=True, method="rtrl", check="none", notation=name
    )
    text = solution.render(form)
    assert "W_h" not in text.partition("1 Given")[2] or name == "d2l-rows"
    assert solution.render("json") == plain.render("json")


def test_matrices_of_analyses_are_transposed_with_their_names() -> None:
    solution = bptt_solver.solve(
        problem_of("05_matrix_rnn"), by="both", method="rtrl", check="none", notation="d2l-rows"
    )
    text = said(solution)
    assert "l_2: W_hh@2 = [0.0439737 −0.0702210; −0.367810 0.587351]" in text
    assert "∂⁺a_t/∂W_hh[2,1] = ∂a_t/∂W_hh[2,1] + ∂⁺H_{t−1}/∂W_hh[2,1] W_hh" in text
    assert "∂⁺H_2/∂W_hh[2,1] = (1 − H_2²) ⊙ ∂⁺a_2/∂W_hh[2,1] = (0.589064, 0) (1×2)" in text
    assert "∂⁺L/∂W_hh[2,1] = ∂⁺l_1/∂W_hh[2,1] + ∂⁺l_2/∂W_hh[2,1] = 0 − 0.367810 = −0.367810" in text


# -- the pages

ROLES = ("x", "a", "h", "o", "y", "d", "W_x", "W_h", "W_y", "b_h", "b_y", "e", "E")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a page, without headers, cell by cell."""
    found: list[list[list[str]]] = []
    previous = ""
    for line in text.splitlines():
        if line.startswith("|---"):
            found.append([])
        elif line.startswith("| ") and previous.startswith("|"):
            found[-1].append([cell.strip() for cell in line.split("|")[1:-1]])
        previous = line
    return found


def test_the_tables_of_the_manual_are_those_of_the_data() -> None:
    first, names, conventions, options = tables(page("notation.md"))
    profiles = [profile(name) for name in profile_names()]
    assert first == [[f"`{p.name}`", p.title, p.summary] for p in profiles]
    assert names == [
        [f"`{p.name}`", *(f"`{p.names[r]}`" if r in p.names else "" for r in ROLES)] for p in profiles if p.names
    ]
    for row, p in zip(conventions, profiles, strict=True):
        assert row[0] == f"`{p.name}`"
        assert row[2:] == ["−" if p.sign < 0 else "+", p.weights, p.layout, p.indices]
        assert all(f"`{name}`" in row[1] for name in p.derivatives.values())
        assert bool(row[1]) == bool(p.derivatives or p.nabla)
    from bptt_solver.profiles.profile import OPTIONS

    assert tuple(row[0].strip("`") for row in options) == OPTIONS


def test_the_document_of_the_manual_is_solved() -> None:
    text = page("notation.md").partition("```yaml\n")[2].partition("```")[0]
    solution = bptt_solver.solve(bptt_solver.loads(text))
    assert solution.verified
    assert "F_U = Σ_{t=1..T} h(t−1)ᵀ F_net(t)" in said(solution)


@pytest.mark.parametrize("name", ["notation.md", "lecture-notes.md"])
def test_what_a_page_shows_is_what_its_command_prints(name: str) -> None:
    """Every formula in a block of text is in the output of the command above it."""
    parts = page(name).split("\n    bptt-solve ")[1:]
    assert parts
    for part in parts:
        words = part.partition("\n")[0].split()
        shown = part.partition("```text\n")[2].partition("```")[0]
        solution = bptt_solver.solve(bptt_solver.load(ROOT / words[0]), notation=words[2], check="none")
        text = said(solution)
        formulas = [f.strip() for line in shown.splitlines() for f in line.split("    ") if f.strip()]
        assert formulas
        for formula in formulas:
            assert " ".join(formula.removeprefix("for t = 1..T:").split()) in text, formula


def test_the_numbers_of_the_notes_page() -> None:
    text = page("lecture-notes.md")
    wrong = json.loads((SEEDS.parent / "seed_acceptance.json").read_text(encoding="utf-8"))["examples"]
    square = next(e for e in wrong if e["id"] == "S004-rnn-square")
    right = square["expected"]["gradients"]["w_ho"]
    misprint = next(v for k, v in square["known_wrong"].items() if "misprint" in k)["w_ho"]
    for matrix in (right, misprint):
        shown = "; ".join(" ".join(f"{v:.6f}".replace("-", "−") for v in row) for row in matrix)
        assert f"[{shown}]" in text
    deep = next(e for e in wrong if e["id"] == "S000-deep-rnn")
    literal = next(v for k, v in deep["known_wrong"].items() if k.startswith("sum"))["W1"][0]
    assert f"[{literal[0]:.6f} {literal[1]:.7f}; ...]" in text
    first = " ".join(f"{v:.6f}".replace("-", "−") for v in deep["expected"]["gradients"]["W1"][0])
    assert f"[{first}; ...]" in text


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("example", ["05_matrix_rnn", "07_elman", "11_deep"])
def test_entries_that_are_written_out_are_true(example: str, name: str) -> None:
    solution = bptt_solver.solve(problem_of(example), notation=name, check="none", detail="scalar")
    entries = [line for line in lines(solution) if line.chain and isinstance(line.chain[0], Entry)]
    negated = [line for line in lines(solution) if line.chain and isinstance(line.chain[0], Formula)]
    assert entries or negated
    matrix = checked(solution_of(example, name), convention_of(solution, name))[0]
    assert checked(solution, convention_of(solution, name))[0] > matrix + 3


def test_one_entry_of_a_transposed_matrix() -> None:
    solution = bptt_solver.solve(problem_of("05_matrix_rnn"), notation="nthu-bptt", check="none", entries=("W_h:1,2",))
    assert "∂⁺C/∂U(1)[2,1] = " in said(solution)
    assert "a(1,0)[2]·δ(1,1)[1] + a(1,1)[2]·δ(1,2)[1]" in said(solution) or "δ(1,2)[1]·a(1,1)[2]" in said(solution)


LONG = """
network: {topology: elman, sizes: {input: 1, hidden: 2, output: 1}, steps: 40}
"""


@pytest.mark.parametrize("name", ["boden", "werbos", "d2l-rows"])
def test_long_sequences(name: str) -> None:
    solution = bptt_solver.solve(bptt_solver.loads(LONG), notation=name, check="none")
    assert checked(solution, convention_of(solution, name))[1] > 80
    text = solution.render("text")
    if name == "boden":  # a table has one sign for all: that of the derivative
        assert "∂⁺C/∂net_j(t)" in text
        assert "δ_j(t)" in text.partition("5 Backward sweep")[2].partition("6 Gather")[0]


def test_the_number_of_a_delta_stands_under_it() -> None:
    text = said(bptt_solver.solve(problem_of("05_matrix_rnn"), notation="boden", check="none", detail="scalar"))
    assert "= W[1,1]·δ_k(2)[1] + W[2,1]·δ_k(2)[2] + W[3,1]·δ_k(2)[3]" in text
    assert "= 0.7·0.724977 + (−0.5)·(−0.418008) + 0.3·(−0.306968) = 0.624397" in text
