"""Recurrent networks for the benchmarks: sizes, numbers by chance, documents, and our programs made from them.

The network is ``z[t] = W_x x[t] + W_h h[t-1] + b``, a cell, ``o[t] = W_y h[t] + b_y`` and softmax with cross-entropy,
summed over the steps and the sequences. Everyone gets the same numbers and gives back the gradients of the five arrays
(rows of the gates i, f, g, o below each other).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import _race as race

SIZES = {  # H, D, K, T, B
    "textbook": (3, 2, 2, 4, 1),
    "characters": (100, 65, 65, 25, 1),
    "middle": (128, 64, 64, 100, 32),
    "large": (256, 128, 128, 200, 32),
}
GATES = {"rnn": ("",), "lstm": ("i", "f", "g", "o"), "own": ("i", "f", "g", "o")}
TOLERANCE = {"float64": 1e-9, "float32": 2e-3}  # of what peers give, relative to the largest number

Arrays = list[Any]


def title(task: Mapping[str, Any]) -> str:
    """A task in words."""
    height, inputs, outputs, steps, count = SIZES[task["size"]]
    name = {"rnn": "RNN", "lstm": "LSTM", "own": "own cell"}[task["cell"]]
    threads = "1 thread" if task.get("threads", 1) == 1 else f"{task['threads']} threads"
    return f"{name}, (H, D, K, T, B) = ({height}, {inputs}, {outputs}, {steps}, {count}), {task['dtype']}, {threads}"


class Numbers:
    """The numbers of a task: ``weights`` (five arrays, more for an own cell), ``x`` (T, B, D), and ``y`` (T, B), the
    class of each step."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        import numpy

        self.cell: str = task["cell"]
        self.sizes = SIZES[task["size"]]
        height, inputs, outputs, steps, count = self.sizes
        rows = len(GATES[self.cell]) * height
        self.dtype: Any = numpy.dtype(task["dtype"])
        chance = numpy.random.default_rng(17)
        shapes: list[tuple[int, ...]] = [(rows, inputs), (rows, height), (rows,), (outputs, height), (outputs,)]
        if self.cell == "own":
            shapes += [(height,), (height,), (height,), (1,)]  # three peepholes and the leak
        self.weights: Arrays = [
            (chance.standard_normal(shape) * 0.3 / max(1, shape[-1]) ** 0.5).astype(self.dtype) for shape in shapes
        ]
        self.x: Any = chance.standard_normal((steps, count, inputs)).astype(self.dtype)
        self.y: Any = chance.integers(0, outputs, (steps, count))

    def one_hot(self) -> Any:
        """The classes as (T, B, K)."""
        import numpy

        return numpy.eye(self.sizes[2], dtype=self.dtype)[self.y]


def sums(arrays: Sequence[Any]) -> list[float]:
    """Two numbers for each array by which results are compared: its length, and one that depends on where which entry
    stands. Neither can cancel, so that each is compared by itself."""
    import numpy

    found = []
    for array in arrays:
        flat = numpy.asarray(array, dtype=numpy.float64).ravel()
        length = float(numpy.linalg.norm(flat))
        found += [length, 2 * length + float(flat @ numpy.cos(numpy.arange(flat.size))) / flat.size**0.5]
    return found


def made(call: Callable[[], Arrays]) -> race.Made:
    """A peer whose call gives the gradients."""
    return race.Made(call, sums)


# ------------------------------------------------------------------ documents


OWN_CELL = """
    z_i[t] = W_i @ x[t] + U_i @ h[t-1] + P_i*c[t-1] + b_i
    i[t] = sigmoid(z_i[t])
    z_f[t] = W_f @ x[t] + U_f @ h[t-1] + P_f*c[t-1] + b_f
    f[t] = sigmoid(z_f[t])
    z_g[t] = W_g @ x[t] + U_g @ h[t-1] + b_g
    g[t] = tanh(z_g[t])
    c[t] = f[t]*c[t-1] + i[t]*g[t]
    z_o[t] = W_o @ x[t] + U_o @ h[t-1] + P_o*c[t] + b_o
    o[t] = sigmoid(z_o[t])
    h[t] = (1 - leak)*h[t-1] + leak*(o[t]*tanh(c[t]))
"""


def document(cell: str, size: str, steps: int = 2) -> str:
    """The network as a document; its numbers are put in afterwards."""
    height, inputs, outputs, _, _ = SIZES[size]
    data = (
        f"data:\n  x: {{random: {{shape: [{steps}, {inputs}], seed: 1}}}}\n  d: {[[1] + [0] * (outputs - 1)] * steps}\n"
    )
    names = parameters(cell)
    if cell == "own":
        equations = "".join(f"{line[2:]} for t in 1..T\n" for line in OWN_CELL.strip("\n").splitlines())
        top = "  a[t] = W_y @ h[t] + b_y for t in 1..T\n  p[t] = softmax(a[t]) for t in 1..T\n"
        loss = "  E = sum(cross_entropy(p[t], d[t]) for t in 1..T)\n"
        shapes = _own_shapes(height, inputs, outputs)
        given = "".join(
            f"  {n}: {{random: {{shape: {list(s)}, seed: {k}}}}}\n" for k, (n, s) in enumerate(shapes.items())
        )
        states = "".join(f"  {n}[0]: {[0] * height}\n" for n in "hc")
        head = f"equations: |\n{equations}{top}{loss}sizes: {{T: {steps}}}\ntarget: E\n{data}"
        return f"{head}values:\n{states}parameters:\n{given}  leak: 0.5\n"
    kind = {"rnn": "elman", "lstm": "lstm"}[cell]
    sizes = f"{{input: {inputs}, hidden: {height}, output: {outputs}}}"
    return (
        f"network: {{topology: {kind}, sizes: {sizes}, steps: {steps}, output: softmax, loss: cross_entropy}}\n"
        f"{data}parameters: {{{', '.join(f'{name}: random' for name in names)}}}\n"
    )


def parameters(cell: str) -> list[str]:
    """The names of what is trained."""
    if cell == "rnn":
        return ["W_x", "W_h", "b_h", "W_y", "b_y"]
    gates = [f"{kind}_{gate}" for gate in GATES[cell] for kind in ("W", "U", "b")]
    return [*gates, "W_y", "b_y", *(("P_i", "P_f", "P_o", "leak") if cell == "own" else ())]


def _own_shapes(height: int, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    gates = {"W": (height, inputs), "U": (height, height), "b": (height,), "P": (height,)}
    found = {n: gates[n[0]] for n in parameters("own") if n[0] in gates and n[2:] in GATES["own"]}
    return {**found, "W_y": (outputs, height), "b_y": (outputs,)}


def values(numbers: Numbers) -> dict[str, Any]:
    """The weights under their names in the document."""
    if numbers.cell == "rnn":
        return dict(zip(parameters("rnn"), numbers.weights, strict=True))
    height = numbers.sizes[0]
    found: dict[str, Any] = {"W_y": numbers.weights[3], "b_y": numbers.weights[4]}
    for k, gate in enumerate(GATES[numbers.cell]):
        rows = slice(k * height, (k + 1) * height)
        for kind, array in zip("WUb", numbers.weights, strict=False):
            found[f"{kind}_{gate}"] = array[rows].copy()
    if numbers.cell == "own":
        found.update(zip(("P_i", "P_f", "P_o"), numbers.weights[5:8], strict=True), leak=numbers.weights[8].reshape(()))
    return found


def gathered(found: Mapping[str, Any], cell: str) -> Arrays:
    """The gradients by name as the arrays that everyone gives."""
    import numpy

    if cell == "rnn":
        return [found[name] for name in parameters("rnn")]
    stacked = [numpy.concatenate([numpy.asarray(found[f"{kind}_{g}"]) for g in GATES[cell]]) for kind in "WUb"]
    rest = ["W_y", "b_y", *(("P_i", "P_f", "P_o", "leak") if cell == "own" else ())]
    return [*stacked, *(found[name] for name in rest)]


# ------------------------------------------------------------------ our programs


def compiled(task: Mapping[str, Any], library: str) -> Any:
    """The program of a task for a library, from the document's text on."""
    from bptt_solver.api import loads
    from bptt_solver.compile.frame import Frame
    from bptt_solver.compile.program import compile_frame

    _, _, _, steps, count = SIZES[task["size"]]
    frame = Frame.of(loads(document(task["cell"], task["size"]))).resized({"T": steps})
    if count > 1:
        frame = frame.batched(count)
    return compile_frame(frame, [], parameters(task["cell"]), library)


def arrays(program: Any, numbers: Numbers) -> dict[str, Any]:
    """What a program takes, by label."""
    import numpy

    height, _, _, _, count = numbers.sizes
    lone = count == 1
    start = numpy.zeros((1, height) if lone else (1, count, height), numbers.dtype)
    known = {**values(numbers), "x": numbers.x[:, 0] if lone else numbers.x, "h": start, "c": start}
    known["d"] = numbers.one_hot()[:, 0] if lone else numbers.one_hot()
    return {label: numpy.ascontiguousarray(known[program.labels[label][0]]) for label in program.inputs}


def ours(library: str) -> Callable[[Mapping[str, Any]], race.Made]:
    """Our program for a library as a peer. It takes and gives the library's own arrays."""

    def make(task: Mapping[str, Any]) -> race.Made:
        numbers = Numbers(task)
        program = compiled(task, library)
        given = arrays(program, numbers)
        if library == "torch":
            import torch

            torch.set_num_threads(task["threads"])
            given = {k: torch.from_numpy(v) for k, v in given.items()}
        elif library == "jax":
            import jax

            jax.config.update("jax_enable_x64", task["dtype"] == "float64")
            given = {k: jax.numpy.asarray(v) for k, v in given.items()}
        function = program.load(task["dtype"])
        outputs = {program.labels[n][0].rpartition("/∂")[2]: n for n in program.outputs if n.startswith("∂")}

        def call() -> dict[str, Any]:
            found: dict[str, Any] = function(given)
            if library == "jax":
                jax.block_until_ready(found)
            return found

        def check(found: dict[str, Any]) -> list[float]:
            return sums(gathered({name: found[label] for name, label in outputs.items()}, task["cell"]))

        return race.Made(call, check)

    return make


def straight(library: str) -> Callable[[Mapping[str, Any]], race.Made]:
    """The straight-line program, for textbook sizes: in Python, or compiled by Numba."""
    return lambda task: _straight(task, library)


def _straight(task: Mapping[str, Any], library: str) -> race.Made:
    from bptt_solver.api import gradient_program, loads

    if task["size"] != "textbook" or (library == "python" and task["dtype"] != "float64"):
        raise race.Skipped("for textbook sizes, in Python for float64")
    numbers = Numbers(task)
    problem = loads(document(task["cell"], task["size"], numbers.sizes[3]))
    program = gradient_program(problem, library, task["dtype"])
    known = {**values(numbers), "x": numbers.x[:, 0], "d": numbers.one_hot()[:, 0]}
    given: dict[Any, Any] = {}
    for name, indices in problem.given:
        if name in "hc":
            given[name, indices] = problem.given[name, indices] * 0.0
        else:
            given[name, indices] = known[name][indices[0] - 1] if indices else known[name]

    def totals(result: dict[Any, Any]) -> list[float]:
        found = {name.rpartition("/∂")[2]: value for (name, _), value in result.items() if "/∂" in name}
        return sums(gathered(found, task["cell"]))

    import numpy

    # what is timed is the function itself, as of the array programs, not the dictionaries around it
    values_of = [given[key] for _, key in program.inputs]
    arguments = [value.tolist() if hasattr(value, "tolist") else value for value in values_of]
    if library == "numba":  # one vector in and one out
        arguments = [numpy.concatenate([numpy.asarray(value, task["dtype"]).reshape(-1) for value in values_of])]
    program(given)
    function = program.function
    return race.Made(lambda: function(*arguments), lambda _: totals(program(given)))
