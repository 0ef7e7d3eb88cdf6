"""The command as a process in bad surroundings: full disks, closed streams, signals, locales, folders."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import bptt_solver

ROOT = Path(bptt_solver.__file__).parents[1]
DRIVER = """
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("bptt_solver.api", os.environ["FAKE_API"])
sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import bptt_solver
bptt_solver.api = module
from bptt_solver.__main__ import main
{extra}
sys.exit(main())
"""
PAUSE = """
import time
step = 0
def pausing(name):
    real = getattr(os, name)
    def call(*given, **named):
        global step
        if name != "open" or str(given[0]).endswith(".tmp"):
            step += 1
            if step == int(os.environ["PAUSE_AT"]):
                print("paused", flush=True)
                time.sleep(30)
        return real(*given, **named)
    setattr(os, name, call)
for name in ("open", "fchmod", "write", "fsync", "replace"):
    pausing(name)
"""
EXAMPLE = (
    "equations: |\n  z2 = 2*z1\n  z3 = tanh(3*z2 + z1)\n  é = 4*z3 + 2*z2 + z1\n  E = 4*é + 2*z2\nvalues: {z1: 1/10}\n"
)
FORMATS = ["text", "markdown", "latex", "json"]


def surroundings(**changes: str | None) -> dict[str, str]:
    """The environment of a run; None removes a variable."""
    names = {
        **os.environ,
        "FAKE_API": str(Path(__file__).with_name("fake_api.py")),
        "PYTHONPATH": search_path(),
        **changes,
    }
    return {name: value for name, value in names.items() if value is not None}


def search_path() -> str:
    return os.pathsep.join([str(ROOT), str(ROOT / "plugins"), *map(os.path.abspath, sys.path)])


def program(extra: str = "") -> list[str]:
    """The command on the fake interface."""
    return [sys.executable, "-c", DRIVER.replace("{extra}", extra)]


REAL = [sys.executable, "-m", "bptt_solver"]


def shell(line: str, folder: Path, words: Sequence[str], **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``"$@"`` is the command."""
    command = ["bash", "-c", f"set -o pipefail; {line}", "bash", *words]
    return subprocess.run(
        command, cwd=folder, env=surroundings(**changes), capture_output=True, text=True, encoding="utf-8", check=False
    )


def quiet(ran: subprocess.CompletedProcess[str]) -> bool:
    return "Traceback" not in ran.stderr and "Exception ignored" not in ran.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with documents for the fake interface."""
    for name, text in {
        "a.yaml": "a plain document",
        "big.yaml": "big 1000000",
        "sleep.yaml": "sleep 30",
        "unverified.yaml": "unverified x",
        "real.yaml": EXAMPLE,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "arguments", ["a.yaml", "big.yaml", "a.yaml a.yaml", "lower a.yaml", "plugins", "--version", "-h"]
)
def test_a_full_disk_is_one_line(folder: Path, arguments: str) -> None:
    ran = shell(f'"$@" {arguments} > /dev/full', folder, program())
    assert ran.returncode == 2
    assert "No space left on device" in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("unbuffered", ["1", None])
@pytest.mark.parametrize("arguments", ["a.yaml", "big.yaml", "--version", "-h", "plugins"])
@pytest.mark.parametrize(
    "streams", [">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-", "2> /dev/full", ">&- 2> /dev/full"]
)
def test_closed_and_full_streams_are_no_error(
    folder: Path, arguments: str, streams: str, unbuffered: str | None
) -> None:
    ran = shell(f'"$@" {arguments} {streams}', folder, program(), PYTHONUNBUFFERED=unbuffered)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "2> /dev/full"])
def test_closed_streams_do_not_change_the_exit_code(folder: Path, streams: str) -> None:
    assert shell(f'"$@" unverified.yaml {streams}', folder, program()).returncode == 1
    assert shell(f'"$@" none.yaml {streams}', folder, program()).returncode == 2
    assert shell(f'"$@" --none {streams}', folder, program()).returncode == 2
    assert shell(f'"$@" a.yaml -o "o$#.txt" {streams} && test -s "o$#.txt"', folder, program()).returncode == 0


def test_closed_standard_input(folder: Path) -> None:
    ran = shell('"$@" - <&-', folder, program())
    assert (ran.returncode, ran.stderr) == (2, "<stdin>: error: standard input is closed\n")


@pytest.mark.parametrize("reader", ["head -1", "head -c 1", "true", "exec <&-"])
@pytest.mark.parametrize("arguments", ["big.yaml", "big.yaml big.yaml -q", "a.yaml", "-h", "--version", "plugins"])
def test_a_reader_that_goes_away_is_no_error(folder: Path, arguments: str, reader: str) -> None:
    ran = shell(f'"$@" {arguments} | {{ {reader}; }}', folder, program())
    assert (ran.returncode, ran.stderr) == (0, "")
    if arguments == "big.yaml" and reader == "head -1":
        assert ran.stdout == "text: " + "∂" * 1_000_000 + "\n"


def test_a_reader_that_goes_away_does_not_hide_a_failed_check(folder: Path) -> None:
    ran = shell('"$@" unverified.yaml big.yaml | true', folder, program())
    assert ran.returncode == 1 and quiet(ran)


def test_a_limit_on_file_size(folder: Path) -> None:
    ran = shell('ulimit -f 100; "$@" big.yaml > out', folder, program())
    assert (ran.returncode, ran.stderr) == (2, "error: standard output: File too large\n")
    ran = shell('ulimit -f 100; "$@" big.yaml -o whole.txt', folder, program())
    assert (ran.returncode, ran.stderr) == (2, "error: whole.txt: File too large\n")
    assert not any(path.suffix in (".tmp", ".txt") for path in folder.iterdir())


def start(words: Sequence[str], folder: Path, **changes: str | None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words, cwd=folder, env=surroundings(**changes), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_control_c(folder: Path) -> None:
    process = start([*program(), "a.yaml", "sleep.yaml", "-o", "out"], folder)
    assert process.stderr is not None and process.stderr.readline() == "sleeping\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert not (folder / "out").exists()


def test_termination_while_nothing_is_half_written_is_the_systems(folder: Path) -> None:
    process = start([*program(), "sleep.yaml"], folder)
    assert process.stderr is not None and process.stderr.readline() == "sleeping\n"
    process.terminate()
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == -signal.SIGTERM


def test_termination_between_two_results_removes_the_first(folder: Path) -> None:
    process = start([*program(), "a.yaml", "sleep.yaml", "-o", "out"], folder)
    assert process.stderr is not None and process.stderr.readline() == "sleeping\n"
    assert [path.suffix for path in (folder / "out").iterdir()] == [".tmp"]
    process.terminate()
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 128 + signal.SIGTERM
    assert not (folder / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_result_is_the_old_or_the_new_one_whole(folder: Path, number: signal.Signals) -> None:
    """Stopped at each system call of the writing of two files, in turn."""
    new = ("text: " + "∂" * 1_000_000 + "\n").encode()
    steps = 0
    for steps in range(1, 40):
        for place in (folder / "out").glob("*") if (folder / "out").exists() else ():
            place.unlink()
        (folder / "out").mkdir(exist_ok=True)
        (folder / "out" / "a.txt").write_bytes(b"old")
        words = [*program(PAUSE), "-q", "a.yaml", "big.yaml", "-o", "out"]
        process = start(words, folder, PAUSE_AT=str(steps))
        assert process.stdout is not None
        paused = process.stdout.readline() == "paused\n"
        if paused:
            process.send_signal(number)
        _, err = process.communicate(timeout=10)
        assert "Traceback" not in err
        assert (folder / "out" / "a.txt").read_bytes() in (b"old", b"text: a plain document\n")
        assert not (folder / "out" / "big.txt").exists() or (folder / "out" / "big.txt").read_bytes() == new
        if number != signal.SIGKILL:
            assert {path.name for path in (folder / "out").iterdir()} <= {"a.txt", "big.txt"}
        if not paused:
            assert process.returncode == 0
            assert {path.name for path in (folder / "out").iterdir()} == {"a.txt", "big.txt"}
            break
    assert steps > 10  # open, fchmod, write, fsync; open, write (several), fsync; replace, replace, and folders


def test_runs_at_the_same_time_into_the_same_file(folder: Path) -> None:
    processes = [start([*program(), "big.yaml", "-o", "out.txt"], folder) for _ in range(4)]
    for process in processes:
        assert process.communicate(timeout=30) == ("", "") and process.returncode == 0
    assert (folder / "out.txt").read_bytes() == ("text: " + "∂" * 1_000_000 + "\n").encode()
    assert not list(folder.glob(".*"))


LOCALES: list[Mapping[str, str | None]] = [
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LANG": None},
    {"LC_ALL": "de_DE.ISO-8859-1", "LANGUAGE": "de"},
    {"LC_ALL": "tr_TR.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"},
    {"LC_ALL": "no_such_locale"},
    {"LC_ALL": None, "LANG": None, "LC_CTYPE": None, "HOME": None, "PATH": "/usr/bin:/bin", "USER": None, "TERM": None},
    {"HOME": "/none", "TMPDIR": "/none", "XDG_CACHE_HOME": "/none", "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "1"},
    {"PYTHONHASHSEED": "0"},
    {"PYTHONHASHSEED": "4294967295"},
    {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2"},
    {"PYTHONDEVMODE": "1", "PYTHONUNBUFFERED": "1"},
    {"SOURCE_DATE_EPOCH": "0", "TZ": "Asia/Tokyo"},
]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the real command writes in every format in good surroundings."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "real.yaml").write_text(EXAMPLE, encoding="utf-8")
    return {form: real(folder, form) for form in FORMATS}


def real(folder: Path, form: str, **changes: str | None) -> bytes:
    words = [*REAL, "real.yaml", "-f", form]
    ran = subprocess.run(words, cwd=folder, env=surroundings(**changes), capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return ran.stdout


@pytest.mark.parametrize("changes", LOCALES, ids=str)
def test_the_same_bytes_everywhere(folder: Path, expected: dict[str, bytes], changes: dict[str, str | None]) -> None:
    for form in FORMATS if "PYTHONHASHSEED" in changes else ["text"]:
        assert real(folder, form, **changes) == expected[form]
    ran = subprocess.run([*REAL, "real.yaml", "-o", "o.txt"], cwd=folder, env=surroundings(**changes), check=False)
    assert ran.returncode == 0
    assert (folder / "o.txt").read_bytes() == expected["text"]
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith((".", "o"))) == ["o.txt"]


SAMPLE = [  # a section each, in turn over the formats
    ["04_scalar_rnn", "--by", "both", "--flow"],
    ["05_matrix_rnn", "--method", "rtrl", "--truncate", "depth=1"],
    ["07_elman", "--notation", "goodfellow", "--by", "loss"],
    ["11_deep", "--method", "perturbation", "--flow", "--detail", "scalar"],
    ["16_lstm", "--by", "use", "--truncate", "k1=1,k2=2", "--notation", "karpathy"],
    ["18_bidirectional", "--check", "full"],
    ["19_recursive_tree", "--flow", "--notation", "lee"],
    ["20_encoder_decoder", "--by", "both", "--method", "rtrl"],
    ["21_custom_cell", "--by", "both", "--flow"],
    ["26_training", "--flow"],
]


@pytest.mark.parametrize("number", range(len(SAMPLE)), ids=lambda number: SAMPLE[number][0])
def test_the_same_bytes_whatever_the_hashes_are(number: int) -> None:
    name, *options = SAMPLE[number]
    path = str(ROOT / "examples" / name / "problem.yaml")
    for form in (FORMATS[number % len(FORMATS)], "json"):
        words = [*REAL, path, *options, "-f", form]
        first, second = (
            subprocess.run(words, env=surroundings(PYTHONHASHSEED=seed), capture_output=True, check=False)
            for seed in ("1", "2718281828")
        )
        assert (first.returncode, first.stderr) == (0, b"")
        assert first.stdout == second.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "ascii:strict", "ascii:replace"])
@pytest.mark.parametrize("form", FORMATS)
def test_poor_encodings_that_are_asked_for(folder: Path, form: str, encoding: str) -> None:
    import json

    answer = real(folder, form, PYTHONIOENCODING=encoding)
    text = answer.decode(encoding.partition(":")[0])
    assert text.isascii() and "?" not in text
    if form == "json":
        assert json.loads(text) == json.loads(real(folder, form))


@pytest.mark.parametrize("changes", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
                                     {"PYTHONIOENCODING": "ascii"}], ids=str)  # fmt: skip
def test_names_of_files_in_poor_locales(folder: Path, changes: dict[str, str | None]) -> None:
    for name in ("∂é.yaml", "a\nb\x1b[2J.yaml", os.fsdecode(b"\xff\xfe.yaml")):
        (folder / name).write_text("unverified x")
        words = [*program(), name, "none-" + name, "-o", "out", "--limit", "depth=50"]
        ran = subprocess.run(words, cwd=folder, env=surroundings(**changes), capture_output=True, check=False)
        assert ran.returncode == 2
        assert b"Traceback" not in ran.stderr and b"\x1b" not in ran.stderr
        assert ran.stderr.count(b"\n") == 3
        assert [path.suffix for path in (folder / "out").iterdir()] == [".txt"]
        shutil.rmtree(folder / "out")


def test_a_working_folder_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    line = 'cd gone; rmdir ../gone; "$@" none.yaml; first=$?; "$@" none.yaml -o out.txt; echo "$first $?"'
    ran = shell(line, tmp_path, program())
    assert ran.stdout == "2 2\n" and quiet(ran)


def test_files_in_the_working_folder_are_not_run(folder: Path) -> None:
    for name in (
        "click",
        "numpy",
        "sympy",
        "jsonschema",
        "ruamel",
        "pluggy",
        "json",
        "difflib",
        "bptt_plugins",
        "signal",
    ):
        (folder / f"{name}.py").write_text("raise SystemExit('hijacked')")
    for words in ("--help", "schema", "real.yaml", "plugins"):
        ran = shell(f'"$@" {words}', folder, REAL)
        assert (ran.returncode, ran.stderr) == (0, "")


GIVE_UP = """
import ctypes, os, sys
for capability in (1, 2) if os.geteuid() == 0 else ():  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: root's freedom
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="how to give up rights differs between systems")
def test_read_only_folders_and_files(folder: Path) -> None:
    (folder / "secret.yaml").write_text("a plain document")
    (folder / "secret.yaml").chmod(0)
    (folder / "open").mkdir()
    for place in (folder, folder / "open"):
        (place / "old.txt").write_text("old")
        (place / "old.txt").chmod(0o444)
    folder.chmod(0o555)

    def run(*arguments: str) -> tuple[int, str]:
        words = [sys.executable, "-c", GIVE_UP, *program(), *arguments]
        ran = subprocess.run(words, cwd=folder, env=surroundings(), capture_output=True, text=True, check=False)
        return ran.returncode, ran.stderr

    try:
        assert run("a.yaml", "-o", "new.txt") == (2, "error: new.txt: Permission denied\n")
        assert run("a.yaml", "-o", "old.txt") == (2, "error: old.txt: is read-only\n")
        assert run("a.yaml", "-o", "open/old.txt") == (2, "error: open/old.txt: is read-only\n")
        assert run("a.yaml", "-o", "folder/") == (2, "error: folder/: Permission denied\n")
        assert run("secret.yaml") == (2, "secret.yaml: error: Permission denied\n")
        assert run("a.yaml", "-o", "open/new.txt") == (0, "")
        assert (folder / "old.txt").read_text() == (folder / "open" / "old.txt").read_text() == "old"
    finally:
        folder.chmod(0o755)


def test_starting_is_cheap() -> None:
    """What ``--version`` and ``import bptt_solver`` may import; the wall time is in benchmarks/."""
    code = "import sys; before = set(sys.modules); {}; print(sorted(set(sys.modules) - before))"
    names = {**surroundings(), "PYTHONNOUSERSITE": "1"}
    only = subprocess.check_output([sys.executable, "-c", code.format("import bptt_solver")], env=names, text=True)
    assert only.strip() == "['__future__', 'bptt_solver']"
    main = "from bptt_solver.__main__ import main; main(['--version'])"
    version = subprocess.check_output([sys.executable, "-c", code.format(main)], env=names, text=True)
    assert version.splitlines()[1] == "['__future__', 'bptt_solver', 'bptt_solver.__main__', 'bptt_solver.output']"


def test_a_scalar_document_needs_no_network_and_no_analysis() -> None:
    """What few documents have is imported where one has it."""
    code = (
        "import sys; from bptt_solver.__main__ import main; main(sys.argv[1:]);"
        "print(sorted(n for n in sys.modules if n.startswith('bptt_solver.')), file=sys.stderr)"
    )
    path = str(ROOT / "examples" / "01_ordered_variables" / "problem.yaml")
    ran = subprocess.run(
        [sys.executable, "-c", code, path], env=surroundings(), capture_output=True, text=True, check=True
    )
    rare = [
        *("analyses", "profiles", "training", "draft", "sensitivity", "steps.indexed", "steps.methods"),
        *("problem.declared", "problem.zeros", "problem.classes", "problem.vectors", "problem.weights"),
        *("problem.made_up", "narration.networks", "narration.remarks", "narration.methods"),
    ]
    loaded = ran.stderr.splitlines()[-1]
    assert [name for name in rare if f"'bptt_solver.{name}" in loaded] == []


@pytest.mark.parametrize("arguments", [["real.yaml"], ["lower", "real.yaml"], ["schema"], ["-h"], ["none.yaml"]])
def test_a_plain_run_imports_nothing_heavy(folder: Path, arguments: list[str]) -> None:
    code = (
        "import sys; from bptt_solver.__main__ import main; main(sys.argv[1:]);"
        "print([n for n in ('sympy', 'jsonschema', 'numpy', 'mpmath') if n in sys.modules], file=sys.stderr)"
    )
    words = [sys.executable, "-c", code, *arguments]
    ran = subprocess.run(words, cwd=folder, env=surroundings(), capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1] == "[]" and "internal error" not in ran.stderr


def test_a_time_limit_stops_a_process_in_time(folder: Path) -> None:
    started = time.monotonic()
    ran = shell('"$@" sleep.yaml --limit seconds=1', folder, program())
    assert ran.returncode == 2 and "took more than 1 seconds" in ran.stderr
    assert time.monotonic() - started < 5
