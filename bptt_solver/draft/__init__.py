"""A draft of a network over time: what a topology needs to write its equations in about 30 lines.

    from bptt_solver.draft import COMMON, Draft
    from bptt_solver.hookspecs import hookimpl
    from bptt_solver.records import Topology

    def build(options):
        net = Draft(options)                                   # reads the options in COMMON
        net.parameter("W_x", "hidden", "input")                # shapes by the names in `sizes`
        net.parameter("W_h", "hidden", "hidden")
        net.parameter("b_h", "hidden")                         # b_... is a bias: left out with `bias: false`
        net.start("h", "hidden")                               # h[0]: 0 unless given, given, or trained
        net.sum("a[t]", "W_x @ x[t]", "W_h @ h[t-1]", "b_h")   # x[t] only where there is an input
        net.line(f"h[t] = {net.function('hidden', 'a[t]')}")
        net.finish("h", "hidden")                              # o[t], y[t], the losses e[t] and their total E
        return net.network()

    @hookimpl
    def bptt_topologies():
        example = {"sizes": {"input": 2, "hidden": 3, "output": 2}, "steps": 3}
        yield Topology("mine", build, COMMON, example)

Equations are written for one sequence and all times, with the index ``t`` (last) and the size ``T``. The draft writes
what the options ask for: with ``sequences`` the index n stands before t (``h[n,t-1]``), with ``lengths`` T is
``len[n]``; with ``sizes: scalar`` the products `` @ `` are ``*``. `sum` leaves out the summands that cannot be:
biases that are off, and at times without an input those that read ``x[t]``. `line` takes an equation as it is.
``times`` is a range, ``"2..T"``, or one time: ``"1"``, ``"T"``.

The options, with `COMMON` as the defaults of a topology's own (``OPTIONS = {**COMMON, "form": "blocks"}``):

sizes       {input:, hidden:, output:} (a topology may want others: ``Draft(options, known=...)``), or scalar
hidden, output, loss    functions by name; ``output`` is that of the readout
readout     false: there are no weights from the state to the output, the loss reads the state itself
bias        false leaves them all out; output: only the readout has biases; hidden: only the readout has none
initial     zero (unless the document gives it), given (it has to), trained (a parameter, 0 unless given)
steps       T, or data: as many as the data have
inputs      all (x[t]), first (one x, at t = 1), none, or a list of times
targets     all (d[t]), last (one d, at t = T), a list of times, or mask (all, with weights m[t])
outputs     targets (the readout is written where there is a target), or all
sequences   one, several (index n, as many as the data have), or how many
lengths     the length of each sequence: a list, or the name of a map (``maps: {len: [3, 2]}``); else all have T
            (with a list, steps may be the longest of them, or left out)
reduction   sum, mean (over n and t), or {time: mean, sequences: sum}
"""

from __future__ import annotations

from bptt_solver.draft.choices import biases_of
from bptt_solver.draft.roles import INITIAL_STATE, ROLES, role_of, role_to
from bptt_solver.draft.times import at_time, run, runs
from bptt_solver.draft.writing import COMMON, SIZES, Draft, is_bias

__all__ = [
    "COMMON",
    "INITIAL_STATE",
    "ROLES",
    "SIZES",
    "Draft",
    "at_time",
    "biases_of",
    "is_bias",
    "role_of",
    "role_to",
    "run",
    "runs",
]
