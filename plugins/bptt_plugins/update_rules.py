"""Update rules: how a step of training changes a weight. All of them as PyTorch's optimisers of the same names do it.

``w`` is the weight, ``g`` its gradient, ``k`` the number of the step; a prime marks what is remembered after the step.
Every trace was made by PyTorch 2.13 in 64-bit numbers.
"""

from __future__ import annotations

from bptt_plugins.messages import say
from bptt_solver.records import UpdateRule

_RATE = (0, 1e6)
_SHARE = (0, 1)
_SMALL = (0, 1)
_ADAM_STATE = {"mean": "beta1*mean + (1 - beta1)*g", "square": "beta2*square + (1 - beta2)*g**2"}
_ADAM_CORRECTED = {"mean_corrected": "mean'/(1 - beta1**k)", "square_corrected": "square'/(1 - beta2**k)"}
_ADAM_OPTIONS = {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
_ADAM_DOMAIN = {"learning_rate": _RATE, "beta1": _SHARE, "beta2": _SHARE, "epsilon": _SMALL}
_ADAM_SYMBOLS = {
    "mean": "m",
    "square": "v",
    "mean_corrected": "m̂",
    "square_corrected": "v̂",
    "learning_rate": "η",
    "beta1": "β₁",
    "beta2": "β₂",
    "epsilon": "ε",
}
_ADAM_STEP = "learning_rate*mean_corrected/(sqrt(square_corrected) + epsilon)"

UPDATE_RULES = (
    UpdateRule(
        "sgd",
        "w - learning_rate*g",
        options={"learning_rate": 0.1},
        domain={"learning_rate": _RATE},
        symbols={"learning_rate": "η"},
        instead={"momentum": "momentum"},
        trace=((1.0, 0.9), (0.5, 0.85), (-2.0, 1.05), (0.25, 1.025), (3.0, 0.725)),
        aliases=("gradient_descent",),
        summary=say("rule.sgd"),
    ),
    UpdateRule(
        "momentum",
        "w - learning_rate*velocity'",
        state={"velocity": "momentum*velocity + g"},
        options={"learning_rate": 0.1, "momentum": 0.9},
        domain={"learning_rate": _RATE, "momentum": _SHARE},
        symbols={"velocity": "v", "learning_rate": "η", "momentum": "μ"},
        trace=((1.0, 0.9), (0.5, 0.76), (-2.0, 0.834), (0.25, 0.8756), (3.0, 0.61304)),
        summary=say("rule.momentum"),
        source="Polyak 1964",
    ),
    UpdateRule(
        "nesterov",
        "w - learning_rate*(g + momentum*velocity')",
        state={"velocity": "momentum*velocity + g"},
        options={"learning_rate": 0.1, "momentum": 0.9},
        domain={"learning_rate": _RATE, "momentum": _SHARE},
        symbols={"velocity": "v", "learning_rate": "η", "momentum": "μ"},
        trace=((1.0, 0.81), (0.5, 0.634), (-2.0, 0.9006), (0.25, 0.91304), (3.0, 0.376736)),
        summary=say("rule.nesterov"),
        source="Nesterov 1983, in the form of Sutskever et al. 2013",
    ),
    UpdateRule(
        "adagrad",
        "w - learning_rate*g/(sqrt(square') + epsilon)",
        state={"square": "square + g**2"},
        options={"learning_rate": 0.01, "epsilon": 1e-10},
        domain={"learning_rate": _RATE, "epsilon": _SMALL},
        symbols={"square": "s", "learning_rate": "η", "epsilon": "ε"},
        trace=(
            (1.0, 0.990000000001),
            (0.5, 0.9855278640464004),
            (-2.0, 0.9942565796554591),
            (0.25, 0.9931719273664129),
            (3.0, 0.9852421041611614),
        ),
        summary=say("rule.adagrad"),
        source="Duchi, Hazan & Singer 2011",
    ),
    UpdateRule(
        "rmsprop",
        "w - learning_rate*g/(sqrt(square') + epsilon)",
        state={"square": "decay*square + (1 - decay)*g**2"},
        options={"learning_rate": 0.01, "decay": 0.99, "epsilon": 1e-8},
        domain={"learning_rate": _RATE, "decay": _SHARE, "epsilon": _SMALL},
        symbols={"square": "s", "learning_rate": "η", "decay": "α", "epsilon": "ε"},
        trace=(
            (1.0, 0.9000000099999991),
            (0.5, 0.855098688525563),
            (-2.0, 0.9425726514007255),
            (0.25, 0.9316490828344123),
            (3.0, 0.8519965208116485),
        ),
        summary=say("rule.rmsprop"),
        source="Tieleman & Hinton 2012",
    ),
    UpdateRule(
        "adam",
        f"w - {_ADAM_STEP}",
        state=_ADAM_STATE,
        between=_ADAM_CORRECTED,
        options=_ADAM_OPTIONS,
        domain=_ADAM_DOMAIN,
        symbols=_ADAM_SYMBOLS,
        trace=(
            (1.0, 0.99900000001),
            (0.5, 0.9980678203829816),
            (-2.0, 0.9982741774086206),
            (0.25, 0.998379137106421),
            (3.0, 0.9980003882580906),
        ),
        summary=say("rule.adam"),
        source="Kingma & Ba 2015",
    ),
    UpdateRule(
        "adamw",
        f"w - learning_rate*weight_decay*w - {_ADAM_STEP}",
        state=_ADAM_STATE,
        between=_ADAM_CORRECTED,
        options={**_ADAM_OPTIONS, "weight_decay": 0.01},
        domain={**_ADAM_DOMAIN, "weight_decay": _SHARE},
        symbols={**_ADAM_SYMBOLS, "weight_decay": "λ"},
        trace=(
            (1.0, 0.99899000001),
            (0.5, 0.9980478304829816),
            (-2.0, 0.9982442070303158),
            (0.25, 0.998339184286046),
            (3.0, 0.9979504520458727),
        ),
        summary=say("rule.adamw"),
        source="Loshchilov & Hutter 2019",
    ),
)
