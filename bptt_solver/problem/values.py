"""What is given for a name: numbers in nested lists, a file, or random numbers - and the names it is given for."""

from __future__ import annotations

import re

from bptt_solver.catalogues import Message, message
from bptt_solver.errors import ProblemError, Problems, Source, Span
from bptt_solver.language.expressions import Numeral
from bptt_solver.language.tokens import NAME, NUMBER, SYMBOL, Malformed, literal, normal_name, scan
from bptt_solver.limits import Limits
from bptt_solver.problem.nodes import PLAIN, Mapping, Node, Packed, Scalar, Sequence
from bptt_solver.problem.numerals import read_number, shortened

Nested = Numeral | list["Nested"]
NUMBERS = ("2", "-0.5", "1e-3", "2/3")  # examples


class FileValue:
    """``{file: weights.npz, key: W}``: numbers from a file in the document's folder."""

    __slots__ = ("file", "file_span", "key", "key_span")

    def __init__(self, file: str, key: str | None, file_span: Span, key_span: Span | None) -> None:
        self.file = file
        self.key = key
        self.file_span = file_span
        self.key_span = key_span


class RandomValue:
    """``random`` or ``{random: {shape: [2, 3], seed: 1, scale: 0.5, round: 2, init: normal}}``; see `drawing.draw`.

    ``shape`` None: the shape that the topology asks for (equations alone do not fix one). ``seed`` None: that of the
    document, or `drawing.seed_of` the name.
    """

    __slots__ = ("init", "places", "scale", "seed", "shape")

    def __init__(
        self,
        shape: tuple[int, ...] | None = None,
        seed: int | None = None,
        scale: float = 1.0,
        places: int | None = None,
        init: str = "uniform",
    ) -> None:
        self.init = init
        self.shape = shape
        self.seed = seed
        self.scale = scale
        self.places = places


class OneHot:
    """``{one_hot: [0, 2, 1], classes: 3, first: 0}``: class labels, each for a vector with a 1 in its place.

    ``labels`` are whole numbers in lists, or a file with such numbers. ``classes`` None: as many as the network has.
    ``first`` is the label of the first class. ``span_of`` tells where a label stands.
    """

    __slots__ = ("classes", "first", "labels", "node")

    def __init__(self, labels: Nested | FileValue, classes: int | None, first: int, node: Node) -> None:
        self.labels = labels
        self.classes = classes
        self.first = first
        self.node = node  # of the labels


Value = Nested | FileValue | RandomValue | OneHot


class Given:
    """What a document gives for a name or for one member of a family.

    ``members`` are the indices of a single member (``h[0]``: ``(0,)``), None for the whole name. ``starts`` are the
    first indices of the leading axes where the document says so (``from``), else empty: they begin at 1. ``role`` is
    ``value``, ``data``, ``parameter``, ``size`` or ``map``. The spans are those of the key and of the value.
    """

    __slots__ = ("key_span", "members", "name", "node", "role", "starts", "value", "value_span")

    def __init__(
        self,
        name: str,
        members: tuple[int, ...] | None,
        role: str,
        value: Value,
        *,
        starts: tuple[int, ...],
        key_span: Span,
        value_span: Span,
        node: Node,
    ) -> None:
        self.name = name
        self.members = members
        self.role = role
        self.value = value
        self.starts = starts
        self.key_span = key_span
        self.value_span = value_span
        self.node = node  # of the numbers

    @property
    def label(self) -> str:
        """The name as the language prints it: ``h[0]``."""
        return self.name if self.members is None else f"{self.name}[{','.join(map(str, self.members))}]"

    def span_of(self, path: tuple[int, ...]) -> Span:
        """Where an entry (or a row) of the value stands, by its 0-based place."""
        node = locate(self.node, path)
        return node.span(self.value_span.source)


def split_label(label: str) -> tuple[str, tuple[int, ...] | None]:
    """``h[0]`` as ``("h", (0,))``, ``W`` as ``("W", None)``; an index that is no number leads to no member: ()."""
    name, opened, rest = label.partition("[")
    words = [word.strip() for word in rest.rstrip("]").split(",")]
    if not opened:
        return name, None
    return name, tuple(int(w) for w in words) if all(w.lstrip("-").isdigit() for w in words) else ()


def locate(node: Node, path: tuple[int, ...]) -> Node:
    """The node at a 0-based place; the nearest list around it if there is none."""
    for step in path:
        if isinstance(node, Packed):
            node = node.unpack()
        if not isinstance(node, Sequence) or step >= len(node.items):
            break
        node = node.items[step]
    return node


class ValueReader:
    """Reads names, numbers and arrays; notes what is wrong in ``problems`` and goes on."""

    def __init__(self, source: Source, limits: Limits, problems: Problems) -> None:
        self.source = source
        self.limits = limits
        self.problems = problems
        self.found = 0  # how many problems were noted
        self.elements = 0

    def note(self, told: str, node: Node, hint: str | None = None) -> None:
        """A problem at a node."""
        self.found += 1
        self.problems.add(told, node.span(self.source), hint)

    def name(self, key: Scalar) -> tuple[str, tuple[int, ...] | None] | None:
        """The name and the member that a key is: ``h[0]`` is ``("h", (0,))``. None if it is neither; then noted."""
        text = key.text
        try:
            tokens = [(kind, word) for kind, word, _ in scan(text, 0, len(text))][:-1]
            if not tokens or tokens[0][0] != NAME:
                raise Malformed(message("value.no_name", text=shortened(text)), _name_hint(text))
            name = normal_name(tokens[0][1], self.limits)
            members = _members(tokens[1:], self.limits)
            if len(tokens) > 1 and members is None:
                hint = _name_hint(text) or message("value.name_or_member")
                raise Malformed(message("value.no_name", text=shortened(text)), hint)
            self.limits.check("indices", len(members or ()), lambda: message("syntax.word", word=name))
        except Malformed as error:
            self.note(error.message, key, error.hint)
        except ProblemError as error:
            self.note(error.problems[0].message, key, error.problems[0].hint)
        else:
            return name, members
        return None

    def number(self, node: Node, what: str = "expect.number", whole: bool = False) -> Numeral | None:
        """The number that a node is, or None; then noted. ``what`` is the key of what is expected."""
        if not isinstance(node, Scalar):
            self.note(
                expected(what, kind_of(node), whole),
                node,
                message("expect.example", example=message.listed(NUMBERS, "list.or")),
            )
            return None
        if node.absent:
            self.note(
                expected(what, kind_of(node), whole),
                node,
                message("expect.example", example=message.listed(NUMBERS, "list.or")),
            )
            return None
        try:
            value = read_number(node.text, self.limits)
        except Malformed as error:
            wanted = expected(what, whole=whole) if error.message.endswith("is not a number") else None
            self.note(error.message, node, error.hint or wanted)
        except ProblemError as error:
            self.note(error.problems[0].message, node, error.problems[0].hint)
        else:
            if node.style == PLAIN or "/" in node.text:  # fractions may be quoted: JSON has no other way
                return value
            self.note(message("expect.no_text", text=_quoted(node)), node, message("value.no_quotes"))
        return None

    def whole(self, node: Node, what: str, least: int | None = None) -> int | None:
        """The whole number that a node is, or None; then noted."""
        value = self.number(node, what, whole=True)
        if value is None:
            return None
        if not isinstance(value, int):
            self.note(expected(what, _written(node), whole=True), node)
        elif least is not None and value < least:
            self.note(message("expect.least", what=message(what), least=least, got=_written(node)), node)
        else:
            return value
        return None

    def array(self, node: Node, what: str) -> Nested | None:
        """A number or a rectangular nested list of numbers, or None; then noted."""
        if isinstance(node, Scalar):
            return self.number(node, what)
        before = self.found
        value = self._nested(node)
        if self.found != before:
            return None
        fault = _fault(value)
        if fault is None:
            return value
        path, told, hint = fault
        self.note(told, locate(node, path), hint)
        return None

    def _nested(self, node: Node) -> Nested:
        """Nested lists of numbers, built with a stack. What is no number is noted, and 0 stands for it."""
        result: list[Nested] = []
        todo: list[tuple[Node, list[Nested]]] = [(node, result)]
        while todo:
            node, into = todo.pop()
            if isinstance(node, Sequence):
                inner: list[Nested] = []
                into.append(inner)
                todo.extend((item, inner) for item in reversed(node.items))
            elif isinstance(node, Packed):
                into.append(self._packed(node))
            else:
                self._grown(1, node)
                value = self.number(node, "expect.numbers")
                into.append(0 if value is None else value)
        return result[0]

    def _grown(self, amount: int, node: Node) -> None:
        self.elements += amount
        if self.elements > self.limits.get("elements"):
            place = node.span(self.source)
            raise self.limits.exceeded("elements", self.elements, message("limit.document"), place, or_more=True)

    def _packed(self, node: Packed) -> Nested:
        stack: list[list[Nested]] = []
        limits = self.limits
        for piece in _PACKED.finditer(node.text):
            bracket = piece.group(1)
            if bracket == "[":
                inner: list[Nested] = []
                if stack:
                    stack[-1].append(inner)
                stack.append(inner)
            elif bracket == "]":
                if len(stack) > 1:
                    stack.pop()
            else:
                words = piece.group(2).replace(",", " ").split()
                self._grown(len(words), node)
                try:
                    stack[-1].extend([read_number(word, limits) for word in words])
                except (Malformed, ProblemError):
                    self._packed_faults(node, node.start + piece.start(), node.start + piece.end())
        return stack[0]

    def _packed_faults(self, node: Packed, start: int, end: int) -> None:
        """Note the words of a stretch that are no numbers."""
        for word in _WORD.finditer(self.source.text, start, end):
            if self.found > Problems.MOST:
                return
            self.number(Scalar(word.group(), PLAIN, word.start(), word.end()), "expect.numbers")


_PACKED = re.compile(r"([\[\]])|([^\[\]]+)")
_WORD = re.compile(r"[^\s\[\],]+")


def _members(tokens: list[tuple[int, str]], limits: Limits) -> tuple[int, ...] | None:
    """The whole numbers in brackets after a name; None if there are none or something else stands there."""
    if not tokens or tokens[0] != (SYMBOL, "[") or tokens[-1] != (SYMBOL, "]"):
        return None
    members: list[int] = []
    sign = 1
    number = True  # one is expected
    for kind, word in tokens[1:-1]:
        if kind == NUMBER and number:
            value = literal(word, limits)
            if not isinstance(value, int):
                return None
            members.append(sign * value)
            sign, number = 1, False
        elif (kind, word) in ((SYMBOL, "-"), (SYMBOL, "−")) and number and sign == 1:
            sign = -1
        elif (kind, word) == (SYMBOL, ",") and not number:
            number = True
        else:
            return None
    return None if number else tuple(members)


def _name_hint(text: str) -> str | None:
    if ":" in text:
        return message("value.space")
    if ")" in text or "(" in text:
        return message("value.formula_place")
    if text[:1].isdigit() or text[:1] == "_":
        return message("value.letter")
    if "[" in text and any(c.isalpha() for c in text.partition("[")[2]):
        return message("value.member")
    if " " in text.strip():
        return message("value.spaces")
    return None


def _fault(value: Nested) -> tuple[tuple[int, ...], str, str | None] | None:
    """The first place where a nested list is not rectangular, level by level: (path, message, hint)."""
    level = [value]
    shape: list[int] = []
    while isinstance(level[0], list):
        size = len(level[0])
        for place, entry in enumerate(level):
            path = _path(place, shape)
            if not isinstance(entry, list):
                return path, message("value.list_first"), None
            if not entry:
                return path, message("value.empty_shape"), message("value.leave_out")
            if len(entry) != size:
                key = "value.row_one" if len(entry) == 1 else "value.row"
                told = message(key, row=place + 1, count=f"{len(entry):,}", size=f"{size:,}")
                return path, told, message("value.rows")
        shape.append(size)
        level = [item for entry in level if isinstance(entry, list) for item in entry]
    for place, entry in enumerate(level):
        if isinstance(entry, list):
            return _path(place, shape), message("value.number_first"), None
    return None


def _path(place: int, shape: list[int]) -> tuple[int, ...]:
    path: list[int] = []
    for size in reversed(shape):
        place, step = divmod(place, size)
        path.append(step)
    return tuple(reversed(path))


def shape_of(value: Nested) -> tuple[int, ...]:
    """The shape of a rectangular nested list; ``()`` for a number."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0]
    return tuple(shape)


def kind_of(node: Node) -> str:
    """What a node is, for a message."""
    if isinstance(node, Mapping):
        return message("expect.a_mapping")
    if isinstance(node, Scalar):
        return message("expect.nothing") if node.absent else _written(node)
    return message("expect.a_list")


def expected(what: str, got: str = "", whole: bool = False) -> Message:
    """``expected a size, a whole number, got 'x'``; ``what`` is the key of what is expected."""
    wanted = message("expect.whole", what=message(what)) if whole else message(what)
    return message("expect.got", what=wanted, got=got) if got else message("expect.what", what=wanted)


def _written(node: Node) -> str:
    return message("syntax.word", word=shortened(node.text)) if isinstance(node, Scalar) else kind_of(node)


def _quoted(node: Scalar) -> str:
    return f'"{shortened(node.text)}"'
