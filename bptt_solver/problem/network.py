"""The ``network:`` block and the settings: options as plain data that knows its places."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bptt_solver.catalogues import message
from bptt_solver.errors import Source, Span
from bptt_solver.problem.nodes import PLAIN, Mapping, Node, Packed, Scalar, Sequence

if TYPE_CHECKING:
    from bptt_solver.problem.values import ValueReader

_WORDS = {"true": True, "false": False}
_OTHER_WORDS = frozenset({"yes", "no", "on", "off", "True", "False", "TRUE", "FALSE", "Yes", "No", "On", "Off"})
_LIKE_NUMBER = re.compile(r"[-+]?\.?[0-9][0-9_xXoObB:./eE+-]*")


class Settings:
    """A block of options: ``options`` as text, numbers, booleans, lists and dictionaries (a block that is no mapping:
    its value under ``""``), and where each of them stands."""

    __slots__ = ("node", "options", "source")

    def __init__(self, options: dict[str, object], node: Node, source: Source) -> None:
        self.options = options
        self.node = node
        self.source = source

    @property
    def span(self) -> Span:
        """Where the block begins."""
        return self.node.span(self.source)

    def span_of(self, *path: str | int, key: bool = False) -> Span:
        """Where a value stands (or, for the last step, its key): ``span_of("sizes", "hidden")``. Where the path leads
        to nothing, the innermost block that there is."""
        return self._node(path, key).span(self.source)

    def span_in(self, path: tuple[str | int, ...], start: int, end: int) -> Span:
        """Where a stretch of an option's text stands, such as a name in a block of equations."""
        node = self._node(path)
        return node.excerpt(self.source).span(start, end) if isinstance(node, Scalar) else node.span(self.source)

    def has(self, *path: str | int) -> bool:
        """Whether the document gives the option with this path."""
        value: object = self.options
        for step in path:
            if isinstance(value, dict):
                known = step in value
            else:
                known = isinstance(value, list) and isinstance(step, int) and step < len(value)
            if not known:
                return False
            value = value[step]  # type: ignore[index]
        return True

    def _node(self, path: tuple[str | int, ...], key: bool = False) -> Node:
        node: Node = self.node
        for at, step in enumerate(path):
            inner: Node | None = None
            if isinstance(node, Mapping) and isinstance(step, str):
                inner = node.get(step)
                if key and at == len(path) - 1 and inner is not None:
                    inner = node.key(step)
            elif isinstance(node, Sequence | Packed) and isinstance(step, int):
                items = (node.unpack() if isinstance(node, Packed) else node).items
                inner = items[step] if step < len(items) else None
            if inner is None:
                break
            node = inner
        return node


class NetworkBlock(Settings):
    """``topology`` by name, and its options."""

    __slots__ = ("topology",)

    def __init__(self, topology: str, options: dict[str, object], node: Mapping, source: Source) -> None:
        super().__init__(options, node, source)
        self.topology = topology

    @property
    def span(self) -> Span:
        """Where the topology is named."""
        return self.span_of("topology")


def read_settings(node: Node, reader: ValueReader) -> Settings:
    """A block of options. Values that look like numbers but are none are noted."""
    value = plain(node, reader)
    return Settings(value if isinstance(value, dict) else {"": value}, node, reader.source)


def read_network(node: Mapping, reader: ValueReader) -> NetworkBlock | None:
    """The block, or None if it has no topology; then noted. Values that look like numbers but are none are noted."""
    named = node.get("topology")
    if not isinstance(named, Scalar) or named.absent:
        hint = message("network.example")
        reader.note(message("network.topology"), named or node, hint)
        return None
    options = {key.text: plain(value, reader) for key, value in node.items() if key.text != "topology"}
    return NetworkBlock(named.text, options, node, reader.source)


def plain(node: Node, reader: ValueReader) -> object:
    """A node as plain data. No recursion."""
    result: list[object] = []
    todo: list[tuple[Node, list[object] | dict[str, object], str]] = [(node, result, "")]
    while todo:
        current, into, name = todo.pop()
        value: object
        if isinstance(current, Packed):
            current = current.unpack()
        if isinstance(current, Mapping):
            inner: dict[str, object] = dict.fromkeys(key.text for key in current.keys)
            value = inner
            todo.extend((item, inner, key.text) for key, item in current.items())
        elif isinstance(current, Sequence):
            items: list[object] = []
            value = items
            todo.extend((item, items, "") for item in reversed(current.items))
        else:
            assert isinstance(current, Scalar)
            value = _scalar(current, reader)
        if isinstance(into, dict):
            into[name] = value
        else:
            into.append(value)
    return result[0]


def _scalar(node: Scalar, reader: ValueReader) -> object:
    if node.absent:
        reader.note(message("network.missing"), node)
        return None
    if node.style != PLAIN:
        return node.text
    if node.text in _WORDS:
        return _WORDS[node.text]
    if node.text in _OTHER_WORDS:
        reader.note(message("network.truth", text=node.text), node, message("network.write_truth"))
        return None
    if _LIKE_NUMBER.fullmatch(node.text):
        return reader.number(node, "expect.number_or_text")
    return node.text
