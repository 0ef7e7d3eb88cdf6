"""Hostile documents through the command: refused quickly, with one message that says where, or solved like any other.

`tests/errors` holds what is said; here it is how: exit code, time, memory, no traceback, no control character - and
that nothing of a document is ever run. `test_damage` tries random damage.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bptt_solver import api
from bptt_solver.cli import run
from bptt_solver.errors import ProblemError
from bptt_solver.limits import Limits

ROOT = Path(__file__).parents[1]
SECONDS = 1.5  # of processor time for a refusal
MEGABYTES = 700
RUNNER = """
import sys, time
from bptt_solver.__main__ import main
code = main(sys.argv[1:])
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
sys.stderr.write(f"\\npeak {peak[0]} {time.process_time()}")
sys.exit(code)
"""
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures with /proc")


class Ran(NamedTuple):
    """One run of the command."""

    code: int
    out: str
    told: str
    megabytes: float
    seconds: float


def command(*arguments: str, stdin: str | None = None) -> Ran:
    """Run the command in a process of its own and measure it."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    ran = subprocess.run(
        [sys.executable, "-c", RUNNER, *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8"},
        timeout=60,
        check=False,
    )
    told, _, measured = ran.stderr.rpartition("\npeak ")
    peak, seconds = measured.split()
    return Ran(ran.returncode, ran.stdout, told, int(peak) / 1024, float(seconds))


def equations(*lines: str, rest: str = "values: {x: 1}") -> str:
    """A document with these equations."""
    return "equations: |\n" + "".join(f"  {line}\n" for line in lines) + rest + "\n"


def assert_harmless(text: str) -> None:
    """Nothing in it that a terminal obeys."""
    bad = [c for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co")]
    assert not bad, f"U+{ord(bad[0]):04X}"


def assert_refused(ran: Ran, told: str, name: str = r"\S*bad\.yaml:\d+:\d+: ") -> None:
    """Exit code 2 and a message with its place, in time, within memory, without a traceback."""
    assert ran.code == 2, ran.told
    assert re.match(name, ran.told), ran.told[:200]
    assert told in ran.told
    assert "Traceback" not in ran.told
    assert "internal error" not in ran.told
    assert ran.out == ""
    assert len(ran.told) < 20_000
    assert_harmless(ran.told)
    assert ran.seconds < SECONDS
    assert ran.megabytes < MEGABYTES


MILLION = 1_000_000
TALL = "sizes: {T: 1000000000}"
BOMBS = {
    "a tower of powers": (equations("E = x + 9**9**9**9"), "more than 20,000 bits"),
    "a tower of powers of a value": (equations("E = x**9**9**9", rest="values: {x: 2}"), "more than 20,000 bits"),
    "a negative tower": (equations("E = x**-9**9**9", rest="values: {x: 2}"), "more than 20,000 bits"),
    "a tower of floats": (equations("E = x**99999999", rest="values: {x: 1.5}"), "larger than 1.8e308"),
    "squarings": (
        equations("z0 = 11/10*x", *(f"z{i} = z{i - 1}*z{i - 1}" for i in range(1, 25)), rest="values: {x: 1}"),
        "z12 has more than 20,000 bits",
    ),
    "squarings in one equation": (equations("E = " + "(" * 24 + "11/10*x" + ")**2" * 24), "more than 20,000 bits"),
    "an exponent in a value": (equations("E = x", rest="values: {x: 1e1000000000}"), "10 digits in its exponent"),
    "an exponent in an equation": (equations("E = x*1e1000000000"), "10 digits in its exponent"),
    "digits": (equations("E = x*" + "7" * 4000), "4,000 digits, limit 100 (--limit digits=4000)"),
    "a superscript": (equations("E = x" + "²" * 20_000), "20,000 digits, limit 100"),
    "open brackets": (equations("E = " + "(" * MILLION), "(--limit equation_length=1000004)"),
    "brackets": (equations("E = " + "(" * 40_000 + "x" + ")" * 40_000), "100 levels of nesting (--limit depth=N"),
    "guards": (equations("E = " + "[" * 50_000), "a bracket cannot start here"),
    "calls": (equations("E = " + "sin(" * 20_000 + "x"), "100 levels of nesting (--limit depth=N"),
    "minus signs": (equations("E = " + "-" * 50_000 + "x"), "100 levels of nesting (--limit depth=N"),
    "divisions": (equations("E = x" + "/x" * 40_000), "100 levels of nesting (--limit depth=N"),
    "transposes": (equations("E = x" + ".T" * 40_000), "100 levels of nesting (--limit depth=N"),
    "lookups": (equations("E = x[" + "m[" * 40_000), "100 levels of nesting (--limit depth=N"),
    "powers": (equations("E = " + "x**" * 30_000 + "x"), "100 levels of nesting (--limit depth=N"),
    "YAML brackets": ("values: " + "[" * MILLION, "20 levels of nesting (--limit yaml_depth=N"),
    "YAML braces": ("values: " + "{a: " * MILLION, "20 levels of nesting (--limit yaml_depth=N"),
    "YAML dashes": ("- " * MILLION, "20 levels of nesting (--limit yaml_depth=N"),
    "aliases": ("a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n", "anchors (&a) are not allowed"),
    "a factor often": (equations("E = " + "*".join(["x"] * 20_000)), "(--limit elements=400000000)"),
    "an argument often": (equations("E = concat(" + ",".join(["x"] * 40_000) + ")"), "elements, limit 10,000,000"),
    "indices": (equations("E = x[" + ",".join("1" * 40_000) + "]"), "40,000 indices, limit 8"),
    "ranges": (
        equations("E = sum(x for " + ", ".join(f"i{k} in 1..2" for k in range(4000)) + ")"),
        "more than 8 indices (--limit indices=N",
    ),
    "conditions": (
        equations("E = sum(x for i in 1..2 where " + ", ".join(["i > 0"] * 9000) + ")"),
        "conditions has 10,004,569 elements",
    ),
    "a long family": (equations("h[t] = x for t in 1..T", "E = h[T]", rest=f"values: {{x: 1}}\n{TALL}"), "no --limit"),
    "a long sum": (
        equations("E = sum(x*t for t in 1..T)", rest=f"values: {{x: 1}}\n{TALL}"),
        "1,000,000,001 instances",
    ),
    "a wide family": (
        equations("h[i,j] = x for i in 1..T, j in 1..T", "E = h[1,1]", rest=f"values: {{x: 1}}\n{TALL}"),
        "the system has 1,000,000,001,000,000,001 instances",
    ),
    "a triangle": (
        equations("E = sum(x for i in 1..T, j in 1..i)", rest="values: {x: 1}\nsizes: {T: 100000}"),
        "more than 1,000,000 instances (--limit instances=N",
    ),
    "sums in sums": (
        equations("E = " + "sum(" * 60 + "x" + "".join(f" for i{k} in 1..2)" for k in range(60))),
        "2,305,843,009,213,693,951 instances",
    ),
    "a long sum with a guard": (
        equations("E = x + sum([i == 5]*x for i in 1..T)", rest=f"values: {{x: 1}}\n{TALL}"),
        "1,000,000,001 instances",
    ),
    "a long sum of nothing": (
        equations("E = x + sum(x for i in 1..T where i == 0)", rest=f"values: {{x: 1}}\n{TALL}"),
        "1,000,000,001 instances",
    ),
    "a long literal range": (equations("h[t] = x for t in 1..999999*999999*999999", "E = h[1]"), "instances, limit"),
    "a large random array": (
        equations("E = sum(v)", rest="values: {v: {random: {shape: [1000000000]}}}"),
        "(--limit elements=1000000000)",
    ),
    "a large outer product": (
        equations("E = sum(outer(v, v))", rest="values: {v: {random: {shape: [20000]}}}"),
        "400,000,000 elements, limit 10,000,000 (--limit elements=400000000)",
    ),
    "many matrices": (
        equations("M[t] = outer(v, v) for t in 1..50", "E = sum(M[50])", rest="values: {v: {random: {shape: [1000]}}}"),
        "50,001,000 elements, limit 10,000,000 (--limit elements=50001000)",
    ),
    "a far map": (
        equations("E = x[m[1]]", rest="values: {x: [1]}\nmaps: {m: [1000000000]}"),
        "E reads x[1000000000], which is neither given nor defined",
    ),
    "an infinite value": (equations("E = exp(1000*x)"), "E is not a finite number: larger than 1.8e308"),
    "code": (equations("E = __import__('os').system('true')"), "a name starts with a letter"),
    "attributes": (equations("E = x.__class__.__mro__"), "'.' is not an operator"),
    "a tag": ("equations: !!python/object/apply:os.system [true]\n", "tags (!!python/object/apply:os.system)"),
    "an escape": (equations("E = x\x1b[31m"), "U+001B"),
    "an override": ("title: a\u202eb\n" + equations("E = x"), "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
}


@LINUX
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(tmp_path: Path, name: str) -> None:
    text, told = BOMBS[name]
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    assert_refused(command(str(path)), told)


@LINUX
def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(100_000_000)
    for path, told in [
        (str(tmp_path / "pipe.yaml"), "a pipe, not a file"),
        ("/dev/zero", "a device, not a file"),
        (str(tmp_path), "a folder, not a file"),
        (str(large), "has 100,000,000 bytes, limit 16,000,000 (--limit bytes=100000000)"),
        (str(tmp_path / "no\x1b[31m.yaml"), "no such file"),
    ]:
        assert_refused(command(path), told, r"error: |\S+: error: ")


RECURRENCE = """equations: |
  h[t] = tanh(w*x[t] + u*h[t-1]) for t in 1..T
  E = sum((h[t] - d[t])**2 for t in 1..T)
values: {w: 0.5, u: 0.3, "h[0]": 0, x: [1, 2], d: [0.5, 0.1]}
wrt: [w, u]
"""
SGD = RECURRENCE + "update: {rule: sgd, learning_rate: 0.1, steps: 2}\n"
NETWORK = "network: {{topology: {}, sizes: {{input: 1, hidden: {}, output: 1}}, steps: {}}}\n"
SETTINGS = {
    "a new name with an escape": (RECURRENCE + 'notation: {rename: {w: "a\\e[31m"}}', "U+001B"),
    "a new name that turns": (RECURRENCE + 'notation: {rename: {w: "a\\u202eb"}}', "U+202E"),
    "a new name in LaTeX": (RECURRENCE + 'notation: {rename: {w: "\\\\input{x}"}}', "is not a name"),
    "a new name in HTML": (RECURRENCE + 'notation: {rename: {w: "<b>"}}', "is not a name"),
    "a long new name": (RECURRENCE + f"notation: {{rename: {{w: {'a' * 100_000}}}}}", "is not a name"),
    "new names in a list": (RECURRENCE + "notation: {rename: [w]}", "maps names to names"),
    "a new name that is taken": (RECURRENCE + "notation: {rename: {w: u}}", "cannot be written 'u'"),
    "steps of training": (RECURRENCE + "update: {rule: sgd, steps: 1000000000}", "from 1 to 10,000,000"),
    "steps as a float": (RECURRENCE + "update: {rule: sgd, steps: 1e9}", "from 1 to 10,000,000"),
    "a learning rate": (RECURRENCE + "update: {rule: sgd, learning_rate: 1e300}", "less than 1e+06"),
    "a learning rate that is infinite": (RECURRENCE + "update: {rule: sgd, learning_rate: 1e400}", "64-bit number"),
    "a depth": (RECURRENCE + "truncate: {depth: 99999999999999999999}", "'depth' must be"),
    "windows": (RECURRENCE + "truncate: {k1: 1, k2: 100000000000000000000}", "'k2' must be"),
    "time steps": (NETWORK.format("elman", 1, 10**9), "1,000,000,000 elements, limit 10,000,000"),
    "more time steps": (NETWORK.format("lstm", 1, 10**26), "no --limit lifts this"),
    "time steps as a float": (NETWORK.format("elman", 1, "1e9"), "a whole number, at least 1"),
    "hidden units": (NETWORK.format("gru", 10**6, 2), "elements, limit 10,000,000"),
    "sequences": (
        NETWORK.format("elman", 1, "2, sequences: 1000000000"),
        "elements, limit 10,000,000",
    ),
    "layers": ("network: {topology: deep, input: 1, layers: 1000000000, steps: 2}", "a list that is not empty"),
    "a tree": (
        "network: {topology: tree, sizes: {input: 1, hidden: 1, output: 1}, tree: [1000000000, 2]}",
        "neither a node with children nor a leaf",
    ),
}


@LINUX
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_and_networks_are_refused(tmp_path: Path, name: str) -> None:
    text, told = SETTINGS[name]
    path = tmp_path / "bad.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    assert_refused(command(str(path)), told)


def saved(path: Path, **arrays: object) -> None:
    """A file that looks as if a training had made it."""
    import numpy

    whole = {
        "w": 0.5,
        "u": 0.3,
        "training.sgd.step": 2,
        **{k.replace("_step", "training.sgd.step"): v for k, v in arrays.items()},
    }
    named: dict[str, Any] = {name: numpy.array(value) for name, value in whole.items()}
    numpy.savez(path, **named)


@LINUX
@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"w": {"an": "object"}}, "does not hold plain numbers"),
        ({"w": "text"}, "does not hold plain numbers"),
        ({"w": 1j}, "does not hold plain numbers"),
        ({"w": float("nan")}, "'state.npz[w]' is nan (only finite numbers)"),
        ({"_step": float("inf")}, "'state.npz[training.sgd.step]' is inf (only finite numbers)"),
        ({"_step": [1, 2]}, "has the shape (2,)"),
        ({"w": [[1.0]]}, "has the shape (1, 1)"),
    ],
    ids=str,
)
def test_saved_trainings_are_checked(tmp_path: Path, arrays: dict[str, object], told: str) -> None:
    (tmp_path / "good.yaml").write_text(SGD, encoding="utf-8")
    saved(tmp_path / "state.npz", **arrays)
    ran = command(str(tmp_path / "good.yaml"), "--resume", str(tmp_path / "state.npz"))
    assert_refused(ran, told, "--resume:1:1: ")


@LINUX
def test_saved_trainings_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(SGD, encoding="utf-8")
    (tmp_path / "junk.npz").write_bytes(b"PK\3\4junk" * 100)
    os.mkfifo(tmp_path / "pipe.npz")
    for link, place in {"loop.npz": "loop.npz", "device.npz": "/dev/zero", "secret.npz": "/etc/passwd"}.items():
        (tmp_path / link).symlink_to(place)
    for name, told in {
        "junk.npz": "is not a NumPy archive that can be read",
        "pipe.npz": "a pipe, not a file",
        "loop.npz": "too many levels of symbolic links",
        "device.npz": "is not a file that can be read",
        "secret.npz": "is not a file that can be read",
        "none.npz": "no such file",
    }.items():
        ran = command(str(tmp_path / "good.yaml"), "--resume", str(tmp_path / name))
        assert_refused(ran, told, "--resume:1:1: ")


@LINUX
def test_weights_that_are_elsewhere_or_many(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "w.npz").write_bytes(b"")
    (tmp_path / "inside" / "w.npz").symlink_to(tmp_path / "w.npz")
    path = tmp_path / "inside" / "bad.yaml"
    path.write_text(NETWORK.format("elman", 1, 2) + "weights: {file: w.npz, library: torch}\n", encoding="utf-8")
    assert_refused(command(str(path)), "'w.npz' is a link that leaves the document's folder")
    tensors = {f"t{k}": {"dtype": "F32", "shape": [1], "data_offsets": [4 * k, 4 * k + 4]} for k in range(MILLION)}
    head = json.dumps(tensors).encode()
    with (tmp_path / "inside" / "m.safetensors").open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.truncate(8 + len(head) + 4 * MILLION)
    path.write_text(
        NETWORK.format("elman", 1, 2) + "weights: {file: m.safetensors, library: torch}\n", encoding="utf-8"
    )
    assert_refused(command(str(path)), "limit 16,000,000 (--limit bytes=")


HOSTILE_PLUGIN = """
from bptt_solver.hookspecs import hookimpl
from bptt_solver.records import Network, Topology

WORDS = r'''<script>alert(1)</script> \\input{/etc/passwd} $x$ `c` [l](javascript:1) | **b** ^^5c {0} %s & # ~'''

def build(options):
    return Network(
        "E = (w*x - 1)**2", "E", parameters={"w": ()}, data={"x": ()}, notes=(WORDS,), roles={"w": WORDS, "E": WORDS}
    )

@hookimpl
def bptt_topologies():
    yield Topology("hostile", build, {}, summary=WORDS, source=WORDS)
"""


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_words_of_a_plugin_are_text(tmp_path: Path, form: str) -> None:
    (tmp_path / "hostile.py").write_text(HOSTILE_PLUGIN, encoding="utf-8")
    text = "network: {topology: hostile}\nvalues: {w: 2, x: 3}\n"
    written = api.solve(api.loads(text, plugins=[str(tmp_path / "hostile.py")])).render(form)
    if form == "text":
        assert "<script>alert(1)</script>" in written
    elif form == "markdown":
        words = re.sub(r"\$`.*?`\$", "", written.split("```")[0])
        assert not re.search(r"(?<!\\)[<>`$|]", words)
        assert not re.search(r"(?<!\\)\]\(", words)
    else:
        assert r"\input{/" not in written
        assert "^^5c" not in written
        assert written.count(r"\end{document}") == 1
    assert_harmless(written)


HARMLESS = {
    "long sum": equations("E = " + "+".join(["x"] * 3000)),
    "long product": equations("E = " + "*".join(["x"] * 300)),
    "deep": equations("E = " + "sin(" * 99 + "x" + ")" * 99),
    "many paths": equations(*(f"z{i} = " + " + ".join(["x", *(f"z{j}" for j in range(1, i))]) for i in range(1, 41))),
    "nested sums": equations("E = " + "sum(" * 60 + "x" + "".join(f" for i{k} in 1..1)" for k in range(60))),
    "chain": equations("z0 = x", *(f"z{i} = z{i - 1} + 1" for i in range(1, 5000)), rest="values: {x: 1}"),
    "size that is not used": equations("E = 2*x", rest=f"values: {{x: 1}}\n{TALL}"),
    "empty range": equations(
        "h[t] = x for t in 1..T", "E = x + sum(h[t] for t in 1..T)", rest="values: {x: 1}\nsizes: {T: 0}"
    ),
    "no derivative": equations("E = x*0 + 2"),
    "braces": "title: '{0} {x} %s {{7*7}} ${7*7}'\n" + equations("E = 2*x"),
    "code as a title": "title: __import__('os').system('touch pwned')\n" + equations("E = 2*x"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_bad_is_solved(name: str) -> None:
    solution = api.solve(api.loads(HARMLESS[name], target=None))
    assert solution.verified
    for form in ("text", "json"):
        assert_harmless(solution.render(form))


def test_braces_stay_as_they_are() -> None:
    title = "{0} {x} %s {{7*7}} ${7*7}"
    solution = api.solve(api.loads(HARMLESS["braces"]))
    assert solution.render("text").startswith(title)
    assert json.loads(solution.render("json"))["title"] == title


# ----------------------------------------------------------------------------- limits, at n and at n + 1


def family(count: int) -> str:
    return equations("h[t] = x for t in 1..T", rest=f"values: {{x: 1}}\nsizes: {{T: {count}}}\ntarget: h[1]")


AT_N = {
    "equations": ("equations=5", equations(*(f"z{i} = x" for i in range(5)), rest="values: {x: 1}\ntarget: z1"),
                  equations(*(f"z{i} = x" for i in range(6)), rest="values: {x: 1}\ntarget: z1"), "equations=6"),
    "instances": ("instances=7", family(7), family(8), "instances=8"),
    "instances of a sum": ("instances=8", equations("E = sum(x for t in 1..7)"), equations("E = sum(x for t in 1..8)"),
                           "instances=9"),
    "instances of two indices": ("instances=13", equations("E = sum(x for i in 1..3, j in 1..3)"),
                                 equations("E = sum(x for i in 1..3, j in 1..4)"), "instances=16"),
    "elements given": ("elements=4", equations("E = sum(v)", rest="values: {v: [1, 2, 3, 4]}"),
                       equations("E = sum(v)", rest="values: {v: [1, 2, 3, 4, 5]}"), "elements=N"),
    "elements computed": ("elements=12", equations("M = outer(v, v)", "E = sum(M)", rest="values: {v: [1, 2, 3]}"),
                          equations("M = outer(v, v)", "E = sum(M)", rest="values: {v: [1, 2, 3, 4]}"), "elements=20"),
    "elements on the way": ("elements=9", equations("E = sum(outer(v, v))", rest="values: {v: [1, 2, 3]}"),
                            equations("E = sum(outer(v, v))", rest="values: {v: [1, 2, 3, 4]}"), "elements=16"),
    "factors": ("elements=16", equations("E = x*x*x*x"), equations("E = x*x*x*x*x"), "elements=25"),
    "equation_length": ("equation_length=9", equations("E = x + x"), equations("E = x +  x"), "equation_length=10"),
    "equation_nodes": ("equation_nodes=4", equations("E = x + x"), equations("E = x + x + x"), "equation_nodes=5"),
    "depth": ("depth=3", equations("E = sin(sin(sin(x)))"), equations("E = sin(sin(sin(sin(x))))"), "depth=N"),
    "digits": ("digits=3", equations("E = x*123"), equations("E = x*1234"), "digits=4"),
    "name_length": ("name_length=3", equations("E = xyz", rest="values: {xyz: 1}"),
                    equations("E = wxyz", rest="values: {wxyz: 1}"), "name_length=4"),
    "title_length": ("title_length=3", "title: abc\n" + equations("E = x"), "title: abcd\n" + equations("E = x"),
                     "title_length=4"),
    "indices": ("indices=2", equations("E = x[1,1]", rest="values: {x: [[1]]}"),
                equations("E = x[1,1,1]", rest="values: {x: [[[1]]]}"), "indices=3"),
    "ranges": ("indices=2", equations("E = sum(x for i in 1..2, j in 1..2)"),
               equations("E = sum(x for i in 1..2, j in 1..2, k in 1..2)"), "indices=N"),
    "exact_bits": ("exact_bits=20", equations("E = x*2**19"), equations("E = x*2**20"), "exact_bits=N"),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_N)
def test_limits_at_n_and_above(name: str) -> None:
    setting, enough, too_much, flag = AT_N[name]
    limits = Limits.parse([setting])
    assert api.solve(api.loads(enough, limits=limits)).verified
    with pytest.raises(ProblemError) as caught:
        api.solve(api.loads(too_much, limits=limits))
    assert f"--limit {flag}" in str(caught.value)
    assert str(caught.value).startswith("<text>:")


@pytest.mark.parametrize("name", [n for n in AT_N if "=N" not in AT_N[n][3]])
def test_the_flag_of_the_message_lifts_the_limit(name: str) -> None:
    _, _, too_much, flag = AT_N[name]
    assert api.solve(api.loads(too_much, limits=Limits.parse([flag]))).verified


def test_a_limit_on_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(equations("E = 2*x"), encoding="utf-8")
    assert run([str(path), "--limit", "output_bytes=50"]) == 2
    told = capsys.readouterr()
    flag = re.search(r"--limit (output_bytes=\d+)", told.err)
    assert flag is not None
    assert told.out == ""
    assert run([str(path), "--limit", flag[1]]) == 0


def test_exact_numbers_may_be_longer_than_python_prints() -> None:
    text = equations("E = x**3/y**3", rest=f"values: {{x: 1{'7' * 1500}, y: 1{'3' * 1500}}}")
    limits = Limits.parse(["digits=4000", "exact_bits=100000"])
    solution = api.solve(api.loads(text, limits=limits))
    assert len(json.loads(solution.render("json"))["exact"]["E"]) > 9000
    assert "E" in solution.render("text")


# ----------------------------------------------------------------------------- what is written, in every format

TITLES = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "comment": "--> <!-- x",
    "latex": r"\input{/etc/passwd} $x$ %c & # _ ^ ~ \write18{ls} {",
    "latex escape": r"^^5cinput{x} \end{document}",
    "markdown": "# h *b* _i_ `c` [l](javascript:alert(1)) ![i](http://x/y) | a | --- > q",
    "fence": "``` ```",
    "mathematics": r"$$\def\x{}$$",
}


@pytest.mark.parametrize("name", TITLES)
@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_titles_are_text(name: str, form: str) -> None:
    title = TITLES[name]
    text = f"title: '{title}'\ndescription: '{title}'\n" + equations("E = 2*x")
    written = api.solve(api.loads(text)).render(form)
    if form == "text":
        assert title in written
    elif form == "markdown":
        assert not re.search(r"(?<!\\)[<>`]", written.split("```")[0].split("$`")[0])
        assert not re.search(r"(?<!\\)\]\(", written.split("```")[0])
    else:
        assert r"\input{/" not in written
        assert r"\write18" not in written
        assert written.count(r"\end{document}") == 1
        assert "^^5c" not in written
        assert r"\def" not in written.split(r"\begin{document}")[1]
    assert_harmless(written)


@pytest.mark.parametrize("character", ["\x1b", "\x07", "\x9b", "\x7f", "\u202e", "\u2066", "\x00", "\ue000"])
@pytest.mark.parametrize("place", ["title: 'a{}b'", 'title: "a{}b"', "values: {{x{}: 1}}", "target: E{}", "# {}"])
def test_hidden_characters_are_refused(character: str, place: str) -> None:
    with pytest.raises(ProblemError, match=rf"U\+{ord(character):04X}") as caught:
        api.loads(
            place.replace("{}", character).replace("{{", "{").replace("}}", "}") + "\n" + equations("E = 2*x", rest="")
        )
    assert_harmless(str(caught.value))


def test_hidden_characters_in_arguments(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(equations("E = 2*x"), encoding="utf-8")
    for arguments in (["--target", "\x1b[31m"], ["--wrt", "\u202ex"], ["--eliminate", "\x1b"], ["--limit", "\x1b=1"]):
        assert run([str(path), *arguments]) == 2
        assert_harmless(capsys.readouterr().err)


# ----------------------------------------------------------------------------- nothing of a document is run

CANARIES = [
    "plugin: canary.py",
    "plugins: [canary.py]",
    "network: {topology: canary.py}",
    "network: {topology: canary}",
    "network: {topology: ./canary.py, hidden: canary}",
    "network: {topology: feedforward, input: 2, layers: [2, 2], hidden: canary}",
    "network: {topology: elman, sizes: {input: 1, hidden: 1, output: 1}}\nweights: {file: canary.pt}",
    "network: {topology: elman, sizes: {input: 1, hidden: 1, output: 1}}\nweights: {file: canary.npz}",
    "network: {topology: elman, sizes: {input: 1, hidden: 1, output: 1}}\nweights: {file: ../canary.npz}",
    "data: {W: {one_hot: {file: pipe.csv}, classes: 2}}",
    "data: {W: {file: canary.py}}",
    "data: {W: {file: canary.npy}}",
    "data: {W: {file: ../canary.json}}",
    "data: {W: {file: /etc/passwd}}",
    "data: {W: {file: pipe.csv}}",
]


@LINUX
@pytest.mark.parametrize("line", CANARIES)
def test_documents_load_nothing(tmp_path: Path, line: str) -> None:
    (tmp_path / "canary.py").write_text("open('fired', 'w').close()\n", encoding="utf-8")
    for ending in ("npy", "npz", "pt"):
        (tmp_path / f"canary.{ending}").write_bytes(b"cbuiltins\nexec\n(S\"open('fired','w')\"\ntR.")
    os.mkfifo(tmp_path / "pipe.csv")
    path = tmp_path / "bad.yaml"
    path.write_text(line + "\n" + (equations("E = 2*x") if "network" not in line else ""), encoding="utf-8")
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        assert_refused(command("bad.yaml"), "", r"\S+:\d+:\d+: ")
    finally:
        os.chdir(before)
    assert not (tmp_path / "fired").exists()
