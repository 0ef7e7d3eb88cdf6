"""The processes that solve: each answers one request and ends; one that is no longer wanted, or takes too long, is
killed. Some wait ready, so that a request does not wait for Python.

On Linux they are forked from a process that has everything imported (`bptt_solver.serve.warm`); elsewhere they are
started afresh, ahead of time.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from bptt_solver.catalogues import ENGLISH, Message, message
from bptt_solver.serve.child import serve_one
from bptt_solver.serve.job import SECONDS

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess

GRACE = 1.0  # seconds in which a process that has run out of time may say so itself
MOST_RUNNING = 4
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Stopped(Exception):
    """A request was cancelled, or another one took its place."""


class Solver:
    """One process and the line to it."""

    def __init__(self, context: ForkServerContext | SpawnContext) -> None:
        self.line: Connection
        self.line, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=serve_one, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.unwanted = False

    def ask(self, request: bytes, seconds: float) -> tuple[bytes, bytes] | None:
        """Its answer; None where it took too long. Raises EOFError where the process ended without one."""
        self.line.send_bytes(request)
        if not self.line.poll(seconds):
            return None
        return self.line.recv_bytes(), self.line.recv_bytes()

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.unwanted = True
        self.process.kill()


class Solvers:
    """Processes that wait, and those that work, by who asked (a tab of a browser)."""

    def __init__(self, seconds: float = 0, forked: bool = sys.platform == "linux") -> None:
        self.seconds = seconds or SECONDS
        self._context: ForkServerContext | SpawnContext = get_context("forkserver") if forked else get_context("spawn")
        if forked:
            self._context.set_forkserver_preload(["bptt_solver.serve.warm"])
        for name in _THREADS:  # one document does not need all cores, and forking wants a single thread
            os.environ.setdefault(name, "1")
        self._ready: list[Solver] = []
        self._spare = 1 if forked else 2
        self._working: dict[str, Solver] = {}
        self._making = asyncio.Lock()
        self._later: list[asyncio.Task[None]] = []

    async def fill(self) -> None:
        """Make sure that processes wait ready."""
        async with self._making:
            while len(self._ready) < self._spare:
                self._ready.append(await asyncio.to_thread(Solver, self._context))

    async def solve(self, who: str, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The answer to a request. An earlier one of the same asker is stopped, and the oldest one of all where too
        many run. Raises `Stopped`."""
        self.stop(who)
        while not self._ready and self._spare:
            await self.fill()
        if not self._spare:  # closed
            raise Stopped
        self.stop(who)  # it may have asked again while this one waited
        while len(self._working) >= MOST_RUNNING:
            self.stop(next(iter(self._working)))
        solver = self._working[who] = self._ready.pop(0)
        self._later = [task for task in self._later if not task.done()]
        self._later.append(asyncio.create_task(self.fill()))
        try:
            asked = asyncio.to_thread(solver.ask, json.dumps(request).encode(), self.seconds + GRACE)
            found = await asked
        except (EOFError, OSError):
            if solver.unwanted:
                raise Stopped from None
            return _failed(request, message("serve.ended", name=request["name"])), b""
        finally:
            solver.stop()
            if self._working.get(who) is solver:
                del self._working[who]
            await asyncio.to_thread(_bury, solver)
        if found is None:
            text = message("batch.timeout", name=request["name"], seconds=f"{self.seconds:g}")
            return _failed(request, text), b""
        told: dict[str, Any] = json.loads(found[0])
        return told, found[1]

    def stop(self, who: str) -> bool:
        """Stop what an asker waits for; whether there was something."""
        solver = self._working.pop(who, None)
        if solver is not None:
            solver.stop()
        return solver is not None

    def close(self) -> None:
        """End all processes."""
        for solver in [*self._working.values(), *self._ready]:
            solver.stop()
        self._working.clear()
        self._ready.clear()
        self._spare = 0


def _failed(request: Mapping[str, Any], text: Message) -> dict[str, Any]:
    told = text.in_language(request.get("language", ENGLISH))
    return {"solved": False, "error": told, "places": [], "files": []}


def _bury(solver: Solver) -> None:
    solver.process.join(2)
    solver.line.close()
