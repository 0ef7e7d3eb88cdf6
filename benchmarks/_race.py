"""Peers in turn: each is a process that stays, makes one task after the other, and is timed in short bursts.

A script that has peers calls `serve(make, load)` where `serving()` says so; its parent makes a `Race`. All peers of a
race are timed in turn, round after round, so that all of them meet the same noise. What ``load`` imports counts neither
into the times nor into the time until a peer is ready.
"""

from __future__ import annotations

import json
import math
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import _common as common

LONGEST = float(os.environ.get("BENCH_LONGEST", "120"))  # seconds that one answer of a peer may take
WARM = 0.05  # a call that takes less than this is warmed up by another one before each burst


REST = 0.3  # seconds


class Made(NamedTuple):
    """What a peer made of a task: what is timed, and numbers by which results are compared (none: not compared)."""

    call: Callable[[], Any]
    check: Callable[[Any], Sequence[float]] | None = None  # of what the call gave


class Skipped(Exception):
    """A peer that has nothing for this task, with the reason."""


def serving() -> bool:
    """Whether this process was started as a peer."""
    return sys.argv[1:2] == ["--serve"]


def serve(make: Callable[[dict[str, Any]], Made], load: Callable[[dict[str, Any]], object] | None = None) -> None:
    """A peer's side: ``make`` makes what is timed of a task, ``load`` imports what it needs before the clock runs. The
    process is bound to its cores before any library is loaded, since not every library obeys settings."""
    bound = [int(core) for core in sys.argv[2].split(",") if core]
    if bound:
        os.sched_setaffinity(0, bound)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    made: Made | None = None
    found: dict[str, Any]
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if message["do"] == "make":
                made = None  # its memory is free again
                if load is not None:
                    load(message["task"])
                made, found = _prepared(make, message["task"])
            else:
                assert made is not None
                found = {"seconds": burst(made.call, message["seconds"])}
        except Skipped as reason:
            found = {"skipped": str(reason)}
        except Exception as error:  # the peer's row says what went wrong; the others go on
            found = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]}
        answers.write(json.dumps(found) + "\n")
        answers.flush()


def _prepared(make: Callable[[dict[str, Any]], Made], task: dict[str, Any]) -> tuple[Made, dict[str, Any]]:
    start = time.perf_counter()
    made = make(task)
    made.call()
    ready = time.perf_counter() - start
    again = time.perf_counter()
    result = made.call()
    call = time.perf_counter() - again
    check = None if made.check is None else [float(n) for n in made.check(result)]
    return made, {"ready": max(0.0, ready - call), "call": call, "check": check}


def burst(call: Callable[[], object], seconds: float) -> float:
    """The seconds of one call, over calls that take together at least so many."""
    start = time.perf_counter()
    call()
    once = time.perf_counter() - start
    if once >= max(seconds, WARM):
        return once
    count, start = 0, time.perf_counter()
    while True:
        call()
        count += 1
        passed = time.perf_counter() - start
        if passed >= seconds:
            return passed / count


class Peer:
    """The parent's side of a peer: a process of its own, and what it was asked."""

    def __init__(self, script: str, threads: int) -> None:
        command = [sys.executable, str(script), "--serve", ",".join(str(c) for c in common.cores(threads))]
        self.process = subprocess.Popen(
            command,
            env=common.limited(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, **message: Any) -> dict[str, Any]:
        """Its answer, or ``{"error": ...}`` where there is none in time."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            return {"error": "gone"}
        if not select.select([self.process.stdout], [], [], LONGEST)[0]:
            self.process.kill()
            return {"error": f"took more than {LONGEST:.0f} s"}
        line = self.process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {"error": f"ended with {self.process.wait()}"}
        return found

    def close(self) -> None:
        """End it."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Race:
    """Peers of one script by name, started when they are first needed, for a number of threads."""

    def __init__(self, script: str, threads: int) -> None:
        self.script, self.threads = script, threads
        self.peers: dict[str, Peer] = {}

    def run(
        self, tasks: Mapping[str, dict[str, Any]], seconds: float, rounds: int = 5, least: float = 0.03
    ) -> list[dict[str, Any]]:
        """One row for each peer of ``tasks``, in this order: ``peer``, ``min`` and ``median`` (seconds a call),
        ``ready``, ``rounds``, ``check``; or ``error``, or ``skipped``. The peers are timed in turn, in bursts of
        ``least`` seconds, ``rounds`` times, or as often as fits into ``seconds``, but three times at least, or once
        where even that takes very much longer."""
        rows = []
        for name, task in tasks.items():
            if name not in self.peers or self.peers[name].process.poll() is not None:
                self.peers[name] = Peer(self.script, self.threads)
            rows.append({"peer": name, **self.peers[name].ask(do="make", task={"threads": self.threads, **task})})
        racing = [row for row in rows if "call" in row]
        times: dict[str, list[float]] = {row["peer"]: [] for row in racing}
        end = time.perf_counter() + seconds
        for count in range(rounds):
            over = time.perf_counter() - end
            if (count >= 3 and over > 0) or (count and over > 2 * seconds + 10):
                break
            for row in racing:
                if "error" not in row:
                    if self.threads > 1:  # until the threads of the last peer's library no longer wait by turning
                        time.sleep(REST)
                    found = self.peers[row["peer"]].ask(do="time", seconds=least)
                    times[row["peer"]].append(found.get("seconds", 0.0))
                    row.update({key: value for key, value in found.items() if key == "error"})
        for row in racing:
            if "error" not in row:
                row["min"], row["median"] = common.least_and_median(times[row["peer"]])
                row["rounds"] = len(times[row["peer"]])
        return rows

    def close(self) -> None:
        """End all peers."""
        for peer in self.peers.values():
            peer.close()
        self.peers = {}


def checked(rows: Sequence[dict[str, Any]], reference: str, tolerance: float) -> None:
    """Compare the results of rows with those of the peer ``reference``: a row in which a number differs by more than
    ``tolerance``, relative to what it should be, gets ``wrong`` (the largest difference) and loses its times."""
    expected = next((row.get("check") for row in rows if row["peer"] == reference), None)
    for row in rows:
        numbers = row.pop("check", None)
        if not expected or not numbers:
            continue
        same = len(numbers) == len(expected)
        pairs = zip(numbers, expected, strict=False) if same else [(math.inf, 0.0)]
        offs = [abs(a - b) / max(abs(b), 1e-300) for a, b in pairs]
        if not all(off <= tolerance for off in offs):  # so that nan is wrong as well
            row["wrong"] = f"{max(offs, key=lambda off: math.inf if math.isnan(off) else off):.2g}"
            row.pop("min", None), row.pop("median", None)
