"""The longer forms of a value: ``{from: ..., values: ...}``, ``{file: ..., key: ...}`` and ``{random: {...}}``."""

from __future__ import annotations

from bptt_solver.errors import suggest
from bptt_solver.problem.nodes import Mapping, Node, Scalar, Sequence, shorten
from bptt_solver.problem.values import FileValue, RandomValue, Value, ValueReader, kind_of, shape_of

VALUE_FORM = "a number, a list of numbers, {from: 0, values: [1, 2]}, {file: data.csv} or random"
_VALUE_KEYS = ("from", "values", "file", "key", "random")
_RANDOM_KEYS = ("shape", "seed", "scale", "round")
_LARGEST_SEED = 2**63 - 1
_MOST_PLACES = 15


class FormReader(ValueReader):
    """Reads values in all their forms."""

    def text(self, node: Node, what: str) -> Scalar | None:
        if isinstance(node, Scalar) and not node.absent:
            return node
        self.note(f"expected {what}, got {kind_of(node)}", node, "a text with ': ', [ ] or { } needs quotes")
        return None

    def form(self, node: Mapping, member: bool) -> tuple[Value | None, tuple[int, ...], Node]:
        """``{values: ...}``, ``{file: ...}`` or ``{random: ...}``, perhaps with ``from``."""
        before = self.found
        self.known(node, _VALUE_KEYS)
        forms = [name for name in ("values", "file", "random") if name in node.places]
        value: Value | None = None
        numbers: Node = node
        if len(forms) != 1:
            if self.found == before:
                self.note("expected one of 'values', 'file' and 'random' here", node, f"expected {VALUE_FORM}")
        elif forms == ["values"]:
            numbers = node.values[node.places["values"]]
            value = self.array(numbers, "a list of numbers")
        else:
            inner = node.values[node.places[forms[0]]]
            value = self.file(node, inner) if forms == ["file"] else self.random(inner)
        if "key" in node.places and forms != ["file"]:
            self.note("'key' belongs to 'file'", node.key("key"), "for example {file: weights.npz, key: W}")
        starts = self.starts(node, value, member)
        return (value if self.found == before else None), starts, numbers

    def known(self, node: Mapping, keys: tuple[str, ...]) -> None:
        """Note the keys of a mapping that do not exist."""
        for key in node.keys:
            if key.text not in keys:
                hint = suggest(key.text, keys) or f"known: {', '.join(keys)}"
                self.note(f"unknown key '{shorten(key.text)}'", key, hint)

    def starts(self, node: Mapping, value: object, member: bool) -> tuple[int, ...]:
        first = node.get("from")
        if first is None:
            return ()
        if member:
            self.note("'from' is for a whole family, not for a member", node.key("from"))
            return ()
        items = first.items if isinstance(first, Sequence) else [first]
        found = [self.whole(item, "a first index") for item in items]
        if isinstance(value, list | int | float) and len(found) > len(shape_of(value)):
            message = f"'from' names {len(found)} axes, the values have {len(shape_of(value))}"
            self.note(message, first, "one number for each leading axis")
        return tuple(number for number in found if number is not None)

    def file(self, node: Mapping, inner: Node) -> FileValue | None:
        from bptt_solver.problem.files import name_fault

        scalar = self.text(inner, "the name of a file, like weights.npz")
        key = node.get("key")
        named = self.text(key, "the name of an array in the file") if key is not None else None
        if scalar is None:
            return None
        fault = name_fault(scalar.text)
        if fault:
            self.note(fault[0], scalar, fault[1])
        span = named.span(self.source) if named else None
        return FileValue(scalar.text, named.text if named else None, scalar.span(self.source), span)

    def random(self, node: Node) -> RandomValue | None:
        if not isinstance(node, Mapping):
            hint = "for example {random: {shape: [2, 3], seed: 1}}, or only the word random"
            self.note(f"expected a mapping, got {kind_of(node)}", node, hint)
            return None
        self.known(node, _RANDOM_KEYS)
        random = RandomValue()
        shape, seed, scale, places = (node.get(name) for name in _RANDOM_KEYS)
        if shape is not None:
            items = shape.items if isinstance(shape, Sequence) else [shape]
            sizes = [self.whole(item, "a size", least=1) for item in items]
            random.shape = tuple(size for size in sizes if size is not None)
            self.check_shape(random.shape, shape)
        if seed is not None:
            random.seed = self.whole(seed, "a seed", least=0)
            if random.seed is not None and random.seed > _LARGEST_SEED:
                self.note(f"a seed is at most {_LARGEST_SEED:,}", seed)
        if places is not None:
            random.places = self.whole(places, "the number of decimals", least=0)
            if random.places is not None and random.places > _MOST_PLACES:
                self.note(f"a number has at most {_MOST_PLACES} decimals", places)
        factor = self.number(scale) if scale is not None else None
        if factor is not None and scale is not None:
            random.scale = float(factor)
            if not random.scale > 0:
                self.note("a scale is greater than 0", scale)
        return random

    def check_shape(self, shape: tuple[int, ...], node: Node) -> None:
        """The sizes of an array are checked before it is made."""
        self.limits.check("indices", len(shape), "the shape", node.span(self.source))
        elements = 1
        for size in shape:
            elements *= size
        self.limits.check("elements", elements, "the array", node.span(self.source))
