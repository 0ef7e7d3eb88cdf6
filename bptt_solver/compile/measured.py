"""What a program takes in memory, by running it once on arrays of ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.compile.frame import Frame
from bptt_solver.compile.load import load
from bptt_solver.compile.program import Compiled
from bptt_solver.compile.statements import NotCompiled


def array_shape(frame: Frame, program: Compiled, label: str) -> tuple[int, ...]:
    """The shape of the array that a program takes under a label. Raises NotCompiled where it is not known."""
    name, fixed = program.labels[label]
    for (other, indices), shape in frame.members.items():
        if other == name and all(f is None or f == i for f, i in zip(fixed, indices, strict=True)):
            return (*[high - low + 1 for low, high in program.inputs[label]], *shape)
    raise NotCompiled(message("compile.shape_unknown", name=label))


def inputs_of_ones(frame: Frame, program: Compiled, dtype: Any) -> dict[str, Any]:
    """Arrays for a program to run on."""
    import numpy

    return {label: numpy.ones(array_shape(frame, program, label), dtype) for label in program.inputs}


def program_peak(program: Compiled, given: dict[str, Any], dtype: Any) -> int:
    """The most bytes that a NumPy program holds while it is made and runs, beside what is given and its own text."""
    make = load(program.source, "make")
    return peak(lambda: make(dtype)(given))


def peak(run: Callable[[], object]) -> int:
    """The most bytes that are held while something runs, beside those held before."""
    import tracemalloc

    import numpy

    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with numpy.errstate(all="ignore"):
            run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not tracing:
            tracemalloc.stop()
