"""The interpreter of the page against Python: every operation, every function, every example, many printed numbers."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy
import pytest

from bptt_solver import api
from bptt_solver.arithmetic import Arithmetic, is_array
from bptt_solver.computation import Computation
from bptt_solver.evaluate import Program
from bptt_solver.language.expressions import Call, Expression, Number
from bptt_solver.language.notation.numbers import format_number
from bptt_solver.language.operations import CORE
from bptt_solver.language.templates import slot
from bptt_solver.page.cells import Trees, numbers

ASSETS = files("bptt_solver.page").joinpath("assets")
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/problem.yaml"))
CLOSE = 1e-12

TREES = """
const inside = (v) => (typeof v === "number" ? v : Array.isArray(v[0])
  ? interpreter.array([v.length, v[0].length], Float64Array.from(v.flat()))
  : interpreter.array([v.length], Float64Array.from(v)));
const outside = (v) => (v === undefined ? null : interpreter.isArray(v) ? [v.shape, [...v.data]] : v);
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
"""
CALLS = """
const table = interpreter.tableOf(input.formulas);
process.stdout.write(JSON.stringify(input.calls.map(([tree, slots]) => {
  try { return outside(interpreter.walked(tree, table)(slots.map(inside))); }
  catch (error) { return error.reason ?? String(error); }
})));
"""
RUNS = """
const program = interpreter.program(input.data);
process.stdout.write(JSON.stringify(input.given.map((given) => {
  const result = program.run(given.map(([at, value]) => [at, inside(value)]));
  return { values: [...result.values].map(outside), wrong: [...result.wrong],
    made: Object.keys(input.data.made).map((at) => outside(result.made(Number(at)))) };
})));
"""


def node(script: str, data: Any, change: tuple[str, str] = ("", "")) -> Any:
    """What a script behind the interpreter prints; ``change``: text of the interpreter that is replaced."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no node here: apt-get install nodejs (the browser's tests run the same script)")
    text = ASSETS.joinpath("interpreter.js").read_text("utf-8") + ASSETS.joinpath("printed.js").read_text("utf-8")
    assert change[0] in text
    text = text.replace(*change) if change[0] else text
    command = [found, "-e", text.replace('"use strict";', "") + TREES + script]
    done = subprocess.run(command, input=json.dumps(data), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def close(mine: Any, theirs: Any) -> bool:
    """Whether the page's value is Python's to 1e-12; entries are compared with the largest one of their array."""
    shape, data = mine if isinstance(mine, list) else ((), [mine])
    value = numpy.asarray(theirs, dtype=float)
    if tuple(shape) != value.shape or None in data:
        return False
    flat = value.ravel()
    return bool((abs(numpy.array(data) - flat) <= CLOSE * max(abs(flat).max(initial=0.0), 1e-2)).all())


# --- operations

VECTOR, MATRIX = (4,), (3, 4)
ARGUMENTS: dict[str, Sequence[Sequence[Any]]] = {  # shapes, or constants
    "step": [((), 0.5), (VECTOR, 0.5), (VECTOR, 0)],
    "clip": [((), -0.5, 0.5), (VECTOR, -0.5, 0.5)],
    "power": [((), 2), ((), 3), (VECTOR, 2), (VECTOR, -1), ("positive", 0.5), ("positives", 1.5)],
    "log": [("positive",), ("positives",)],
    "sqrt": [("positive",), ("positives",)],
    "xlogy": [((), "positive"), (VECTOR, "positives"), ("zeros", "positives")],
    "add": [((), ()), (VECTOR, VECTOR, VECTOR), ((), VECTOR), (MATRIX, ())],
    "mul": [((), ()), (VECTOR, VECTOR), ((), VECTOR, ()), (MATRIX, ())],
    "matmul": [(MATRIX, VECTOR), (MATRIX, (4, 2)), ((3,), MATRIX), ((4,), (4,)), ((1, 4), MATRIX[::-1])],
    "dot": [((), ()), (VECTOR, VECTOR), (MATRIX, MATRIX)],
    "outer": [(VECTOR, (2,))],
    "transpose": [(VECTOR,), (MATRIX,)],
    "unrow": [((1, 4),)],
    "expand": [((), VECTOR), ((), MATRIX), ((), ())],
    "concat": [(VECTOR, (2,)), ((), VECTOR, ()), (MATRIX, (2, 4))],
    "block": [((6,), 2, VECTOR, (2,)), ((6,), 1, VECTOR, (2,)), ((5,), 2, VECTOR, ())],
    "columns": [((3, 6), 2, VECTOR, (2,)), ((3, 6), 1, VECTOR, (2,)), ((3, 5), 2, VECTOR, ())],
    "place_columns": [((3, 2), 2, VECTOR, (2,)), ((3, 4), 1, VECTOR, (2,))],
    "entry": [(VECTOR, 1), (VECTOR, 4)],
    "unit": [(VECTOR, 2)],
    "part": [((6,), 2, 4)],
    "place": [((3,), 2, 4, (6,))],
    "softmax": [(VECTOR,), ("large",)],
    "log_softmax": [(VECTOR,), ("large",)],
    "logsumexp": [(VECTOR,), ("large",), ((),)],
    "largest": [(VECTOR,), ("ties",), ((),)],
    "smallest": [(VECTOR,), ("ties",), ((),)],
    "argmax_share": [(VECTOR,), ("ties",), ((),)],
    "ties": [(VECTOR,), ("ties",), ((),)],
    "diag": [(VECTOR,)],
    "diagonal": [((3, 3),)],
    "erf": [((),), (VECTOR,), ("large",), ("small",)],
}
SPECIAL = {
    "zeros": [0.0, 1.0, 0.0, 2.0], "large": [-700.0, 3.0, 700.0, 699.5], "ties": [1.0, 2.0, 2.0, -3.0],
    "small": [1e-12, -2.49999, 2.5, 5.9],
}  # fmt: skip


def argument(kind: Any, chance: random.Random) -> Any:
    if isinstance(kind, (int, float)):
        return kind
    if isinstance(kind, str):
        if kind == "positive":
            return chance.uniform(0.1, 3)
        return numpy.array(SPECIAL.get(kind) or [chance.uniform(0.1, 3) for _ in range(4)])
    size = int(numpy.prod(kind)) if kind else 1
    data = [round(chance.uniform(-2, 2), chance.choice((1, 15))) for _ in range(size)]
    return numpy.array(data).reshape(kind) if kind else data[0]


def operation_calls() -> list[tuple[str, Expression, list[Any]]]:
    """Calls of every operation of the language with random arguments."""
    chance = random.Random(11)
    found: list[tuple[str, Expression, list[Any]]] = []
    for operation in CORE:
        count = operation.arity[0]
        default: list[Sequence[Any]] = [((),) * count, (VECTOR,) * count, (MATRIX,) * count]
        for kinds in ARGUMENTS.get(operation.name, default):
            tree = Call(operation.name, tuple(slot(at) for at in range(len(kinds))))
            found += [(operation.name, tree, [argument(k, chance) for k in kinds]) for _ in range(5)]
    return found


def both(
    calls: Sequence[tuple[Expression, Sequence[Any]]], change: tuple[str, str] = ("", "")
) -> list[tuple[Any, Any]]:
    """The values of trees for values in their slots, in the page and in Python."""
    problem = api.loads("equations: E = a\nvalues: {a: 1}\n")
    computation = Computation(problem)
    trees, arithmetic = Trees(computation), Arithmetic(problem.operations)
    data = [[trees.tree(tree), [a.tolist() if is_array(a) else a for a in slots]] for tree, slots in calls]
    mine = node(CALLS, {"calls": data, "formulas": trees.formulas}, change)
    with numpy.errstate(all="ignore"):
        return [(m, arithmetic.compile(tree)(list(slots))) for m, (tree, slots) in zip(mine, calls, strict=True)]


def test_every_operation() -> None:
    calls = operation_calls()
    assert {name for name, _, _ in calls} == {operation.name for operation in CORE}
    for (name, _, slots), (mine, theirs) in zip(calls, both([c[1:] for c in calls]), strict=True):
        assert close(mine, theirs), (name, slots, mine, theirs)


def test_every_function_of_the_plugins() -> None:
    """Activations and losses, on numbers and vectors, with and without their parameters."""
    problem = api.loads("equations: E = a\nvalues: {a: 1}\n")
    chance = random.Random(3)
    calls: list[tuple[Expression, list[Any]]] = []
    problem.operations.losses()  # loads all
    records = [o for o in map(problem.operations.find, plugin_functions()) if o is not None]
    assert len(records) > 35
    for operation in records:
        count = len(operation.arguments)
        for kind in ((), VECTOR):
            low, high = (0.1, 0.9) if operation.kind == "scalar" else (-3.0, 3.0)
            slots = [numpy.array([chance.uniform(low, high) for _ in range(4)]) for _ in range(count)]
            shaped: list[Any] = slots if kind else [float(v[0]) for v in slots]
            if operation.kind == "scalar" and not kind:
                continue
            calls.append((Call(operation.name, tuple(slot(at) for at in range(count))), shaped))
    for (tree, slots), (mine, theirs) in zip(calls, both(calls), strict=True):
        assert close(mine, theirs), (tree, slots, mine, theirs)


def plugin_functions() -> list[str]:
    from bptt_plugins.activations import ACTIVATIONS
    from bptt_plugins.losses import LOSSES

    return [record.name for record in (*ACTIVATIONS, *LOSSES)]


NAMES = ["add", "mul", "neg", "tanh", "sin", "exp", "sigmoid", "softplus", "gelu", "max", "abs", "power", "div"]


def random_tree(chance: random.Random, depth: int) -> Expression:
    """A tree of numbers in which nothing is undefined."""
    if depth == 0 or chance.random() < 0.15:
        return slot(chance.randrange(4)) if chance.random() < 0.8 else Number(chance.choice((1, 2, 0.5)))
    name = chance.choice(NAMES)
    if name == "exp":
        return Call("exp", (Call("tanh", (random_tree(chance, depth - 1),)),))
    if name == "power":
        return Call("power", (random_tree(chance, depth - 1), Number(2)))
    if name == "div":
        below = Call("add", (Number(1), Call("abs", (random_tree(chance, depth - 1),))))
        return Call("div", (random_tree(chance, depth - 1), below))
    count = {"add": chance.randint(2, 4), "mul": 2, "max": 2}.get(name, 1)
    return Call(name, tuple(random_tree(chance, depth - 1) for _ in range(count)))


def test_random_trees() -> None:
    chance = random.Random(5)
    calls = [(random_tree(chance, 6), [chance.uniform(-2, 2) for _ in range(4)]) for _ in range(300)]
    for (tree, slots), (mine, theirs) in zip(calls, both(calls), strict=True):
        scale = max(1.0, abs(theirs))
        assert abs(mine - theirs) <= 1e-10 * scale, (tree, slots, mine, theirs)


def test_a_wrong_operation_is_found() -> None:
    calls = operation_calls()
    found = both([c[1:] for c in calls], ("total += a.data[i * k + l] * b.data", "total += a.data[i * k + l] + b.data"))
    wrong = {name for (name, _, _), (mine, theirs) in zip(calls, found, strict=True) if not close(mine, theirs)}
    assert wrong == {"matmul"}


# --- systems


def varied(computation: Computation, chance: random.Random, share: float) -> dict[int, Any]:
    """Given values with some of them changed."""
    found: dict[int, Any] = {}
    for number, grounds in enumerate(computation.unfolded.grounds[: computation.unfolded.first]):
        if grounds is not None:
            continue
        value = computation.values[number]
        change = chance.random() < share
        if is_array(value):
            noise = numpy.array([chance.uniform(-0.5, 0.5) for _ in range(value.size)]).reshape(value.shape)
            found[number] = (value + noise).astype(float) if change else value.astype(float)
        else:
            found[number] = float(value) + chance.uniform(-0.5, 0.5) if change else float(value)
    return found


def in_python(computation: Computation, given: dict[int, Any]) -> list[Any]:
    """All values and derivatives for other given numbers."""
    problem, unfolded = computation.problem, computation.unfolded
    forward = Program(problem.unfolded, computation.arithmetic, problem.shapes)
    start = forward.run(forward.start({unfolded.keys[n]: value for n, value in given.items()}))
    backward = Program(unfolded, computation.arithmetic, computation.shapes)
    return backward.run(backward.extend(start))[: len(unfolded.keys)]


def compare(computation: Computation, seed: int, runs: int, change: tuple[str, str] = ("", "")) -> list[str]:
    """What differs between the page and Python, for some of the given numbers changed."""
    chance = random.Random(seed)
    chosen = [varied(computation, chance, share) for share in (0.0, *[0.3, 1.0] * runs)]
    data = numbers(computation)
    sent = [[[n, v.tolist() if is_array(v) else v] for n, v in given.items()] for given in chosen]
    found = node(RUNS, {"data": data, "given": sent}, change)
    wrong: list[str] = []
    for result, given in zip(found, chosen, strict=True):
        assert result["wrong"] == []
        theirs = in_python(computation, given)
        names = [*data["names"], *[data["target"] + data["names"][n] for n in data["backward"]]]
        wrong += [n for n, m, t in zip(names, result["values"], theirs, strict=True) if not close(m, t)]
    return wrong


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example(path: Path) -> None:
    """All values and derivatives for several changes of the given numbers, to 1e-12."""
    assert compare(api.solve(api.load(path)).computation, seed=len(path.parent.name), runs=3) == []


def test_the_documents_of_the_acceptance_tests() -> None:
    for path in sorted((EXAMPLES[0].parents[2] / "tests" / "acceptance").glob("documents*/**/*.yaml")):
        assert compare(api.solve(api.load(path)).computation, seed=2, runs=1) == [], path.name


LONG = "title: Long\nnetwork: {topology: lstm, steps: 50, sizes: {input: 3, hidden: 4, output: 2}}\n"


def test_a_long_network() -> None:
    assert compare(api.solve(api.loads(LONG)).computation, seed=1, runs=1) == []


def test_a_wrong_derivative_is_found() -> None:
    computation = api.solve(api.load(EXAMPLES[3])).computation
    assert compare(computation, 1, 1, ("neg: each((x) => -x)", "neg: each((x) => x)"))


def test_the_numbers_that_are_made_of_others() -> None:
    """The terms of a line of the sweep add up to it."""
    solution = api.solve(api.load(EXAMPLES[3]))
    assert solution.blocks
    computation = solution.computation
    data = numbers(computation)
    assert data["made"]
    given = [[n, float(computation.values[n])] for n, _ in data["given"]]
    found = node(RUNS, {"data": data, "given": [given]})[0]
    places = {at: value for at, value in zip(data["made"], found["made"], strict=True)}
    for number in computation.unfolded.order:
        grounds = computation.unfolded.grounds[number] or []
        own = [computation.made.place(g.template.expression, g.slots) for g in grounds]
        if all(str(at) in places for at in own):
            total = sum(places[str(at)] for at in own)
            assert total == pytest.approx(float(computation.values[number]), rel=1e-12)


UNDEFINED = "equations: |\n  a = log(x)\n  b = 2*a\n  c = x*y\n  E = b + c\nvalues: {x: 2, y: 3}\n"


@pytest.mark.parametrize(
    ("x", "y", "wrong"),
    [(-1, 3, {"a": "wrong.log"}), (0, 3, {"a": "wrong.log"}), (1e300, 1e300, {"c": "wrong.finite"}), (2, 3, {})],
)
def test_what_is_not_defined_is_named(x: float, y: float, wrong: dict[str, str]) -> None:
    computation = api.solve(api.loads(UNDEFINED)).computation
    data = numbers(computation)
    values = {"x": x, "y": y}
    given = [[[n, values[data["names"][n]]] for n, _ in data["given"]]]
    found = node(RUNS, {"data": data, "given": given})[0]
    forward = [(n, reason) for n, reason in found["wrong"] if n < len(data["names"])]
    assert {data["names"][n]: reason for n, reason in forward} == wrong
    below = dict(zip(data["names"], found["values"], strict=False))
    assert (below["E"] is None) == bool(wrong)
    assert below["x"] == x


# --- printed numbers


def many_numbers() -> list[tuple[float, int]]:
    chance = random.Random(1)
    makers: list[Callable[[], float]] = [
        lambda: chance.gauss(0, 1) * 10 ** chance.randint(-12, 12),
        lambda: round(chance.gauss(0, 100), chance.randint(0, 8)),
        lambda: chance.randint(-(10**9), 10**9) / 2 ** chance.randint(0, 12),
        lambda: float(chance.randint(-(10**8), 10**8)),
        lambda: 0.1 * chance.randint(0, 100) + 0.2 * chance.randint(0, 30),
        lambda: chance.randint(-(4 * 10**6), 4 * 10**6) / 8,
    ]
    fixed = [0.0, -0.0, 0.1 + 0.2, 123456.5, 9999999.5, 1e7, 1e-4, 9.9999999e-5, 1e21, 5e-324, 1.7976931348623157e308]
    found = [(v, 6) for v in fixed]
    return found + [(chance.choice(makers)(), chance.choice([6, 6, 6, 4, 3, 12, 17, 1])) for _ in range(8000)]


def test_numbers_are_printed_as_in_python() -> None:
    given = many_numbers()
    found = node("process.stdout.write(JSON.stringify(input.map(([v, d]) => printed(v, d))));", given)
    assert [(v, d, t) for (v, d), t in zip(given, found, strict=True) if format_number(v, d) != t] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), (" −2 ", -2), ("1e-3", 1e-3), ("1/4", 0.25), ("-3/4", -0.75), (".5", 0.5), ("5.", 5),
     ("", None), ("abc", None), ("1/", None), ("0x10", None), ("1,5", None), ("1/2/3", None), ("Infinity", None),
     ("alert(1)", None), ("1_0", None), ("1e999", None), ("1/0", None)],
)  # fmt: skip
def test_what_can_be_typed(text: str, value: float | None) -> None:
    found = node("const v = typed(input); process.stdout.write(JSON.stringify(Number.isFinite(v) ? v : null));", text)
    assert found == value
