"""Numbers for what a network reads and a document does not give: small, easy to read, the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.errors import Span
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Reference, preorder
from bptt_solver.language.operations import Operations
from bptt_solver.limits import Limits
from bptt_solver.problem.arrays import nested_shape
from bptt_solver.problem.classes import targets
from bptt_solver.problem.document import Document
from bptt_solver.problem.drawing import bits, small
from bptt_solver.problem.values import Given, split_label
from bptt_solver.records import Network, Shape

SEED = 3  # unless the document has another
_USUAL = {"T": 3, "N": 2}  # sizes that nothing fixes; others are 2


def seed_of_document(document: Document) -> int | None:
    """The document's ``seed``, if it has one."""
    settings = document.settings.get("seed")
    value = settings.options.get("") if settings is not None else None
    return value if isinstance(value, int) else None


class MadeUp:
    """What is missing for one network. Parameters are made up one by one; data only where none are given, because
    data that were forgotten must be missed."""

    def __init__(
        self,
        document: Document,
        network: Network,
        equations: Sequence[Equation],
        givens: Sequence[Given],
        operations: Operations,
        limits: Limits,
    ) -> None:
        self.document = document
        self.network = network
        self.equations = equations
        self.given = {(item.name, item.members): item for item in givens}
        self.names = {item.name for item in givens} | {e.name for e in equations if not e.indices}
        self.operations = operations
        self.limits = limits
        self.elements = 0
        self.seed = SEED if (seed := seed_of_document(document)) is None else seed

    def givens(self) -> list[Given]:
        """All that is missing, in the order in which the topology declares it: data first."""
        data = [] if any(self._is_data(item) for item in self.given.values()) else [*self.network.data]
        missing = [label for label in [*data, *self.network.parameters] if self._is_missing(label)]
        if not missing:
            return []
        read = {n.name for e in self.equations for n in preorder(e.right) if isinstance(n, Reference)}
        sizes = self._sizes()
        kinds = targets(self.equations, self.operations)
        shapes = {**self.network.parameters, **self.network.data}
        return [
            self._given(name, members, self._value(label, name, shape, shapes[label], kinds))
            for label in missing
            for name, members in [split_label(label)]
            if name in read and members != () and (shape := _lengths(shapes[label], sizes)) is not None
        ]

    def _is_data(self, item: Given) -> bool:
        return item.role == "data" or item.name in {label.partition("[")[0] for label in self.network.data}

    def _is_missing(self, label: str) -> bool:
        if label in self.network.zeros:
            return False
        name, members = split_label(label)
        if members is None:
            return name not in self.names
        return (name, members) not in self.given and (name, None) not in self.given

    def _sizes(self) -> dict[str, int]:
        """The sizes by name: declared, read off the data that are given, or what is usual."""
        sizes = {name: int(value) for name, value in self.network.sizes.items() if value is not None}
        sizes |= {item.name: item.value for item in self.document.sizes if isinstance(item.value, int)}
        for label, declared in self.network.data.items():
            item = self.given.get(split_label(label))
            found = nested_shape(item.value) if item is not None and isinstance(item.value, list) else ()
            for length, number in zip(declared, found, strict=False):
                if isinstance(length, str):
                    sizes.setdefault(length, number)
        for number, entries in self._maps():
            sizes.setdefault("N", number)
            sizes.setdefault("T", max(entries, default=1))
        return sizes

    def _maps(self) -> Iterator[tuple[int, list[int]]]:
        """The lengths of sequences, if there are maps with such: how many there are, and each."""
        tables: list[Any] = [item.value for item in self.document.maps] or [*self.network.maps.values()]
        for table in tables:
            if isinstance(table, list | tuple) and table and all(type(entry) is int for entry in table):
                yield len(table), [*table]

    def _value(self, label: str, name: str, shape: tuple[int, ...], declared: Shape, kinds: Mapping[str, str]) -> Any:
        kind = kinds.get(name, "numbers") if label in self.network.data else "numbers"
        count = math.prod(shape)
        self.elements += count
        assert self.document.network is not None
        self.limits.check("elements", self.elements, lambda: message("limit.network"), self.document.network.span)
        if kind == "numbers":
            numbers = small(shape, self.seed, label)
            if name in self.network.intervals:
                low, high = self.network.intervals[name]
                numbers = low + (high - low) * abs(numbers)  # which are between 0 and 1
            return numbers if shape else float(numbers)
        raw = [int(word) >> 11 for word in bits(max(count, 1), self.seed, label)]
        if kind == "weights":
            flat: list[float] = [float(place > 0 or count < 2) for place in range(count)]
        elif kind in ("classes", "shares"):
            width = shape[-1] if shape and not isinstance(declared[-1], str) else 1
            top, rest = (1, 0) if kind == "classes" else _shares(width)
            flat = [top if place % width == (raw[0] + place // width) % width else rest for place in range(count)]
        elif kind == "counts":
            flat = [1 + word % 3 for word in raw]
        else:
            flat = [word % 2 for word in raw]
            flat[0] = 1 - flat[1] if count > 1 and len(set(flat)) == 1 else flat[0]
            flat = [2 * one - 1 for one in flat] if kind == "signs" else flat
        return _nested(flat, shape)

    def _given(self, name: str, members: tuple[int, ...] | None, value: Any) -> Given:
        block = self.document.network
        assert block is not None
        span: Span = block.span
        role = "data" if name in {label.partition("[")[0] for label in self.network.data} else "parameter"
        return Given(name, members, role, value, starts=(), key_span=span, value_span=span, node=block.node)


def _lengths(shape: Shape, sizes: Mapping[str, int]) -> tuple[int, ...] | None:
    """A declared shape in numbers; lengths that nothing fixes are the usual ones."""
    lengths = [sizes.get(n, _USUAL.get(n, 2)) if isinstance(n, str) else int(n) for n in shape]
    return tuple(lengths) if all(n > 0 for n in lengths) else None


def _shares(count: int) -> tuple[float, float]:
    """A large share and all the others, so that they add up to 1: 0.6 and 0.4, or 0.6, 0.2 and 0.2."""
    if count < 2:
        return 1, 0
    places = 2
    while 10**places * 0.4 < count - 1:
        places += 1
    rest = int(10**places * 0.4) // (count - 1)
    return (10**places - rest * (count - 1)) / 10**places, rest / 10**places


def _nested(flat: Sequence[float], shape: tuple[int, ...]) -> Any:
    level: list[Any] = [*flat]
    for length in reversed(shape):
        level = [level[at : at + length] for at in range(0, len(level), length)]
    return level[0]
