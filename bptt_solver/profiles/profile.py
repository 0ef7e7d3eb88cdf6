"""Profiles as data: what `profiles.toml` and the setting ``notation`` of a document say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, Span, fail, suggest
from bptt_solver.problem.network import Settings

STANDARD = "standard"
LAYOUTS = ("columns", "rows")
WEIGHTS = ("receivers", "senders")
INDICES = ("subscripts", "parentheses", "superscripts", "brackets")
OPTIONS = ("profile", "rename", "delta", "delta_sign", "weights", "layout", "indices")


class Profile:
    """A notation. ``names`` and ``derivatives`` go by role; ``more`` holds names of one topology, ``rename`` and
    ``delta`` those that the document gives, by its own names.
    """

    __slots__ = (
        "delta", "derivatives", "indices", "layout", "more", "nabla", "name", "names", "rename", "settings", "sign",
        "summary", "title", "weights",
    )  # fmt: skip

    def __init__(self, name: str, data: Mapping[str, Any]) -> None:
        self.name = name
        self.title: str = message(f"profile.{name}.title", own=data.get("own", ""))
        self.summary: str = message(f"profile.{name}.summary")
        self.names: dict[str, str] = dict(data.get("names", {}))
        self.derivatives: dict[str, str] = dict(data.get("derivatives", {}))
        self.sign: int = data.get("sign", 1)
        self.weights: str = data.get("weights", "receivers")
        self.layout: str = data.get("layout", "columns")
        self.indices: str = data.get("indices", "subscripts")
        self.nabla: bool = data.get("nabla", False)
        self.more: dict[str, dict[str, str]] = dict(data.get("more", {}))
        self.rename: dict[str, str] = {}
        self.delta: dict[str, str] = {}
        self.settings: Settings | None = None

    def place(self, *path: str, key: bool = False) -> Span | None:
        """Where the document says this, if it does."""
        return self.settings.span_of(*path, key=key) if self.settings is not None else None


@cache
def _data() -> dict[str, dict[str, Any]]:
    import tomllib

    return tomllib.loads((Path(__file__).parent / "profiles.toml").read_text(encoding="utf-8"))


def profile_names() -> list[str]:
    """All profiles, in the order of the data."""
    return list(_data())


def profile(name: str, span: Span | None = None) -> Profile:
    """A profile by name. Raises ProblemError for an unknown one."""
    if name not in _data():
        near = suggest(name, profile_names())
        raise fail(
            message("profile.unknown", name=name),
            span,
            near or message("option.one_of", names=message.listed([*profile_names()], "list.comma")),
        )
    return Profile(name, _data()[name])


def chosen(settings: Settings | None, name: str | None) -> Profile:
    """The profile that a document and the command line ask for; a name on the command line replaces the document's
    profile, its other options stay. Raises ProblemError for what means nothing.
    """
    options = settings.options if settings is not None else {}
    if settings is None or "" in options:
        if name is not None:
            return profile(name)
        return profile(_text(settings, options.get("", STANDARD)), settings.span if settings is not None else None)
    for key in options:
        if key not in OPTIONS:
            hint = suggest(key, OPTIONS) or message("profile.options", names=message.listed([*OPTIONS], "list.comma"))
            raise fail(message("profile.unknown_option", name=key), settings.span_of(key, key=True), hint)
    own = _text(settings, options.get("profile", STANDARD), "profile")
    found = profile(name or own, None if name else settings.span_of("profile"))
    found.settings = settings
    found.weights = _one_of(settings, "weights", WEIGHTS, found.weights)
    found.layout = _one_of(settings, "layout", LAYOUTS, found.layout)
    found.indices = _one_of(settings, "indices", INDICES, found.indices)
    if "delta_sign" in options:
        sign = options["delta_sign"]
        if sign not in (1, -1) or isinstance(sign, bool):
            raise fail(message("profile.sign"), settings.span_of("delta_sign"), message("profile.minus"))
        found.sign = int(str(sign))
    found.rename = _pairs(settings, "rename", "rename: {W_h: U}")
    found.delta = _pairs(settings, "delta", "delta: {a: δ}")
    return found


def _text(settings: Settings | None, value: object, *path: str) -> str:
    if not isinstance(value, str):
        span = settings.span_of(*path) if settings is not None else None
        raise fail(
            message("profile.name"),
            span,
            message("option.one_of", names=message.listed([*profile_names()], "list.comma")),
        )
    return value


def _one_of(settings: Settings, key: str, known: tuple[str, ...], default: str) -> str:
    value = settings.options.get(key, default)
    if value not in known:
        hint = suggest(value, known) if isinstance(value, str) else None
        raise fail(
            message("profile.one_of", option=key, names=message.listed([*known], "list.comma")),
            settings.span_of(key),
            hint,
        )
    return str(value)


def _pairs(settings: Settings, key: str, example: str) -> dict[str, str]:
    value = settings.options.get(key, {})
    if not isinstance(value, dict):
        raise fail(
            message("profile.maps", option=key), settings.span_of(key), message("expect.example", example=example)
        )
    found: dict[str, str] = {}
    for old, new in value.items():
        name = _name(new) if isinstance(new, str) else None
        if name is None:
            raise fail(
                message("profile.new_name", name=old),
                settings.span_of(key, old),
                message("expect.example", example=example),
            )
        found[str(old)] = name
    return found


def _name(text: str) -> str | None:
    """The name that a text is, if it is one."""
    from bptt_solver.errors import Excerpt
    from bptt_solver.language.expressions import Reference
    from bptt_solver.language.parser import parse_expression

    try:
        tree = parse_expression(Excerpt.of(text))
    except ProblemError:
        return None
    return tree.name if isinstance(tree, Reference) and not tree.indices else None
