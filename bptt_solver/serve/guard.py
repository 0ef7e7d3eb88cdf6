"""Who is answered: pages of this server alone. A page of another site, also one whose name was made to lead here (DNS
rebinding), another user of the machine, and a body without end get an error, and nothing else happens."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bptt_solver.catalogues import ENGLISH, in_language, message

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send
    from starlette.types import Message as Event

MOST_BODY = 4_000_000  # bytes: a text that may be edited, as JSON
SAFE = ("GET", "HEAD")
HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class TooLong(Exception):
    """A body is longer than `MOST_BODY`; the application answers it with 413."""


class Guard:
    """An application that is asked only by those who may: the Host header is this machine's, the Origin is our own
    (every request that changes something must have one), and the path begins with the token, which is taken off."""

    def __init__(self, app: ASGIApp, token: str, language: str = ENGLISH) -> None:
        self.app = app
        self.language = language
        self.token = token
        self.port = 0  # until the server listens

    @property
    def hosts(self) -> tuple[str, ...]:
        """What the Host header may be."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        fault = self._fault(scope["method"], headers)
        path = scope["path"].split("/", 2)
        if fault is None and not (len(path) == 3 and secrets.compare_digest(path[1].encode(), self.token.encode())):
            fault = 404, message("serve.not_found")
        if fault is not None:
            await _refuse(send, fault[0], in_language(fault[1], self.language))
            return

        async def headed(event: Event) -> None:
            if event["type"] == "http.response.start":
                own = [name for name, _ in event["headers"]]
                more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in own]
                event = {**event, "headers": [*event["headers"], *more]}
            await send(event)

        inner = "/" + path[2]
        await self.app({**scope, "path": inner, "raw_path": inner.encode()}, _bounded(receive), headed)

    def _fault(self, method: str, headers: list[tuple[str, str]]) -> tuple[int, str] | None:
        hosts = [value for name, value in headers if name == "host"]
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return 403, message("serve.only_here")
        origins = [value for name, value in headers if name == "origin"]
        ours = [f"http://{host}" for host in self.hosts]
        if any(origin.lower() not in ours for origin in origins) or (method not in SAFE and len(origins) != 1):
            return 403, message("serve.only_ours")
        lengths = [value for name, value in headers if name == "content-length"]
        if any(not (length.isascii() and length.isdigit()) or int(length[:20]) > MOST_BODY for length in lengths):
            return 413, message("serve.too_large")
        return None


def _bounded(receive: Receive) -> Receive:
    """The same messages, as long as the body is not too long."""
    length = 0

    async def bounded() -> Event:
        nonlocal length
        event = await receive()
        if event["type"] == "http.request":
            length += len(event.get("body", b""))
            if length > MOST_BODY:
                raise TooLong
        return event

    return bounded


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = {**HEADERS, "content-type": "text/plain; charset=utf-8", "content-security-policy": "default-src 'none'"}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": (text + "\n").encode()})
