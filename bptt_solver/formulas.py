"""The formulas of a record: read, and checked as far as a record can be checked alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from bptt_solver.errors import Excerpt, ProblemError
from bptt_solver.language.expressions import Call, Expression, Number, Reference, preorder
from bptt_solver.records import Activation, Function, Loss, Topology, UpdateRule

RESULT = "result"
KINDS = ("elementwise", "scalar")
TARGETS = ("numbers", "classes", "shares", "binary", "signs", "counts")  # of a loss
RESERVED = ("rule", "steps", "clip")  # options of `update` that are no options of a rule
WEIGHT, GRADIENT, STEP = "w", "g", "k"  # what the formulas of an update rule may use besides its own names
OPERATORS = frozenset({"add", "neg", "mul", "div", "matmul", "power", "transpose"})


class Formulas:
    """A function's formulas as trees, exactly as they are written. ``derivatives`` by argument, ``matched`` by output
    function."""

    __slots__ = ("derivatives", "kinks", "matched", "record", "value")

    def __init__(self, record: Function) -> None:
        """Read and check a record. Raises ValueError with a sentence that says what is wrong."""
        check_fields(record)
        self.record = record
        names = (*record.arguments, *record.parameters)
        self.value = _formula("value", record.value, names)
        with_result = (*names, RESULT)
        self.derivatives = {
            name: _formula(f"derivative with respect to {name}", record.derivatives[name], with_result)
            for name in names
            if name in record.derivatives
        }
        self.kinks = tuple(_formula("kink", text, names) for text in record.kinks)
        pairs = record.matched if isinstance(record, Loss) else {}
        self.matched = {
            output: _formula(f"derivative when matched with {output}", text, names)
            for output, (text, _) in pairs.items()
        }

    def every(self) -> Iterator[tuple[str, Expression]]:
        """All formulas with what they are, the value first."""
        yield "value", self.value
        for name, tree in self.derivatives.items():
            yield f"derivative with respect to {name}", tree
        for tree in self.kinks:
            yield "kink", tree
        for output, tree in self.matched.items():
            yield f"derivative when matched with {output}", tree

    def calls(self) -> Iterator[tuple[str, str, int]]:
        """What each formula calls: (what the formula is, function, number of arguments); operators are left out."""
        for what, tree in self.every():
            yield from _calls(what, tree)


class UpdateFormulas:
    """An update rule's formulas as trees, in the order of computation: ``state``, ``between``, ``weight``."""

    __slots__ = ("between", "record", "state", "weight")

    def __init__(self, record: UpdateRule) -> None:
        """Read and check a record. Raises ValueError with a sentence that says what is wrong."""
        check_fields(record)
        self.record = record
        known = (WEIGHT, GRADIENT, STEP, *record.options, *record.state)
        self.state: dict[str, Expression] = {}
        for name, text in record.state.items():
            self.state[name] = _formula(f"state {name}", text, known)
            known = (*known, name + "'")
        self.between: dict[str, Expression] = {}
        for name, text in record.between.items():
            self.between[name] = _formula(name, text, known)
            known = (*known, name)
        self.weight = _formula("weight", record.weight, known)

    def calls(self) -> Iterator[tuple[str, str, int]]:
        """What each formula calls: (what the formula is, function, number of arguments); operators are left out."""
        for name, tree in self.state.items():
            yield from _calls(f"state {name}", tree)
        for name, tree in self.between.items():
            yield from _calls(name, tree)
        yield from _calls("weight", self.weight)


def _calls(what: str, tree: Expression) -> Iterator[tuple[str, str, int]]:
    for node in preorder(tree):
        if isinstance(node, Call) and node.operation not in OPERATORS:
            yield what, node.operation, len(node.arguments)


def parse(text: str) -> Expression:
    """A formula as a tree. Raises ValueError with the parser's words and the column."""
    from bptt_solver.language.parser import parse_expression

    try:
        return parse_expression(Excerpt.of(text, "<formula>"))
    except ProblemError as error:
        problem = error.problems[0]
        column = f" in column {problem.span.source.position(problem.span.start)[1]}" if problem.span else ""
        raise ValueError(f"{problem.message}{f' ({problem.hint})' if problem.hint else ''}{column}") from None


def _formula(what: str, text: object, names: tuple[str, ...]) -> Expression:
    if not isinstance(text, str):
        raise ValueError(f"the {what} is a {type(text).__name__}, not a formula in text")
    try:
        tree = parse(text)
    except ValueError as error:
        raise ValueError(f"the {what}, '{text}', does not parse: {error}") from None
    for node in preorder(tree):
        if isinstance(node, Reference):
            if node.indices or node.name not in names:
                raise ValueError(
                    f"the {what}, '{text}', uses '{node.name}', which is not one of its names ({', '.join(names)})"
                )
        elif not isinstance(node, (Number, Call)):
            raise ValueError(f"the {what}, '{text}', has index variables; a rule knows only its arguments")
    return tree


# ----------------------------------------------------------------------------- fields


def check_fields(record: Function | Topology | UpdateRule) -> None:
    """Whether every field has the type that the contract says. Raises ValueError with a sentence."""
    _is_name("name", record.name)
    _texts("aliases", record.aliases)
    for alias in record.aliases:
        _is_name("alias", alias)
    for field in ("summary", "source"):
        if not isinstance(getattr(record, field), str):
            raise ValueError(f"{field} is not a text")
    if isinstance(record, Topology):
        if not callable(record.build):
            raise ValueError("build cannot be called")
        _mapping("options", record.options)
        _mapping("example", record.example)
        return
    if isinstance(record, UpdateRule):
        _check_update_rule(record)
        return
    _check_signature(record)
    _check_mappings(record)


def _check_signature(record: Function) -> None:
    _texts("arguments", record.arguments)
    _texts("kinks", record.kinks)
    _mapping("parameters", record.parameters)
    names = (*record.arguments, *record.parameters)
    for name in names:
        _is_name("argument", name)
    if not record.arguments or len(set(names)) < len(names) or RESULT in names:
        raise ValueError(f"arguments and parameters must be different names, at least one, none of them '{RESULT}'")
    for name, default in record.parameters.items():
        if not _is_finite(default):
            raise ValueError(f"the default of parameter {name} is not a number")
    if record.kind not in KINDS:
        raise ValueError(f"kind is {record.kind!r}, not one of {', '.join(KINDS)}")
    if isinstance(record, Activation) and (record.kind != "elementwise" or len(record.arguments) != 1):
        raise ValueError("an activation is elementwise and has one argument")
    if isinstance(record, Loss) and record.kind != "scalar":
        raise ValueError("a loss has kind 'scalar'")


def _check_mappings(record: Function) -> None:
    names = (*record.arguments, *record.parameters)
    for field in ("derivatives", "domain"):
        _mapping(field, getattr(record, field))
        for name in getattr(record, field):
            if name not in names:
                raise ValueError(f"{field} names {name!r}, which is not an argument")
    for name, bounds in record.domain.items():
        _bounds(name, bounds)
    if isinstance(record, Loss):
        _mapping("matched", record.matched)
        _mapping("fused", record.fused)
        for output, pair in record.matched.items():
            if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
                raise ValueError(f"matched with {output} is not a pair (formula, reason)")
        _texts("fused", tuple(record.fused.values()))
        if record.targets not in TARGETS:
            raise ValueError(f"targets is {record.targets!r}, not one of {', '.join(TARGETS)}")


def _check_update_rule(record: UpdateRule) -> None:
    for field in ("state", "between", "options", "domain", "symbols", "instead"):
        _mapping(field, getattr(record, field))
    own = (*record.state, *record.between, *record.options)
    for name in own:
        _is_name("name", name)
    known = (WEIGHT, GRADIENT, STEP, *own, *(name + "'" for name in record.state))
    if len(set(known)) < len(known):
        raise ValueError(f"state and options must be different names, none of them {WEIGHT}, {GRADIENT} or {STEP}")
    for name, default in record.options.items():
        if name in RESERVED:
            raise ValueError(f"an option cannot be called {name}: every update has that one")
        if not _is_finite(default):
            raise ValueError(f"the default of option {name} is not a number")
        _bounds(name, record.domain.get(name, (default, default + 1)))
    for field in ("domain", "symbols"):
        for name in getattr(record, field):
            if name not in (record.options if field == "domain" else own):
                raise ValueError(f"{field} names {name!r}, which is not one of its names")
    for name, symbol in record.symbols.items():
        _is_name(f"symbol of {name}", symbol)
    _texts("rules in instead", tuple(record.instead.values()))
    pairs = all(isinstance(pair, tuple) and len(pair) == 2 and all(map(_is_finite, pair)) for pair in record.trace)
    if not isinstance(record.trace, tuple) or not pairs:
        raise ValueError("trace is not a tuple of pairs (gradient, weight after it)")


def _bounds(name: str, bounds: object) -> None:
    if not (isinstance(bounds, tuple) and len(bounds) == 2 and all(map(_is_finite, bounds)) and bounds[0] < bounds[1]):
        raise ValueError(f"the domain of {name} is not a pair (low, high)")


def _mapping(field: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise ValueError(f"{field} is a {type(value).__name__}, not a mapping")
    _texts(f"names in {field}", tuple(value))


def _texts(field: str, value: object) -> None:
    if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{field} must be a tuple of texts, not {value!r}")


def _is_name(what: str, text: object) -> None:
    if not isinstance(text, str) or not _parses_as_name(text):
        raise ValueError(f"the {what} {text!r} is not a name of the language")


@cache
def _parses_as_name(text: str) -> bool:
    try:
        return parse(text) == Reference(text)
    except ValueError:
        return False


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")
