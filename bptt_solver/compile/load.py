"""The only place where a program becomes a function. Its text is made from our own trees: names of documents stand in
it as identifiers that were made for them or as quoted texts, never as code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def load(source: str, name: str) -> Callable[..., Any]:
    """The function of that name in a generated module."""
    return load_all(source, [name])[name]


def load_all(source: str, names: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """The functions of these names in a generated module, by name."""
    space: dict[str, Any] = {"__name__": "<generated>"}
    exec(compile(source, "<generated>", "exec"), space)
    return {name: space[name] for name in names}
