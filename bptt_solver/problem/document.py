"""Reads a document: YAML nodes to typed parts, each with its place. Says everything that is wrong at once.

Equations stay text here, with the place of each character. `problem.schema.json` says the same for editors.
"""

from __future__ import annotations

import os
import unicodedata

from bptt_solver.catalogues import message
from bptt_solver.errors import Excerpt, Problems, Source, Span, fail, suggest
from bptt_solver.limits import Limits
from bptt_solver.problem.forms import VALUE_FORM, FormReader
from bptt_solver.problem.network import NetworkBlock, Settings, read_network, read_settings
from bptt_solver.problem.nodes import PLAIN, Mapping, Node, Packed, Scalar, Sequence, compose, shorten
from bptt_solver.problem.text import STANDARD_INPUT, read_text
from bptt_solver.problem.values import Given, RandomValue, Value, expected, kind_of, locate

SETTINGS = ("seed", "weights", "notation", "truncate", "clip", "update")  # read here, understood by what they are for
KEYS = (
    "title",
    "description",
    "equations",
    "network",
    "values",
    "data",
    "parameters",
    "sizes",
    "maps",
    "target",
    "wrt",
    *SETTINGS,
)
ROLES = {"values": "value", "data": "data", "parameters": "parameter"}
_INSTEAD = {
    "name": "title",
    "inputs": "data",
    "input": "data",
    "constants": "values",
    "given": "values",
    "initial": "values",
    "loss": "target",
    "output": "target",
    "derivatives": "wrt",
    "gradients": "wrt",
    "model": "network",
}
_EXAMPLES = {
    "values": "values: {z1: 1}",
    "data": "data: {x: [0.5, 1]}",
    "parameters": "parameters: {W: [[1, 2], [3, 4]], b: random}",
    "sizes": "sizes: {T: 3}",
    "maps": "maps: {left: [0, 1, 1]}",
    "network": "network: {topology: elman, sizes: {input: 2, hidden: 3, output: 1}}",
    "seed": "seed: 2",
    "weights": "weights: {file: weights.safetensors, prefix: rnn.}",
    "notation": "notation: werbos",
    "truncate": "truncate: {depth: 2}",
    "clip": "clip: {norm: 1}",
    "update": "update: {rule: sgd, learning_rate: 0.1}",
}
_ENOUGH = 1000  # lines to look at


class Document:
    """What a document says, not yet understood as a system of equations.

    ``equations`` are texts to parse; ``givens`` hold values, data and parameters in the order of the document,
    ``sizes`` and ``maps`` the like for whole numbers. ``settings`` holds the blocks of `SETTINGS` that there are.
    ``folder`` is where files are looked for. ``precisions`` are the types of the floating-point arrays that were read
    from files (``float32``), as far as they were read.
    """

    __slots__ = (
        "description",
        "equations",
        "folder",
        "givens",
        "maps",
        "network",
        "precisions",
        "settings",
        "sizes",
        "source",
        "target",
        "title",
        "wrt",
    )

    def __init__(self, source: Source, folder: str | None) -> None:
        self.source = source
        self.folder = folder
        self.title: str | None = None
        self.description: str | None = None
        self.equations: list[Excerpt] = []
        self.network: NetworkBlock | None = None
        self.givens: list[Given] = []
        self.sizes: list[Given] = []
        self.maps: list[Given] = []
        self.target: Excerpt | None = None
        self.wrt: list[Excerpt] | None = None
        self.settings: dict[str, Settings] = {}
        self.precisions: dict[str, None] = {}


def read_document(
    where: str | os.PathLike[str] | Source, limits: Limits | None = None, folder: str | None = None
) -> Document:
    """Read a document from a file, from standard input (``-``) or from a text.

    ``folder`` is where ``{file: ...}`` looks; by default beside the document, for standard input the current folder,
    and for a text nowhere. Raises `ProblemError` with all problems that were found.
    """
    limits = limits or Limits()
    if isinstance(where, Source):
        source = where
    else:
        path = os.fspath(where)
        source = read_text(path, limits)
        if folder is None:
            folder = os.curdir if path == "-" else os.path.dirname(path) or os.curdir
    return _DocumentReader(source, limits, folder).read()


class _DocumentReader(FormReader):
    def __init__(self, source: Source, limits: Limits, folder: str | None) -> None:
        super().__init__(source, limits, Problems())
        self.document = Document(source, folder)
        self.labels: dict[str, Given] = {}
        self.meant: set[str] = set()  # the keys that there are, or that were meant by unknown ones

    def read(self) -> Document:
        root = compose(self.source, self.limits)
        if not isinstance(root, Mapping):
            hint = message("document.under")
            raise fail(message("document.lines", got=kind_of(root)), root.span(self.source), hint)
        for key, node in root.items():
            if key.text not in KEYS:
                self.unknown(key)
            elif isinstance(node, Scalar) and node.absent:
                example = _EXAMPLES.get(key.text)
                wanted = message("expect.example", example=example) if example else None
                self.note(message("document.no_value", key=key.text), key, wanted)
            else:
                getattr(self, f"read_{key.text}")(key, node)
        if not {"equations", "network"} & self.meant.union(root.places):
            self.problems.add(
                message("document.neither"),
                Span(self.source, root.start, root.start + 1),
                message("document.needs"),
            )
        self.problems.raise_if_any()
        return self.document

    def unknown(self, key: Scalar) -> None:
        instead = _INSTEAD.get(key.text)
        hint = message("error.suggestion", name=instead) if instead else suggest(key.text, KEYS)
        self.meant.update(known for known in KEYS if hint and f"'{known}'" in hint)
        self.note(
            message("document.unknown_key", key=shorten(key.text)),
            key,
            hint or message("document.known", names=message.listed([*KEYS], "list.comma")),
        )

    # Texts

    def read_title(self, key: Scalar, node: Node) -> None:
        scalar = self.text(node, "expect.title")
        if scalar is not None:
            title = " ".join(unicodedata.normalize("NFC", scalar.text).split())
            self.limits.check("title_length", len(title), lambda: message("limit.title"), node.span(self.source))
            self.document.title = title

    def read_description(self, key: Scalar, node: Node) -> None:
        scalar = self.text(node, "expect.text")
        if scalar is not None:
            self.document.description = unicodedata.normalize("NFC", scalar.text)

    def read_target(self, key: Scalar, node: Node) -> None:
        scalar = self.text(node, "expect.target")
        if scalar is not None:
            self.document.target = scalar.excerpt(self.source)

    def read_wrt(self, key: Scalar, node: Node) -> None:
        if isinstance(node, Scalar):
            self.document.wrt = [node.excerpt(self.source)]
            return
        items = self.items(node, "expect.names", "document.wrt")
        texts = [self.text(item, "expect.name") for item in items]
        self.document.wrt = [text.excerpt(self.source) for text in texts if text is not None]

    def items(self, node: Node, what: str, hint: str) -> list[Node]:
        """The items of a list that is not empty, else none; then noted. ``what`` and ``hint`` are keys."""
        if isinstance(node, Packed):
            node = node.unpack()
        if isinstance(node, Sequence) and node.items:
            return node.items
        got = message("expect.empty_list") if isinstance(node, Sequence) else kind_of(node)
        self.note(expected(what, got), node, message(hint))
        return []

    def read_equations(self, key: Scalar, node: Node) -> None:
        hint = "document.write"  # a key
        if isinstance(node, Scalar):
            self.equation_text(node, hint)
            return
        for item in self.items(node, "expect.equations", hint):
            if not isinstance(item, Scalar) or item.absent:
                self.note(message("document.equation", got=kind_of(item)), item, message(hint))
            elif isinstance(node, Sequence) and node.flow and item.style == PLAIN and not _balanced(item.text):
                quotes = message("document.quotes")
                self.note(message("document.comma"), item, quotes)
            else:
                self.equation_text(item, hint)

    def equation_text(self, node: Scalar, hint: str) -> None:
        if node.style != "|" and self.joined(node):
            self.note(message("document.joined"), node, message(hint))
            return
        if not node.text.strip():
            self.note(message("document.no_equations"), node, message(hint))
            return
        self.document.equations.append(node.excerpt(self.source))

    def joined(self, node: Scalar) -> bool:
        """Whether several lines that look like equations became one line."""
        if "\n" in node.text.strip("\n"):
            return False
        places = [place for _, place in node.excerpt(self.source).segments[:_ENOUGH]]
        lines = [self.source.line(number) for number in sorted({self.source.position(place)[0] for place in places})]
        return len(lines) > 1 and sum("=" in line.partition("#")[0] for line in lines) > 1

    def read_network(self, key: Scalar, node: Node) -> None:
        if isinstance(node, Mapping):
            self.document.network = read_network(node, self)
        else:
            self.note(
                message("document.network", got=kind_of(node)),
                node,
                message("expect.example", example=_EXAMPLES["network"]),
            )

    def read_setting(self, key: Scalar, node: Node) -> None:
        self.document.settings[key.text] = read_settings(node, self)

    read_notation = read_truncate = read_clip = read_update = read_setting

    def read_seed(self, key: Scalar, node: Node) -> None:
        if self.seed(node, "expect.seed") is not None:
            self.read_setting(key, node)

    def read_weights(self, key: Scalar, node: Node) -> None:
        if isinstance(node, Mapping):
            self.weights(node)
            self.read_setting(key, node)
        else:
            example = message("expect.example", example=_EXAMPLES["weights"])
            self.note(message("document.file", got=kind_of(node)), node, example)

    # What is given

    def entries(self, key: Scalar, node: Node) -> list[tuple[Scalar, Node]]:
        if isinstance(node, Mapping):
            return list(node.items())
        hint = message("expect.example", example=_EXAMPLES[key.text])
        if isinstance(node, Scalar) and ":" in node.text and ": " not in node.text:
            hint = message("document.space_example", example=_EXAMPLES[key.text])
        self.note(message("document.entries", key=key.text, got=kind_of(node)), node, hint)
        return []

    def read_values(self, key: Scalar, node: Node) -> None:
        for name, value in self.entries(key, node):
            self.given(name, value, ROLES[key.text])

    read_data = read_parameters = read_values

    def given(self, key: Scalar, node: Node, role: str) -> None:
        named = self.name(key)
        if named is None:
            return
        if isinstance(node, Scalar) and node.absent:
            self.note(message("document.no_value", key=shorten(key.text)), key, expected(VALUE_FORM))
            return
        starts: tuple[int, ...] = ()
        value: Value | None
        numbers = node
        if isinstance(node, Mapping):
            value, starts, numbers = self.form(node, named[1] is not None)
        elif isinstance(node, Scalar) and node.text == "random":
            value = RandomValue()
        else:
            value = self.array(node, VALUE_FORM)
        if value is not None:
            spans = key.span(self.source), node.span(self.source)
            self.add(Given(*named, role, value, starts=starts, key_span=spans[0], value_span=spans[1], node=numbers))

    def add(self, given: Given) -> None:
        """Keep what is given, unless its name was given before."""
        before = self.labels.setdefault(given.label, given)
        if before is not given:
            line, _ = self.source.position(before.key_span.start)
            self.found += 1
            hint = message(f"document.first_{before.role}", line=line)
            self.problems.add(message("document.twice", name=given.label), given.key_span, hint)
        elif given.role in ("size", "map"):
            (self.document.sizes if given.role == "size" else self.document.maps).append(given)
        else:
            self.document.givens.append(given)

    def read_sizes(self, key: Scalar, node: Node) -> None:
        for name, value in self.entries(key, node):
            self.whole_given(name, value, "size")

    def read_maps(self, key: Scalar, node: Node) -> None:
        for name, value in self.entries(key, node):
            self.whole_given(name, value, "map")

    def whole_given(self, key: Scalar, node: Node, role: str) -> None:
        named = self.name(key)
        if named is None:
            return
        if named[1] is not None:
            self.note(message(f"document.{role}_members"), key, message("document.whole", name=named[0]))
            return
        starts: tuple[int, ...] = ()
        numbers = node
        value: Value | None
        if role == "size":
            value = self.whole(node, "expect.size", least=0)
        elif isinstance(node, Mapping):
            value, starts, numbers = self.form(node, False)
            if not isinstance(value, list | None):
                self.note(message("document.map"), node, message("expect.example", example=_EXAMPLES["maps"]))
                return
        elif isinstance(node, Scalar):
            hint = message("expect.example", example=_EXAMPLES["maps"])
            self.note(message("document.map_list", got=kind_of(node)), node, hint)
            return
        else:
            value = self.array(node, "expect.whole_list")
        if value is not None and (role == "size" or self.all_whole(value, numbers)):
            spans = key.span(self.source), node.span(self.source)
            self.add(Given(*named, role, value, starts=starts, key_span=spans[0], value_span=spans[1], node=numbers))

    def all_whole(self, value: object, node: Node) -> bool:
        """Whether an array holds whole numbers only; else noted."""
        todo: list[tuple[object, tuple[int, ...]]] = [(value, ())]
        while todo:
            entry, path = todo.pop()
            if isinstance(entry, list):
                if not all(type(item) is int for item in entry):
                    todo.extend((item, (*path, at)) for at, item in enumerate(entry))
            elif not isinstance(entry, int):
                self.note(message("document.map_whole", got=entry), locate(node, path))
                return False
        return True


def _balanced(text: str) -> bool:
    return text.count("(") == text.count(")")


__all__ = ["KEYS", "STANDARD_INPUT", "Document", "read_document"]
