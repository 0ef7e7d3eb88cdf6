"""Finds plugins - entry points of installed packages, and local files - and imports none of them."""

from __future__ import annotations

from collections.abc import Callable

from bptt_solver.catalogues import Message, message

TYPE_CHECKING = False  # what `typing` offers, without its import; type checkers know the name
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from types import ModuleType

FIRST_PARTY = ("bptt", "bptt-solver")  # entry point, distribution


class Plugin:
    """A plugin that was found but not yet imported."""

    __slots__ = ("distribution", "load", "name")

    def __init__(self, name: str, distribution: str, load: Callable[[], object]) -> None:
        self.name = name
        self.distribution = distribution
        self.load = load

    def __str__(self) -> str:
        return f"plugin '{self.name}' ({self.distribution})"

    @property
    def words(self) -> Message:
        """The same, in every language."""
        return message("finding.plugin", name=self.name, distribution=self.distribution)


def installed(warn: Callable[[str], None]) -> list[Plugin]:
    """The plugins of the entry points, our own first, the others by name."""
    from importlib.metadata import entry_points

    from bptt_solver.hookspecs import GROUP

    try:
        points = list(entry_points(group=GROUP))
    except Exception as error:
        warn(message("finding.not_listed", error=told(error)))
        return []
    found: dict[tuple[str, str, str], EntryPoint] = {}
    for point in points:  # the same installation may be seen twice, through two entries of the path
        found.setdefault((point.name, point.value, _distribution(point)), point)
    ordered = sorted(found, key=lambda key: ((key[0], key[2].split(" ")[0]) != FIRST_PARTY, key))
    return [Plugin(key[0], key[2], found[key].load) for key in ordered]


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"


def local(path: str) -> Plugin:
    """A plugin that is one file."""
    from pathlib import Path

    def load() -> ModuleType:
        from importlib.util import module_from_spec, spec_from_file_location

        spec = spec_from_file_location(f"bptt_local_plugin_{Path(path).stem}", path)
        if spec is None or spec.loader is None:
            raise ImportError("not a Python file")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return Plugin(Path(path).stem, f"file {path}", load)


def told(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
