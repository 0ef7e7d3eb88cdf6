"""A real server of its own for each document, asked by hand or by a browser."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytest.importorskip("starlette", reason="starlette is not installed: pip install -e '.[test]'")
pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install -e '.[test]'")

HEAVY = (  # it trains for an hour
    "equations: |\n  h[t] = tanh(w*h[t-1] + u[t]) for t in 1..T\n  E = sum(h[t]**2 for t in 1..T)\n"
    "values:\n  h[0]: 0.5\ndata: {u: {random: {shape: 50}}}\nparameters: {w: 0.5}\n"
    "update: {rule: sgd, learning_rate: 0.1, steps: 10000000}\n"
)


class Served:
    """A server in a process of its own."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        command = [sys.executable, "-m", "bptt_solver", "serve", str(path), "--no-open", *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            raise AssertionError(self.process.communicate(timeout=10))
        self.host, _, self.token = self.address.removeprefix("http://").strip("/").partition("/")
        self.origin = f"http://{self.host}"

    def ask(
        self, method: str, where: str, body: Any = None, *, raw: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer. ``where`` begins with ``/`` for a path without the token."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        path = where if where.startswith("/") else f"/{self.token}/{where}"
        sent = {"Origin": self.origin} if method not in ("GET", "HEAD") else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        connection.putrequest(method, path, skip_host="Host" in sent)
        for name, value in sent.items():
            if value:
                connection.putheader(name, value)
        if data is not None and "Content-Length" not in sent:
            connection.putheader("Content-Length", str(len(data)))
        try:
            connection.endheaders(data)
            with connection.getresponse() as answer:
                return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def solve(self, text: str | None, tab: str = "test", **more: Any) -> dict[str, Any]:
        """The answer to a request to solve."""
        status, _, body = self.ask("POST", "solve", {"tab": tab, "text": text, **more})
        assert status == 200, body
        found = json.loads(body)
        assert isinstance(found, dict)
        return found

    def events(self) -> Iterator[dict[str, Any]]:
        """The server-sent events, as they come."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        connection.request("GET", f"/{self.token}/events")
        answer = connection.getresponse()
        try:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        finally:
            answer.close()
            connection.close()

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """End it; the exit code, and what it said."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            _, said = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, said


@pytest.fixture(scope="session")
def heavy() -> str:
    """A document that takes an hour."""
    return HEAVY


@pytest.fixture(scope="session")
def server() -> type[Served]:
    """The class of servers, for those that are shared by tests."""
    return Served


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Serves a copy of an example (``serve("01")``), or a text."""
    running: list[Served] = []

    def start(what: str, *options: str, name: str = "problem.yaml") -> Served:
        path = tmp_path / name
        if what.isdigit():
            shutil.copy(next(EXAMPLES.glob(f"{what}_*")) / "problem.yaml", path)
        elif what:
            path.write_text(what, encoding="utf-8")
        found = Served(path, *options)
        running.append(found)
        return found

    yield start
    for served in running:
        if served.process.poll() is None:
            served.stop()
