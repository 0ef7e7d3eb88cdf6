"""The command: what it asks of the Python interface, what it writes where, and its exit codes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bptt_solver
from bptt_solver import batch
from bptt_solver.__main__ import main
from bptt_solver.cli import cli, split_names

RAN = ("a plain document", "text: a plain document\n")
EXAMPLE = "equations: |\n  z2 = 2*z1\n  z3 = 3*z2 + z1\n  z4 = 4*z3 + 2*z2 + z1\n  E = 4*z4 + 2*z2\nvalues: {z1: 1}\n"


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """`bptt_solver.api` is `fake_api` in this test."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("fake_api", Path(__file__).with_name("fake_api.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "bptt_solver.api", module)
    monkeypatch.setattr(bptt_solver, "api", module, raising=False)
    yield module


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ran:
        code = main(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def document(text: str, name: str = "a.yaml") -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name


def words(text: str) -> list[str]:
    return text.split()


def options(fake: types.ModuleType, verb: str) -> dict[str, Any]:
    calls: list[tuple[str, dict[str, Any]]] = fake.CALLS
    return next(given for called, given in reversed(calls) if called == verb)


def test_solve_is_the_default_command(fake: types.ModuleType, command: Command) -> None:
    document(RAN[0])
    assert command("a.yaml") == command("solve", "a.yaml") == Ran(0, RAN[1], "")
    assert command("-q", "a.yaml") == command("a.yaml", "--quiet") == Ran(0, RAN[1], "")


def test_without_options_the_defaults_are_asked_for(fake: types.ModuleType, command: Command) -> None:
    command(document(RAN[0]))
    given = options(fake, "load")
    limits = given.pop("limits")
    assert limits.get("depth") == 100
    assert given == {"source": "a.yaml", "plugins": (), "target": None, "wrt": (), "eliminate": ()}
    given = options(fake, "solve")
    assert callable(given.pop("tell")) and callable(given.pop("progress"))
    assert given == {
        "check": "fast", "detail": "matrix", "entries": (), "second": False,
        "closed_form": False, "simplify": False, "steps": "auto", "by": None, "truncate": None, "method": "bptt",
        "flow": False, "notation": None, "resume": None, "backend": None, "memory": None, "schedule": False,
        "dtype": None, "language": "en",
    }  # fmt: skip


def test_every_option_arrives(fake: types.ModuleType, command: Command) -> None:
    document(RAN[0])
    ran = command(
        *words("a.yaml -f json --target C[2] --wrt W_h,a[2,1] --wrt b --eliminate h,o --detail scalar"),
        *words("--entry h[2]:1 --entry W:1,2 --steps all --second --closed-form --simplify --check full"),
        *words("--notation d2l --by both --truncate depth=1 --method rtrl --flow --resume p.npz -q"),
        *words("--backend torch --memory 3MB --schedule --dtype float32"),
        *words("--limit depth=7 --limit instances=9 --plugin p.py --plugin q.py"),
    )
    assert ran == Ran(0, "json: a plain document\n", "")
    given = options(fake, "load")
    limits = given.pop("limits")
    assert (limits.get("depth"), limits.get("instances")) == (7, 9)
    assert given == {
        "source": "a.yaml", "plugins": ("p.py", "q.py"), "target": "C[2]",
        "wrt": ("W_h", "a[2,1]", "b"), "eliminate": ("h", "o"),
    }  # fmt: skip
    assert options(fake, "solve") == {
        "check": "full", "detail": "scalar", "entries": ("h[2]:1", "W:1,2"), "second": True,
        "closed_form": True, "simplify": True, "steps": "all", "by": "both", "truncate": "depth=1", "method": "rtrl",
        "flow": True, "notation": "d2l", "resume": "p.npz", "tell": None, "progress": None,
        "backend": "torch", "memory": "3MB", "schedule": True, "dtype": "float32",
        "language": "en",
    }  # fmt: skip


def test_names_are_split_outside_brackets() -> None:
    assert split_names(None, None, ["a[2,1],b", " c , (d,e) "]) == ("a[2,1]", "b", "c", "(d,e)")
    assert split_names(None, None, ["a],b"]) == ("a]", "b")
    for text in ("", "a,", ",a", "a,,b"):
        with pytest.raises(click.BadParameter):
            split_names(None, None, [text])


def test_lower_plugins_and_schema(fake: types.ModuleType, command: Command) -> None:
    document(RAN[0])
    assert command("lower", "a.yaml").out == "lowered a plain document False False\n"
    assert command("lower", "--adjoint", "a.yaml", "--unfold").out == "lowered a plain document True True\n"
    assert command("lower", "a.yaml", "-o", "a.txt") == Ran(0, "", "")
    assert Path("a.txt").read_text() == "lowered a plain document False False\n"
    document("plugin")
    assert command("lower", "a.yaml").err == "a.yaml: warning: a plugin failed\n"
    assert command("plugins").out == "plugins ()\n"
    assert command("plugins", "--plugin", "p.py").out == "plugins ('p.py',)\n"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("o.md", "markdown"),
        ("o.tex", "latex"),
        ("o.json", "json"),
        ("o.JSON", "json"),
        ("o.txt", "text"),
        ("o", "text"),
    ],
)
def test_the_ending_of_the_output_chooses_the_format(
    fake: types.ModuleType, command: Command, name: str, form: str
) -> None:
    document(RAN[0])
    assert command("a.yaml", "-o", name) == Ran(0, "", "")
    assert Path(name).read_text() == f"{form}: a plain document\n"
    assert command("a.yaml", "-o", name, "-f", "latex") == Ran(0, "", "")
    assert Path(name).read_text() == "latex: a plain document\n"


def test_output_minus_is_standard_output(fake: types.ModuleType, command: Command) -> None:
    assert command(document(RAN[0]), "-o", "-") == Ran(0, RAN[1], "")


def test_a_failed_check(fake: types.ModuleType, command: Command) -> None:
    ran = command(document("unverified result"), "-o", "o.txt")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("a.yaml: NOT VERIFIED")
    assert Path("o.txt").read_text() == "text: result\n"
    assert command("-q", "a.yaml").err == ran.err


def test_warnings_go_to_standard_error_unless_quiet(fake: types.ModuleType, command: Command) -> None:
    document("warning plugin 'p' failed\x1b[2J")
    assert command("a.yaml") == Ran(0, "text: solved\n", "a.yaml: warning: plugin 'p' failed\ufffd[2J\n")
    assert command("a.yaml", "--quiet") == Ran(0, "text: solved\n", "")


@pytest.mark.parametrize(
    ("what", "code", "message"),
    [
        ("problem", 2, "a.yaml: error: 'z9' is not defined (did you mean 'z0'?)"),
        ("deep", 2, "a.yaml: error: nested too deeply; do not raise the limits 'depth' and 'yaml_depth'"),
        (
            "memory",
            2,
            "a.yaml: error: not enough memory; smaller limits stop earlier (--limit instances=N, elements=N)",
        ),
        ("system", 2, "weights.npz: error: Permission denied"),
        ("two\nlines", 70, "a.yaml: internal error: ZeroDivisionError: two\ufffdlines"),
        ("rude", 70, "a.yaml: internal error: Rude"),
        ("exit", 70, "a.yaml: internal error: SystemExit: 0"),
    ],
)
def test_errors_are_one_line(fake: types.ModuleType, command: Command, what: str, code: int, message: str) -> None:
    document(f"raise {what}")
    if code > 2:
        message += "; please report it (--traceback shows where)"
    assert command("a.yaml") == Ran(code, "", message + "\n")
    ran = command("a.yaml", "--traceback")
    assert ran.code == code
    assert ran.err.startswith("Traceback (most recent call last):\n") and ran.err.endswith(message + "\n")


def test_a_failing_command_leaves_an_old_result(fake: types.ModuleType, command: Command) -> None:
    document("raise problem")
    Path("o.txt").write_text("old")
    assert command("a.yaml", "-o", "o.txt").code == 2
    assert Path("o.txt").read_text() == "old"
    assert sorted(os.listdir()) == ["a.yaml", "o.txt"]


def test_a_time_limit_stops_even_what_swallows_exceptions(fake: types.ModuleType, command: Command) -> None:
    started = time.monotonic()
    ran = command(document("loop"), "--limit", "seconds=1")
    assert ran == Ran(2, "", "a.yaml: error: took more than 1 seconds (--limit seconds=N lifts it)\n")
    assert time.monotonic() - started < 3
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_a_time_limit_that_is_not_reached(fake: types.ModuleType, command: Command) -> None:
    assert command(document(RAN[0]), "--limit", "seconds=30") == Ran(0, RAN[1], "")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_largest_result(fake: types.ModuleType, command: Command) -> None:
    document("big 100")  # with "text: " and the line end 307 bytes
    assert command("a.yaml", "--limit", "output_bytes=307").code == 0
    ran = command("a.yaml", "--limit", "output_bytes=306")
    assert (ran.code, ran.out) == (2, "")
    assert "--limit output_bytes=307" in ran.err


def test_one_bad_file_does_not_stop_the_next(fake: types.ModuleType, command: Command) -> None:
    names = [document(text, f"{n}.yaml") for n, text in enumerate(["good", "raise problem", "unverified but", "raise"])]
    ran = command(*names)
    assert ran.code == 70
    assert ran.out == "==> 0.yaml <==\ntext: good\n\n==> 2.yaml <==\ntext: but\n"
    assert [line.split(":")[0] for line in ran.err.splitlines()] == ["1.yaml", "2.yaml", "3.yaml", "4 files"]
    assert ran.err.endswith("4 files: 1 done, 1 not verified, 1 not solved, 1 stopped by an internal error\n")
    assert command(*names[:3]).code == 2
    assert command(names[0], names[2]).code == 1
    assert command(names[0], names[0], "-q") == Ran(0, "==> 0.yaml <==\ntext: good\n\n==> 0.yaml <==\ntext: good\n", "")


def test_several_results_in_each_format(fake: types.ModuleType, command: Command) -> None:
    names = document("one", "1 <!-- --> 2.yaml"), document("two", "b.yaml")
    odd = "1 <!-- --\ufffd 2.yaml"
    markdown = f"<!-- {odd} -->\n\nmarkdown: one\n\n<!-- b.yaml -->\n\nmarkdown: two\n"
    assert command(*names, "-q", "-f", "markdown").out == markdown
    assert command(*names, "-q", "-f", "latex").out == f"% {odd}\nlatex: one\n\n% b.yaml\nlatex: two\n"
    assert command(*names, "-q", "-f", "json").out == "json: one\njson: two\n"
    lowered = f"# {odd}\nlowered one False False\n\n# b.yaml\nlowered two False False\n"
    assert command("lower", *names, "-q").out == lowered


def test_several_results_in_a_folder(fake: types.ModuleType, command: Command) -> None:
    names = document("one", "a.yaml"), document("two", "b.c.yaml"), document("raise problem", "bad.yaml")
    ran = command(*names, "-o", "out", "-f", "markdown")
    assert (ran.code, ran.out) == (2, "")
    assert sorted(os.listdir("out")) == ["a.md", "b.c.md"]
    assert Path("out/b.c.md").read_text() == "markdown: two\n"
    assert command(names[0], "-o", "single/").code == 0
    assert Path("single/a.txt").read_text() == "text: one\n"
    assert command(names[2], "-o", "empty/").code == 2
    assert not Path("empty").exists()


def test_files_of_the_same_name_are_told_apart_by_their_folders(fake: types.ModuleType, command: Command) -> None:
    names = [document(name, name) for name in ("01_first/problem.yaml", "02_second/problem.yaml", "other.yaml")]
    assert command(*names, "-o", "out", "-q") == Ran(0, "", "")
    assert sorted(os.listdir("out")) == ["01_first-problem.txt", "02_second-problem.txt", "other.txt"]
    ran = command("x/../other.yaml", "other.yaml", "-o", "again")
    assert ran.code == 2 and "two results would be written here" in ran.err
    assert not Path("again").exists()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (".", "is a folder; name a file in it"),
        ("/dev/null", "is not a regular file"),
        ("none/o.txt", "the folder does not exist"),
        ("a.yaml", "is an input of this run"),
        ("./p.py", "is an input of this run"),
        ("a.yaml/o.txt", "Not a directory"),
        ("a.yaml/", "is not a folder"),
        ("/sys/o.txt", ""),
    ],
)
def test_bad_places_are_refused_before_any_work(
    fake: types.ModuleType, command: Command, place: str, reason: str
) -> None:
    document(RAN[0])
    document("", "p.py")
    ran = command("a.yaml", "-o", place, "--plugin", "p.py")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {place}: ") and reason in ran.err and ran.err.count("\n") == 1
    assert sorted(os.listdir()) == ["a.yaml", "p.py"]
    assert reason == "" or fake.CALLS == []


def test_a_folder_that_cannot_be_made(fake: types.ModuleType, command: Command) -> None:
    names = document("one", "a.yaml"), document("two", "b.yaml")
    assert (
        command(*names, "-o", "a.yaml").err
        == "error: a.yaml: is not a folder, and there are several results to write\n"
    )
    assert command(*names, "-o", "none/deeper").err == "error: none/deeper: No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fo", "a.yaml"], "error: No such option"),
        (["a.yaml", "-f", "xml"], "error: Invalid value for '-f' / '--format': 'xml' is not one of"),
        (["a.yaml", "--wrt", "a,,b"], "error: Invalid value for '--wrt': a name is missing between commas"),
        (["a.yaml", "--limit", "dept=3"], "bptt-solve: error: unknown limit 'dept' (did you mean 'depth'?)"),
        (["a.yaml", "--limit", "depth"], "bptt-solve: error: 'depth' is not of the form"),
        (["-", "-"], "bptt-solve: error: standard input (-) can be read only once"),
        (["solve"], "error: Missing argument 'FILE...'"),
        (["completion", "tcsh"], "error: Invalid value for"),
        (["lowr", "a.yaml"], "error: there is no file or command 'lowr' (did you mean 'lower'?)"),
        (["none.yaml"], "error: cannot read none.yaml: no such file"),
        (["a.yaml", "--\x1b[2J"], "error: No such option"),
    ],
)
def test_usage_errors(fake: types.ModuleType, command: Command, arguments: list[str], message: str) -> None:
    document(RAN[0])
    ran = command(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(message) and "\x1b" not in ran.err


def test_a_file_may_be_named_like_a_command(fake: types.ModuleType, command: Command) -> None:
    document(RAN[0], "plugins")
    document(RAN[0], "lowers")
    assert command("./plugins").out == command("solve", "plugins").out == command("lowers").out == RAN[1]


def test_help(command: Command) -> None:
    ran = command("--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.isascii()
    for word in ("solve", "lower", "plugins", "schema", "completion", "--closed-form", "--limit", "130", "Exit codes"):
        assert word in ran.out
    assert command("-h") == ran
    assert command() == Ran(2, "", ran.out)
    for name in cli.commands:
        assert command(name, "-h").out.startswith(f"Usage: bptt-solve {name}")


def test_version(command: Command) -> None:
    assert command("--version") == Ran(0, f"bptt-solve {bptt_solver.__version__}\n", "")
    assert CliRunner().invoke(cli, ["--version"]).output == f"bptt-solve {bptt_solver.__version__}\n"


def test_it_is_a_click_command(fake: types.ModuleType, tmp_path: Path) -> None:
    """Whoever embeds the group in another program gets the exit code and the streams of click."""
    document(RAN[0], str(tmp_path / "a.yaml"))
    document("unverified x", str(tmp_path / "b.yaml"))
    assert CliRunner().invoke(cli, [str(tmp_path / "a.yaml")]).stdout == RAN[1]
    assert CliRunner().invoke(cli, [str(tmp_path / "b.yaml")]).exit_code == 1
    ran = CliRunner().invoke(cli, ["-"], input="from standard input")
    assert (ran.exit_code, ran.stdout) == (0, "text: from standard input\n")


def test_the_project_installs_the_light_entry_point() -> None:
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8"))["project"]
    assert project["scripts"] == {"bptt-solve": "bptt_solver.__main__:main"}
    assert project.get("version", bptt_solver.__version__) == bptt_solver.__version__


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(command: Command, shell: str) -> None:
    ran = command("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert "_BPTT_SOLVE_COMPLETE" in ran.out and f"{shell}_complete" in ran.out


def completions(words: str, tmp_path: Path) -> list[str]:
    environment = {**os.environ, "_BPTT_SOLVE_COMPLETE": "bash_complete", "COMP_WORDS": words,
                   "COMP_CWORD": str(len(words.split(" ")) - 1)}  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-m", "bptt_solver"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0 and ran.stderr == ""
    return ran.stdout.split()


def test_completions(tmp_path: Path) -> None:
    assert {"plain,solve", "plain,lower", "plain,plugins"} < set(completions("bptt-solve ", tmp_path))
    assert any(found.startswith("file,") for found in completions("bptt-solve ", tmp_path))
    options = completions("bptt-solve --", tmp_path)
    assert {"plain,--format", "plain,--version", "plain,--check"} < set(options)
    assert len(options) == len(set(options))
    assert completions("bptt-solve a.yaml --check f", tmp_path) == ["plain,fast", "plain,full"]
    assert completions("bptt-solve -f ", tmp_path) == [f"plain,{form}" for form in batch.ENDINGS]
    assert "plain,depth=" in completions("bptt-solve a.yaml --limit d", tmp_path)
    assert any(found.startswith("file,") for found in completions("bptt-solve lower x", tmp_path))


def test_a_time_limit_outside_the_main_thread(capsys: pytest.CaptureFixture[str]) -> None:
    import threading

    def run() -> None:
        with batch.deadline(1):
            pass

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "the limit 'seconds' is not kept" in capsys.readouterr().err


def test_public_names_are_imported_when_used() -> None:
    from bptt_solver.errors import ProblemError

    assert bptt_solver.ProblemError is ProblemError
    assert {"load", "loads", "solve", "lower", "Solution", "Problem", "ProblemError"} <= set(dir(bptt_solver))
    with pytest.raises(AttributeError, match="module 'bptt_solver' has no attribute 'slove'"):
        _ = bptt_solver.slove


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(words(
    "a.yaml b.yaml none.yaml - -- -o out out/ o.json -f json text --format=latex -q -h --limit depth=3 depth=x"
    " --wrt a,b , --entry x --detail scalar --second --adjoint lower solve plugins schema completion bash --none -x"
    " --check fast --traceback --version 学.yaml \x1b[2J \udcff"
)), max_size=6))  # fmt: skip
def test_no_arguments_break_it(fake: types.ModuleType, command: Command, arguments: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO("from standard input"))
        document(RAN[0])
        document("unverified x", "b.yaml")
        ran = command(*arguments)
    assert ran.code in (0, 1, 2)
    assert "internal error" not in ran.err and ("Traceback" not in ran.err or "--traceback" in arguments)
    assert not any(name.endswith(".tmp") for name in os.listdir())


# From here on everything is real.


def test_the_example_of_the_readme(command: Command) -> None:
    document(EXAMPLE)
    ran = command("a.yaml", "-f", "json", "--target", "E")
    assert (ran.code, ran.err) == (0, "")
    answer = json.loads(ran.out)
    # by hand: dE/dz4 = 4, dz3 = 4*4, dz2 = 2 + 4*2 + 16*3, dz1 = 4*1 + 16*1 + 58*2
    expected = {"z4": 4, "z3": 16, "z2": 58, "z1": 136}
    assert {name: answer["ordered_derivatives"][name] for name in expected} == expected
    assert answer["value"] == 136  # z2 = 2, z3 = 7, z4 = 28 + 4 + 1, E = 4*33 + 2*2


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "html", "json"])
def test_every_format(command: Command, form: str) -> None:
    document(EXAMPLE)
    ran = command("a.yaml", "-f", form)
    assert (ran.code, ran.err) == (0, "")
    assert "136" in ran.out and ran.out.endswith("\n")
    assert command("a.yaml", "-f", form, "-o", "out") == Ran(0, "", "")
    assert Path("out").read_bytes().decode() == ran.out


def test_lowering_prints_equations(command: Command) -> None:
    document(EXAMPLE)
    ran = command("lower", "a.yaml")
    assert (ran.code, ran.err) == (0, "")
    assert "z3 = 3*z2 + z1" in ran.out
    assert "∂⁺E/∂z1" in command("lower", "a.yaml", "--adjoint").out


def test_the_schema_is_json(command: Command) -> None:
    ran = command("schema")
    assert (ran.code, ran.err) == (0, "")
    assert "equations" in json.loads(ran.out)["properties"]


def test_plugins_are_listed(command: Command) -> None:
    ran = command("plugins")
    assert ran.code == 0
    assert "tanh" in ran.out


def test_a_mistake_is_shown_where_it_is(command: Command) -> None:
    document(EXAMPLE.replace("3*z2", "3*z9"))
    ran = command("a.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("a.yaml:3:") and "z9" in ran.err and "^" in ran.err


def test_missing_files(command: Command) -> None:
    ran = command("none.yaml", ".")
    assert (ran.code, ran.out) == (2, "")
    assert "none.yaml" in ran.err and "Traceback" not in ran.err


def test_a_plugin_that_is_left_out_is_told_before_the_name_that_is_unknown(command: Command) -> None:
    Path("p.py").write_text("raise ValueError('a slip')")
    document("equations: E = squash(w)\nparameters: {w: 1}\n")
    ran = command("a.yaml", "--plugin", "p.py")
    assert ran.code == 2
    assert ran.err.startswith("a.yaml: warning: plugin 'p' (file p.py) was left out: ValueError: a slip\na.yaml:1:16:")
    assert "warning" not in command("a.yaml", "--plugin", "p.py", "-q").err
