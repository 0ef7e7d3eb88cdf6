"""The processes behind the preview, and the watching of files, without a server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from bptt_solver.serve.processes import MOST_RUNNING, Solvers, Stopped
from bptt_solver.serve.watching import Watch

SMALL = {"kind": "solve", "name": "small.yaml", "text": "equations: E = 2*z\nvalues: {z: 3}\n"}


def with_solvers(body: Callable[[Solvers], Coroutine[Any, Any, None]], **settings: Any) -> None:
    async def run() -> None:
        solvers = Solvers(**settings)
        try:
            await asyncio.wait_for(body(solvers), 60)
        finally:
            solvers.close()

    asyncio.run(run())


@pytest.mark.parametrize("forked", [True, False])
def test_forked_and_started_afresh(forked: bool) -> None:
    if forked and os.name == "nt":
        pytest.skip("Windows has no fork")

    async def body(solvers: Solvers) -> None:
        for _ in range(3):
            told, page = await solvers.solve("a", SMALL)
            assert told["solved"] and told["verified"]
            assert page.startswith(b"<!DOCTYPE html>")

    with_solvers(body, forked=forked)


def test_a_process_that_ends_by_itself_is_told(heavy: str) -> None:
    async def body(solvers: Solvers) -> None:
        task = asyncio.create_task(solvers.solve("a", {**SMALL, "text": heavy}))
        await asyncio.sleep(1)
        os.kill(int(str(next(iter(solvers._working.values())).process.pid)), 9)  # as the system does without memory
        told, page = await task
        assert not told["solved"] and page == b""
        assert told["error"].startswith("small.yaml: error: the process that solved it ended")
        told, _ = await solvers.solve("a", SMALL)
        assert told["solved"]

    with_solvers(body)


def test_one_that_does_not_stop_by_itself_is_killed(heavy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bptt_solver.serve.processes.GRACE", 0.0)

    async def body(solvers: Solvers) -> None:
        await solvers.solve("a", SMALL)
        told, _ = await solvers.solve("a", {**SMALL, "text": heavy, "language": "zh-Hant"})
        assert "1" in told["error"] and "--limit seconds=N" in told["error"]
        assert "took" not in told["error"]

    with_solvers(body, seconds=1)


def test_too_many_at_once(heavy: str) -> None:
    async def body(solvers: Solvers) -> None:
        asked = {**SMALL, "text": heavy}
        tasks = [asyncio.create_task(solvers.solve(str(n), asked)) for n in range(MOST_RUNNING + 1)]
        with pytest.raises(Stopped):  # the oldest
            await tasks[0]
        assert not any(task.done() for task in tasks[1:])
        for number in range(1, MOST_RUNNING + 1):
            assert solvers.stop(str(number))
        found = await asyncio.gather(*tasks[1:], return_exceptions=True)
        assert all(isinstance(one, Stopped) for one in found)
        assert not solvers.stop("1")

    with_solvers(body)


def test_nothing_is_solved_after_the_end() -> None:
    async def body(solvers: Solvers) -> None:
        await solvers.solve("a", SMALL)
        solvers.close()
        with pytest.raises(Stopped):
            await solvers.solve("a", SMALL)

    with_solvers(body)


def test_watching(tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    watch = Watch()
    assert watch.changed([one]) == []
    Path(one).write_text("a", encoding="utf-8")
    assert watch.changed([one]) == [one]
    assert watch.changed([one]) == []
    assert watch.changed([one, two]) == []
    Path(two).write_text("a", encoding="utf-8")
    assert watch.changed([one, two]) == [two]
    os.replace(two, one)
    assert watch.changed([one]) == [one]
    Path(one).write_text("", encoding="utf-8")
    assert watch.changed([one]) == []  # perhaps somebody is writing it
    assert watch.changed([one]) == [one]
    Path(one).unlink()
    assert watch.changed([one]) == []  # perhaps somebody puts another in its place
    assert watch.changed([one]) == [one]
    assert watch.changed(["\0"]) == []
