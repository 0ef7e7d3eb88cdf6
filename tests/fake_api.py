"""Stands in for `bptt_solver.api` in the tests of the command: the first word of a document says what happens to it."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, NamedTuple, NoReturn

from bptt_solver.errors import fail
from bptt_solver.output import one_line

CALLS: list[tuple[str, dict[str, Any]]] = []


class Problem(str):
    @property
    def warnings(self) -> tuple[str, ...]:
        return ("a plugin failed",) if self == "plugin" else ()


class Solution(NamedTuple):
    text: str
    verified: bool = True
    warnings: tuple[str, ...] = ()

    def render(self, form: str, fragment: bool = False, screen: object = None) -> str:
        return f"{form}: {self.text}"


class Rude(Exception):
    def __str__(self) -> str:
        raise ValueError


def load(source: str, **options: Any) -> Problem:
    CALLS.append(("load", {"source": source, **options}))
    if source == "-":
        return Problem(sys.stdin.read())
    if not os.path.exists(source):
        raise fail(f"cannot read {one_line(source)}: no such file")
    with open(source, encoding="utf-8") as file:
        return Problem(file.read())


def solve(problem: Problem, **options: Any) -> Solution:
    CALLS.append(("solve", options))
    word, _, rest = problem.strip().partition(" ")
    if word == "unverified":
        return Solution(rest, verified=False)
    if word == "warning":
        return Solution("solved", warnings=(rest,))
    if word == "big":
        return Solution("∂" * int(rest))
    if word == "sleep":
        print("sleeping", file=sys.stderr, flush=True)
        time.sleep(float(rest))
    elif word == "loop":
        _loop()
    elif word == "raise":
        _raise(rest)
    return Solution(problem)


def lower(problem: Problem, *, adjoint: bool = False, unfold: bool = False, language: str = "en") -> str:
    return f"lowered {problem} {adjoint} {unfold}"


def plugins_text(plugins: tuple[str, ...] = (), language: str = "en") -> str:
    return f"plugins {plugins}"


def _loop() -> None:
    while True:
        try:
            time.sleep(0.05)
        except Exception:  # swallows whatever it can, as a bad plugin may
            continue


def _raise(rest: str) -> NoReturn:
    if rest == "rude":
        raise Rude
    if rest == "exit":
        sys.exit(0)
    if rest == "deep":
        _recurse(0)
    if rest == "memory":
        raise MemoryError
    if rest == "system":
        raise PermissionError(13, "Permission denied", "weights.npz")
    if rest == "problem":
        raise fail("'z9' is not defined", hint="did you mean 'z0'?")
    raise ZeroDivisionError(rest)


def _recurse(depth: int) -> int:
    return _recurse(depth + 1) + 1


def gradients_if_large(problem: Problem, **options: Any) -> None:
    """No document of these tests is large."""
