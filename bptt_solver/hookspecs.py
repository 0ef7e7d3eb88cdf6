"""The plugin contract: five hooks, each of which yields frozen records. Each docstring is a plugin that works.

A plugin is a module (or an object) with functions of these names under ``@hookimpl``. It is found through an entry
point,

    [project.entry-points."bptt_solver.plugins"]
    my_plugin = "my_plugin"

or through ``--plugin FILE`` on the command line; a document can never load one. Check its records with
`bptt_solver.testing`.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from bptt_solver.records import Activation, Function, Loss, Topology, UpdateRule

PROJECT = "bptt_solver"
GROUP = "bptt_solver.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def bptt_activations() -> Iterable[Activation]:
    """Elementwise functions of one argument that a layer may apply, also ``activation: squash`` of a network.

    A plugin::

        from bptt_solver.hookspecs import hookimpl
        from bptt_solver.records import Activation

        @hookimpl
        def bptt_activations():
            yield Activation(
                name="squash",
                value="x/sqrt(1 + a*x**2)",
                derivatives={"x": "1/(1 + a*x**2)**1.5", "a": "-result**3/2"},
                parameters={"a": 1},
                summary="the inverse square root unit",
            )
    """
    raise NotImplementedError


@hookspec
def bptt_losses() -> Iterable[Loss]:
    """Numbers that say how far an output is from its target.

    A plugin::

        from bptt_solver.hookspecs import hookimpl
        from bptt_solver.records import Loss

        @hookimpl
        def bptt_losses():
            yield Loss(
                name="fourth_power",
                value="sum((y - d)**4)/4",
                derivatives={"y": "(y - d)**3", "d": "-(y - d)**3"},
                matched={"identity": ("(y - d)**3", "the output is its own pre-activation")},
                summary="a quarter of the sum of fourth powers",
            )
    """
    raise NotImplementedError


@hookspec
def bptt_functions() -> Iterable[Function]:
    """Any other function, elementwise or with a number as its value, of one or more arguments.

    A plugin::

        from bptt_solver.hookspecs import hookimpl
        from bptt_solver.records import Function

        @hookimpl
        def bptt_functions():
            yield Function(
                name="hypotenuse",
                value="sqrt(a**2 + b**2)",
                derivatives={"a": "a/result", "b": "b/result"},
                arguments=("a", "b"),
                domain={"a": (0.5, 3), "b": (0.5, 3)},
                summary="the longest side of a right triangle",
            )
    """
    raise NotImplementedError


@hookspec
def bptt_topologies() -> Iterable[Topology]:
    """Ways to write the equations of a network from a few options: ``network: {topology: chain, steps: 3}``.

    A plugin::

        from bptt_solver.hookspecs import hookimpl
        from bptt_solver.records import Network, OptionError, Topology

        def build(options):
            steps = options["steps"]
            if not isinstance(steps, int) or steps < 1:
                raise OptionError(f"steps must be a positive whole number, not {steps!r}", "steps")
            return Network(
                equations="h[t] = tanh(w*h[t-1]) for t in 1..T\\nE = squared_error(h[T], d)",
                target="E",
                sizes={"T": steps},
                parameters={"w": (), "h[0]": ()},
                data={"d": ()},
                zeros=("h[0]",),
                roles={"w": "weight", "h": "hidden state", "d": "target", "E": "loss"},
            )

        @hookimpl
        def bptt_topologies():
            yield Topology("chain", build, {"steps": None}, example={"steps": 3}, summary="one unit that feeds itself")
    """
    raise NotImplementedError


@hookspec
def bptt_update_rules() -> Iterable[UpdateRule]:
    """Ways to change the weights by their gradients, step by step: ``update: {rule: averaged, steps: 10}``.

    A plugin::

        from bptt_solver.hookspecs import hookimpl
        from bptt_solver.records import UpdateRule

        @hookimpl
        def bptt_update_rules():
            yield UpdateRule(
                name="averaged",
                weight="w - learning_rate*m'",
                state={"m": "decay*m + (1 - decay)*g"},
                options={"learning_rate": 0.1, "decay": 0.5},
                domain={"learning_rate": (0, 10), "decay": (0, 1)},
                trace=((1, 0.95), (-1, 0.975)),
                summary="a step along the mean of the gradients so far",
            )
    """
    raise NotImplementedError
