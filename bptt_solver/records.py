"""The records that plugins yield. They hold text in the equation language and numbers, never behaviour of the engine.

A plugin author writes one of these per function, loss or topology; `bptt_solver.testing` checks them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Function:
    """An activation, a loss or any other function given by formulas in the equation language.

    ``arguments`` name the array arguments in order; ``parameters`` are trailing optional scalars with defaults.
    ``value`` is the formula; ``derivatives`` holds, per argument, the simple partial in terms of the arguments *and* of
    ``y``-the-output, which is written ``result`` (tanh: ``1 - result**2``); arguments that are left out have derivative 0.
    ``kind`` is ``elementwise`` (shape of the arguments, entry by entry) or ``scalar`` (a number: a loss; the derivative
    has the shape of its argument). ``kinks`` are formulas that are 0 exactly where the function has no derivative; there
    the ``derivatives`` formula gives the convention. ``domain`` is a pair (low, high) of sensible arguments for tests.
    """

    name: str
    value: str
    derivatives: Mapping[str, str]
    arguments: tuple[str, ...] = ("x",)
    parameters: Mapping[str, float] = field(default_factory=dict)
    kind: str = "elementwise"
    kinks: tuple[str, ...] = ()
    domain: tuple[float, float] = (-3.0, 3.0)
    aliases: tuple[str, ...] = ()
    summary: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Activation(Function):
    """An elementwise function that a network may apply to a layer."""


@dataclass(frozen=True, slots=True)
class Loss(Function):
    """A scalar of an output and a target. ``matched`` maps an output function to the derivative with respect to *its
    argument* when the two are used together (softmax with cross-entropy: ``p*sum(d) - d``), in terms of the loss's
    arguments, with the reason that is printed."""

    matched: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Network:
    """What a topology returns: equations in the language, and what the names in them are. Never numbers."""

    equations: str
    sizes: Mapping[str, int]
    parameters: Mapping[str, tuple[int, ...]]
    data: Mapping[str, str]
    target: str
    roles: Mapping[str, str] = field(default_factory=dict)
    lanes: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    """A way to write a network's equations from options. ``options`` maps each option to its default (None: required);
    ``build`` gets them all, checked against ``options``, and raises ``ValueError`` with a sentence for a person."""

    name: str
    build: Callable[[Mapping[str, object]], Network]
    options: Mapping[str, object]
    summary: str = ""
    source: str = ""
    aliases: tuple[str, ...] = ()
