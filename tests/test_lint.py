"""Rules over the source that no linter knows: what user text never reaches, who imports what, and when."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOTS = {"bptt_solver": ROOT / "bptt_solver", "bptt_plugins": ROOT / "plugins" / "bptt_plugins"}
FILES = {path.relative_to(ROOT).as_posix(): path for root in ROOTS.values() for path in sorted(root.rglob("*.py"))}

every_file = pytest.mark.parametrize("name", FILES)

# One idea in two files: the first calls the second inside a function, all other imports go to modules above.
PAIRS = {
    ("bptt_solver.language.operations", "bptt_solver.language.parser"),  # the formulas of rules are texts
    ("bptt_solver.language.templates", "bptt_solver.language.jacobians"),  # a template's partial, as it is printed
    ("bptt_solver.chain_rule", "bptt_solver.segments"),  # the rule, and how its result is folded
    ("bptt_solver.registry", "bptt_solver.testing"),  # a plugin's records are checked when they are loaded
    ("bptt_solver.derivation", "bptt_solver.steps.plain"),  # the form of the steps, and where they come from
    ("bptt_solver.derivation", "bptt_solver.steps.indexed"),
}

FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input", "globals", "vars"}
RUNNING = {"pickle", "cPickle", "marshal", "shelve", "dill", "joblib", "code", "codeop", "subprocess", "ctypes"}
FETCHING = {"socket", "ssl", "urllib", "http", "requests", "httpx"}
FORBIDDEN_MODULES = RUNNING | FETCHING
FORBIDDEN_METHODS = {"format_map", "sympify", "parse_expr", "parse_latex", "lambdify", "full_load"}
CALLS_ALLOWED = {
    # what is called there, and why no user's text can reach it
    ("bptt_solver/compile/load.py", "exec"),  # programs that were made from trees: names are made, texts are quoted
    ("bptt_solver/compile/load.py", "compile"),
    ("bptt_solver/__init__.py", "globals"),  # remembers a public name that was imported when first asked for
}
HEAVY = {"numpy", "sympy", "mpmath", "pluggy", "jsonschema", "importlib.metadata"}
HEAVY_ALLOWED = {
    # modules that nothing imports on the way to a scalar result
    "bptt_solver/hookspecs.py": {"pluggy"},
    "bptt_solver/testing.py": {"numpy"},
}
# Loops over sets whose order cannot be seen: the line, and why.
SETS_ALLOWED = {
    "for name in bound:": "removes each from a mapping",
    "for name in given_numbers:": "removes each from a mapping",
    "variant = Part(*self.system.templates.of(build.replace(folded, {node: part.leaves[node.at] for node in left})))":
        "a mapping to look up in",
}  # fmt: skip


def tree_of(name: str) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(FILES[name].read_text(encoding="utf-8"), name)


def module_of(name: str) -> str:
    """The module that a file is."""
    parts = Path(name).with_suffix("").parts
    parts = parts[1:] if parts[0] == "plugins" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(name): name for name in FILES}


def imports(name: str) -> Iterator[tuple[str, str, int]]:
    """(module, ``top`` or ``inner`` or ``type``, line) of every import of a file."""
    stack: list[tuple[ast.AST, str]] = [(tree_of(name), "top")]
    while stack:
        node, where = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and where == "top":
            where = "inner"
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            where = "type"
        if isinstance(node, ast.Import):
            yield from ((alias.name, where, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module or "", where, node.lineno
        stack.extend((child, where) for child in ast.iter_child_nodes(node))


# ----------------------------------------------------------------------------- what user text never reaches


@every_file
def test_nothing_runs_text(name: str) -> None:
    wrong = []
    for node in ast.walk(tree_of(name)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if (
            isinstance(function, ast.Name)
            and function.id in FORBIDDEN_CALLS
            and (name, function.id) not in CALLS_ALLOWED
        ):
            wrong.append(f"{name}:{node.lineno}: {function.id}(...)")
        if isinstance(function, ast.Name) and function.id in FORBIDDEN_METHODS:
            wrong.append(f"{name}:{node.lineno}: {function.id}(...)")
        if isinstance(function, ast.Attribute) and function.attr in FORBIDDEN_METHODS:
            wrong.append(f"{name}:{node.lineno}: .{function.attr}(...)")
        if ast.unparse(function) in ("os.system", "os.popen") or ast.unparse(function).startswith(
            ("os.exec", "os.spawn")
        ):
            wrong.append(f"{name}:{node.lineno}: {ast.unparse(function)}(...)")
        if isinstance(function, ast.Attribute) and function.attr == "format":
            wrong.append(f"{name}:{node.lineno}: .format(...); write an f-string, or put fields in by position")
        if isinstance(function, ast.Attribute) and function.attr == "subs":
            wrong += [
                f"{name}:{node.lineno}: subs with a text"
                for a in node.args
                if isinstance(a, ast.Constant | ast.JoinedStr)
            ]
        if isinstance(function, ast.Attribute) and function.attr == "load":
            pickled = [
                k for k in node.keywords if k.arg == "allow_pickle" and getattr(k.value, "value", True) is not False
            ]
            wrong += [f"{name}:{node.lineno}: allow_pickle" for _ in pickled]
    assert not wrong, "\n".join(wrong)


@every_file
def test_no_percent_formatting(name: str) -> None:
    wrong = [
        f"{name}:{node.lineno}"
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mod)
        and (
            isinstance(node.left, ast.JoinedStr)
            or (isinstance(node.left, ast.Constant) and isinstance(node.left.value, str))
        )
    ]
    assert not wrong, wrong


@every_file
def test_no_module_that_runs_or_fetches(name: str) -> None:
    wrong = [
        f"{name}:{line}: {module}" for module, _, line in imports(name) if module.partition(".")[0] in FORBIDDEN_MODULES
    ]
    assert not wrong, wrong


@every_file
def test_only_algebra_and_what_converts_import_sympy(name: str) -> None:
    found = {module for module, where, _ in imports(name) if module.partition(".")[0] == "sympy" and where != "type"}
    assert not found or name in ("bptt_solver/algebra.py", "bptt_solver/symbolic.py")


def test_the_lint_sees_what_it_forbids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.py"
    monkeypatch.setitem(FILES, "bad.py", bad)
    for line in (
        "eval(x)",
        "sympy.sympify(x)",
        "x.format(1)",
        "e.subs('x', 1)",
        "numpy.load(f, allow_pickle=True)",
        "parse_expr(x)",
    ):
        bad.write_text(line + "\n", encoding="utf-8")
        with pytest.raises(AssertionError):
            test_nothing_runs_text("bad.py")
    bad.write_text("import pickle\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        test_no_module_that_runs_or_fetches("bad.py")
    bad.write_text("x = '%s' % y\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        test_no_percent_formatting("bad.py")
    for line in (
        "for a in set(x):\n    print(a)",
        "y = [a for a in {1, 2}]",
        "seen = set()\nfor a in seen:\n    print(a)",
        "list({1})",
    ):
        bad.write_text(line + "\n", encoding="utf-8")
        with pytest.raises(AssertionError):
            test_no_set_is_iterated("bad.py")


# ----------------------------------------------------------------------------- who imports what


def order() -> list[str]:
    """The modules in the order of docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return [module_of(found) for found in re.findall(r"^\| `([\w/]+\.py)` \|", text, re.MULTILINE)]


@every_file
def test_imports_go_up(name: str) -> None:
    places = {module: place for place, module in enumerate(order())}
    own = module_of(name)
    assert own in places, f"{name} is not in docs/architecture.md"
    wrong = []
    for module, where, line in imports(name):
        if module not in places or where == "type" or (where == "inner" and (own, module) in PAIRS):
            continue
        if places[module] >= places[own]:
            wrong.append(f"{name}:{line}: imports {module}, which stands below it in docs/architecture.md")
    assert not wrong, "\n".join(wrong)


def test_pairs_are_needed() -> None:
    unused = [p for p in sorted(PAIRS) if (p[1], "inner") not in {(m, w) for m, w, _ in imports(MODULES[p[0]])}]
    assert not unused


@every_file
def test_nobody_imports_the_command(name: str) -> None:
    allowed = {"bptt_solver/__main__.py", "bptt_solver/magic.py"}  # a cell has the options of the command
    found = {module for module, _, _ in imports(name)} & {
        "bptt_solver.cli",
        "bptt_solver.__main__",
        "bptt_solver.batch",
    }
    part = name in ("bptt_solver/cli.py", "bptt_solver/works.py", "bptt_solver/serve/job.py")  # which tell of errors
    assert not found or name in allowed or (part and found == {"bptt_solver.batch"})


@every_file
def test_plugins_use_nothing_private(name: str) -> None:
    if not name.startswith("plugins/"):
        return
    public = {
        "bptt_solver",
        "bptt_solver.hookspecs",
        "bptt_solver.records",
        "bptt_solver.draft",
        "bptt_solver.options",
        "bptt_solver.testing",
        "bptt_solver.errors",
        "bptt_solver.formulas",
        "bptt_solver.catalogues",
    }  # and the language: a topology may read, rewrite and print equations
    found = {module for module, _, _ in imports(name) if module.startswith("bptt_solver")}
    found = {module for module in found if not module.startswith("bptt_solver.language")}
    assert found <= public


@every_file
def test_heavy_modules_are_imported_where_they_are_used(name: str) -> None:
    found = {
        module if module in HEAVY else module.partition(".")[0] for module, where, _ in imports(name) if where == "top"
    }
    assert found & HEAVY <= HEAVY_ALLOWED.get(name, set())


SCALAR = """\
title: Four ordered variables
equations: |
  z2 = 2*z1
  z3 = 3*z2 + z1
  z4 = 4*z3 + 2*z2 + z1
  E = 4*z4 + 2*z2
values: {z1: 1}
"""


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "json"])
def test_a_scalar_example_loads_nothing_heavy(form: str) -> None:
    program = (
        "import sys, bptt_solver.api as api\n"
        f"text = api.solve(api.loads({SCALAR!r})).render({form!r})\n"
        "assert '136' in text\n"
        f"print(*[m for m in {sorted(HEAVY | {'dataclasses', 'asyncio'})!r} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


# ----------------------------------------------------------------------------- order


def is_set(node: ast.expr, known: set[str]) -> bool:
    """Whether an expression is a set, as far as its form tells."""
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("set", "frozenset")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript) and isinstance(node.func.value, ast.Name):
        return node.func.value.id in ("set", "frozenset")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("union", "intersection", "difference", "symmetric_difference") and is_set(
            node.func.value, known
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return is_set(node.left, known) or is_set(node.right, known)
    return isinstance(node, ast.Name) and node.id in known


def set_names(scope: ast.AST) -> set[str]:
    """The names that a function or module binds to sets (and to nothing else, as far as its form tells)."""
    found: set[str] = set()
    others: set[str] = set()
    for node in ast.walk(scope):
        pairs: list[tuple[ast.expr, ast.expr | None]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign):
            annotated = ast.unparse(node.annotation).startswith(("set[", "frozenset["))
            pairs = [(node.target, ast.Set(elts=[]) if annotated else node.value)]
        for target, value in pairs:
            if isinstance(target, ast.Name):
                (found if value is not None and is_set(value, set()) else others).add(target.id)
    return found - others


IN_ORDER = {
    "sorted",
    "len",
    "any",
    "all",
    "min",
    "max",
    "set",
    "frozenset",
    "bool",
}  # what does not see the order of a set
SEES_ORDER = {"list", "tuple", "enumerate", "iter", "next", "map", "zip", "filter", "sum"}


@every_file
def test_no_set_is_iterated(name: str) -> None:
    tree = tree_of(name)
    lines = FILES[name].read_text(encoding="utf-8").splitlines()
    wrong = []
    scopes = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))]
    known = {id(scope): set_names(scope) for scope in scopes}
    fine: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IN_ORDER:
            fine |= {
                id(inner)
                for a in node.args
                if isinstance(a, ast.GeneratorExp | ast.ListComp | ast.SetComp)
                for inner in a.generators
            }
        if isinstance(node, ast.Set):
            fine |= {id(inner) for inner in node.elts}
        if isinstance(node, ast.SetComp):
            fine |= {id(inner) for inner in node.generators}
    for scope in scopes:
        for node in ast.walk(scope):
            looped: list[ast.expr] = []
            if isinstance(node, ast.For | ast.comprehension) and id(node) not in fine:
                looped = [node.iter]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SEES_ORDER:
                looped = [a.value if isinstance(a, ast.Starred) else a for a in node.args]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join":
                looped = list(node.args)
            elif isinstance(node, ast.Starred) and id(node) not in fine:
                looped = [node.value]
            for item in looped:
                line = lines[item.lineno - 1].strip()
                if is_set(item, known[id(scope)]) and line not in SETS_ALLOWED:
                    wrong.append(f"{name}:{item.lineno}: {line}")
    assert not wrong, "\n".join(dict.fromkeys(wrong))


# ----------------------------------------------------------------------------- comments


@every_file
def test_comments(name: str) -> None:
    text = FILES[name].read_text(encoding="utf-8")
    wrong = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if re.search(r"type:\s*ignore(?!\[[\w,-]+\])", token.string) or re.search(
            r"noqa(?!: ?[A-Z]+[0-9])", token.string
        ):
            wrong.append(f"{name}:{token.start[0]}: says not what it ignores: {token.string}")
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", token.string):
            wrong.append(f"{name}:{token.start[0]}: {token.string}")
    assert not wrong, "\n".join(wrong)


@every_file
def test_handlers_say_what_they_catch(name: str) -> None:
    bare = [n.lineno for n in ast.walk(tree_of(name)) if isinstance(n, ast.ExceptHandler) and n.type is None]
    assert not bare


@every_file
def test_docstrings(name: str) -> None:
    """Every module, public class and public function has one."""
    tree = tree_of(name)
    assert ast.get_docstring(tree), f"{name} has no docstring"
    missing = []
    for node in tree.body:
        public = (
            isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not node.bases
        )  # else they override
        for member in [node, *(node.body if isinstance(node, ast.ClassDef) and public else [])]:
            if not isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or member.name.startswith(
                "_"
            ):
                continue
            if not ast.get_docstring(member):
                missing.append(f"{name}:{member.lineno}: {member.name}")
    assert not missing, "\n".join(missing)
