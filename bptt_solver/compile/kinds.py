"""What is done to one node of a graph of numbers, and back: a template as single operations, in the words of NumPy (on
whole groups of nodes), of Python (on one node of a list) and of Numba (on a stretch of nodes).

Nothing is computed twice within a node: the operations are those that a recorder wrote down (`straight.Recorder`).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.compile.codes import _UFUNCS
from bptt_solver.compile.helpers import Helpers
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.straight import _FORMS, Recorder, Scalar, _Recording
from bptt_solver.compile.words import joined
from bptt_solver.language.operations import Operations
from bptt_solver.language.slots import TAKES_COTANGENT, TAKES_RESULT
from bptt_solver.language.templates import Template

_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_INTO = {"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "power": "power", "neg": "negative"}
_LIKE = {"max": "maximum", "min": "minimum", "abs": "absolute", "step": "heaviside"}
_LARGEST = 709.78  # exp of more is too large for a float
MATH = "from math import cos, erf, exp, inf, log, sin, sqrt, tan, tanh"


class Kind:
    """A template together with which of its slots hold constants. ``operands`` are the places of the other slots in the
    template, ``constants`` those with constants. ``nodes`` are the operations of its value, ``value`` the last of them;
    ``pulls`` gives for each operand what it receives (0 if that is nothing), ``back`` the operations for them.

    The leaves of all operations are named ``s0``, ``s1``, ... (slots), ``y`` (the value) and ``g`` (what it received).
    """

    __slots__ = ("back", "constants", "nodes", "operands", "pulls", "read", "value")

    def __init__(self, template: Template, mask: Sequence[bool], operations: Operations) -> None:
        self.operands = [at for at, constant in enumerate(mask) if not constant]
        self.constants = [at for at, constant in enumerate(mask) if constant]
        arithmetic = _Recording(operations)
        recorder = Recorder()
        slots = [_leaf(recorder, f"s{at}") for at in range(len(mask))]
        self.value = template.compiled(arithmetic, arithmetic.compile)(slots)
        self.nodes = _operations(recorder)
        recorder = Recorder()
        slots = [_leaf(recorder, f"s{at}") for at in range(len(mask))]
        received, result = _leaf(recorder, "g"), _leaf(recorder, "y")
        self.pulls: list[Any] = []
        for at in self.operands:
            pullback, sources = template.pullback(at)
            taken = {TAKES_COTANGENT: received, TAKES_RESULT: result}
            values = [slots[source] if source >= 0 else taken[source] for source in sources]
            self.pulls.append(pullback.compiled(arithmetic, arithmetic.compile)(values))
        self.back = _operations(recorder)
        self.read = {a.name for node in self.back for a in node.arguments if isinstance(a, Scalar) and a.name}
        self.read |= {p.name for p in self.pulls if isinstance(p, Scalar) and p.name}

    def is_copy(self) -> bool:
        """Whether the value is that of the only slot."""
        return bool(self.operands) and isinstance(self.value, Scalar) and self.value.name == f"s{self.operands[0]}"


def _leaf(recorder: Recorder, name: str) -> Scalar:
    scalar = recorder.node("leaf", (name,))
    scalar.name = name
    return scalar


def _operations(recorder: Recorder) -> list[Scalar]:
    return [node for node in recorder.nodes if node.kind != "leaf"]


def _needed(nodes: Sequence[Scalar], roots: Sequence[Any]) -> list[Scalar]:
    """The operations that the roots need, in order."""
    wanted = {id(root) for root in roots}
    found: list[Scalar] = []
    for node in reversed(nodes):
        if id(node) in wanted:
            found.append(node)
            wanted.update(id(a) for a in node.arguments)
    return found[::-1]


def number(value: Any) -> str:
    """A number in a program."""
    value = float(value) if isinstance(value, Fraction) else value
    return repr(value) if value >= 0 else f"({value!r})"


# -- NumPy: whole groups, into arrays that are there


class Grouped:
    """The functions of groups, in NumPy. ``temporaries`` is how many arrays they need at once beside their results."""

    def __init__(self, operations: Operations) -> None:
        self.helpers = Helpers(operations, _UFUNCS)
        self.temporaries = 0
        self.texts: list[str] = []

    def forward(self, name: str, kind: Kind) -> None:
        """``name(o, t, s0, ...)``: the values of a group into ``o``."""
        slots = [f"s{at}" for at in range(len(kind.operands) + len(kind.constants))]
        self._function(name, ["o", "t", *slots], kind.nodes, [(kind.value, "o")])

    def backward(self, name: str, kind: Kind) -> None:
        """``name(g, y, t, w0, ..., s0, ...)``: what the operands receive into ``w0``, ..."""
        slots = [f"s{at}" for at in range(len(kind.operands) + len(kind.constants))]
        places = [f"w{k}" for k in range(len(kind.pulls))]
        self._function(name, ["g", "y", "t", *places, *slots], kind.back, list(zip(kind.pulls, places, strict=True)))

    def _function(
        self, name: str, arguments: Sequence[str], nodes: Sequence[Scalar], roots: Sequence[tuple[Any, str]]
    ) -> None:
        lines = []
        where: dict[int, str] = {}
        result = {id(root): place for root, place in reversed(roots) if isinstance(root, Scalar) and not root.name}
        needed = _needed(nodes, [root for root, _ in roots])
        last = {id(a): at for at, node in enumerate(needed) for a in node.arguments}
        free: list[str] = []
        made = 0
        for at, node in enumerate(needed):
            words = [self._word(a, where) for a in node.arguments]
            read = dict.fromkeys(id(a) for a in node.arguments)
            done = [where[a] for a in read if last[a] == at and where.get(a, "").startswith("t")]
            several = node.kind in ("max", "min", "power")  # lines; a single operation may write where it reads
            free += [] if several else done
            place = result.get(id(node))
            if place is None:
                if not free:
                    free.append(f"t[{made}]")
                    made += 1
                place = free.pop()
            where[id(node)] = place
            lines += self._line(node, words, place)
            free += done if several else []
        self.temporaries = max(self.temporaries, made)
        for root, place in roots:
            if where.get(id(root)) != place:
                lines.append(f"np.copyto({place}, {self._word(root, where)})")
        self.texts.append(
            f"def {name}({', '.join(arguments)}):\n" + "\n".join(f"    {line}" for line in lines or ["pass"])
        )

    def _word(self, argument: Any, where: dict[int, str]) -> str:
        if not isinstance(argument, Scalar):
            return number(argument)
        return argument.name or where[id(argument)]

    def _line(self, node: Scalar, words: Sequence[str], place: str) -> list[str]:
        kind = node.kind
        if kind in ("max", "min"):
            pairs = [f"np.{_LIKE[kind]}({words[0]}, {words[1]}, out={place})"]
            return [*pairs, *(f"np.{_LIKE[kind]}({place}, {word}, out={place})" for word in words[2:])]
        if kind == "power" and not isinstance(node.arguments[1], Scalar) and node.arguments[1] == 3:
            base = words[0]
            return [f"np.multiply({base}, {base}, out={place})", f"np.multiply({place}, {base}, out={place})"]
        name = _INTO.get(kind) or _LIKE.get(kind)
        if name is None and self.helpers.functions.get(kind, "").startswith("np."):
            name = self.helpers.functions[kind].removeprefix("np.")
        if name is not None:
            return [f"np.{name}({', '.join(words)}, out={place})"]
        return [f"np.copyto({place}, {self.helpers(kind)}({', '.join(words)}))"]

    def source(self) -> str:
        """The module."""
        return joined([*self.helpers.module(["import numpy as np"]), "", "", "\n\n\n".join(self.texts), ""])


# -- Python and Numba: one node


def _single(node: Scalar, words: Sequence[str]) -> str:
    kind = node.kind
    if kind in _SIGNS:
        return f"{words[0]} {_SIGNS[kind]} {words[1]}"
    if kind == "neg":
        return f"-{words[0]}"
    if kind == "power":
        return f"{words[0]}**{words[1]}"
    if kind == "exp":
        return f"exp({words[0]}) if {words[0]} < {_LARGEST} else inf"
    form = _FORMS.get(kind)
    if form is not None:
        return form(*words)
    if kind not in ("abs", "max", "min", "erf") and f" {kind}," not in f"{MATH.replace('import', ',')},":
        raise NotCompiled(message("compile.no_number_form", name=kind))
    return f"{kind}({', '.join(words)})"


def lines_of(nodes: Sequence[Scalar], roots: Sequence[Any], prefix: str) -> tuple[list[str], list[str]]:
    """One line for each operation that the roots need, and the words for the roots."""
    lines: list[str] = []
    where: dict[int, str] = {}

    def word(argument: Any) -> str:
        if not isinstance(argument, Scalar):
            return number(argument)
        return argument.name or where[id(argument)]

    for node in _needed(nodes, roots):
        text = _single(node, [word(a) for a in node.arguments])
        where[id(node)] = f"{prefix}{len(lines)}"
        lines.append(f"{where[id(node)]} = {text}")
    return lines, [word(root) for root in roots]
