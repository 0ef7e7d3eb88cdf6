"""Reading the options of a topology: each function returns the value in its type or raises `OptionError` with its
path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from bptt_solver.catalogues import message
from bptt_solver.errors import suggest
from bptt_solver.records import Length, OptionError

Path = tuple[str | int, ...]


class Noted:
    """What an option was read as: one of ``words``, a mapping with the keys ``words``, or a function's name."""

    __slots__ = ("kind", "words")

    def __init__(self, kind: str, words: Sequence[str] = ()) -> None:
        self.kind = kind
        self.words = tuple(words)


_noting: list[dict[Path, Noted]] = []


@contextmanager
def noting() -> Iterator[dict[Path, Noted]]:
    """Inside it, what options are read as is noted by their paths: this is how an editor knows what it can offer."""
    noted: dict[Path, Noted] = {}
    _noting.append(noted)
    try:
        yield noted
    finally:
        _noting.pop()


def _note(path: Path, kind: str, words: Sequence[str] = ()) -> None:
    if _noting:
        _noting[-1].setdefault(path, Noted(kind, words))


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
    raise OptionError(message("option.whole", option=shown(path), least=least, value=repr(value)), *path)


def truth(value: object, *path: str | int) -> bool:
    """``true`` or ``false``."""
    words = {"true": True, "false": False}
    _note(path, "words", tuple(words))
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise OptionError(message("option.truth", option=shown(path), value=repr(value)), *path)


def items(value: object, *path: str | int) -> Sequence[object]:
    """A list that is not empty."""
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return value
    raise OptionError(message("option.list", option=shown(path), value=repr(value)), *path)


def mapping(value: object, known: Sequence[str], *path: str | int) -> Mapping[str, object]:
    """A mapping whose keys are all known."""
    _note(path, "keys", known)
    if not isinstance(value, Mapping):
        raise OptionError(
            message(
                "option.mapping", option=shown(path), names=message.listed([*known], "list.comma"), value=repr(value)
            ),
            *path,
        )
    for key in value:
        if key not in known:
            hint = suggest(str(key), known) or message("option.known", names=message.listed([*known], "list.comma"))
            raise OptionError(
                message("option.unknown", option=shown(path), name=key, hint=hint), *path, str(key), key=True
            )
    return value


def choice(value: object, words: Sequence[str], *path: str | int, also: str = "") -> str:
    """One of the given words; ``also`` says what else the option may be."""
    _note(path, "words", words)
    if isinstance(value, str) and value in words:
        return value
    hint = suggest(value, words) if isinstance(value, str) else ""
    known = [*words, *([also] if also else [])]
    listed = message.listed(known, "list.or")
    told = message("option.choice", option=shown(path), names=listed, value=repr(value))
    raise OptionError(message("error.hint", text=told, hint=hint) if hint else told, *path)


def function(value: object, *path: str | int) -> tuple[str, tuple[str, ...]]:
    """A function's name, perhaps with numbers for its parameters: ``leaky_relu(0.2)`` is ``("leaky_relu",
    ("0.2",))``."""
    _note(path, "function")
    if isinstance(value, str) and value:
        name, opened, rest = value.partition("(")
        numbers = tuple(part.strip() for part in rest[:-1].split(",")) if opened else ()
        if name.strip() == name != "" and (not opened or rest.endswith(")")) and all(map(_is_number, numbers)):
            return name, numbers
    raise OptionError(message("option.function", option=shown(path), value=repr(value)), *path)


def _is_number(text: str) -> bool:
    try:
        return text.isascii() and "_" not in text and abs(float(text)) < float("inf")
    except ValueError:
        return False
