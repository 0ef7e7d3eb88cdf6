"""Small systems as straight-line code: every entry a Python variable, no arrays at all.

The system is evaluated once with scalars that write down what is done to them (the arithmetic that also carries exact
fractions through arrays). What is used once is written where it is used; the rest gets a variable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from bptt_solver.arithmetic import Arithmetic, Value, is_array
from bptt_solver.arithmetic.values import Function
from bptt_solver.catalogues import message
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.instances import Ground, Unfolded
from bptt_solver.language.operations import Operations

MOST_SCALARS = 20_000

_ATOM, _POWER, _UNARY, _PRODUCT, _SUM, _CHOICE = 6, 5, 4, 3, 2, 1


class Recorder:
    """The operations in the order in which they were done; equal ones are done once."""

    def __init__(self) -> None:
        self.nodes: list[Scalar] = []
        self._known: dict[tuple[object, ...], Scalar] = {}

    def node(self, kind: str, arguments: tuple[Any, ...]) -> Scalar:
        """The scalar that an operation makes."""
        key = (kind, *((id(a) if isinstance(a, Scalar) else (type(a), a)) for a in arguments))
        known = self._known.get(key)
        if known is None:
            if len(self.nodes) >= MOST_SCALARS:
                raise NotCompiled(message("compile.many_numbers", count=f"{MOST_SCALARS:,}"))
            known = self._known[key] = Scalar(self, kind, arguments)
            self.nodes.append(known)
            for argument in arguments:
                if isinstance(argument, Scalar):
                    argument.uses += 1
        return known


class Scalar:
    """A number that is not known yet. Arithmetic with it is written down; 0 and 1 fold."""

    __slots__ = ("arguments", "kind", "name", "recorder", "uses")

    def __init__(self, recorder: Recorder, kind: str, arguments: tuple[Any, ...]) -> None:
        self.recorder = recorder
        self.kind = kind
        self.arguments = arguments
        self.uses = 0
        self.name = ""

    def __add__(self, other: Any) -> Any:
        if is_array(other):
            return NotImplemented
        if not isinstance(other, Scalar) and other == 0:
            return self
        if isinstance(other, Scalar) and other.kind == "neg":
            return self - other.arguments[0]
        return self.recorder.node("add", (self, other))

    def __radd__(self, other: Any) -> Any:
        if is_array(other):
            return NotImplemented
        return self if other == 0 else self.recorder.node("add", (other, self))

    def __sub__(self, other: Any) -> Any:
        if is_array(other):
            return NotImplemented
        if not isinstance(other, Scalar) and other == 0:
            return self
        return self.recorder.node("sub", (self, other))

    def __rsub__(self, other: Any) -> Any:
        if is_array(other):
            return NotImplemented
        return -self if other == 0 else self.recorder.node("sub", (other, self))

    def __mul__(self, other: Any) -> Any:
        if is_array(other):
            return NotImplemented
        if not isinstance(other, Scalar):
            if other == 0:
                return 0
            if other == 1:
                return self
            if other == -1:
                return -self
        return self.recorder.node("mul", (self, other))

    def __rmul__(self, other: Any) -> Any:
        if is_array(other):
            return NotImplemented
        product = self * other
        if isinstance(product, Scalar) and product.kind == "mul" and product.arguments == (self, other):
            return self.recorder.node("mul", (other, self))
        return product

    def __truediv__(self, other: Any) -> Any:
        if is_array(other):
            return NotImplemented
        return self if not isinstance(other, Scalar) and other == 1 else self.recorder.node("div", (self, other))

    def __rtruediv__(self, other: Any) -> Any:
        if is_array(other):
            return NotImplemented
        return 0 if other == 0 else self.recorder.node("div", (other, self))

    def __neg__(self) -> Any:
        return self.arguments[0] if self.kind == "neg" else self.recorder.node("neg", (self,))

    def __pow__(self, other: Any) -> Any:
        return self * self if other == 2 else self if other == 1 else self.recorder.node("power", (self, other))


def _first(*arguments: Any) -> Scalar | None:
    return next((a for a in arguments if isinstance(a, Scalar)), None)


class _Recording(Arithmetic):
    """The arithmetic of `Scalar`."""

    name = "recorded"

    def scalar_function(self, name: str) -> Function:
        known = Arithmetic.scalar_function(self, name)

        def apply(*arguments: Any) -> Any:
            scalar = _first(*arguments)
            if scalar is None:
                return known(*[float(a) if isinstance(a, Fraction) else a for a in arguments])
            if name == "div":
                return arguments[0] / arguments[1]
            if name == "power":
                return (
                    arguments[0] ** arguments[1]
                    if isinstance(arguments[0], Scalar)
                    else scalar.recorder.node("power", arguments)
                )
            if name == "xlogy" and not isinstance(arguments[0], Scalar) and arguments[0] == 0:
                return 0
            return scalar.recorder.node(name, arguments)

        return apply

    def _make(self, name: str) -> Function:
        if name in ("softmax", "logsumexp"):
            return self._softmax if name == "softmax" else self._logsumexp
        if name in ("largest", "smallest"):
            return lambda x: self._extreme("max" if name == "largest" else "min", x)
        if name in ("argmax_share", "ties", "entry", "unit"):
            raise NotCompiled(message("compile.no_straight", name=name))
        return super()._make(name)

    def _on_arrays(self, name: str, on_scalars: Function, arguments: Sequence[Value]) -> Value:
        from bptt_solver.arithmetic.values import elementwise

        return elementwise(on_scalars, arguments)

    def _extreme(self, kind: str, x: Value) -> Any:
        entries = x.ravel().tolist() if is_array(x) else [x]
        scalar = _first(*entries)
        return entries[0] if len(entries) == 1 or scalar is None else scalar.recorder.node(kind, tuple(entries))

    def _softmax(self, x: Value) -> Value:
        e = self.function("exp")(x - self._extreme("max", x))
        return e / e.sum()

    def _logsumexp(self, x: Value) -> Value:
        if not is_array(x):
            return x
        top = self._extreme("max", x)
        return top + self.function("log")(self.function("exp")(x - top).sum())


class Straight:
    """A small unfolded system as the source of one function of the given names."""

    def __init__(
        self, unfolded: Unfolded, operations: Operations, order: Sequence[int], shapes: Mapping[int, tuple[int, ...]]
    ) -> None:
        self.unfolded = unfolded
        self.recorder = Recorder()
        self.arithmetic = _Recording(operations)
        self.order = order
        self.shapes = shapes
        self.values: list[Any] = []
        self.given: dict[int, Any] = {}

    def record(self) -> None:
        """Run through the system once. Raises NotCompiled."""
        import numpy

        count = len(self.unfolded.keys)
        self.values = [None] * (count + len(self.unfolded.constants))
        for number in range(count):
            if self.unfolded.grounds[number] is None:
                shape = tuple(self.shapes.get(number) or ())
                size = int(numpy.prod(shape)) if shape else 1
                scalars = [self.recorder.node("given", (number, k)) for k in range(size)]
                self.given[number] = scalars
                self.values[number] = numpy.array(scalars, dtype=object).reshape(shape) if shape else scalars[0]
        for at, (_, value) in enumerate(self.unfolded.constants):
            self.values[-1 - at] = value
        for number in self.order:
            total: Any = self._total(self.unfolded.grounds[number] or ())
            shape = tuple(self.shapes.get(number) or ())
            if shape and not is_array(total):  # a number that stands for an array of it
                total = numpy.full(shape, total, dtype=object)
            self.values[number] = total

    def _total(self, grounds: Sequence[Ground]) -> Any:
        found: list[Any] = []
        for ground in grounds:
            slots = [self.values[s] if isinstance(s, int) else self._total(s) for s in ground.slots]
            found.append(ground.template.compiled(self.arithmetic, self.arithmetic.compile)(slots))
        total = found[0] if found else 0
        for value in found[1:]:
            total = total + value
        return total

    # -- source

    def source(self, arguments: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]]) -> str:
        """``def gradient(x, W, ...)``: each argument is a nested list (of the members, if there are several); the
        result is a tuple of nested lists in the order of ``outputs``."""
        wanted: dict[int, None] = {}
        for numbers in outputs.values():
            for number in numbers:
                for entry in self._entries(number):
                    if isinstance(entry, Scalar):
                        entry.uses += 2  # has a name
                        wanted[id(entry)] = None
        live = self._live([e for ns in outputs.values() for n in ns for e in self._entries(n) if isinstance(e, Scalar)])
        lines = []
        for name, numbers in arguments.items():
            inside = [self._pattern(number, live) for number in numbers]
            lines.append(f"    {inside[0] if len(inside) == 1 else '(' + ', '.join(inside) + ',)'} = {name}")
        for node in self.recorder.nodes:
            if node.kind != "given" and id(node) in live and node.uses > 1:
                text, _ = self._write(node, top=True)
                node.name = f"v{len(lines)}"
                lines.append(f"    {node.name} = {text}")
        results = [self._result(numbers) for numbers in outputs.values()]
        head = ", ".join(arguments)
        return "\n".join(
            [
                "from math import cos, erf, exp, log, sin, sqrt, tan, tanh\n\n",
                f"def gradient({head}, cos=cos, erf=erf, exp=exp, log=log, sin=sin, sqrt=sqrt, tan=tan, tanh=tanh):",
                *lines,
                f"    return {', '.join(results)},",
                "",
            ]
        )

    def _entries(self, number: int) -> list[Any]:
        value = self.values[number]
        return value.ravel().tolist() if is_array(value) else [value]

    def _live(self, roots: list[Scalar]) -> set[int]:
        seen: set[int] = set()
        pending = list(roots)
        while pending:
            node = pending.pop()
            if id(node) not in seen:
                seen.add(id(node))
                pending += [a for a in node.arguments if isinstance(a, Scalar)]
        return seen

    def _pattern(self, number: int, live: set[int]) -> str:
        for at, scalar in enumerate(self.given[number]):
            scalar.name = f"g{number}_{at}" if id(scalar) in live else "_"
        return _nested([s.name for s in self.given[number]], tuple(self.shapes.get(number) or ()), "(", ",)")

    def _result(self, numbers: Sequence[int]) -> str:
        texts = []
        for number in numbers:
            entries = [self._write(e)[0] if isinstance(e, Scalar) else repr(float(e)) for e in self._entries(number)]
            texts.append(_nested(entries, tuple(self.shapes.get(number) or ()), "[", "]"))
        return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"

    def _write(self, node: Any, top: bool = False) -> tuple[str, int]:
        """A scalar as Python: its name, or what is done to get it. Recursion is as deep as an instance is long."""
        if not isinstance(node, Scalar):
            value = float(node) if isinstance(node, Fraction) else node
            return (repr(value), _ATOM) if value >= 0 else (f"({value!r})", _ATOM)
        if node.name and not top:
            return node.name, _ATOM
        kind = node.kind
        pieces = [self._write(a) for a in node.arguments]
        text = [t for t, _ in pieces]

        def at(k: int, level: int) -> str:
            return text[k] if pieces[k][1] >= level else f"({text[k]})"

        if kind == "add":
            return f"{at(0, _SUM)} + {at(1, _SUM)}", _SUM
        if kind == "sub":
            return f"{at(0, _SUM)} - {at(1, _PRODUCT)}", _SUM
        if kind == "mul":
            return f"{at(0, _PRODUCT)}*{at(1, _PRODUCT)}", _PRODUCT
        if kind == "div":
            return f"{at(0, _PRODUCT)}/{at(1, _UNARY)}", _PRODUCT
        if kind == "neg":
            return f"-{at(0, _UNARY)}", _UNARY
        if kind == "power":
            return f"{at(0, _ATOM)}**{at(1, _ATOM)}", _POWER
        form = _FORMS.get(kind)
        if form is not None:
            return form(*[f"({t})" for t in text]), _CHOICE
        return f"{kind}({', '.join(text)})", _ATOM


_FORMS: dict[str, Callable[..., str]] = {
    "step": lambda x, c: f"1.0 if {x} > 0 else 0.0 if {x} < 0 else {c}",
    "sign": lambda x: f"1.0 if {x} > 0 else -1.0 if {x} < 0 else 0.0",
    "clip": lambda x, low, high: f"{low} if {x} < {low} else {high} if {x} > {high} else {x}",
    "xlogy": lambda d, p: f"{d}*log({p}) if {d} else 0.0",
}


def _nested(texts: Sequence[str], shape: tuple[int, ...], opening: str, closing: str) -> str:
    if not shape:
        return texts[0]
    step = max(1, len(texts) // shape[0])
    parts = [_nested(texts[k : k + step], shape[1:], opening, closing) for k in range(0, len(texts), step)]
    return opening + ", ".join(parts) + closing
