"""The server of the preview: what its page may ask for, on 127.0.0.1 and nowhere else.

It keeps no more than the last pages that were made, reads the document and what the document names, and writes the
document when it is told to. The solving is done in other processes (`bptt_solver.serve.processes`).
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bptt_solver.catalogues import ENGLISH, LANGUAGES, in_language, message
from bptt_solver.errors import fail
from bptt_solver.output import OutputError
from bptt_solver.serve.edited import MOST, Conflict, Edited, Reading
from bptt_solver.serve.frame import INSIDE, KINDS, POLICY, asset, frame
from bptt_solver.serve.guard import Guard, TooLong
from bptt_solver.serve.processes import Solvers, Stopped
from bptt_solver.serve.starters import starters
from bptt_solver.serve.told import told
from bptt_solver.serve.watching import changes

if TYPE_CHECKING:
    from starlette.requests import Request

HOST = "127.0.0.1"
MOST_PAGES = 12
MOST_KEPT = 100_000_000  # bytes of all pages together
_PAGE = "text/html; charset=utf-8"


class Preview:
    """The document, its readers, and the pages made of it."""

    def __init__(
        self,
        edited: Edited,
        *,
        limits: Sequence[str] = (),
        seconds: float = 0,
        plugins: Sequence[str] = (),
        language: str = ENGLISH,
        notation: str | None = None,
        traceback: bool = False,
    ) -> None:
        self.edited = edited
        self.solvers = Solvers(seconds)
        self.limits, self.plugins = list(limits), list(plugins)
        self.language, self.notation, self.traceback = language, notation, traceback
        self.guard = Guard(self._application(), secrets.token_urlsafe(24), language)
        self._pages: dict[str, bytes] = {}
        self._made = 0
        self._files: list[str] = []  # that the document was made of, beside itself
        self._listeners: dict[int, asyncio.Queue[dict[str, Any] | None]] = {}
        self._vocabulary: dict[str, Any] | None = None
        self._saving = asyncio.Lock()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.guard.port}/{self.guard.token}/"

    def _application(self) -> Starlette:
        routes = [
            Route("/", self.shell),
            *(Route(f"/{name}", _asset) for name in KINDS),
            Route("/events", self.events),
            Route("/vocabulary", self.vocabulary),
            Route("/preview/{number}", self.page),
            Route("/solve", self.solve, methods=["POST"]),
            Route("/cancel", self.cancel, methods=["POST"]),
            Route("/document", self.save, methods=["PUT"]),
        ]
        return Starlette(routes=routes, lifespan=self._running, exception_handlers={TooLong: self._too_long})

    @asynccontextmanager
    async def _running(self, _application: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.solvers.fill()), asyncio.create_task(self._look())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            self.close()

    def close(self) -> None:
        """End the processes and what listens."""
        self.solvers.close()
        for queue in self._listeners.values():
            queue.put_nowait(None)

    async def _look(self) -> None:
        """Tell all listeners when the document, or a file that it names, changes."""
        async for found in changes(lambda: [self.edited.path, *self._files]):
            event = {**self._told(await asyncio.to_thread(self.edited.read)), "others": found != [self.edited.path]}
            for queue in self._listeners.values():
                queue.put_nowait(event)

    def _told(self, reading: Reading) -> dict[str, Any]:
        reason = told(reading.reason)
        return {"version": reading.version, "exists": reading.exists, "text": reading.text, "reason": reason}

    def _spoken(self, asked: Mapping[str, Any]) -> str:
        """The language of whoever asks."""
        return str(asked["language"]) if asked.get("language") in LANGUAGES else self.language

    def _fault(self, status: int, text: str, asked: Mapping[str, Any] | None = None) -> Response:
        return JSONResponse({"error": in_language(text, self._spoken(asked or {}))}, status)

    # ------------------------------------------------------------------------- what is asked for

    async def shell(self, _request: Request) -> Response:
        """The frame."""
        from bptt_solver.profiles.profile import profile, profile_names

        start = {
            "name": self.edited.name,
            "language": self.language,
            "notation": self.notation or "",
            "notations": [[name, told(profile(name).title)] for name in profile_names()],
            "starters": [s._asdict() for s in starters()],
        }
        text = frame(os.path.basename(self.edited.path), self.edited.path, self.language, start)
        return Response(text, media_type=_PAGE, headers={"content-security-policy": POLICY})

    async def events(self, _request: Request) -> Response:
        """The document as it is, and again each time it changes, as server-sent events."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        first = {**self._told(await asyncio.to_thread(self.edited.read)), "others": False}

        async def tell() -> AsyncIterator[str]:
            self._listeners[id(queue)] = queue
            try:
                yield "retry: 500\n\n"
                event: dict[str, Any] | None = first
                while event is not None:
                    yield f"data: {json.dumps(event)}\n\n"
                    event = await queue.get()
            finally:
                self._listeners.pop(id(queue), None)

        return StreamingResponse(tell(), media_type="text/event-stream")

    async def vocabulary(self, _request: Request) -> Response:
        """What can be completed."""
        if self._vocabulary is None:
            asked = {"kind": "vocabulary", "name": self.edited.name, "plugins": self.plugins}
            try:
                found, _ = await self.solvers.solve("vocabulary", asked)
            except Stopped:
                return self._fault(409, message("serve.stopped"))
            if "schema" not in found:
                return self._fault(500, str(found.get("error")))
            self._vocabulary = found
        return JSONResponse(self._vocabulary)

    async def page(self, request: Request) -> Response:
        """A page that was made."""
        found = self._pages.get(request.path_params["number"])  # by its digits: a text is never too long to look up
        if found is None:
            return self._fault(404, message("serve.no_page"))
        return Response(found, media_type=_PAGE, headers={"content-security-policy": INSIDE})

    async def solve(self, request: Request) -> Response:
        """Make a page of the text that comes, or of the file where none comes."""
        asked = await _json(request)
        text, who = asked.get("text"), asked.get("tab")
        if not (text is None or isinstance(text, str)) or not isinstance(who, str) or len(who) > 64:
            return self._fault(400, message("serve.wrong"), asked)
        task = {
            "kind": "solve",
            "name": self.edited.name,
            "path": self.edited.path,
            "folder": self.edited.folder,
            "text": text,
            "limits": self.limits,
            "plugins": self.plugins,
            "traceback": self.traceback,
            "language": self._spoken(asked),
            "notation": str(asked.get("notation") or "") or None,
            "steps": "all" if asked.get("steps") == "all" else "auto",
        }
        begun = time.perf_counter()
        working = asyncio.create_task(self.solvers.solve(who, task))
        leaving = asyncio.create_task(_left(request))
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not working.done():  # nobody waits any more; by now the tab may wait for something else
            working.cancel()
        try:
            found, page = await working
        except (Stopped, asyncio.CancelledError):
            return JSONResponse({"stopped": True})
        self._files = [path for path in found.pop("files", ()) if path != self.edited.path]
        if found["solved"]:
            self._made += 1
            self._pages[str(self._made)] = page
            while len(self._pages) > (MOST_PAGES if sum(map(len, self._pages.values())) < MOST_KEPT else 1):
                del self._pages[next(iter(self._pages))]
            found["page"] = self._made
        return JSONResponse({**found, "seconds": round(time.perf_counter() - begun, 3)})

    async def _too_long(self, _request: Request, _error: Exception) -> Response:
        return self._fault(413, message("serve.too_large"))

    async def cancel(self, request: Request) -> Response:
        """Stop what a tab waits for."""
        who = (await _json(request)).get("tab")
        return JSONResponse({"stopped": isinstance(who, str) and self.solvers.stop(who)})

    async def save(self, request: Request) -> Response:
        """Write the document, unless it is no longer the one that was read."""
        asked = await _json(request)
        text, base = asked.get("text"), asked.get("version")
        if not isinstance(text, str) or not isinstance(base, str):
            return self._fault(400, message("serve.wrong"), asked)
        if len(text.encode("utf-8", "replace")) > MOST:
            return self._fault(413, message("serve.large"), asked)
        try:
            async with self._saving:
                reading = await asyncio.to_thread(self.edited.save, text, base)
        except Conflict as conflict:
            return JSONResponse({"conflict": self._told(conflict.found)}, 409)
        except OutputError as error:
            return self._fault(409, message("batch.error", text=error.args[0]), asked)
        return JSONResponse({"version": reading.version})


async def _asset(request: Request) -> Response:
    name = request.url.path.rpartition("/")[2]
    return Response(asset(name), media_type=KINDS[name])


async def _json(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


async def _left(request: Request) -> None:
    """Return when whoever asked has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Server(uvicorn.Server):
    """A server that says where it listens, and ends what is open when it is told to stop."""

    def __init__(self, config: uvicorn.Config, preview: Preview, ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self.preview = preview
        self.ready = ready
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[Any] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await super().startup(sockets)
        except SystemExit:
            raise fail(message("serve.port", port=self.config.port), hint=message("serve.port_hint")) from None
        if self.started:
            self.preview.guard.port = self.servers[0].sockets[0].getsockname()[1]
            self.ready(self.preview.address)

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.preview.close)


def run(preview_of: Callable[[], Preview], port: int, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C, which is raised again at the end. ``ready`` gets the address. Raises ProblemError where the
    port is taken."""

    async def serving() -> None:
        preview = preview_of()
        config = uvicorn.Config(
            preview.guard,
            host=HOST,
            port=port,
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            http="h11",
            loop="asyncio",
            timeout_graceful_shutdown=2,
        )
        await _Server(config, preview, ready).serve()

    asyncio.run(serving())
