"""Gradients of long sequences in a stated amount of memory: segment by segment, the states in between kept or computed
again (`revolve`).

What goes in and comes out are the arrays of the program over all steps (`program.compile_frame`). The data may be
arrays of any kind that can be sliced (`numpy.memmap`, an HDF5 data set, `stored`): only the rows of one segment are
read at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.compile.budget import Sizes, choose
from bptt_solver.compile.frame import Frame
from bptt_solver.compile.load import load
from bptt_solver.compile.measured import inputs_of_ones, program_peak
from bptt_solver.compile.program import Compiled, compile_frame
from bptt_solver.compile.revolve import Advance, Restore, Reverse, Store
from bptt_solver.compile.segments import Handed, Segments
from bptt_solver.compile.statements import Label, label_text
from bptt_solver.language.expressions import derivative_name, derivative_parts, is_derivative
from bptt_solver.progress import tell
from bptt_solver.unfold import instance_text

Arrays = dict[str, Any]
OBJECTS = 8_000  # bytes of the run itself: its dictionaries and views


class Checkpointed:
    """The ordered derivatives of a frame's target by the families ``derivatives``, in at most ``budget`` bytes beside
    the arrays that are given.

    Raises NotCompiled with the reason for what cannot be cut in time, ProblemError for a budget that is too small.
    """

    def __init__(self, frame: Frame, derivatives: Sequence[str], budget: int, dtype: str = "float64") -> None:
        import numpy

        self.frame = frame
        self.dtype = numpy.dtype(dtype)
        self.segments = Segments(frame, derivatives)
        self.derivatives = list(derivatives)
        self.state = self.weights = 0  # bytes of a state and of the gradient
        self.sizes = self._sizes()
        self.plan = choose(self.segments.steps, self.segments.cut.shortest, budget, self.sizes)
        self._programs: dict[tuple[str, int, bool], Compiled] = {}
        self._makers: dict[tuple[str, int, bool], Callable[..., Any]] = {}
        indices = tuple(frame.system.index(i, {}) for i in frame.target.indices)
        self.target = instance_text((frame.target.name, indices))

    def compiled(self, kind: str, length: int, first: bool = False) -> Compiled:
        """The program ``forward``, ``middle`` or ``last`` of a segment."""
        key = (kind, length, first and self.segments.begins)
        if key not in self._programs:
            self._programs[key] = compile_frame(*self.segments.of(*key))
        return self._programs[key]

    def made(self, kind: str, length: int, first: bool = False) -> Callable[[Arrays], Arrays]:
        """The program as a function, with its arrays."""
        key = (kind, length, first and self.segments.begins)
        if key not in self._makers:
            self._makers[key] = load(self.compiled(*key).source, "make")
        function: Callable[[Arrays], Arrays] = self._makers[key](self.dtype)
        return function

    # -- what things weigh

    def _sizes(self) -> Sizes:
        """Measured on short segments; all arrays are a constant and a part that grows with the number of steps."""
        few = max(self.segments.cut.shortest, 8)
        lines = {kind: self._line(kind, few, 2 * few) for kind in ("forward", "middle", "last")}
        return Sizes(
            self.state, 4 * self.state + self.weights + OBJECTS, lines["forward"], lines["middle"], lines["last"]
        )

    def _line(self, kind: str, few: int, more: int) -> Callable[[int], float]:
        low, high = (self._peak(kind, length) for length in (few, more))
        each = (high - low) / (more - few)
        return lambda length: low + each * (length - few)

    def _peak(self, kind: str, length: int) -> int:
        """The most that a program holds while it is made and runs."""
        frame, values, derivatives = self.segments.of(kind, length, False)
        program = compile_frame(frame, values, derivatives)
        given = inputs_of_ones(frame, program, self.dtype)
        if kind == "middle":
            self._weigh(program, given)
        return program_peak(program, given, self.dtype)

    def _weigh(self, program: Compiled, given: Arrays) -> None:
        """Note the bytes of a state and of the gradient."""
        names = [h.before for h in self.segments.handed]
        self.state = sum(given[label].nbytes for label in program.inputs if program.labels[label][0] in names)
        wanted = [label for label in program.inputs if program.labels[label][0] in self.derivatives]
        self.weights = sum(given[label].nbytes for label in wanted)

    # -- the run

    def __call__(self, given: Mapping[str, Any]) -> Arrays:
        """The target and the ordered derivatives. ``given`` holds by label what the program over all steps takes. The
        derivative by a family of states (``h``) has the members that are given, those of the start."""
        return _Run(self, given).result()


class _Run:
    """One computation: the slots, the state at which it stands, λ, and the sums so far."""

    def __init__(self, owner: Checkpointed, given: Mapping[str, Any]) -> None:
        self.owner = owner
        self.plan = owner.plan
        self.segments = owner.segments
        self.cut = owner.segments.cut
        self.given = given
        self.programs: dict[tuple[str, bool], tuple[Compiled, Callable[[Arrays], Arrays]]] = {}
        self.fixed: Arrays = {}
        self.kept: dict[str, Any] = {}
        self.state: Arrays = {}
        self.started: Arrays | None = None  # the states at the start
        self.received: Arrays = {}
        self.sums: Arrays = {}
        self.names = {h.before: h for h in self.segments.handed} | {h.after: h for h in self.segments.handed}

    def result(self) -> Arrays:
        """All actions, one after the other."""
        last = 0
        for action in self.plan.schedule():
            if isinstance(action, Advance):
                for at in range(action.first, action.after):
                    self._forward(at)
            elif isinstance(action, Reverse):
                self._reverse(action.step)
                last = max(last, action.step + 1)
                tell(_named, last - action.step, last)
            elif isinstance(action, Store):
                self._store(action)
            else:
                self._restore(action)
        return self.sums

    # -- programs

    def _program(self, kind: str, at: int) -> tuple[Compiled, Callable[[Arrays], Arrays]]:
        first = at == 0 and self.segments.begins
        if (kind, first) not in self.programs:
            length = self.plan.end if kind == "last" else self.plan.length
            self.programs[kind, first] = (
                self.owner.compiled(kind, length, first),
                self.owner.made(kind, length, first),
            )
        return self.programs[kind, first]

    def _inputs(self, compiled: Compiled, at: int) -> Arrays:
        """What a program takes, for segment ``at``."""
        passed = at * self.plan.length
        if self.started is None:
            self.started = self.state = self._start(compiled)
        found: Arrays = {}
        for label, box in compiled.inputs.items():
            name, fixed = compiled.labels[label]
            if label in self.state:
                found[label] = self.state[label]
            elif label in self.received:
                found[label] = self.received[label]
            elif name == self.segments.passed:
                found[label] = self.owner.dtype.type(passed)
            elif name in self.cut.places and name not in self.owner.frame.system.defining:
                found[label] = self._rows(label, (name, fixed), box, passed)
            else:
                found[label] = self._whole(label)
        return found

    def _whole(self, label: str) -> Any:
        import numpy

        if label not in self.fixed:
            if label not in self.given:
                raise KeyError(message("compile.not_given", name=label))
            self.fixed[label] = numpy.asarray(self.given[label], self.owner.dtype)
        return self.fixed[label]

    def _rows(self, label: str, of: Label, box: Sequence[tuple[int, int]], passed: int) -> Any:
        """The rows of data that a segment reads."""
        import numpy

        if label not in self.given:
            raise KeyError(message("compile.not_given", name=label))
        axis = self._axis(of)
        low = passed + box[axis][0] - self._low(of[0])
        part = self.given[label][(*[slice(None)] * axis, slice(low, low + box[axis][1] - box[axis][0] + 1))]
        return numpy.asarray(part, self.owner.dtype)

    def _axis(self, label: Label) -> int:
        """Where the time is among the indices of a label that stay."""
        return sum(1 for f in label[1][: self.cut.places[label[0]]] if f is None)

    def _low(self, name: str) -> int:
        """The first time at which a family is given."""
        return min(box[self.cut.places[name]][0] for box in self.owner.frame.given[name])

    # -- states

    def _original(self, handed: Handed, fixed: tuple[int | None, ...]) -> Label:
        place = self.cut.places[handed.family]
        return handed.family, (*fixed[:place], None, *fixed[place:])

    def _start(self, compiled: Compiled) -> Arrays:
        """The states at the start, where they are given."""
        found: Arrays = {}
        for label in compiled.inputs:
            name, fixed = compiled.labels[label]
            handed = self.names.get(name)
            if handed is not None:
                of = self._original(handed, fixed)
                at = handed.lag - self._low(handed.family)
                found[label] = self._whole(label_text(of))[(*[slice(None)] * self._axis(of), at)]
        return found

    def _forward(self, at: int) -> None:
        compiled, run = self._program("forward", at)
        found = run(self._inputs(compiled, at))
        state: Arrays = {}
        for label, value in found.items():
            name, fixed = compiled.labels[label]
            state[label_text((self.names[name].before, fixed))] = _copy(value)
        self.state = state

    def _store(self, action: Store) -> None:
        import numpy

        if action.slot == 0:  # the state at the start lies with what is given
            return
        for label, value in self.state.items():
            if label not in self.kept:
                self.kept[label] = numpy.empty((self.plan.slots - 1, *numpy.shape(value)), self.owner.dtype)
            self.kept[label][action.slot - 1] = value

    def _restore(self, action: Restore) -> None:
        if action.slot == 0:
            self.state = self.started or {}
        else:
            self.state = {label: slots[action.slot - 1] for label, slots in self.kept.items()}

    # -- the gradient

    def _reverse(self, at: int) -> None:
        kind = "last" if at == self.plan.segments - 1 else "middle"
        compiled, run = self._program(kind, at)
        found = run(self._inputs(compiled, at))
        if kind == "last":
            self.programs.pop(("last", at == 0 and self.segments.begins))
        received: Arrays = {}
        for label, value in self.state.items():
            name, fixed = compiled.labels[label]
            received[label_text((self.names[name].received, fixed))] = 0 * value
        for label, value in found.items():
            name, fixed = compiled.labels[label]
            if not is_derivative(name):
                if name == self.owner.frame.target.name:
                    self._add(label, value)
                continue
            family = derivative_parts(name)[1]
            handed = self.names.get(family)
            if handed is not None:
                received[label_text((handed.received, fixed))] = _copy(value)
            elif family not in self.cut.states:
                self._add(label_text((derivative_name(self.owner.target, family), fixed)), value)
            else:
                self._at_start(compiled, label, value)
        self.received = received
        if at == 0:
            self._received_at_start(compiled)

    def _add(self, label: str, value: Any) -> None:
        if label in self.sums:
            self.sums[label] += value
        else:
            self.sums[label] = _copy(value)

    def _at_start(self, compiled: Compiled, label: str, value: Any) -> None:
        """The derivative by the states at the start where equations define some of them, and others are given."""
        name, fixed = compiled.labels[label]
        family = derivative_parts(name)[1]
        axis = self._axis((family, fixed))
        own = self.given.get(label_text((family, fixed)))
        if own is not None:
            start = self._low(family) - compiled.outputs[label][axis][0]
            part = value[(*[slice(None)] * axis, slice(start, start + own.shape[axis]))]
            self._add(label_text((derivative_name(self.owner.target, family), fixed)), part)

    def _received_at_start(self, compiled: Compiled) -> None:
        """λ at the start is the derivative by the states there."""
        import numpy

        for label in self.state:
            name, fixed = compiled.labels[label]
            handed = self.names[name]
            if handed.family not in self.owner.derivatives:
                continue
            of = self._original(handed, fixed)
            text = label_text((derivative_name(self.owner.target, of[0]), of[1]))
            if text not in self.sums:
                self.sums[text] = numpy.zeros_like(self._whole(label_text(of)))
            at = handed.lag - self._low(handed.family)
            self.sums[text][(*[slice(None)] * self._axis(of), at)] = self.received[label_text((handed.received, fixed))]


def _copy(value: Any) -> Any:
    """The value in memory of its own: the arrays of a program are used again."""
    return value.copy() if hasattr(value, "copy") else value


def _named() -> str:
    return message("progress.sweep")
