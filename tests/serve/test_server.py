"""The server by itself: who is answered, what is written, what is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bptt_solver.catalogues import FOLDER, LANGUAGES, read_catalogue
from bptt_solver.output import OutputError, Outputs
from bptt_solver.problem.schema import schema_text
from bptt_solver.serve.edited import MOST, Conflict, Edited
from bptt_solver.serve.frame import KINDS, words
from bptt_solver.serve.guard import MOST_BODY
from bptt_solver.serve.starters import own_words, starters
from bptt_solver.serve.vocabulary import described

SMALL = "equations: E = 2*z\nvalues: {z: 3}\n"


def test_everything_has_its_headers(serve: Callable[..., Any]) -> None:
    served = serve("01")
    for where, kind in (("", "text/html"), *KINDS.items()):
        status, headers, body = served.ask("GET", where)
        assert status == 200
        assert headers["content-type"].partition(";")[0] == kind.partition(";")[0]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert not any(name.startswith("access-control") for name in headers)
        assert "server" not in headers
        assert body
    _, headers, _ = served.ask("GET", "")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    page = served.solve(None)["page"]
    _, headers, body = served.ask("GET", f"preview/{page}")
    assert headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in headers["content-security-policy"]
    assert b"default-src 'none'" in body


@pytest.mark.parametrize(
    ("method", "where", "headers", "status"),
    [
        ("GET", "", {"Host": "evil.example"}, 403),
        ("GET", "", {"Host": "evil.example:80"}, 403),
        ("GET", "", {"Host": "127.0.0.1"}, 403),
        ("GET", "", {"Host": "127.0.0.1:1"}, 403),
        ("GET", "", {"Origin": "http://evil.example"}, 403),
        ("GET", "", {"Origin": "null"}, 403),
        ("POST", "solve", {"Origin": "http://evil.example"}, 403),
        ("POST", "solve", {"Origin": ""}, 403),
        ("PUT", "document", {"Origin": "null"}, 403),
        ("GET", "/", {}, 404),
        ("GET", "/shell.js", {}, 404),
        ("POST", "/wrong/solve", {}, 404),
        ("GET", "/wrong/", {}, 404),
        ("GET", "problem.yaml", {}, 404),
        ("GET", "preview/../problem.yaml", {}, 404),
        ("GET", "preview/..%2fproblem.yaml", {}, 404),
        ("GET", "preview/99", {}, 404),
        ("GET", "preview/" + "9" * 5000, {}, 404),
        ("GET", "%2e%2e/%2e%2e/etc/passwd", {}, 404),
        ("GET", "shell.html", {}, 404),
        ("DELETE", "document", {}, 405),
        ("POST", "solve", {"Content-Length": str(MOST_BODY + 1)}, 413),
    ],
)
def test_who_and_what_is_refused(
    serve: Callable[..., Any], method: str, where: str, headers: dict[str, str], status: int
) -> None:
    served = serve("01")
    body = None if method == "GET" or "Content-Length" in headers else {"tab": "a", "text": SMALL, "version": ""}
    before = served.path.read_bytes()
    found, told, text = served.ask(method, where, body, **headers)
    assert found == status, text
    assert told["x-content-type-options"] == "nosniff"
    assert before not in text
    assert served.path.read_bytes() == before


def test_localhost_is_this_machine_too(serve: Callable[..., Any]) -> None:
    served = serve("01")
    port = served.host.partition(":")[2]
    assert served.ask("GET", "", Host=f"localhost:{port}")[0] == 200


def test_a_body_without_a_length_is_bounded_too(serve: Callable[..., Any]) -> None:
    served = serve("01")
    piece = b"%x\r\n" % 1_000_000 + b" " * 1_000_000 + b"\r\n"
    try:
        status, _, _ = served.ask("POST", "solve", raw=piece * 5 + b"0\r\n\r\n", Transfer_Encoding="chunked",
                                  Content_Length="")  # fmt: skip
    except (BrokenPipeError, ConnectionResetError):
        status = 413  # it hung up before all was sent
    assert status == 413
    assert served.solve(SMALL)["solved"]


def test_a_document_and_its_error_as_in_the_terminal(serve: Callable[..., Any]) -> None:
    served = serve("01")
    assert served.solve(None)["verified"]
    text = served.path.read_text(encoding="utf-8").replace("3*z2 + z1", "3*z2 + z1)")
    served.path.write_text(text, encoding="utf-8")
    found = served.solve(text)
    command = [sys.executable, "-m", "bptt_solver", str(served.path)]
    terminal = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False).stderr
    assert found["error"] == terminal.rstrip("\n")
    assert "^" in found["error"]
    assert found["places"] == [{"line": 6, "column": 17, "length": 1}]
    assert served.solve(None)["error"] == found["error"]
    chinese = served.solve(text, language="zh-Hans")["error"]
    assert chinese != found["error"]
    assert "^" in chinese


def test_choices(serve: Callable[..., Any]) -> None:
    served = serve("04", "--notation", "werbos")
    assert served.solve(None, notation="boden")["notation"] == "boden"
    page = served.solve(None, language="zh-Hant")["page"]
    assert b'<html lang="zh-Hant">' in served.ask("GET", f"preview/{page}")[2]
    assert "unknown" in served.solve(None, notation="no such")["error"]
    shell = served.ask("GET", "")[2].decode()
    assert '"notation":"werbos"' in shell


def test_files_beside_the_document_are_read_and_no_others(serve: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("[1]", encoding="utf-8")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "data.json").write_text("[1, 2, 3]", encoding="utf-8")
    text = "equations: E = sum(x[t] for t in 1..T)\nvalues: {x: {file: FILE}}\n"
    served = serve(text.replace("FILE", "data.json"), name="inner/problem.yaml")
    assert served.solve(None)["solved"]
    assert served.solve(text.replace("FILE", "data.json"))["solved"]
    for wrong in ("../secret.json", "/etc/passwd", str(tmp_path / "secret.json")):
        found = served.solve(text.replace("FILE", wrong))
        assert not found["solved"]
        assert "secret" in found["error"] or "passwd" in found["error"]
    os.symlink(tmp_path / "secret.json", inner / "link.json")
    assert "link that leaves" in served.solve(text.replace("FILE", "link.json"))["error"]
    assert served.solve(text.replace("FILE", "data.json"))["solved"]
    events = served.events()
    next(events)
    time.sleep(0.3)
    (inner / "data.json").write_text("[1, 2, 4]", encoding="utf-8")
    assert next(events)["others"] is True


def test_saving(serve: Callable[..., Any], tmp_path: Path) -> None:
    served = serve("01")
    first = next(served.events())
    before = sorted(os.listdir(tmp_path))
    status, _, body = served.ask("PUT", "document", {"text": SMALL, "version": first["version"]})
    assert status == 200
    assert served.path.read_text(encoding="utf-8") == SMALL
    version = json.loads(body)["version"]
    status, _, body = served.ask("PUT", "document", {"text": "# mine\n", "version": first["version"]})
    assert status == 409
    assert json.loads(body)["conflict"]["text"] == SMALL
    assert served.path.read_text(encoding="utf-8") == SMALL
    assert served.ask("PUT", "document", {"text": "# mine\n", "version": version})[0] == 200
    assert served.path.read_text(encoding="utf-8") == "# mine\n"
    assert sorted(os.listdir(tmp_path)) == before
    assert served.ask("PUT", "document", {"text": "#" * (MOST + 1), "version": version})[0] == 413
    assert served.path.read_text(encoding="utf-8") == "# mine\n"
    for wrong in ({}, {"text": 1, "version": ""}, [1], {"text": "x"}):
        assert served.ask("PUT", "document", wrong)[0] == 400


def test_line_ends_marks_and_permissions_stay(serve: Callable[..., Any]) -> None:
    served = serve("x")
    served.path.write_bytes(b"\xef\xbb\xbftitle: a\r\nequations: E = 1\r\n")
    served.path.chmod(0o640)
    first = next(served.events())
    assert first["text"] == "title: a\nequations: E = 1\n"
    assert served.ask("PUT", "document", {"text": first["text"] + "#\n", "version": first["version"]})[0] == 200
    assert served.path.read_bytes() == b"\xef\xbb\xbftitle: a\r\nequations: E = 1\r\n#\r\n"
    assert served.path.stat().st_mode & 0o777 == 0o640


def test_a_new_file_is_written_when_it_is_saved(serve: Callable[..., Any], tmp_path: Path) -> None:
    served = serve("", name="new.yaml")
    first = next(served.events())
    assert (first["exists"], first["text"]) == (False, "")
    assert served.solve(SMALL)["solved"]
    assert os.listdir(tmp_path) == []
    assert served.ask("PUT", "document", {"text": SMALL, "version": ""})[0] == 200
    assert os.listdir(tmp_path) == ["new.yaml"]
    assert served.ask("PUT", "document", {"text": SMALL, "version": ""})[0] == 409


@pytest.mark.parametrize(
    ("data", "reason"), [(b"\xff", "not UTF-8"), (b"a\rb", "control"), (b"#" * (MOST + 1), "longer than 1 MB")]
)
def test_what_cannot_be_edited_is_shown_only(serve: Callable[..., Any], data: bytes, reason: str) -> None:
    served = serve("x")
    served.path.write_bytes(data)
    first = next(served.events())
    assert first["text"] is None
    assert reason in first["reason"]["en"]
    assert not served.solve(None)["solved"]
    assert served.ask("PUT", "document", {"text": "", "version": first["version"]})[0] == 409
    assert served.path.read_bytes() == data


def test_half_a_character_is_not_written(serve: Callable[..., Any]) -> None:
    served = serve(SMALL)
    version = next(served.events())["version"]
    asked = {"text": SMALL + "# \ud800", "version": version, "language": "zh-Hans"}
    status, _, body = served.ask("PUT", "document", asked)
    assert status == 409
    assert "文件含有控制字符" in json.loads(body)["error"]
    assert served.path.read_text(encoding="utf-8") == SMALL


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_pipe_in_the_place_of_the_file(serve: Callable[..., Any]) -> None:
    served = serve(SMALL)
    events = served.events()
    next(events)
    served.path.unlink()
    os.mkfifo(served.path)
    found = next(events)
    assert (found["exists"], found["text"]) == (True, None)
    assert found["reason"]["en"] == "this is not a regular file"
    assert served.ask("PUT", "document", {"text": SMALL, "version": found["version"]})[0] == 409
    assert served.path.is_fifo()


def test_a_file_that_changes_while_it_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "problem.yaml"
    path.write_text(SMALL, encoding="utf-8")
    edited = Edited(str(path))
    base = edited.read().version
    write = Outputs.write

    def slow(outputs: Outputs, place: str, data: bytes) -> None:
        write(outputs, place, data)
        path.write_text("# theirs\n", encoding="utf-8")

    monkeypatch.setattr(Outputs, "write", slow)
    with pytest.raises(Conflict):
        edited.save("# mine\n", base)
    assert path.read_text(encoding="utf-8") == "# theirs\n"
    assert os.listdir(tmp_path) == ["problem.yaml"]


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all files")
def test_a_file_that_cannot_be_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "problem.yaml"
    path.write_text(SMALL, encoding="utf-8")
    path.chmod(0o200)
    edited = Edited(str(path))
    assert edited.read().exists
    with pytest.raises(OutputError, match="cannot be read"):
        edited.save("# mine\n", edited.read().version)


def test_changes_are_told(serve: Callable[..., Any]) -> None:
    served = serve("01")
    events = served.events()
    next(events)
    begun = time.monotonic()
    beside = served.path.with_suffix(".tmp")
    beside.write_text(SMALL, encoding="utf-8")
    os.replace(beside, served.path)
    assert next(events)["text"] == SMALL
    assert time.monotonic() - begun < 2
    served.path.unlink()
    assert next(events)["exists"] is False


def test_a_heavy_document_does_not_block_the_next(serve: Callable[..., Any], heavy: str) -> None:
    served = serve(SMALL)
    served.solve(SMALL)
    found: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: found.append(served.solve(heavy, "one")))
    waiting.start()
    time.sleep(0.7)
    assert waiting.is_alive()
    begun = time.monotonic()
    assert served.solve(SMALL, "another")["solved"]
    assert waiting.is_alive()
    assert served.solve(SMALL, "one")["solved"]  # the newer one of the same tab takes its place
    assert time.monotonic() - begun < 5
    waiting.join(10)
    assert found == [{"stopped": True}]


def test_cancelling_and_leaving(serve: Callable[..., Any], heavy: str) -> None:
    served = serve(SMALL)
    served.solve(SMALL)
    found: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: found.append(served.solve(heavy, "one")))
    waiting.start()
    time.sleep(0.7)
    assert served.ask("POST", "cancel", {"tab": "one"})[2] == b'{"stopped":true}'
    waiting.join(10)
    assert found == [{"stopped": True}]
    assert served.ask("POST", "cancel", {"tab": "one"})[2] == b'{"stopped":false}'


def test_the_time_limit(serve: Callable[..., Any], heavy: str) -> None:
    served = serve(SMALL, "--limit", "seconds=1")
    begun = time.monotonic()
    found = served.solve(heavy)
    assert "took more than 1 seconds (--limit seconds=N lifts it)" in found["error"]
    assert time.monotonic() - begun < 10
    assert served.solve(SMALL)["solved"]


def test_plugins_and_limits(serve: Callable[..., Any], tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from bptt_solver.hookspecs import hookimpl\n"
        "from bptt_solver.options import choice\n"
        "from bptt_solver.records import Activation, Network, Topology\n"
        "@hookimpl\n"
        "def bptt_activations():\n"
        "    yield Activation('squash', 'x/sqrt(1 + x**2)', {'x': '1/(1 + x**2)**1.5'}, summary='a root')\n"
        "def build(options):\n"
        "    choice(options['shape'], ('round', 'square'), 'shape')\n"
        "    return Network(equations='E = 2*w', target='E', parameters={'w': ()})\n"
        "@hookimpl\n"
        "def bptt_topologies():\n"
        "    yield Topology('mine', build, {'shape': 'round', 'open': False}, summary='a network of mine')\n",
        encoding="utf-8",
    )
    served = serve("equations: E = squash(x)\nvalues: {x: 0.75}\n", "--plugin", str(plugin), "--limit", "equations=1")
    assert served.solve(None)["solved"]
    assert "limit" in served.solve("equations: |\n  a = 1\n  E = a\n")["error"]
    known = json.loads(served.ask("GET", "vocabulary")[2])
    assert known["functions"]["squash"] == {"kind": "activation", "about": "a root"}
    mine = known["topologies"]["mine"]
    assert mine["about"] == "a network of mine"
    assert mine["options"]["shape"] == {"default": "round", "required": False, "words": ["round", "square"]}
    assert mine["options"]["open"]["words"] == ["true", "false"]


def test_what_a_vocabulary_knows(serve: Callable[..., Any]) -> None:
    known = json.loads(serve("01").ask("GET", "vocabulary")[2])
    equations = known["schema"]["properties"]["equations"]
    assert equations["title"] == "Equations"
    assert list(equations["description"]) == list(LANGUAGES)
    assert known["topologies"]["deep"]["about"]["zh-Hant"] == "堆疊的循環層"
    options = known["topologies"]["gru"]["options"]
    assert options["reset"]["words"] == ["before", "after"]
    assert options["directions"]["words"] == ["forward", "backward", "both"]
    assert options["hidden"]["function"] is True
    assert options["sizes"]["keys"] == ["input", "hidden", "output"]
    assert {"sgd", "momentum", "adam"} <= known["rules"].keys()
    assert known["functions"]["cross_entropy"]["kind"] == "loss"
    assert "matmul" not in known["functions"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-"], "standard input cannot be edited"),
        (["."], "is a folder"),
        (["nowhere/problem.yaml"], "there is no folder"),
        (["problem.yaml", "--notation", "no such"], "no such"),
        (["problem.yaml", "--limit", "equation=1"], "unknown limit"),
        (["problem.yaml", "--port", "70000"], "--port"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bptt_solver", "serve", "--no-open", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_a_port_that_is_taken(serve: Callable[..., Any], tmp_path: Path) -> None:
    port = serve("01").host.partition(":")[2]
    command = [sys.executable, "-m", "bptt_solver", "serve", "--no-open", "new.yaml", "--port", port]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert f"cannot listen on port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_packages_are_named(tmp_path: Path) -> None:
    program = (
        "import sys, importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'uvicorn' else find(name, *a)\n"
        "from bptt_solver.__main__ import main\nsys.exit(main(['serve', 'new.yaml']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'bptt-solver[serve]'" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_ctrl_c_ends_it_cleanly_while_somebody_listens_and_waits(serve: Callable[..., Any], heavy: str) -> None:
    served = serve(SMALL)
    events = served.events()
    next(events)
    waiting = threading.Thread(target=lambda: _quietly(lambda: served.solve(heavy)))
    waiting.start()
    time.sleep(0.7)
    begun = time.monotonic()
    code, said = served.stop(signal.SIGINT)
    assert code == 130
    assert time.monotonic() - begun < 5
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    waiting.join(10)
    assert not waiting.is_alive()


def _quietly(action: Callable[[], object]) -> None:
    try:
        action()
    except (OSError, AssertionError, ValueError):
        return


def test_words_in_three_languages() -> None:
    english = words()["en"]
    for language in ("zh-Hans", "zh-Hant"):
        found = words()[language]
        assert list(found) == list(english)
        for key, text in found.items():
            assert {p.partition("}")[0] for p in text.split("{")[1:]} == {
                p.partition("}")[0] for p in english[key].split("{")[1:]
            }


def test_the_wheel_has_all_examples() -> None:
    root = Path(__file__).parents[2]
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    included = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    found = sorted(path.relative_to(root).as_posix() for path in root.glob("examples/*/problem.yaml"))
    assert included == {name: f"bptt_solver/serve/{name}" for name in found}
    assert [starter.name for starter in starters()] == [name.split("/")[1] for name in found]
    assert all(starter.title and starter.about for starter in starters())


def test_the_catalogues_say_what_examples_and_schema_say() -> None:
    for starter in starters():
        title, about = own_words(starter.name, starter.text)
        assert isinstance(starter.title, dict) and isinstance(starter.about, dict)
        assert (starter.title["en"], starter.about["en"]) == (title, about.replace("`", ""))
    english = read_catalogue((Path(FOLDER) / "schema.en.toml").read_text(encoding="utf-8"))
    plain, told = json.loads(schema_text()), described(json.loads(schema_text()))
    found: dict[str, str] = {}
    inside: list[tuple[str, Any, Any]] = [("", plain, told)]
    while inside:
        place, one, two = inside.pop()
        if one != two and isinstance(two, dict) and set(two) == set(LANGUAGES):
            found[place.removesuffix(".description")] = one
            continue
        items = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        inside += [(f"{place}.{key}".strip("."), value, two[key]) for key, value in items]
    assert found == english
    assert len(found) > 40


@pytest.mark.parametrize(
    ("language", "refused", "missing"),
    [("en", "its own address only", "not found"), ("zh-Hant", "此伺服器只以自己的位址回應", "找不到")],
)
def test_refusals_in_the_language_of_the_run(
    serve: Callable[..., Any], language: str, refused: str, missing: str
) -> None:
    served = serve("01", "--lang", language)
    assert refused in served.ask("GET", "", Host="evil.example")[2].decode()
    assert missing in served.ask("GET", "/")[2].decode()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_nobody_is_left_when_the_server_is_killed(serve: Callable[..., Any], heavy: str) -> None:
    served = serve(SMALL)
    served.solve(SMALL)
    waiting = threading.Thread(target=lambda: _quietly(lambda: served.solve(heavy)))
    waiting.start()
    time.sleep(0.7)
    started = family(served.process.pid)
    assert len(started) >= 3
    begun = time.monotonic()
    served.stop(signal.SIGKILL)
    while [pid for pid in started if alive(pid)] and time.monotonic() - begun < 10:
        time.sleep(0.05)
    assert [pid for pid in started if alive(pid)] == []
    waiting.join(10)


def family(pid: int) -> list[int]:
    """The processes that a process started, and theirs."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(folder.name), *family(int(folder.name))]
    return found


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and was not asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
