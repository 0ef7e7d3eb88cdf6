"""Reading the options of a topology: each function returns the value in its type or raises `OptionError` with its
path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.errors import suggest
from bptt_solver.records import Length, OptionError

Path = tuple[str | int, ...]


def shown(path: Path) -> str:
    """A path as a person would write it: ``layers[2].size`` (counted from 1)."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def whole(value: object, *path: str | int, least: int = 1) -> Length:
    """A whole number that is at least ``least``. It knows its path: as a length in a shape it is told with its place
    where data are of another length."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return Length(value, *path)
    raise OptionError(f"{shown(path)} must be a whole number, at least {least}, not {value!r}", *path)


def truth(value: object, *path: str | int) -> bool:
    """``true`` or ``false``."""
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise OptionError(f"{shown(path)} must be true or false, not {value!r}", *path)


def items(value: object, *path: str | int) -> Sequence[object]:
    """A list that is not empty."""
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return value
    raise OptionError(f"{shown(path)} must be a list that is not empty, not {value!r}", *path)


def mapping(value: object, known: Sequence[str], *path: str | int) -> Mapping[str, object]:
    """A mapping whose keys are all known."""
    if not isinstance(value, Mapping):
        raise OptionError(f"{shown(path)} must be a mapping with {', '.join(known)}, not {value!r}", *path)
    for key in value:
        if key not in known:
            hint = suggest(str(key), known) or "known: " + ", ".join(known)
            raise OptionError(f"{shown(path)} has no option '{key}' ({hint})", *path, str(key), key=True)
    return value


def choice(value: object, words: Sequence[str], *path: str | int, also: str = "") -> str:
    """One of the given words; ``also`` says what else the option may be."""
    if isinstance(value, str) and value in words:
        return value
    hint = suggest(value, words) if isinstance(value, str) else ""
    known = [*words, *([also] if also else [])]
    listed = ", ".join(known[:-1]) + " or " + known[-1] if len(known) > 1 else known[0]
    raise OptionError(f"{shown(path)} must be {listed}, not {value!r}" + (f" ({hint})" if hint else ""), *path)


def function(value: object, *path: str | int) -> tuple[str, tuple[str, ...]]:
    """A function's name, perhaps with numbers for its parameters: ``leaky_relu(0.2)`` is ``("leaky_relu",
    ("0.2",))``."""
    if isinstance(value, str) and value:
        name, opened, rest = value.partition("(")
        numbers = tuple(part.strip() for part in rest[:-1].split(",")) if opened else ()
        if name.strip() == name != "" and (not opened or rest.endswith(")")) and all(map(_is_number, numbers)):
            return name, numbers
    raise OptionError(f"{shown(path)} must be a function's name, like tanh or leaky_relu(0.2), not {value!r}", *path)


def _is_number(text: str) -> bool:
    try:
        return text.isascii() and "_" not in text and abs(float(text)) < float("inf")
    except ValueError:
        return False
