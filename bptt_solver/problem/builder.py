"""From a document to a problem, one step after the other; everything that is wrong is told at once where it can be."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bptt_solver.arithmetic import Value, is_array
from bptt_solver.errors import Excerpt, ProblemError, Problems, Span, fail
from bptt_solver.evaluate import find_shapes
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, preorder, transform
from bptt_solver.language.operations import Operations
from bptt_solver.language.shapes import Shape
from bptt_solver.limits import Limits
from bptt_solver.problem.arrays import (
    MOST_EXACT,
    all_exact,
    common_shape,
    covers_members,
    leaves,
    nested_shape,
    shape_of,
    size_of,
    split,
    to_value,
)
from bptt_solver.problem.document import Document
from bptt_solver.problem.model import Plugins, Problem
from bptt_solver.problem.names import (
    Resolver,
    Survey,
    infer_size,
    is_plain,
    lookalike,
    span_of,
    span_of_word,
)
from bptt_solver.problem.told import (
    counted,
    different,
    loose_text,
    no_size,
    size_hint,
    unknown_name,
)
from bptt_solver.problem.values import FileValue, RandomValue
from bptt_solver.problem.values import Given as GivenText
from bptt_solver.problem.wanted import Wanted
from bptt_solver.records import Network, OptionError
from bptt_solver.system import (
    Given,
    Instance,
    IntegerMap,
    LooseShape,
    RankConflict,
    System,
    infer_shapes,
    loose_shape,
)
from bptt_solver.unfold import instance_text, unfold


class Builder:
    """Builds one problem; notes what is wrong and goes on as long as that makes sense."""

    def __init__(self, document: Document, limits: Limits, plugins: Plugins) -> None:
        self.document = document
        self.limits = limits
        self.plugins = plugins
        self.operations = Operations(plugins.functions)
        self.problems = Problems()
        self.network: Network | None = None
        self.spans: dict[str, Span] = {}

    def build(self, target: str | None, wrt: Sequence[str]) -> Problem:
        """The problem. Raises ProblemError."""
        equations = self._equations()
        maps = self._maps()
        resolver = Resolver(self.operations, maps, self.problems)
        surveys = [Survey(e.right) for e in equations]
        known = {*(e.name for e in equations), *(g.name for g in self.document.givens)}
        for equation, survey in zip(equations, surveys, strict=True):
            resolver.check_calls(equation, survey, known)
            if self.problems.enough:
                break
            if survey.indexed or not is_plain(equation):
                resolver.scan(equation)
        self.problems.raise_if_any()
        givens = self._given_texts()
        arities = self._arities(equations, surveys)
        values = self._values(givens, arities)
        sizes = self._sizes(resolver, equations, values)
        self.problems.raise_if_any()
        equations = [resolver.resolve(e, s, sizes) for e, s in zip(equations, surveys, strict=True)]
        self._names(equations, surveys, values, sizes)
        self._unknown(equations, surveys, resolver, {*known, *values} - sizes.keys(), sizes)
        self.problems.raise_if_any()
        system = System(
            equations,
            self._parts(values, sizes),
            self.operations,
            sizes,
            maps,
            roles={n: g.role for n, g in givens.items()},
        )
        calls = {name for survey in surveys for name, _ in survey.calls}
        shapes = self._ranks(system, calls)
        if "transpose" in calls:
            system = self._rows(system)
        given = self._filled(values, system, shapes)
        unfolded = unfold(system, self.limits)
        sound = find_shapes(unfolded, {key: shape_of(value) for key, value in given.items()}, shapes, self.limits)
        asked = Wanted(self.document, self.network, self.limits)
        chosen = asked.target(target, system, unfolded, sound)
        wanted = asked.wrt(wrt, system, unfolded)
        notes = self.network.notes if self.network else ()
        return Problem(
            self.document, system, unfolded, sound, given, chosen, wanted, self.limits, self.plugins, notes
        )  # fmt: skip

    # -- equations

    def _equations(self) -> list[Equation]:
        from bptt_solver.language.parser import parse_equations

        texts = list(self.document.equations)
        block = self.document.network
        if block is not None:
            try:
                self.network = self.plugins.registry.network(block.topology, block.options, block.span)
            except OptionError as error:
                raise fail(str(error), block.span_of(*error.path)) from None
            texts.insert(0, Excerpt.of(self.network.equations, f"<{block.topology}>"))
        equations: list[Equation] = []
        for text in texts:
            try:
                equations.extend(parse_equations(text, self.limits))
            except ProblemError as error:
                self.problems.extend(error)
        self.problems.raise_if_any()
        if not equations:
            raise fail("there is no equation", hint="write one equation a line under `equations: |`")
        self.limits.check("equations", len(equations), "the document")
        return equations

    def _maps(self) -> dict[str, IntegerMap]:
        maps: dict[str, IntegerMap] = {}
        for item in self.document.maps:
            table: dict[tuple[int, ...], int] = {}
            for indices, value in leaves(item.value, item.starts):
                if type(value) is not int:
                    self.problems.add(f"the map '{item.name}' holds whole numbers only", item.value_span)
                    break
                table[indices] = value
            maps[item.name] = IntegerMap(item.name, table)
        return maps

    # -- given names

    def _given_texts(self) -> dict[str, GivenText]:
        """The first given text of each name (its role), after noting names that are given twice."""
        first: dict[str, GivenText] = {}
        seen: dict[tuple[str, tuple[int, ...] | None], GivenText] = {}
        for item in self.document.givens:
            key = (item.name, item.members)
            if key in seen:
                self.problems.add(f"'{item.label}' is given twice", item.key_span)
            seen[key] = item
            first.setdefault(item.name, item)
        for item in self.document.givens:
            whole = seen.get((item.name, None))
            if item.members is not None and whole is not None and covers_members(whole, item.members):
                hint = f"it is a part of '{item.name}', which is given whole"
                self.problems.add(f"'{item.label}' is given twice", item.key_span, hint)
        return first

    def _arities(self, equations: Sequence[Equation], surveys: Sequence[Survey]) -> dict[str, int]:
        """How many indices each name carries. Different numbers in one document are an error."""
        arities: dict[str, int] = {}
        for equation, survey in zip(equations, surveys, strict=True):
            self._arity(arities, equation, equation.name, len(equation.indices), None)
            bound = [r.variable for r in equation.ranges]
            for (name, count), node in survey.references.items():
                if count or name not in bound:
                    self._arity(arities, equation, name, count, node)
        for item in self.document.givens:
            if item.members is not None:
                known = arities.setdefault(item.name, len(item.members))
                if known != len(item.members):
                    self.problems.add(
                        f"'{item.label}' is given with {counted(len(item.members))}, "
                        f"but the equations write {counted(known)}",
                        item.key_span,
                    )
            else:
                arities.setdefault(item.name, 0)
        return arities

    def _arity(
        self, arities: dict[str, int], equation: Equation, name: str, count: int, node: Expression | None
    ) -> None:
        known = arities.setdefault(name, count)
        if known != count:
            self.problems.add(
                f"'{name}' has {counted(count)} here and {counted(known)} elsewhere",
                span_of(equation, node),
                "a name carries the same number of indices everywhere",
            )

    def _values(
        self, givens: Mapping[str, GivenText], arities: Mapping[str, int]
    ) -> dict[str, dict[tuple[int, ...], Any]]:
        """Name -> member -> value (nested lists still, or NumPy arrays from files)."""
        result: dict[str, dict[tuple[int, ...], Any]] = {}
        for item in self.document.givens:
            raw = self._raw(item)
            if raw is None:
                continue
            self.spans.setdefault(item.name, item.key_span)
            self.spans.setdefault(item.label, item.key_span)
            members = result.setdefault(item.name, {})
            arity = arities.get(item.name, 0)
            if item.members is not None:
                if len(item.members) == arity:
                    members[item.members] = raw
                continue
            for indices, value in split(raw, item.starts, arity, item, self.problems):
                members.setdefault(indices, value)
        self._zeros(result)
        return result

    def _raw(self, item: GivenText) -> Any:
        value: Any = item.value
        if isinstance(value, FileValue):
            from bptt_solver.problem.files import load

            return load(value, self.document.folder, self.limits)
        if isinstance(value, RandomValue):
            from bptt_solver.problem.files import draw_value

            shape = value.shape
            if shape is None and self.network is not None:
                shape = self._network_shape(item.label) or self._network_shape(item.name)
            if shape is None:
                self.problems.add(
                    f"the shape of '{item.label}' is not known",
                    item.value_span,
                    "write {random: {shape: [2, 3], seed: 1}}",
                )
                return None
            return draw_value(value, item.label, tuple(shape))
        return value

    def _network_shape(self, label: str) -> tuple[int, ...] | None:
        """The shape that a topology asks for, if every length in it is known."""
        if self.network is None or label not in self.network.parameters:
            return None
        lengths = [self.network.sizes.get(n) if isinstance(n, str) else n for n in self.network.parameters[label]]
        return None if any(n is None for n in lengths) else tuple(int(n) for n in lengths if n is not None)

    def _zeros(self, values: dict[str, dict[tuple[int, ...], Any]]) -> None:
        """Parameters that a topology declares as 0 unless they are given."""
        for label in self.network.zeros if self.network is not None else ():
            name, _, rest = label.partition("[")
            indices = tuple(int(i) for i in rest.rstrip("]").split(",")) if rest else ()
            shape = self._network_shape(label)
            if indices in values.get(name, {}) or shape is None:
                continue
            value: Any = 0.0
            for length in reversed(shape):
                value = [value] * length
            values.setdefault(name, {})[indices] = value

    def _sizes(
        self, resolver: Resolver, equations: Sequence[Equation], values: dict[str, dict[tuple[int, ...], Any]]
    ) -> dict[str, int]:
        sizes = {name: value for name, value in self.network.sizes.items() if value is not None} if self.network else {}
        for item in self.document.sizes:
            if type(item.value) is int:
                sizes[item.name] = item.value
        defined = {e.name for e in equations}
        extents = {
            name: [(min(i[k] for i in members), max(i[k] for i in members)) for k in range(len(next(iter(members))))]
            for name, members in values.items() if members and name not in defined
        }  # fmt: skip
        for name, (equation, node) in resolver.sizes.items():
            if name in sizes:
                continue
            given = values.get(name, {}).get(())
            if type(given) is int and name in resolver.bounds:
                sizes[name] = given
                continue
            span = span_of_word(equation, name)
            if name in values or name in defined:
                self.problems.add(*no_size(name, name in defined, given, span))
                continue
            value, said = infer_size(name, equations, extents)
            if value is not None:
                sizes[name] = value
            elif said:
                told = ", ".join(f"{n} says {v}" for n, v in said)
                self.problems.add(
                    f"the size {name} is not clear: {told}",
                    span,
                    f"declare it: `sizes: {{{name}: {said[0][1]}}}`",
                )
            else:
                hint = size_hint(name, equation, node, sizes)
                self.problems.add(f"'{name}' is neither an index nor a size", span, hint)
            if self.problems.enough:
                break
        return sizes

    def _names(
        self,
        equations: Sequence[Equation],
        surveys: Sequence[Survey],
        values: Mapping[str, Any],
        sizes: Mapping[str, int],
    ) -> None:
        """Names that look alike, and index variables that are also families."""
        looks: dict[str, str] = {}
        families = dict.fromkeys([*values, *(e.name for e in equations)])
        ascii_only = all(name.isascii() for name in families)
        if not ascii_only:
            for name in families:
                other = looks.setdefault(lookalike(name), name)
                if other != name:
                    span = self.spans.get(name) or next((span_of(e) for e in equations if e.name == name), None)
                    message = f"'{name}' and '{other}' look alike but are different names"
                    self.problems.add(message, span, f"use one spelling: {different(name, other)}")
        for equation, survey in zip(equations, surveys, strict=True):
            if equation.name in sizes:
                self.problems.add(
                    f"'{equation.name}' is a size, so no equation defines it", span_of(equation), "rename one of them"
                )
            if not equation.ranges and not survey.bound:
                continue
            for item in dict.fromkeys((*(r.variable for r in equation.ranges), *survey.bound)):
                if item in families or item in sizes:
                    what = "a size" if item in sizes else "a quantity"
                    span = span_of_word(equation, item)
                    self.problems.add(f"the index '{item}' is also the name of {what}", span, "rename one of them")

    def _unknown(
        self,
        equations: Sequence[Equation],
        surveys: Sequence[Survey],
        resolver: Resolver,
        families: set[str],
        sizes: Collection[str],
    ) -> None:
        """Note names that are neither given nor defined nor an index, each where it stands first."""
        told: set[str] = set()
        for equation, survey in zip(equations, surveys, strict=True):
            if all(name in families for name, _ in survey.references):
                continue
            bound = {r.variable for r in equation.ranges}
            for (name, count), node in survey.references.items():
                if name in resolver.maps:
                    resolver.check_map(name, count, equation, node)
                    continue
                is_index = name in bound or name in sizes
                if name in families or name in told or (is_index and not count):
                    continue
                told.add(name)
                span = span_of(equation, node)
                if is_index:
                    what = "a size" if name in sizes else "an index"
                    self.problems.add(
                        f"'{name}' is {what}, so it has no members", span, f"write {name} without brackets"
                    )
                else:
                    self.problems.add(*unknown_name(name, families - {equation.name}, span))
            if self.problems.enough:
                return

    def _parts(
        self, values: Mapping[str, dict[tuple[int, ...], Any]], sizes: Mapping[str, int]
    ) -> dict[str, list[Given]]:
        """The given families as parts: boxes where the members fill one."""
        result: dict[str, list[Given]] = {}
        for name, members in values.items():
            if name in sizes or not members:
                continue
            indices = list(members)
            width = len(indices[0])
            low = tuple(min(i[k] for i in indices) for k in range(width))
            high = tuple(max(i[k] for i in indices) for k in range(width))
            volume = 1
            for a, b in zip(low, high, strict=True):
                volume *= b - a + 1
            shapes = {nested_shape(v) for v in members.values()}
            shape: LooseShape = shapes.pop() if len(shapes) == 1 else common_shape(shapes)
            explicit = None if volume == len(indices) else tuple(sorted(indices))
            role = next((g.role for g in self.document.givens if g.name == name), "value")
            result[name] = [Given(name, low, high, shape, role, explicit)]
        return result

    # -- shapes

    def _ranks(self, system: System, calls: Collection[str] | None = None) -> dict[str, LooseShape]:
        try:
            return infer_shapes(system, calls)
        except RankConflict as conflict:
            equation, shape, known = conflict.args
            raise fail(
                f"{equation.name} is {loose_text(shape)} here and {loose_text(known)} elsewhere", span_of(equation),
                "all members of a family are numbers, or all vectors, or all matrices",
            ) from None  # fmt: skip

    def _rows(self, system: System) -> System:
        """``u.T @ v`` of two vectors is a number: dot(u, v). ``u @ v.T`` is outer(u, v), and ``u.T @ A`` is (A.T @
        u).T."""
        changed = False
        equations = []
        shapes: dict[str, LooseShape] = {n: (None,) * r for n, r in system.ranks.items()}
        for equation in system.equations:
            if not any(isinstance(n, Call) and n.operation == "transpose" for n in preorder(equation.right)):
                equations.append(equation)
                continue

            def is_vector(node: Expression) -> bool:
                shape = loose_shape(node, shapes, system.operations)
                return shape is not None and len(shape) == 1

            def change(node: Expression) -> Expression:
                if isinstance(node, Call) and node.operation == "matmul":
                    left, right = node.arguments
                    if isinstance(left, Call) and left.operation == "transpose" and is_vector(left.arguments[0]):
                        if is_vector(right):
                            return Call("dot", (left.arguments[0], right))
                        return Call("transpose", (Call("matmul", (build.transpose(right), left.arguments[0])),))
                    if (
                        isinstance(right, Call)
                        and right.operation == "transpose"
                        and is_vector(right.arguments[0])
                        and is_vector(left)
                    ):
                        return Call("outer", (left, right.arguments[0]))
                return node

            right = transform(equation.right, change)
            changed = changed or right is not equation.right
            equations.append(
                Equation(equation.name, equation.indices, right, equation.ranges, equation.conditions, equation.origin)
            )
        if not changed:
            return system
        result = System(equations, system.given, system.operations, system.sizes, system.maps, roles=system.roles)
        self._ranks(result)
        return result

    def _filled(
        self, values: Mapping[str, dict[tuple[int, ...], Any]], system: System, shapes: Mapping[str, LooseShape]
    ) -> dict[Instance, Value]:
        """The values of the given instances; a number given for a member of an array family fills it."""
        exact = all(all_exact(v) for members in values.values() for v in members.values())
        exact = exact and sum(size_of(v) for members in values.values() for v in members.values()) <= MOST_EXACT
        total, most, first = 0, self.limits.get("elements"), None
        result: dict[Instance, Value] = {}
        for name, members in values.items():
            if name not in system.given:
                continue
            for indices, raw in members.items():
                value = to_value(raw, exact)
                total += value.size if is_array(value) else 1
                if total > most and first is None:
                    first = self.spans.get(name)
                shape = tuple([n for n in shapes[name] if n is not None])
                if not is_array(value) and system.ranks[name]:
                    if len(shape) != system.ranks[name]:
                        raise self._member_differs((name, indices), (), shapes[name], members)
                    import numpy

                    value = numpy.full(shape, value, dtype=object if exact else float)
                elif (value.ndim if is_array(value) else 0) != system.ranks[name]:
                    raise self._member_differs((name, indices), shape_of(value), shapes[name], members)
                result[name, indices] = value
        self.limits.check("elements", total, "the data", first)
        return result

    def _member_differs(
        self, key: Instance, shape: Shape, wanted: LooseShape, members: Mapping[tuple[int, ...], Any]
    ) -> ProblemError:
        """A given member that is not like the rest of its family."""
        text = instance_text(key)
        other = next((i for i, v in members.items() if len(nested_shape(v)) == len(wanted)), None)
        rest = key[0] if other is None else instance_text((key[0], other))
        what = loose_text(wanted if other is None else nested_shape(members[other]))
        hint = "all members of a family are numbers, or all vectors, or all matrices"
        span = self.spans.get(text, self.spans.get(key[0]))
        return fail(f"{text} is {loose_text(shape)}, but {rest} is {what}", span, hint)
