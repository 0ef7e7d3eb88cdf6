"""The registry meets plugins of every bad kind, as installed distributions: each is named, and none harms another."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from bptt_solver import hookspecs
from bptt_solver.errors import ProblemError
from bptt_solver.records import Activation, Function, Loss, Network, OptionError, Topology
from bptt_solver.registry import HOOKS, Record, Registry
from bptt_solver.testing import check_function, check_record, check_topology

HEAD = """
from bptt_solver.hookspecs import hookimpl
from bptt_solver.records import Activation, Function, Loss, Network, Topology
"""
GOOD = (
    HEAD
    + """
@hookimpl
def bptt_activations():
    yield Activation("cube", "x**3", {"x": "3*x**2"})
"""
)


class Installed:
    """A folder on the path in which distributions with plugins seem to be installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, code: str, distribution: str | None = None, value: str | None = None) -> None:
        distribution = distribution or f"{name}-dist"
        (self.folder / f"fake_{name}.py").write_text(dedent(code))
        info = self.folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{hookspecs.GROUP}]\n{name} = {value or f'fake_{name}'}\n")
        importlib.invalidate_caches()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Installed(tmp_path)
    for module in set(sys.modules) - before:
        if module.startswith(("fake_", "bptt_local_plugin_")):
            del sys.modules[module]


def test_first_party_plugins_enter_by_the_public_door() -> None:
    registry = Registry.load()
    assert registry.warnings == ()
    assert registry.origin(registry.function("sigmoid")) == "bptt (bptt-solver 0.1.0)"
    assert registry.origin(registry.topology("feedforward")) == "bptt (bptt-solver 0.1.0)"
    assert [f.name for f in registry.functions] == sorted(f.name for f in registry.functions)
    assert registry.function("logistic").name == "sigmoid"


def test_good_plugin(installed: Installed) -> None:
    installed.add("good", GOOD)
    registry = Registry.load()
    assert registry.warnings == ()
    assert registry.function("cube").value == "x**3"
    assert registry.origin(registry.function("cube")) == "good (good-dist 1.2)"


BAD = {
    "raises on import": ("raise RuntimeError('no luck')", "was left out: RuntimeError: no luck"),
    "leaves on import": ("raise SystemExit(3)", "was left out: SystemExit: 3"),
    "syntax error": ("def (", "was left out: SyntaxError: invalid syntax (fake_bad.py, line 1)"),
    "lacks a dependency": (
        "import not_installed_at_all",
        "was left out: ModuleNotFoundError: No module named 'not_installed_at_all'",
    ),
    "no hook": (
        "x = 1",
        "has no hook: mark bptt_activations, bptt_functions, bptt_losses, bptt_topologies, bptt_update_rules "
        "with @hookimpl",
    ),
    "no marker": ("def bptt_losses(): return []", "has no hook"),
    "misspelt hook": (
        "@hookimpl\ndef bptt_activation(): return []",
        "unknown hook 'bptt_activation' (did you mean 'bptt_activations'?)",
    ),
    "wrong arguments": (
        "@hookimpl\ndef bptt_losses(registry): return []",
        "was left out: PluginValidationError: Plugin 'bad' for hook 'bptt_losses'",
    ),
    "hook raises": ("@hookimpl\ndef bptt_losses(): 1/0", "bptt_losses failed: ZeroDivisionError: division by zero"),
    "generator raises": (
        "@hookimpl\ndef bptt_losses():\n    yield from ()\n    raise KeyError('late')",
        "bptt_losses failed: KeyError: 'late'",
    ),
    "not iterable": (
        "@hookimpl\ndef bptt_losses(): return 3",
        "bptt_losses failed: TypeError: 'int' object is not iterable",
    ),
    "wrong type": (
        "@hookimpl\ndef bptt_losses(): yield 'hinge'",
        "bptt_losses yielded str where Loss belongs; it was left out",
    ),
    "activation as loss": (
        "@hookimpl\ndef bptt_losses(): yield Activation('f', 'x', {'x': '1'})",
        "bptt_losses yielded Activation where Loss belongs; it was left out",
    ),
    "missing field": (
        "@hookimpl\ndef bptt_activations(): yield Activation('f', 'x')",
        "bptt_activations failed: TypeError: Function.__init__() missing 1 required positional argument: 'derivatives'",
    ),
}
RECORDS = {
    "core name": ("Activation('tanh', 'x', {'x': '1'})", "activation 'tanh' was left out: 'tanh' is a core function"),
    "first-party name": (
        "Activation('relu', 'x', {'x': '1'})",
        "activation 'relu' was left out: plugin 'bptt' (bptt-solver 0.1.0) has 'relu' already",
    ),
    "first-party alias": (
        "Activation('f', 'x', {'x': '1'}, aliases=('silu',))",
        "activation 'f' was left out: plugin 'bptt' (bptt-solver 0.1.0) has 'silu' already",
    ),
    "own name twice": (
        "Activation('f', 'x', {'x': '1'}, aliases=('f',))",
        "activation 'f' was left out: its names f, f repeat one",
    ),
    "unparsable value": (
        "Activation('f', '2x', {'x': '1'})",
        "activation 'f' was left out: the value, '2x', does not parse: ",
    ),
    "unparsable derivative": (
        "Activation('f', 'x', {'x': '1 - result**'})",
        "activation 'f' was left out: the derivative with respect to x, '1 - result**', does not parse: ",
    ),
    "unknown name": (
        "Activation('f', 'x + c', {'x': '1'})",
        "the value, 'x + c', uses 'c', which is not one of its names (x)",
    ),
    "result in value": ("Activation('f', 'result', {'x': '1'})", "uses 'result', which is not one of its names (x)"),
    "index": (
        "Activation('f', 'sum(x for i in 1..3)', {'x': '1'})",
        "has index variables; a rule knows only its arguments",
    ),
    "indexed": ("Activation('f', 'x[1]', {'x': '1'})", "uses 'x', which is not one of its names"),
    "unknown function": (
        "Activation('f', 'sigmoyd(x)', {'x': '1'})",
        "activation 'f' was left out: its value calls the unknown function 'sigmoyd' (did you mean 'sigmoid'?)",
    ),
    "wrong number of arguments": (
        "Activation('f', 'step(x)', {'x': '0'})",
        "activation 'f' was left out: its value calls 'step' with 1 argument, not 2",
    ),
    "itself": (
        "Activation('f', '1 + f(x)', {'x': '1'})",
        "activation 'f' was left out: its value is defined in a circle: f",
    ),
    "not a formula": ("Activation('f', 3, {'x': '1'})", "the value is a int, not a formula in text"),
    "derivatives in text": ("Activation('f', 'x', '1')", "derivatives is a str, not a mapping"),
    "derivative of nothing": ("Activation('f', 'x', {'y': '1'})", "derivatives names 'y', which is not an argument"),
    "strange name": ("Activation('my f', 'x', {'x': '1'})", "the name 'my f' is not a name of the language"),
    "no name": ("Activation(None, 'x', {'x': '1'})", "the name None is not a name of the language"),
    "two arguments": (
        "Activation('f', 'a*b', {'a': 'b', 'b': 'a'}, ('a', 'b'))",
        "an activation is elementwise and has one argument",
    ),
    "strange kind": (
        "Activation('f', 'x', {'x': '1'}, kind='vector')",
        "kind is 'vector', not one of elementwise, scalar",
    ),
    "arguments in text": (
        "Activation('f', 'x', {'x': '1'}, arguments='x')",
        "arguments must be a tuple of texts, not 'x'",
    ),
    "default in text": (
        "Activation('f', 'a*x', {'x': 'a'}, parameters={'a': '1'})",
        "the default of parameter a is not a number",
    ),
    "domain": ("Activation('f', 'x', {'x': '1'}, domain={'x': (3, 1)})", "the domain of x is not a pair (low, high)"),
    "control characters": ("Activation('f', 'x\\x1b[31m', {'x': '1'})", "activation 'f' was left out: the value"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_plugin_is_named_and_harms_nobody(case: str, installed: Installed) -> None:
    code, message = BAD[case]
    _one_warning(installed, HEAD * ("import" not in case and case != "syntax error") + code, message)


@pytest.mark.parametrize("case", RECORDS)
def test_bad_record_is_named_and_harms_nobody(case: str, installed: Installed) -> None:
    record, message = RECORDS[case]
    _one_warning(installed, HEAD + f"@hookimpl\ndef bptt_activations(): yield {record}", message)


def _one_warning(installed: Installed, code: str, message: str) -> None:
    before = [f.name for f in Registry.load().functions]
    installed.add("bad", code)
    installed.add("good", GOOD)
    registry = Registry.load()
    assert len(registry.warnings) == 1, registry.warnings
    assert registry.warnings[0].startswith("plugin 'bad' (bad-dist 1.2)")
    assert message in registry.warnings[0]
    assert registry.warnings[0].isprintable()
    assert [f.name for f in registry.functions] == sorted([*before, "cube"])


def test_missing_object(installed: Installed) -> None:
    installed.add("bad", HEAD, value="fake_bad:nothing")
    (warning,) = Registry.load().warnings
    assert warning.startswith("plugin 'bad' (bad-dist 1.2) was left out: AttributeError: ")


def test_rest_of_a_plugin_survives(installed: Installed) -> None:
    installed.add(
        "half",
        HEAD
        + """
        @hookimpl
        def bptt_activations():
            return [Activation("a1", "x", {"x": "1"}), Activation("a2", "x +", {"x": "1"}), None]

        @hookimpl
        def bptt_losses():
            raise RuntimeError("broken half")

        @hookimpl
        def bptt_functions():
            yield Function("b1", "a1(x)", {"x": "1"})
        """.replace("\n        ", "\n"),
    )
    registry = Registry.load()
    assert registry.find("a1") is not None
    assert registry.find("b1") is not None
    assert [w.split("(half-dist 1.2)")[1][:40] for w in registry.warnings] == [
        ": bptt_activations yielded NoneType wher",
        ": bptt_losses failed: RuntimeError: brok",
        ": activation 'a2' was left out: the valu",
    ]


def test_a_function_goes_with_what_it_calls(installed: Installed) -> None:
    installed.add("one", HEAD + "@hookimpl\ndef bptt_functions():\n"
                  "    yield Function('f', 'g(x)', {'x': '1'})\n    yield Function('g', 'h(x)', {'x': '1'})\n"
                  "    yield Function('h', 'x +', {'x': '1'})")  # fmt: skip
    registry = Registry.load()
    assert [w.split("function ")[1][:32] for w in registry.warnings] == [
        "'h' was left out: the value, 'x ",
        "'g' was left out: its value call",
        "'f' was left out: its value call",
    ]


def test_circle_of_two_plugins(installed: Installed) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        installed.add(
            name, HEAD + f"@hookimpl\ndef bptt_functions(): yield Function('{name}', '{other}(x)', {{'x': '1'}})"
        )
    registry = Registry.load()
    assert registry.find("one") is None
    assert len(registry.warnings) == 2
    assert all("is defined in a circle: one, two" in w for w in registry.warnings)


def test_a_derivative_may_call_its_own_function() -> None:
    registry = Registry.of(Function("grow", "exp(x)", {"x": "grow(x)"}, domain={"x": (-3, 3)}), base=Registry.load())
    assert registry.warnings == ()
    check_function(registry.function("grow"), registry)


def test_the_later_plugin_in_name_order_loses(installed: Installed) -> None:
    for name in ("beta", "alpha"):
        installed.add(name, GOOD)
    registry = Registry.load()
    assert registry.origin(registry.function("cube")) == "alpha (alpha-dist 1.2)"
    assert registry.warnings == (
        "plugin 'beta' (beta-dist 1.2): activation 'cube' was left out: "
        "plugin 'alpha' (alpha-dist 1.2) has 'cube' already",
    )


def test_first_party_wins_against_earlier_names_and_imposters(installed: Installed) -> None:
    code = HEAD + "@hookimpl\ndef bptt_activations(): yield Activation('relu', 'x', {'x': '1'})"
    installed.add("aaa", code)
    installed.add("bptt", code, distribution="imposter")
    registry = Registry.load()
    assert registry.origin(registry.function("relu")) == "bptt (bptt-solver 0.1.0)"
    assert [w.split(":")[0] for w in registry.warnings] == [
        "plugin 'aaa' (aaa-dist 1.2)",
        "plugin 'bptt' (imposter 1.2)",
    ]


def test_wrong_derivative_is_named_by_check(installed: Installed) -> None:
    installed.add("bad", HEAD + "@hookimpl\ndef bptt_activations(): yield Activation('square', 'x**2', {'x': 'x'})")
    installed.add("good", GOOD)
    registry = Registry.load()
    assert registry.warnings == ()  # it parses; whether it is right is a matter of calculation
    (message,) = registry.check()
    assert message.startswith("plugin bad (bad-dist 1.2): square: derivative with respect to x, 'x': it gives ")


def test_failing_topology(installed: Installed) -> None:
    installed.add("bad", HEAD + "def build(options): return options['size'].nothing\n"
                  "@hookimpl\ndef bptt_topologies():\n"
                  "    yield Topology('broken', build, {'size': None}, {'size': 1})")  # fmt: skip
    registry = Registry.load()
    assert registry.warnings == ()
    with pytest.raises(
        OptionError, match=re.escape("topology 'broken' of plugin bad (bad-dist 1.2) failed: AttributeError: ")
    ):
        registry.network("broken", {"size": 2})
    (message,) = registry.check()
    assert message.startswith("plugin bad (bad-dist 1.2): topology broken: topology 'broken' of plugin bad")


def test_topology_that_does_not_hold_the_contract() -> None:
    base = Registry.load()
    cases = {
        "returned a str, not a Network": Topology("t", lambda options: "E = x", {}),  # type: ignore[arg-type, return-value]
        "writes equations that do not parse": Topology("t", lambda options: Network("E = ", "E"), {}),
        "'W' in parameters is not in its equations": Topology(
            "t", lambda options: Network("E = x", "E", parameters={"W": ()}), {}
        ),
        "no equation defines the target 'F'": Topology("t", lambda options: Network("E = x", "F"), {}),
        "unknown function 'soft'": Topology("t", lambda options: Network("E = x", "E", functions={"soft": ("a",)}), {}),
    }
    for message, topology in cases.items():
        with pytest.raises(AssertionError, match=re.escape(message)):
            check_topology(topology, base)


def test_unknown_names_come_with_the_nearest_known_one() -> None:
    registry = Registry.load()
    with pytest.raises(ProblemError, match=re.escape("unknown function 'sigmiod' (did you mean 'sigmoid'?)")):
        registry.function("sigmiod")
    with pytest.raises(ProblemError, match=re.escape("unknown topology 'feedfoward' (did you mean 'feedforward'?)")):
        registry.topology("feedfoward")
    with pytest.raises(ProblemError, match=re.escape("unknown topology 'xyzzy' (known: ")):
        registry.topology("xyzzy")


def test_local_file_is_loaded_only_when_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    assert Registry.load().find("cube") is None
    registry = Registry.load([str(path)])
    assert registry.warnings == ()
    assert registry.origin(registry.function("cube")) == f"mine (file {path})"
    (warning,) = Registry.load([str(tmp_path / "nonesuch.py")]).warnings
    assert warning.startswith(f"plugin 'nonesuch' (file {tmp_path / 'nonesuch.py'}) was left out: FileNotFoundError: ")
    (tmp_path / "notes.txt").write_text("")
    (warning,) = Registry.load([str(tmp_path / "notes.txt")]).warnings
    assert warning.endswith("was left out: ImportError: not a Python file")


@pytest.mark.parametrize("hook", HOOKS)
def test_example_in_the_docstring_of_each_hook_is_a_plugin(hook: str, tmp_path: Path) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    code = dedent(text.split("::\n\n", 1)[1])
    (tmp_path / "example.py").write_text(code)
    registry = Registry.load([str(tmp_path / "example.py")])
    assert registry.warnings == ()
    mine: list[Record] = [*registry.functions, *registry.topologies, *registry.update_rules]
    (record,) = [r for r in mine if registry.origin(r).startswith("example (file")]
    assert type(record) is HOOKS[hook]
    check_record(record, registry)


def test_records_are_frozen_and_compared_by_their_fields() -> None:
    one, two = (Loss("f", "sum(y)", {"y": "1"}, aliases=("g",)) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert one != one.replace(value="sum(d)")
    assert one != Function("f", "sum(y)", {"y": "1"}, aliases=("g",))
    assert repr(Activation("f", "x", {"x": "1"})).startswith("Activation(name='f', value='x', derivatives={'x': '1'}, ")
    with pytest.raises(AttributeError, match="frozen"):
        one.value = "0"
    with pytest.raises(TypeError):
        one.derivatives["y"] = "0"  # type: ignore[index]


def test_importing_the_registry_imports_nothing_heavy() -> None:
    heavy = ["numpy", "sympy", "pluggy", "importlib.metadata", "dataclasses", "typing", "jsonschema"]
    code = f"import sys, bptt_solver.registry, bptt_solver.options; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": str(Path(hookspecs.__file__).parents[1])})  # fmt: skip
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_entry_points_in_the_metadata_are_those_of_the_project_file() -> None:
    import tomllib
    from importlib.metadata import distribution

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    points = {p.name: p.value for p in distribution("bptt-solver").entry_points if p.group == hookspecs.GROUP}
    assert points == project["entry-points"][hookspecs.GROUP]


def test_topologies_are_not_imported_for_a_function() -> None:
    """Start-up: whoever needs a function does not wait for the networks."""
    program = (
        "import sys\n"
        "from bptt_solver.registry import Registry\n"
        "registry = Registry.load()\n"
        "assert registry.find('swish') and registry.warnings_so_far == ()\n"
        "later = [m for m in sys.modules if m.startswith(('bptt_plugins.topologies', 'bptt_plugins.update_rules'))]\n"
        "assert not later, later\n"
        "assert registry.topology('elman').name == 'elman'\n"
        "assert 'bptt_plugins.topologies.elman' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
