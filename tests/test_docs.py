"""What the manual says is true of the code: its examples run, its tables are the code's, nothing is left out."""

from __future__ import annotations

import doctest
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import bptt_solver
from bptt_solver import api, hookspecs, testing
from bptt_solver.batch import ENDINGS
from bptt_solver.errors import Excerpt
from bptt_solver.formulas import OPERATORS
from bptt_solver.language.equations import Equation
from bptt_solver.language.notation.source import equation_to_source
from bptt_solver.language.operations import CORE, INTERNAL
from bptt_solver.language.parser import parse_equations
from bptt_solver.limits import TABLE
from bptt_solver.problem.document import KEYS
from bptt_solver.registry import HOOKS, Registry
from bptt_solver.results import VERSION
from bptt_solver.verify.report import STATUSES

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FIRST = ROOT / "examples" / "01_ordered_variables" / "problem.yaml"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, kind: str) -> list[str]:
    """The fenced blocks of one kind on a page."""
    return [text for word, text in FENCE.findall(page(name)) if word == kind]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of all rows of all tables, without their headers."""
    previous = ""
    for line in text.splitlines():
        if line.startswith("|") and previous.startswith("|") and not line.startswith("|---"):
            yield [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        previous = line


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section '{title}'"
    return found[1]


def names(cell: str) -> list[str]:
    """The words of a cell that are marked as code."""
    return re.findall(r"`([^`]+)`", cell)


def run(*arguments: str, cwd: Path = ROOT) -> str:
    """What the command prints; it must succeed."""
    command = [sys.executable, "-P", "-m", "bptt_solver", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ----------------------------------------------------------------------------- all pages


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_block_is_of_a_kind_that_is_tested(path: Path) -> None:
    kinds = {word for word, _ in FENCE.findall(path.read_text(encoding="utf-8"))}
    assert kinds <= {"bptt", "yaml", "python", "pycon", "json", "toml", "text"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_paths_in_the_text_exist(path: Path) -> None:
    for word in names(path.read_text(encoding="utf-8")):
        if re.fullmatch(r"(bptt_solver|plugins|tests|docs|examples|benchmarks)/[\w./]*", word):
            assert (ROOT / word).exists(), word


# ----------------------------------------------------------------------------- README


def test_the_first_document_has_the_numbers_of_the_table() -> None:
    text = blocks("README.md", "yaml")[0]
    written = FIRST.read_text(encoding="utf-8").splitlines(keepends=True)
    assert text == "".join(line for line in written if not line.startswith("#"))
    solution = bptt_solver.solve(bptt_solver.loads(text))
    assert [solution[name] for name in ("z2", "z3", "z4", "E")] == [2, 7, 33, 136]
    table = [row for row in rows(page("README.md")) if row[0].startswith("∂⁺")]
    assert len(table) == 4
    for name, direct, later, total in table:
        family = name.rpartition("∂")[2]
        products = [[int(n) for n in product.split("·")] for product in later.split(" + ")] if later else []
        assert int(direct) == solution.simple_partials["E"][family]
        assert int(total) == int(direct) + sum(a * b for a, b in products) == solution[name]
        used = sorted(
            solution.simple_partials[z][family] for z in ("z4", "z3", "z2") if family in solution.simple_partials[z]
        )
        assert sorted(b for _, b in products) == used
    moved = bptt_solver.solve(bptt_solver.loads(text.replace("z1: 1", "z1: 1.001")), check="none")
    assert moved.value == pytest.approx(136.136)


def test_the_excerpt_is_what_the_command_prints() -> None:
    excerpt = blocks("README.md", "text")[0]
    assert len(excerpt.splitlines()) >= 4
    assert excerpt in run(str(FIRST.relative_to(ROOT)))


def test_the_network_and_its_adjoint() -> None:
    document, adjoint = blocks("README.md", "yaml")[1], blocks("README.md", "text")[1]
    problem = bptt_solver.loads(document)
    assert bptt_solver.lower(problem, adjoint=True) == adjoint
    assert bptt_solver.solve(problem).verified


def test_the_python_session() -> None:
    session = doctest.DocTestParser().get_doctest(blocks("README.md", "pycon")[0], {}, "README", None, None)
    assert len(session.examples) >= 6
    told: list[str] = []
    here = Path.cwd()
    try:
        os.chdir(ROOT)
        result = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(session, out=told.append)
    finally:
        os.chdir(here)
    assert result.failed == 0, "".join(told)


def test_the_plugin_in_fifteen_lines(tmp_path: Path) -> None:
    (code,) = blocks("README.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    file = tmp_path / "squash.py"
    file.write_text(code, encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(compile(code, str(file), "exec"), scope)
    scope["test_squash"]()
    wrong = scope["SQUASH"].replace(derivatives={"x": "1/(1 + x**2)"})
    with pytest.raises(AssertionError, match="squash: derivative with respect to x"):
        testing.check_function(wrong)
    solution = bptt_solver.solve(bptt_solver.loads("equations: E = squash(x)\nvalues: {x: 0.75}\n", plugins=[file]))
    assert solution.value == pytest.approx(0.6)
    assert solution["∂⁺E/∂x"] == pytest.approx(0.512)
    assert solution.verified
    document = tmp_path / "problem.yaml"
    document.write_text("equations: E = squash(x)\nvalues: {x: 0.75}\n", encoding="utf-8")
    assert "0.512" in run("--plugin", str(file), str(document))


def test_the_two_commands_are_those_that_are_tested() -> None:
    first, second = re.findall(r"^    (python3 -m venv .*)$", page("README.md"), re.MULTILINE)
    steps = [part.strip().removeprefix(".venv/bin/") for part in (*first.split("&&"), *second.split("&&"))]
    assert steps == [
        "python3 -m venv .venv",
        "pip install -e .",
        "bptt-solve examples/01_ordered_variables/problem.yaml",
        "python3 -m venv .venv",
        "pip install -e '.[test]'",
        "python -m pytest",
    ]
    script = page(".ci/run")
    for step in ("-m venv", "pip\" install --quiet -e '.[test]'", "-m pytest", steps[2].partition(" ")[2]):
        assert step in script


def test_options_and_exit_codes() -> None:
    told = run("--help")
    told_again = " ".join(told.split())
    for option in re.findall(
        r"(?<![\w-])(--?[a-z][a-z-]*)", section(page("README.md"), "The command").replace("--check none", "")
    ):
        assert option in told or option in run("lower", "--help"), option
    codes = {row[0]: row[1] for row in rows(page("README.md")) if row[0].isdigit()}
    assert sorted(map(int, codes)) == [0, 1, 2, 70, 130]
    for code, meaning in codes.items():
        assert f"{code} {meaning.replace('`', '')}" in told_again


# ----------------------------------------------------------------------------- language.md


def parsed(text: str) -> list[Equation]:
    """The equations of a block."""
    return parse_equations(Excerpt.of(text, "<manual>"))


def tree(equation: Equation) -> tuple[object, ...]:
    """All of an equation but where it was written."""
    return equation.name, equation.indices, equation.right, equation.ranges, equation.conditions


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_equations_parse_and_print(path: Path) -> None:
    for text in blocks(str(path.relative_to(ROOT)), "bptt"):
        equations = parsed(text)
        assert equations
        printed = "".join(equation_to_source(e) + "\n" for e in equations)
        assert [tree(e) for e in parsed(printed)] == [tree(e) for e in equations]


def test_every_core_function_is_in_the_table_with_its_rule() -> None:
    table: dict[str, tuple[list[str], str]] = {}
    for signature, _, rule in (row for row in rows(section(page("docs/language.md"), "Functions")) if len(row) == 3):
        found = re.fullmatch(r"`(\w+)\((.*)\)`", signature)
        assert found, signature
        table[found[1]] = [word.strip() for word in found[2].split(",")], rule
    operations = {o.name: o for o in CORE if o.name not in INTERNAL and o.name not in OPERATORS - {"transpose"}}
    assert sorted(table) == sorted(operations)
    for name, (arguments, rule) in table.items():
        operation = operations[name]
        low, high = operation.arity
        assert len(arguments) == low if low == high else arguments[-1] == "..."
        if operation.kind == "elementwise":
            assert tuple(arguments) == operation.arguments
            told = dict(re.findall(r"(\w+): `([^`]+)`", rule))
            assert told == operation._texts
            assert told or rule == "0"


@pytest.mark.parametrize(
    ("equation", "given", "derivatives"),
    [
        ("E = relu(x)", "{x: 0}", {"x": 0}),
        ("E = abs(x)", "{x: 0}", {"x": 0}),
        ("E = max(a, b) + 3*min(a, b)", "{a: 2, b: 2}", {"a": 2, "b": 2}),
        ("E = max(v)", "{v: [1, 2, 2]}", {"v": [0, 0.5, 0.5]}),
        ("E = clip(x, 0, 1)", "{x: 0}", {"x": 0}),
        ("E = clip(x, 0, 1)", "{x: 1}", {"x": 0}),
    ],
)
def test_conventions_at_kinks(equation: str, given: str, derivatives: Mapping[str, Any]) -> None:
    solution = bptt_solver.solve(bptt_solver.loads(f"equations: '{equation}'\nvalues: {given}\n"))
    assert {name: solution.ordered_derivatives[name] for name in derivatives} == derivatives
    assert solution.check.status == "kink"


@pytest.mark.parametrize(
    ("equation", "status", "derivative", "left", "right"),
    [
        ("E = x + abs(x - x)", "exact", 1, 1, 1),
        ("E = relu(x) - relu(-x)", "kink", 0, 1, 1),
        ("E = relu(x) + relu(-x)", "kink", 0, -1, 1),
    ],
)
def test_slopes_in_checking(equation: str, status: str, derivative: int, left: int, right: int) -> None:
    solution = bptt_solver.solve(bptt_solver.loads(f"equations: '{equation}'\nvalues: {{x: 0}}\n"))
    (slopes,) = solution.check.slopes
    assert (solution.check.status, solution["∂⁺E/∂x"]) == (status, derivative)
    assert (slopes.left, slopes.right) == (left, right)


# ----------------------------------------------------------------------------- documents.md


def test_keys_and_limits() -> None:
    text = page("docs/documents.md")
    assert tuple(names(row[0])[0] for row in rows(section(text, "Keys"))) == KEYS
    schema = json.loads(run("schema"))
    assert tuple(schema["properties"]) == KEYS
    limits = {names(name)[0]: (default, most) for name, _, default, most in rows(section(text, "Limits"))}
    assert limits == {name: (f"{limit.default:,}", f"{limit.most:,}") for name, limit in TABLE.items()}
    assert list(limits) == list(TABLE)


@pytest.mark.parametrize("name", ["README.md", "docs/documents.md"])
def test_documents_are_solved_and_fit_the_schema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    yaml = pytest.importorskip("ruamel.yaml").YAML(typ="safe", pure=True)
    schema = json.loads(run("schema"))
    found = blocks(name, "yaml")
    assert found
    for text in found:
        assert bptt_solver.solve(bptt_solver.loads(text)).verified
        jsonschema.validate(yaml.load(text), schema)


@pytest.mark.parametrize(
    "value", [cell for row in rows(section(page("docs/documents.md"), "Values")) for cell in names(row[0])]
)
def test_forms_of_values(value: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1\n2\n", encoding="utf-8")
    numpy = pytest.importorskip("numpy")
    numpy.savez(tmp_path / "weights.npz", W=numpy.eye(2))
    if value == "random":
        given = "network: {topology: feedforward, input: 1, layers: [2]}\nvalues: {x: [1], d: [0, 1]}\n"
        given += "parameters:\n  W[1]: random\n  b[1]: random\n"
    else:
        total = "sum(x[t] for t in 0..2)" if "from" in value else "sum(x*x)"
        given = f"equations: E = {total}\nvalues:\n  x: {value}\n"
    (tmp_path / "problem.yaml").write_text(given, encoding="utf-8")
    assert bptt_solver.solve(bptt_solver.load(tmp_path / "problem.yaml")).verified


# ----------------------------------------------------------------------------- json.md


def documented(*titles: str) -> dict[str, list[str]]:
    """The keys that json.md lists under each heading, one list for each table."""
    text = page("docs/json.md")
    return {title: [name for row in rows(section(text, title)) for name in names(row[0])] for title in titles}


@pytest.mark.parametrize(
    "document",
    [
        *blocks("README.md", "yaml"),
        "equations: |\n  o = W @ x\n  p = softmax(o)\n  E = cross_entropy(p, d) + relu(k)\n"
        "values: {W: [[1, 2], [3, 4]], x: [1, -1], d: [0, 1], k: 0}\n",
    ],
)
def test_json_output_is_documented(document: str) -> None:
    keys = documented("Keys", "steps", "check")
    solution = bptt_solver.solve(bptt_solver.loads(document), second=True)
    data = json.loads(solution.render("json"))
    assert data == json.loads(json.dumps(solution.as_dict()))
    optional = {"sources", "left_out", "hessian", "clip", "training", "contributions", "truncation", "gradient_flow"}
    optional |= {"rtrl", "perturbation", "program", "network"}
    assert [key for key in keys["Keys"] if key not in optional] == [key for key in data if key not in optional]
    assert set(data) <= set(keys["Keys"])
    assert data["version"] == VERSION == 1
    for step in data["steps"]:
        assert list(step) == {"equation": keys["steps"][:4], "line": keys["steps"][4:]}[step["kind"]]
        told = next(row[1] for row in rows(section(page("docs/json.md"), "steps")) if row[0] == "`terms`")
        for term in step["terms"] if step["kind"] == "equation" else ():
            assert set(term) <= set(names(told))
    assert list(data["check"]) == keys["check"]
    for part in ("failures", "limited", "kinks", "slopes"):
        told = next(row[1] for row in rows(section(page("docs/json.md"), "check")) if row[0] == f"`{part}`")
        for entry in data["check"][part]:
            assert list(entry) == names(told)
    check_numbers(data)


def check_numbers(data: Mapping[str, Any]) -> None:
    """Names agree between the parts, and a derivative has the shape of its member."""

    def shape(value: Any) -> tuple[int, ...]:
        return (len(value), *shape(value[0])) if isinstance(value, list) else ()

    assert list(data["values"]) == list(data["ordered_derivatives"])
    assert data["value"] == data["values"][data["target"]]
    for name, value in data["values"].items():
        assert shape(value) == shape(data["ordered_derivatives"][name])
    for consumer, partials in data["simple_partials"].items():
        for name, partial in partials.items():
            assert shape(partial) == shape(data["values"][consumer]) + shape(data["values"][name])
    for line in (step for step in data["steps"] if step["kind"] == "line" and step["of"] != data["target"]):
        numpy = pytest.importorskip("numpy")
        total = sum(numpy.asarray(term["value"], dtype=float) for term in line["terms"])
        assert numpy.allclose(total, numpy.asarray(line["value"], dtype=float), rtol=1e-12, atol=1e-15)


def test_the_json_excerpt() -> None:
    (excerpt,) = blocks("docs/json.md", "json")
    data = json.loads(run(str(FIRST), "-f", "json"))
    for key, value in json.loads(excerpt).items():
        assert data[key] == value
        assert not isinstance(value, dict) or list(data[key]) == list(value)


def test_verdicts() -> None:
    assert [names(row[0])[0] for row in rows(section(page("docs/checking.md"), "Verdicts"))] == list(STATUSES)
    sentences = tomllib.loads(page("bptt_solver/locale/en.toml")).values()
    for row in rows(section(page("docs/checking.md"), "Verdicts")):
        assert any(row[2].strip('"') in sentence for sentence in sentences), row[2]
    exits = {names(row[0])[0]: row[3] for row in rows(section(page("docs/checking.md"), "Verdicts"))}
    assert [status for status, code in exits.items() if code == "1"] == ["failed"]


# ----------------------------------------------------------------------------- plugins.md


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_every_hook_has_its_signature_and_its_example(hook: str, tmp_path: Path) -> None:
    text = page("docs/plugins.md")
    function = getattr(hookspecs, hook)
    signature = f"{hook}{inspect.signature(function)}".replace("'", "")
    body = section(text, signature)
    summary, _, example = (inspect.getdoc(function) or "").partition("\n\nA plugin::\n\n")
    assert summary in body
    (code,) = [block for word, block in FENCE.findall(body) if word == "python"]
    assert code == inspect.cleandoc(example) + "\n"
    file = tmp_path / "my_plugin.py"
    file.write_text(code, encoding="utf-8")
    registry = Registry.load([str(file)])
    assert registry.warnings == ()
    records = (*registry.functions, *registry.topologies, *registry.update_rules)
    (new,) = (record for record in records if "my_plugin" in str(registry.origin(record)))
    testing.check_record(new, registry)


def test_hooks_are_all_documented() -> None:
    headings = re.findall(r"^## (bptt_\w+)\(", page("docs/plugins.md"), re.MULTILINE)
    assert sorted(headings) == sorted(HOOKS) == sorted(n for n in dir(hookspecs) if n.startswith("bptt_"))


def test_other_snippets_of_the_plugin_page() -> None:
    assert hookspecs.GROUP in blocks("docs/plugins.md", "toml")[0]
    scope: dict[str, Any] = {"squash": Registry.load().functions[0]}
    exec(compile(blocks("docs/plugins.md", "python")[-1], "plugins.md", "exec"), scope)
    scope["test_squash"]()


# ----------------------------------------------------------------------------- the others


def test_every_module_is_in_the_architecture() -> None:
    listed = [row[0].strip("`") for row in rows(page("docs/architecture.md"))]
    real = [p for root in ("bptt_solver", "plugins/bptt_plugins") for p in (ROOT / root).rglob("*.py")]
    assert sorted(listed) == sorted(str(path.relative_to(ROOT)) for path in real)
    assert all(row[1] for row in rows(page("docs/architecture.md")))


def test_sections_of_a_derivation() -> None:
    sections = [
        "Given",
        "Order",
        "Forward values",
        "Local partials",
        "Backward sweep",
        "Gather shared weights",
        "Check",
    ]
    text = run(str(FIRST))
    for number, title in enumerate(sections, 1):
        assert re.search(rf"^{number} {title}\b", text, re.MULTILINE), title
        assert f"{number} {title}" in " ".join(page("docs/derivation.md").split())
        assert re.search(rf"^{number}\. \*\*{title}\*\*", page("docs/derivation.md"), re.MULTILINE)


def test_mistakes_have_the_numbers_of_the_acceptance_data() -> None:
    """The wrong numbers that derivation.md lists are what the named mistakes give (computed here from the partials)."""
    partials = {"E": {"z4": 4, "z2": 2}, "z4": {"z3": 4, "z2": 2, "z1": 1}, "z3": {"z2": 3, "z1": 1}, "z2": {"z1": 2}}
    order = ["z4", "z3", "z2", "z1"]

    def direct(z: str) -> int:
        return partials["E"].get(z, 0)

    def sweep(with_direct: bool = True) -> list[int]:
        found: dict[str, int] = {}
        for z in order:
            through = sum(found[j] * partials[j][z] for j in found if z in partials[j])
            found[z] = through + direct(z) * (with_direct or z == "z4")
        return list(found.values())

    def chain() -> list[int]:
        found = [direct("z4")]
        for above, z in pairwise(order):
            found.append(found[-1] * partials[above][z] + direct(z))
        return found

    def total(j: str, i: str) -> int:
        return partials[j].get(i, 0) + sum(p * total(k, i) for k, p in partials[j].items() if k in partials and k != i)

    twice: dict[str, int] = {}
    for z in order:
        twice[z] = direct(z) + sum(twice[j] * total(j, z) for j in twice)
    one_step = [direct(z) + sum(direct(j) * partials[j].get(z, 0) for j in order[:-1]) for z in order]
    wrong = [[direct(z) for z in order], one_step, sweep(False), chain(), list(twice.values())]
    told = [row[1] for row in rows(section(page("docs/derivation.md"), "Where textbooks err"))][:5]
    assert told == [", ".join(map(str, numbers)) for numbers in wrong]
    assert sweep() == [4, 16, 58, 136]


def test_formats_and_names_of_the_interface() -> None:
    assert api.FORMATS == ("text", "markdown", "latex", "html", "json", "svg", "dot", "typst", "ipynb")
    shown = page("docs/formats.md")
    assert all(f"`{form}`" in shown and f"`{ending}`" in shown for form, ending in ENDINGS.items())
    for name in ("load", "loads", "solve", "lower", "Solution", "Problem", "ProblemError"):
        assert hasattr(bptt_solver, name)
