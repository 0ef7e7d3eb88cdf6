"""The longer forms of a value: ``{from: .., values: ..}``, ``{file: ..}``, ``{random: {..}}`` and ``{one_hot: ..}``."""

from __future__ import annotations

from bptt_solver.catalogues import message
from bptt_solver.errors import suggest
from bptt_solver.problem.nodes import Mapping, Node, Scalar, Sequence, shorten
from bptt_solver.problem.values import (
    FileValue,
    Nested,
    OneHot,
    RandomValue,
    Value,
    ValueReader,
    expected,
    kind_of,
    shape_of,
)

VALUE_FORM = "expect.value"  # a key of what is expected
LIBRARIES = ("torch", "keras", "onnx")
WEIGHTS_KEYS = ("file", "library", "prefix", "output")
INITS = ("uniform", "normal", "orthogonal", "identity", "zeros", "ones")
_FORMS = ("values", "file", "random", "one_hot")
_BELONGING = {"key": "file", "classes": "one_hot", "first": "one_hot"}  # keys, and the form that they belong to
_VALUE_KEYS = ("from", *_FORMS, *_BELONGING)
_FILE_KEYS = ("file", "key")
_RANDOM_KEYS = ("shape", "seed", "scale", "round", "init")
_EXAMPLES = {"file": "{file: weights.npz, key: W}", "one_hot": "{one_hot: [0, 2, 1], classes: 3}"}
_LARGEST_SEED = 2**63 - 1
_MOST_PLACES = 15


class FormReader(ValueReader):
    """Reads values in all their forms."""

    def text(self, node: Node, what: str) -> Scalar | None:
        if isinstance(node, Scalar) and not node.absent:
            return node
        self.note(expected(what, kind_of(node)), node, message("form.quotes"))
        return None

    def form(self, node: Mapping, member: bool) -> tuple[Value | None, tuple[int, ...], Node]:
        """``{values: ...}``, ``{file: ...}``, ``{random: ...}`` or ``{one_hot: ...}``, perhaps with ``from``."""
        before = self.found
        self.known(node, _VALUE_KEYS)
        forms = [name for name in _FORMS if name in node.places]
        value: Value | None = None
        numbers: Node = node
        if len(forms) != 1:
            if self.found == before:
                self.note(message("form.one_of"), node, expected(VALUE_FORM))
        elif forms == ["values"]:
            numbers = node.values[node.places["values"]]
            value = self.array(numbers, "expect.list")
        else:
            inner = node.values[node.places[forms[0]]]
            read = {"file": self.file, "random": self.random, "one_hot": self.one_hot}
            value = read[forms[0]](node, inner)
        for name, form in _BELONGING.items():
            if name in node.places and forms != [form]:
                self.note(
                    message("form.belongs", name=name, form=form),
                    node.key(name),
                    message("expect.example", example=_EXAMPLES[form]),
                )
        starts = self.starts(node, value, member)
        return (value if self.found == before else None), starts, numbers

    def known(self, node: Mapping, keys: tuple[str, ...]) -> None:
        """Note the keys of a mapping that do not exist."""
        for key in node.keys:
            if key.text not in keys:
                hint = suggest(key.text, keys) or message("option.known", names=message.listed([*keys], "list.comma"))
                self.note(message("document.unknown_key", key=shorten(key.text)), key, hint)

    def starts(self, node: Mapping, value: object, member: bool) -> tuple[int, ...]:
        first = node.get("from")
        if first is None:
            return ()
        if member:
            self.note(message("form.from_member"), node.key("from"))
            return ()
        items = first.items if isinstance(first, Sequence) else [first]
        found = [self.whole(item, "expect.first_index") for item in items]
        if isinstance(value, list | int | float) and len(found) > len(shape_of(value)):
            told = message("form.from_axes", count=len(found), axes=len(shape_of(value)))
            self.note(told, first, message("form.axis"))
        return tuple(number for number in found if number is not None)

    def file(self, node: Mapping, inner: Node) -> FileValue | None:
        from bptt_solver.problem.files import name_fault

        scalar = self.text(inner, "expect.file")
        key = node.get("key")
        named = self.text(key, "expect.array") if key is not None else None
        if scalar is None:
            return None
        fault = name_fault(scalar.text)
        if fault:
            self.note(fault[0], scalar, fault[1])
        span = named.span(self.source) if named else None
        return FileValue(scalar.text, named.text if named else None, scalar.span(self.source), span)

    def one_hot(self, node: Mapping, inner: Node) -> OneHot | None:
        """Class labels, in lists or in a file, with the number of classes and the label of the first one."""
        labels: Nested | FileValue | None = None
        if isinstance(inner, Mapping):
            self.known(inner, _FILE_KEYS)
            named = inner.get("file")
            if named is None:
                self.note(message("form.labels"), inner, message("expect.example", example=_EXAMPLES["one_hot"]))
            else:
                labels = self.file(inner, named)
        else:
            labels = self.array(inner, "expect.labels")
        classes, first = node.get("classes"), node.get("first")
        count = self.whole(classes, "expect.classes", least=1) if classes is not None else None
        start = self.whole(first, "expect.first_class") if first is not None else 0
        return None if labels is None or start is None else OneHot(labels, count, start, inner)

    def random(self, parent: Mapping, node: Node) -> RandomValue | None:
        if not isinstance(node, Mapping):
            hint = message("form.random")
            self.note(message("form.mapping", got=kind_of(node)), node, hint)
            return None
        self.known(node, _RANDOM_KEYS)
        random = RandomValue()
        shape, seed, scale, places, init = (node.get(name) for name in _RANDOM_KEYS)
        if init is not None:
            random.init = self.init(init)
        if shape is not None:
            items = shape.items if isinstance(shape, Sequence) else [shape]
            sizes = [self.whole(item, "expect.size", least=1) for item in items]
            random.shape = tuple(size for size in sizes if size is not None)
            self.check_shape(random.shape, shape)
        if seed is not None:
            random.seed = self.seed(seed, "expect.seed")
        if places is not None:
            random.places = self.whole(places, "expect.decimals", least=0)
            if random.places is not None and random.places > _MOST_PLACES:
                self.note(message("form.decimals", most=_MOST_PLACES), places)
        factor = self.number(scale) if scale is not None else None
        if factor is not None and scale is not None:
            random.scale = float(factor)
            if not random.scale > 0:
                self.note(message("form.scale"), scale)
        return random

    def init(self, node: Node) -> str:
        """The kind of random numbers, by its name."""
        text = node.text if isinstance(node, Scalar) else ""
        if text not in INITS:
            hint = suggest(text, INITS) or message("option.known", names=message.listed([*INITS], "list.comma"))
            self.note(message("form.kind", got=kind_of(node)), node, hint)
            return INITS[0]
        return text

    def seed(self, node: Node, what: str) -> int | None:
        """A seed, or None; then noted."""
        seed = self.whole(node, what, least=0)
        if seed is not None and seed > _LARGEST_SEED:
            self.note(message("expect.most", what=message(what), most=f"{_LARGEST_SEED:,}"), node)
            return None
        return seed

    def weights(self, node: Mapping) -> None:
        """Note what is wrong with the options of ``weights`` as far as they tell by themselves."""
        before = self.found
        for key in node.keys:
            if key.text not in WEIGHTS_KEYS:
                named = message("form.by_name")
                self.note(
                    message("document.unknown_key", key=shorten(key.text)),
                    key,
                    suggest(key.text, WEIGHTS_KEYS) or named,
                )
        file = node.get("file")
        if file is not None:
            self.file(node, file)
        elif self.found == before:
            self.note(message("form.weights_file"), node, message("form.weights_example"))
        library = node.get("library")
        if library is not None and (not isinstance(library, Scalar) or library.text not in LIBRARIES):
            self.note(
                message("expect.got", what=message.listed(LIBRARIES, "list.comma"), got=kind_of(library)), library
            )
        for name in ("prefix", "output"):
            value = node.get(name)
            items = value.items if isinstance(value, Sequence) and name == "prefix" else [value]
            for item in items:
                if item is not None:
                    self.text(item, "expect.prefix")

    def check_shape(self, shape: tuple[int, ...], node: Node) -> None:
        """The sizes of an array are checked before it is made."""
        self.limits.check("indices", len(shape), lambda: message("limit.shape"), node.span(self.source))
        elements = 1
        for size in shape:
            elements *= size
        self.limits.check("elements", elements, lambda: message("limit.array"), node.span(self.source))
