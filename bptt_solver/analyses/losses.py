"""The losses that a target adds up, and a backward sweep for any of them on the same forward values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import Value, is_array
from bptt_solver.chain_rule import differentiate
from bptt_solver.contributions import contributions, instance_of
from bptt_solver.instances import ground_reads
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Expression,
    Index,
    IndexValue,
    Iverson,
    Number,
    Range,
    Reference,
    Sum,
    derivative_name,
    preorder,
)
from bptt_solver.partials import local_partials
from bptt_solver.system import Given, Instance
from bptt_solver.terms import AdjointEquation, Term
from bptt_solver.unfold import unfold

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.instances import Ground
    from bptt_solver.steps.times import Times

_TOTAL, _SEED = "·total", "·seed"
_INDEX = "·i"
_LINEAR = frozenset({"add", "neg", "mul", "div", "sum"})


class Loss:
    """One of the instances that the target is made of: the target's own effect of it (``seed``, in its shape), and its
    time."""

    __slots__ = ("key", "number", "seed", "time")

    def __init__(self, key: Instance, number: int, seed: Value, time: int | None) -> None:
        self.key = key
        self.number = number
        self.seed = seed
        self.time = time


def losses_of(computation: Computation, times: Times) -> list[Loss]:
    """What the target's equation adds up, each with its simple partial: members of a family of losses with 1 (or 1/T in
    a mean), in the order of computation, what has no time last.

    A sum inside the sum is opened if nothing else reads it. What the target reads otherwise (``sum((y[t] - d[t])**2)``
    reads ``y[t]``) counts in the same way, so that the losses always make up the whole target; a target that reads one
    thing only, and is not just a multiple of it, is its own loss.
    """
    forward = computation.problem.unfolded
    target = forward.number[computation.target_key]
    seeds = _direct(computation, target)
    if len(seeds) == 1 and not _is_linear(target, computation):
        seeds = {target: 1}
    else:
        _open(seeds, target, computation)
    place = {number: at for at, number in enumerate(forward.order)}
    ordered = sorted(seeds, key=lambda n: (n not in place, place.get(n, n)))
    losses = [Loss(forward.keys[n], n, seeds[n], _time(n, computation, times)) for n in ordered]
    return sorted(losses, key=lambda loss: loss.time is None)


def _direct(computation: Computation, target: int) -> dict[int, Value]:
    """The target's simple partial by everything computed, and by everything wanted, that its equation reads."""
    forward = computation.problem.unfolded
    wanted = frozenset(computation.problem.wanted())
    seeds: dict[int, Value] = {}
    for number in forward.reads(target):
        key = forward.keys[number]
        backward = computation.derivative_number(key)
        if backward is None or (forward.grounds[number] is None and key not in wanted):
            continue
        for part in contributions(computation, backward):
            if part.user == computation.target_key:
                seeds[number] = seeds[number] + part.value if number in seeds else part.value
    return seeds


def _open(seeds: dict[int, Value], target: int, computation: Computation) -> None:
    """Replace partial sums that only the target reads by what they add up, and by what is wanted in them."""
    forward = computation.problem.unfolded
    wanted = frozenset(computation.problem.wanted())
    readers: dict[int, int] = {}
    for number in forward.order:
        for read in forward.reads(number):
            readers[read] = readers.get(read, 0) + 1
    todo = [n for n in seeds if readers[n] == 1 and n != target]
    while todo:
        number = todo.pop()
        if is_array(computation.values[number]) or not _is_linear(number, computation):
            continue
        partials = local_partials(forward, number, computation.values, computation.arithmetic)
        inner = [n for n in partials if forward.grounds[n] is not None or forward.keys[n] in wanted]
        if any(is_array(computation.values[n]) for n in inner):
            continue
        weight = seeds.pop(number)
        for read in inner:
            seeds[read] = seeds.get(read, 0) + weight * partials[read]
            if readers[read] == 1:
                todo.append(read)


def _is_linear(number: int, computation: Computation) -> bool:
    """Whether an instance is a sum of computed instances with factors that are constants or data."""
    equation = computation.problem.unfolded.equations[number]
    system = computation.problem.system
    if equation is None:
        return False
    read = 0
    for node in preorder(equation.right):
        if isinstance(node, Call):
            if node.operation not in _LINEAR:
                return False
            computed = [_computes(a, computation) for a in node.arguments]
            if node.operation in ("mul", "div") and (sum(computed) > 1 or (node.operation == "div" and computed[1])):
                return False
        elif type(node) is Reference:
            if node.name not in system.defining and system.roles.get(node.name) != "data":
                return False
            read += node.name in system.defining
        elif not isinstance(node, (Number, IndexValue, Iverson, Sum)):
            return False
    return read > 0


def _computes(expression: Expression, computation: Computation) -> bool:
    defining = computation.problem.system.defining
    return any(type(n) is Reference and n.name in defining for n in preorder(expression))


def _time(number: int, computation: Computation, times: Times) -> int | None:
    """The time of an instance; of one without a time, that of the latest thing that it depends on."""
    forward = computation.problem.unfolded
    own = times.of(forward.keys[number]) if forward.grounds[number] is not None else None
    if own is not None:
        return own
    latest: int | None = None
    seen = {number}
    stack = [number]
    while stack:
        for read in forward.reads(stack.pop()):
            if read in seen or forward.grounds[read] is None:
                continue
            seen.add(read)
            time = times.of(forward.keys[read])
            if time is None:
                stack.append(read)
            else:
                latest = time if latest is None else max(latest, time)
    return latest


class Piece:
    """What one use contributed in a sweep: the use's instance, the term of the backward equation, the value."""

    __slots__ = ("environment", "term", "user", "value")

    def __init__(self, term: Term, user: Instance, environment: Mapping[str, int], value: Value) -> None:
        self.term = term
        self.user = user
        self.environment = environment
        self.value = value


class Sweep:
    """The error signals of one sweep by forward instance (nothing where no path leads), and the pieces of the sums."""

    __slots__ = ("pieces", "signals")

    def __init__(self) -> None:
        self.signals: dict[int, Value] = {}
        self.pieces: dict[int, list[Piece]] = {}


class Sweeps:
    """Backward sweeps from chosen losses. The target is replaced by ``Σ_l seed_l · loss_l``, in which each seed is a
    given number (or array): the same chain rule, but a sweep can begin at any of them, and what no path reaches is not
    looked at.
    """

    def __init__(self, computation: Computation, losses: Sequence[Loss]) -> None:
        self.computation = computation
        self.losses = losses
        self.forward = computation.problem.unfolded
        self._seeds: dict[Instance, Value] = {}
        self._seed_keys: list[Instance] = [("", ())] * len(losses)
        self.total = f"{_TOTAL} {computation.target_text}"  # not a name that anybody can write
        self._build()

    def _build(self) -> None:
        computation, problem = self.computation, self.computation.problem
        given: dict[str, Sequence[Given]] = {}
        ranks: dict[str, int] = {self.total: 0}
        terms = [self._term(run, at, given, ranks) for at, run in enumerate(_runs(self.losses))]
        equation = Equation(self.total, (), build.add(terms))
        system = problem.system.extended([equation], ranks, given)
        base = unfold(system, problem.limits, self.forward)
        backward = differentiate(system, Reference(self.total))
        self.unfolded = unfold(backward, problem.limits, base)
        self.first = base.first
        unfolded, arithmetic = self.unfolded, computation.arithmetic
        self._values: list[Value] = [None] * (len(unfolded.keys) + len(unfolded.constants))
        self._values[: self.first] = computation.values[: self.first]
        for key, value in self._seeds.items():
            self._values[unfolded.number[key]] = value
        for at, (_, constant) in enumerate(unfolded.constants):
            self._values[-1 - at] = arithmetic.scalar(constant)
        self._base: dict[int, int] = {}
        self._readers: dict[int, list[tuple[int, int]]] = {}
        self._place = {number: at for at, number in enumerate(unfolded.order)}
        for number in unfolded.order:
            line = unfolded.equations[number]
            assert isinstance(line, AdjointEquation)
            base_number = self._base[number] = unfolded.number[line.of, unfolded.keys[number][1]]
            known = self._values[base_number]
            self._values[number] = known * 0 if is_array(known) else 0
            if not line.terms:
                self._values[number] = 1  # of the total itself
            for at, ground in enumerate(unfolded.grounds[number] or ()):
                for source in dict.fromkeys(ground_reads([ground])):
                    if source >= self.first:
                        self._readers.setdefault(source, []).append((number, at))

    def _term(
        self, run: Sequence[int], at: int, given: dict[str, Sequence[Given]], ranks: dict[str, int]
    ) -> Expression:
        """``seed · loss``, or the sum of such over neighbouring members of a family."""
        losses = [self.losses[at_loss] for at_loss in run]
        shape = tuple(getattr(losses[0].seed, "shape", ()))
        name, indices = losses[0].key
        seed = f"{_SEED}{at} {self.computation.target_text}"
        ranks[seed] = len(shape)
        low = indices[-1] if indices else 0
        given[seed] = [Given(seed, (low,), (low + len(run) - 1,), shape)]
        for place, (at_loss, loss) in enumerate(zip(run, losses, strict=True)):
            self._seed_keys[at_loss] = (seed, (low + place,))
            self._seeds[self._seed_keys[at_loss]] = loss.seed
        last = Index(low) if len(run) == 1 else Index.variable(_INDEX)
        factor = Reference(seed, (last,))
        of = Reference(name, (*(Index(i) for i in indices[:-1]), last) if indices else ())
        product: Expression = Call("mul", (factor, of))
        if len(shape) == 1:
            product = Call("dot", (factor, of))
        elif shape:
            product = Call("sum", (product,))
        return product if len(run) == 1 else Sum(product, (Range(_INDEX, Index(low), Index(low + len(run) - 1)),))

    # -- a sweep

    def route(self, chosen: Sequence[int], blocked: Callable[[int], bool] | None = None) -> list[tuple[int, list[int]]]:
        """What a sweep from the chosen losses (by their place in the list) computes, in order: the number of each
        derivative, and which of its grounds a path leads through. ``blocked`` forward instances pass nothing on, as if
        their value were given. It is the same for any values."""
        unfolded = self.unfolded
        pending: dict[int, dict[int, None]] = {}
        heap: list[int] = []

        def reach(source: int) -> None:
            for number, ground in self._readers.get(source, ()):
                if number not in pending:
                    pending[number] = {}
                    heappush(heap, self._place[number])
                pending[number][ground] = None

        for at_loss in chosen:
            reach(self.seed_number(at_loss))
        found: list[tuple[int, list[int]]] = []
        while heap:
            number = unfolded.order[heappop(heap)]
            base = self.base(number)
            if blocked is None or base >= self.first or not blocked(base):
                found.append((number, sorted(pending[number])))
                reach(number)
        return found

    def run(
        self,
        chosen: Sequence[int],
        blocked: Callable[[int], bool] | None = None,
        kept: Sequence[Instance] = (),
    ) -> Sweep:
        """One sweep (see `route`); of the ``kept`` instances the single contributions are kept as well."""
        unfolded, values = self.unfolded, self._values
        wanted = {n for key in kept if (n := self.backward_number(key)) is not None}
        result = Sweep()
        touched: list[tuple[int, Value]] = []
        for number, reached in self.route(chosen, blocked):
            base = self.base(number)
            grounds = unfolded.grounds[number] or []
            parts: list[tuple[Ground, Value]] = []
            for at in reached:
                parts.append((grounds[at], self._settled(self._evaluate(grounds[at]), values[base])))
            total = parts[0][1]
            for _, value in parts[1:]:
                total = total + value
            touched.append((number, values[number]))
            values[number] = total
            if base < self.first:
                result.signals[base] = total
            if number in wanted:
                result.pieces[base] = [self.piece(number, ground, value) for ground, value in parts]
        for number, value in touched:
            values[number] = value
        return result

    def base(self, number: int) -> int:
        """The forward instance (or seed) that a derivative belongs to."""
        return self._base[number]

    def seed_number(self, at_loss: int) -> int:
        """The number of a loss's seed."""
        return self.unfolded.number[self._seed_keys[at_loss]]

    def backward_number(self, key: Instance) -> int | None:
        """The number of the derivative of the sum of the losses with respect to an instance; None: no path."""
        return self.unfolded.number.get((derivative_name(self.total, key[0]), key[1]))

    def pieces(self, key: Instance) -> list[Piece]:
        """All uses of an instance that a path leads through, without values."""
        number = self.backward_number(key)
        return [] if number is None else [self.piece(number, g, None) for g in self.unfolded.grounds[number] or ()]

    def piece(self, number: int, ground: Ground, value: Value) -> Piece:
        """A contribution to a derivative."""
        equation = self.unfolded.equations[number]
        assert isinstance(equation, AdjointEquation)
        term = equation.terms[ground.part]
        user = instance_of(term.user, ground.environment, self.computation)
        if user[0] == self.total:
            user = self.computation.target_key
        return Piece(term, user, ground.environment, value)

    def _evaluate(self, ground: Ground) -> Value:
        arithmetic = self.computation.arithmetic
        slots = [self._values[s] if isinstance(s, int) else self._added(s) for s in ground.slots]
        return ground.template.compiled(arithmetic, arithmetic.compile)(slots)

    def _added(self, grounds: Sequence[Ground]) -> Value:
        total: Value = 0
        for at, ground in enumerate(grounds):
            value = self._evaluate(ground)
            total = value if at == 0 else total + value
        return total

    @staticmethod
    def _settled(value: Value, base: Value) -> Value:
        """A number that stands for an array becomes one, an array of floats and fractions one of floats; NumPy's
        numbers become Python's."""
        if is_array(base):
            if not is_array(value) or value.shape != base.shape:
                value = base * 0 + value
            inexact = value.dtype == object and any(isinstance(v, float) for v in value.ravel().tolist())
            return value.astype(float) if inexact else value
        return value.item() if hasattr(value, "dtype") else value


def _runs(losses: Sequence[Loss]) -> list[list[int]]:
    """The losses by neighbouring members of one family, of one shape."""
    runs: list[list[int]] = []
    for at, loss in enumerate(losses):
        before = losses[runs[-1][-1]] if runs else None
        name, indices = loss.key
        joined = (
            before is not None
            and indices
            and before.key[0] == name
            and before.key[1] == (*indices[:-1], indices[-1] - 1)
            and getattr(before.seed, "shape", ()) == getattr(loss.seed, "shape", ())
        )
        if joined:
            runs[-1].append(at)
        else:
            runs.append([at])
    return runs


def size(value: Any) -> float:
    """The norm of a value: the absolute value of a number, the root of the sum of squares of an array."""
    if not is_array(value):
        return float(abs(value))
    import numpy

    return float(numpy.linalg.norm(value.astype(float)))


__all__ = ["Loss", "Piece", "Sweep", "Sweeps", "losses_of", "size"]
