"""The formulas of a record: read, and checked as far as a record can be checked alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from bptt_solver.catalogues import message
from bptt_solver.errors import Excerpt, ProblemError
from bptt_solver.language.expressions import Call, Expression, Number, Reference, preorder
from bptt_solver.records import Activation, Function, Loss, Topology, UpdateRule

RESULT = "result"
KINDS = ("elementwise", "scalar")
TARGETS = ("numbers", "classes", "shares", "binary", "signs", "counts")  # of a loss
RESERVED = ("rule", "steps", "clip")  # options of `update` that are no options of a rule
WEIGHT, GRADIENT, STEP = "w", "g", "k"  # what the formulas of an update rule may use besides its own names
OPERATORS = frozenset({"add", "neg", "mul", "div", "matmul", "power", "transpose"})


What = tuple[str, str]  # what a formula is: the last part of a message's key, and a name


def worded(what: What) -> str:
    """What a formula is, in words: ``derivative with respect to x``."""
    kind, name = what
    return message(f"formula.{kind}", name=name) if kind else name


class Formulas:
    """A function's formulas as trees, exactly as they are written. ``derivatives`` by argument, ``matched`` by output
    function."""

    __slots__ = ("derivatives", "kinks", "matched", "record", "value")

    def __init__(self, record: Function) -> None:
        """Read and check a record. Raises ValueError with a sentence that says what is wrong."""
        check_fields(record)
        self.record = record
        names = (*record.arguments, *record.parameters)
        self.value = _formula(("value", ""), record.value, names)
        with_result = (*names, RESULT)
        self.derivatives = {
            name: _formula(("derivative", name), record.derivatives[name], with_result)
            for name in names
            if name in record.derivatives
        }
        self.kinks = tuple(_formula(("kink", ""), text, names) for text in record.kinks)
        pairs = record.matched if isinstance(record, Loss) else {}
        self.matched = {output: _formula(("matched", output), text, names) for output, (text, _) in pairs.items()}

    def every(self) -> Iterator[tuple[What, Expression]]:
        """All formulas with what they are, the value first."""
        yield ("value", ""), self.value
        for name, tree in self.derivatives.items():
            yield ("derivative", name), tree
        for tree in self.kinks:
            yield ("kink", ""), tree
        for output, tree in self.matched.items():
            yield ("matched", output), tree

    def calls(self) -> Iterator[tuple[What, str, int]]:
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
            self.state[name] = _formula(("state", name), text, known)
            known = (*known, name + "'")
        self.between: dict[str, Expression] = {}
        for name, text in record.between.items():
            self.between[name] = _formula(("", name), text, known)
            known = (*known, name)
        self.weight = _formula(("weight", ""), record.weight, known)

    def calls(self) -> Iterator[tuple[What, str, int]]:
        """What each formula calls: (what the formula is, function, number of arguments); operators are left out."""
        for name, tree in self.state.items():
            yield from _calls(("state", name), tree)
        for name, tree in self.between.items():
            yield from _calls(("", name), tree)
        yield from _calls(("weight", ""), self.weight)


def _calls(what: What, tree: Expression) -> Iterator[tuple[What, str, int]]:
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
        told = message("error.hint", text=problem.message, hint=problem.hint) if problem.hint else problem.message
        if problem.span:
            column = problem.span.source.position(problem.span.start)[1]
            told = message("formula.column", text=told, column=column)
        raise ValueError(told) from None


def _formula(what: What, text: object, names: tuple[str, ...]) -> Expression:
    if not isinstance(text, str):
        raise ValueError(message("formula.no_text", what=worded(what), kind=type(text).__name__))
    try:
        tree = parse(text)
    except ValueError as error:
        raise ValueError(message("formula.parse", what=worded(what), text=text, error=error.args[0])) from None
    for node in preorder(tree):
        if isinstance(node, Reference):
            if node.indices or node.name not in names:
                raise ValueError(
                    message(
                        "formula.uses",
                        what=worded(what),
                        text=text,
                        name=node.name,
                        names=message.listed([*names], "list.comma"),
                    )
                )
        elif not isinstance(node, (Number, Call)):
            raise ValueError(message("formula.indices", what=worded(what), text=text))
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
            raise ValueError(message("formula.text", field=field))
    if isinstance(record, Topology):
        if not callable(record.build):
            raise ValueError(message("formula.build"))
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
        raise ValueError(message("formula.arguments", result=RESULT))
    for name, default in record.parameters.items():
        if not _is_finite(default):
            raise ValueError(message("formula.default", name=name))
    if record.kind not in KINDS:
        raise ValueError(message("formula.kind", kind=repr(record.kind), known=message.listed([*KINDS], "list.comma")))
    if isinstance(record, Activation) and (record.kind != "elementwise" or len(record.arguments) != 1):
        raise ValueError(message("formula.activation"))
    if isinstance(record, Loss) and record.kind != "scalar":
        raise ValueError(message("formula.loss"))


def _check_mappings(record: Function) -> None:
    names = (*record.arguments, *record.parameters)
    for field in ("derivatives", "domain"):
        _mapping(field, getattr(record, field))
        for name in getattr(record, field):
            if name not in names:
                raise ValueError(message("formula.not_argument", field=field, name=repr(name)))
    for name, bounds in record.domain.items():
        _bounds(name, bounds)
    if isinstance(record, Loss):
        _mapping("matched", record.matched)
        _mapping("fused", record.fused)
        for output, pair in record.matched.items():
            if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
                raise ValueError(message("formula.pair", output=output))
        _texts("fused", tuple(record.fused.values()))
        if record.targets not in TARGETS:
            raise ValueError(
                message("formula.targets", targets=repr(record.targets), known=message.listed([*TARGETS], "list.comma"))
            )


def _check_update_rule(record: UpdateRule) -> None:
    for field in ("state", "between", "options", "domain", "symbols", "instead"):
        _mapping(field, getattr(record, field))
    own = (*record.state, *record.between, *record.options)
    for name in own:
        _is_name("name", name)
    known = (WEIGHT, GRADIENT, STEP, *own, *(name + "'" for name in record.state))
    if len(set(known)) < len(known):
        raise ValueError(message("formula.rule_names", a=WEIGHT, b=GRADIENT, c=STEP))
    for name, default in record.options.items():
        if name in RESERVED:
            raise ValueError(message("formula.reserved", name=name))
        if not _is_finite(default):
            raise ValueError(message("formula.option_default", name=name))
        _bounds(name, record.domain.get(name, (default, default + 1)))
    for field in ("domain", "symbols"):
        for name in getattr(record, field):
            if name not in (record.options if field == "domain" else own):
                raise ValueError(message("formula.not_name", field=field, name=repr(name)))
    for name, symbol in record.symbols.items():
        _is_name(name, symbol, "formula.symbol")
    _texts("instead", tuple(record.instead.values()), "formula.instead")
    pairs = all(isinstance(pair, tuple) and len(pair) == 2 and all(map(_is_finite, pair)) for pair in record.trace)
    if not isinstance(record.trace, tuple) or not pairs:
        raise ValueError(message("formula.trace"))


def _bounds(name: str, bounds: object) -> None:
    if not (isinstance(bounds, tuple) and len(bounds) == 2 and all(map(_is_finite, bounds)) and bounds[0] < bounds[1]):
        raise ValueError(message("formula.domain", name=name))


def _mapping(field: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise ValueError(message("formula.mapping", field=field, kind=type(value).__name__))
    _texts(field, tuple(value), "formula.names_in")


def _texts(field: str, value: object, key: str = "") -> None:
    """``key`` is of the message that says what the texts are, where a field's name does not."""
    if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(message("formula.texts", field=message(key, field=field) if key else field, value=repr(value)))


def _is_name(what: str, text: object, key: str = "") -> None:
    if not isinstance(text, str) or not _parses_as_name(text):
        raise ValueError(
            message("formula.language_name", what=message(key, name=what) if key else what, text=repr(text))
        )


@cache
def _parses_as_name(text: str) -> bool:
    try:
        return parse(text) == Reference(text)
    except ValueError:
        return False


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")
