"""The routes by which ordered derivatives are found again: complex step, forward mode, local lines, 50 digits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import Arithmetic, ComplexArithmetic, NotFinite, Value, is_array
from bptt_solver.catalogues import message
from bptt_solver.evaluate import Program, Values
from bptt_solver.forward_mode import STEP, ForwardMode, step_at
from bptt_solver.progress import counted
from bptt_solver.tangents import Sparse
from bptt_solver.verify.noise import Noisy
from bptt_solver.verify.view import Spot, View

if TYPE_CHECKING:
    pass

Row = tuple[int, Sparse]  # an instance and its simple partials
Sums = list[Any]  # one for each entry of an instance
_LEAST = 1e-290  # an imaginary part below it has lost digits
_FEW = 100
_LANE_ELEMENTS = 2_000_000  # of the tangents of one instance
_PASS_ELEMENTS = 12_000_000  # of the tangents of all instances in one pass


# ----------------------------------------------------------------------------- complex step


class ComplexStep:
    """The whole system in complex numbers, one run for each entry."""

    method = "complex step"

    def __init__(self, view: View) -> None:
        self.view = view
        arithmetic = ComplexArithmetic(view.problem.operations)
        self.program = Program(view.unfolded, arithmetic, view.problem.shapes)
        self.base: Values = [_as_complex(v) for v in view.floats]

    def derivative(self, number: int, at: int) -> float:
        """The ordered derivative. Raises ArithmeticError or ProblemError where the complex system cannot be
        evaluated.
        """
        view = self.view
        value = self.base[number]
        step = step_at((value.ravel()[at].item() if is_array(value) else value).real)
        result = view.rerun(self.program, list(self.base), number, at, complex(0, step))
        if not is_array(result) and math.isfinite(result.imag) and (step == STEP or abs(result.imag) > _LEAST):
            return float(result.imag / step)
        raise NotFinite(message("value.not_finite_number"))


def _as_complex(value: Value) -> Value:
    return value.astype(complex) if is_array(value) else complex(value)


# ----------------------------------------------------------------------------- forward mode


class Forward:
    """Forward mode over the system. ``special`` are the instances (at a kink) that follow the rules and their
    convention.
    """

    def __init__(
        self,
        view: View,
        local: str,
        special: frozenset[int] = frozenset(),
        exact: bool = False,
        noise: Noisy | None = None,
    ) -> None:
        self.view = view
        self.local = local
        self.values = view.values if exact else view.floats
        arithmetic = Arithmetic(view.problem.operations)
        if noise is not None:
            arithmetic = noise
            self.values = [noise.disturbed(v) for v in self.values]
        arithmetic.exact_bits = view.problem.limits.get("exact_bits")
        self.mode = ForwardMode(arithmetic, local, settled=True)
        self.rules = self.mode if local == "rules" else ForwardMode(arithmetic, settled=True)
        self.special = special
        self.others = {n: self.rules for n in sorted(special)}
        self.exact = exact
        self._rows: list[Row] | None = None

    def rows(self) -> list[Row]:
        """The simple partials of every instance of a scalar system, in the order of computation."""
        if self._rows is None:
            unfolded, values = self.view.unfolded, self.values
            rows = []
            for number in self.view.order:
                mode = self.rules if number in self.special else self.mode
                rows.append((number, mode.row(unfolded.grounds[number] or (), values, unfolded.reads(number))))
            self._rows = rows
        return self._rows

    def derivative(self, seeds: Mapping[int, Any]) -> Any:
        """The target's tangent in a scalar system, for seeds of some instances."""
        view = self.view
        start = self.start(seeds)
        tangents = dict(seeds)
        for number, row in self.rows()[start:]:
            total = seeds.get(number, 0)
            for i, partial in row.items():
                if i in tangents:
                    total = total + partial * tangents[i]
            if total != 0 or number in tangents:
                tangents[number] = total
            if number == view.target:
                break
        return tangents.get(view.target, 0)

    def start(self, seeds: Mapping[int, Any]) -> int:
        """The position in the order before which no seed has an effect."""
        if not seeds or len(seeds) > _FEW:
            return 0
        view, position = self.view, self.view.computation.program.position
        return min(min(view.first(n), position.get(n, len(view.order))) for n in seeds)

    def spots(self, spots: Sequence[Spot]) -> list[Any]:
        """The ordered derivatives with respect to entries, in that order."""
        view = self.view
        if view.scalar:
            return [self.derivative({n: 1}) for n, _ in counted(spots, _by_forward_mode)]
        found: list[Any] = []
        lanes = max(8, _PASS_ELEMENTS // max(1, view.entries))
        for start in counted(range(0, len(spots), lanes), _by_forward_mode):
            chunk = spots[start : start + lanes]
            seeds: dict[int, Any] = {}
            for lane, (number, at) in enumerate(chunk):
                if number not in seeds:
                    seeds[number] = self.empty(number, len(chunk))
                seeds[number].reshape(len(chunk), -1)[lane, at] = 1
            found.extend(self.directions(seeds, len(chunk)))
        return found

    def empty(self, number: int, lanes: int) -> Any:
        """Zero tangents in the shape of an instance, one for each lane."""
        import numpy

        value = self.values[number]
        return numpy.full((lanes, *(value.shape if is_array(value) else ())), 0, dtype=object if self.exact else float)

    def directions(self, seeds: Mapping[int, Any], lanes: int) -> list[Any]:
        """The target's tangents in a system with arrays, one for each lane."""
        import numpy

        view = self.view
        first = self.start(seeds)
        with numpy.errstate(all="ignore"):
            tangent = self.mode.run(view.unfolded, self.values, seeds, view.target, first, self.others)
        return [0] * lanes if tangent is None else list(tangent.tolist())

    def contributions(self, number: int, g: Value, source: int, seeds: Any) -> Any:
        """``g`` times the derivative of an instance's equation along each lane of one instance that it reads."""
        grounds = self.view.unfolded.grounds[number] or ()
        mode = self.rules if number in self.special else self.mode
        tangent = mode.instance(grounds, self.values, {source: seeds}, self.values[number])
        return None if tangent is None else tangent * g


# ----------------------------------------------------------------------------- a line of the chain rule for each entry


class Lines:
    """Every entry's own line: ``g = ∂E/∂z + Σ g_j ∂z_j/∂z`` with the claimed derivatives on the right.

    The list of users comes from the forward equations, the simple partials from forward mode. All lines hold only if
    all derivatives are right: the system of lines is triangular.
    """

    def __init__(self, forward: Forward, claims: Sequence[Value]) -> None:
        self.forward = forward
        self.claims = claims

    def right_hand_sides(self, spots: Callable[[int], Sequence[int] | None]) -> list[Sums]:
        """For each instance the right-hand sides of its entries.

        ``spots`` chooses entries of large instances (None: all).
        """
        return self._scalars() if self.forward.view.scalar else self._arrays(spots)

    def _scalars(self) -> list[Sums]:
        view, claims = self.forward.view, self.claims
        total: list[Any] = [0] * view.count
        total[view.target] = 1
        for number, row in self.forward.rows():
            g = claims[number]
            if g != 0:
                for i, partial in row.items():
                    total[i] = total[i] + g * partial
        return [[t] for t in total]

    def _arrays(self, spots: Callable[[int], Sequence[int] | None]) -> list[Sums]:
        import numpy

        view = self.forward.view
        kind: Any = object if self.forward.exact else float
        chosen = [spots(n) for n in range(view.count)]
        total = [numpy.full(view.sizes[n] if c is None else len(c), 0, dtype=kind) for n, c in enumerate(chosen)]
        total[view.target][:] = 1
        with numpy.errstate(all="ignore"):
            for number in counted(view.order, _line_by_line):
                g = self.claims[number]
                if g.any() if is_array(g) else g:
                    for source in view.unfolded.reads(number):
                        self._add(number, g, source, chosen[source], total[source])
        return [t.tolist() for t in total]

    def _add(
        self, number: int, g: Value, source: int, chosen: Sequence[int] | None, total: Any, absolute: bool = False
    ) -> None:
        import numpy

        size = self.forward.view.sizes[source]
        value = self.forward.values[source]
        shape = value.shape if is_array(value) else ()
        wanted = range(size) if chosen is None else chosen
        lanes = max(1, _LANE_ELEMENTS // size)
        for start in range(0, len(wanted), lanes):
            chunk = wanted[start : start + lanes]
            seeds = numpy.full((len(chunk), size), 0, dtype=object if self.forward.exact else float)
            seeds[numpy.arange(len(chunk)), chunk] = 1
            parts = self.forward.contributions(number, g, source, seeds.reshape(len(chunk), *shape))
            if parts is not None:
                parts = abs(parts) if absolute else parts
                total[start : start + len(chunk)] += parts.reshape(len(chunk), -1).sum(axis=1)

    def errors(self, known: Mapping[Spot, float]) -> dict[Spot, float]:
        """How errors of some derivatives reach others through their lines."""
        view = self.forward.view
        found: dict[int, list[float]] = {}
        for (number, at), error in known.items():
            found.setdefault(number, [0.0] * view.sizes[number])[at] = error
        rows = dict(self.forward.rows()) if view.scalar else {}
        for number in reversed(view.order):
            if number not in found:
                continue
            for i in view.unfolded.reads(number):
                mine = found.setdefault(i, [0.0] * view.sizes[i])
                if view.scalar:
                    mine[0] += abs(rows[number].get(i, 0.0)) * found[number][0]
                else:
                    for at, part in enumerate(self._reached(number, found[number], i)):
                        mine[at] += part
        return {(n, at): e for n, row in sorted(found.items()) for at, e in enumerate(row) if e}

    def _reached(self, number: int, errors: Sequence[float], source: int) -> list[float]:
        import numpy

        view = self.forward.view
        value = view.values[number]
        g = numpy.array(errors).reshape(value.shape) if is_array(value) else errors[0]
        total = numpy.zeros(view.sizes[source])
        with numpy.errstate(all="ignore"):
            self._add(number, g, source, None, total, absolute=True)
        return list(total.tolist())


def _by_forward_mode() -> str:
    return message("progress.check", method=message("method.forward_mode"))


def _line_by_line() -> str:
    return message("progress.lines")
