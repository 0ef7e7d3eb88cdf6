"""The few functions that a generated program may call beside those of its library."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.catalogues import message
from bptt_solver.compile.dialects import NUMPY
from bptt_solver.compile.dialects.base import Dialect
from bptt_solver.compile.names import Identifiers
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.words import worded
from bptt_solver.language.expressions import Call, Expression, Number, Reference
from bptt_solver.language.operations import Operation, Operations

_SIGNS = {"add": " + ", "mul": " * ", "div": " / "}


class Helpers:
    """The helpers that a program uses, in an order in which each stands behind what it calls."""

    def __init__(
        self, operations: Operations, functions: dict[str, str] | None = None, dialect: Dialect = NUMPY
    ) -> None:
        self.operations = operations
        self.dialect = dialect
        self.functions = dialect.functions if functions is None else functions  # of the library
        self.texts: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """The name to call; its definition is kept. Raises NotCompiled for a function that has none."""
        if name not in self.texts:
            fixed = self.dialect.helpers.get(name)
            for needed in self.dialect.needs.get(name, ()):
                self(needed)
            text = self._formula(name) if fixed is None else worded(fixed)
            self.texts[name] = text
        return name

    def function(self, name: str) -> str:
        """The name of an elementwise function: the library's, or that of a helper."""
        if name not in self.functions and name in ("max", "min") and f"{name}imum" in self.dialect.helpers:
            return self(f"{name}imum")
        return self.functions[name] if name in self.functions else self(name)

    def module(self, header: Sequence[str]) -> list[str]:
        """The lines of a module up to its functions: what helpers import, a header, and the helpers."""
        imports = [text for text in self.texts.values() if text.startswith("import ")]
        others = [line for text in self.texts.values() if not text.startswith("import ") for line in ("", "", text)]
        return [*imports, *([""] if imports else []), *map(worded, header), *others]

    def _formula(self, name: str) -> str:
        operation = self.operations[name]
        value = operation.value()
        if value is None or operation.kind != "elementwise":
            raise NotCompiled(message("compile.no_form", name=name))
        words = Identifiers((*self.dialect.taken, *self.texts, name))
        arguments = [words.of(a) for a in operation.arguments]
        defaults = [(words.of(p), v) for p, v in operation.parameters.items()]
        arguments += [f"{p}={v!r}" if self.dialect.defaults else p for p, v in defaults]
        head = self.dialect.function_head(name, arguments)
        return f"{head}\n    {self._summary(operation)}return {self._text(value, words)}"

    def _summary(self, operation: Operation) -> str:
        from bptt_solver.language.notation.source import to_source

        value = operation.value()
        text = "" if value is None else to_source(value)
        return f'"""{text}"""\n    ' if text and len(text) < 100 else ""

    def _text(self, node: Expression, words: Identifiers) -> str:
        """An elementwise formula in Python. Formulas of plugins are short: recursion is as deep as they are."""
        if isinstance(node, Number):
            value = node.value
            plain = repr(value) if isinstance(value, int | float) else f"({value.numerator} / {value.denominator})"
            return self.dialect.number(plain)
        if isinstance(node, Reference):
            return words.of(node.name)
        assert isinstance(node, Call)
        inner = [self._text(a, words) for a in node.arguments]
        if node.operation in _SIGNS:
            return f"({_SIGNS[node.operation].join(inner)})"
        if node.operation == "power":
            two = isinstance(node.arguments[1], Number) and node.arguments[1].value == 2
            return self.dialect.square(inner[0]) if two else f"{inner[0]}**{inner[1]}"
        if node.operation == "neg":
            return f"(-{inner[0]})"
        return f"{self.function(node.operation)}({', '.join(inner)})"
