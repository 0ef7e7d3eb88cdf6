"""Activations. (``tanh``, ``sin``, ``softmax`` and ``log_softmax`` belong to the core of the language.)

How the rules are written:

* A value does not overflow: every exponential has an argument that is at most 0, so that x = ±1000 gives a finite
  number and no warning. It is the same function for all that, also for dual numbers and the complex step.
* A derivative is written as in a textbook, with ``result`` for the output where that is shorter.
* At a kink the derivative is what the convention says: 0 on the side of relu that is off and for clip; min, max and abs
  inside a formula have their own (½ each, ½ each, 0), so that sigmoid and softplus come out right at 0 by any route.
"""

from __future__ import annotations

from bptt_plugins.messages import say
from bptt_solver.records import Activation

ACTIVATIONS = (
    # ------------------------------------------------------------------------- smooth steps
    Activation("sigmoid", "exp(min(x, 0))/(1 + exp(-abs(x)))", {"x": "result*(1 - result)"}, aliases=("logistic",),
               summary="`1/(1 + exp(-x))`"),
    Activation("scaled_tanh", "a*tanh(b*x)", {"x": "b*(a - result**2/a)", "a": "tanh(b*x)", "b": "x*(a - result**2/a)"},
               parameters={"a": 1.7159, "b": 2 / 3}, summary="`a*tanh(b*x)`",
               source="LeCun et al., Efficient BackProp, 1998"),
    Activation("softsign", "x/(1 + abs(x))", {"x": "1/(1 + abs(x))**2"}, summary="`x/(1 + abs(x))`"),
    Activation("log_sigmoid", "min(x, 0) - log(1 + exp(-abs(x)))", {"x": "sigmoid(-x)"}, summary="`log(sigmoid(x))`"),
    Activation("hard_sigmoid", "clip(x/6 + 1/2, 0, 1)", {"x": "step(x + 3, 0)*step(3 - x, 0)/6"},
               kinks=("x + 3", "x - 3"), summary=say("activation.hard_sigmoid")),
    Activation("hard_tanh", "clip(x, -1, 1)", {"x": "step(x + 1, 0)*step(1 - x, 0)"}, kinks=("x + 1", "x - 1"),
               summary=say("activation.hard_tanh")),
    # ------------------------------------------------------------------------- rectifiers
    Activation("identity", "x", {"x": "1"}, aliases=("linear",), summary="`x`"),
    Activation("relu", "max(x, 0)", {"x": "step(x, 0)"}, kinks=("x",), summary=say("activation.relu")),
    Activation("relu6", "clip(x, 0, 6)", {"x": "step(x, 0)*step(6 - x, 0)"}, kinks=("x", "x - 6"),
               summary=say("activation.relu6")),
    Activation("leaky_relu", "max(x, 0) + a*min(x, 0)", {"x": "a + (1 - a)*step(x, 0)", "a": "min(x, 0)"},
               parameters={"a": 0.01}, kinks=("abs(x) + 1 - abs(sign(a - 1))",), summary=say("activation.leaky_relu")),
    Activation("elu", "max(x, 0) + a*(exp(min(x, 0)) - 1)",
               {"x": "step(x, 0) + (1 - step(x, 0))*a*exp(min(x, 0))", "a": "exp(min(x, 0)) - 1"},
               parameters={"a": 1}, kinks=("abs(x) + 1 - abs(sign(a - 1))",),  # with a = 1 both slopes at 0 are 1
               summary=say("activation.elu"), source="Clevert, Unterthiner & Hochreiter 2015"),
    Activation("celu", "max(x, 0) + a*(exp(min(x/a, 0)) - 1)",
               {"x": "exp(min(x/a, 0))", "a": "exp(min(x/a, 0))*(1 - min(x/a, 0)) - 1"},
               parameters={"a": 1}, domain={"a": (0.5, 2)}, summary=say("activation.celu"),
               source="Barron 2017"),
    Activation("selu", "1.0507009873554805*max(x, 0) + 1.7580993408473766*(exp(min(x, 0)) - 1)",
               {"x": "1.0507009873554805*step(x, 0) + 1.7580993408473766*(1 - step(x, 0))*exp(min(x, 0))"},
               kinks=("x",), summary=say("activation.selu"), source="Klambauer et al. 2017"),
    Activation("softplus", "max(x, 0) + log(1 + exp(-abs(x)))", {"x": "sigmoid(x)"}, summary="`log(1 + exp(x))`"),
    # ------------------------------------------------------------------------- gated by themselves
    Activation("swish", "x*sigmoid(beta*x)",
               {"x": "beta*result + sigmoid(beta*x)*(1 - beta*result)",
                "beta": "x**2*sigmoid(beta*x)*(1 - sigmoid(beta*x))"},
               parameters={"beta": 1}, aliases=("silu",), summary="`x*sigmoid(beta*x)`",
               source="Ramachandran, Zoph & Le 2017"),
    Activation("hard_swish", "x*clip(x/6 + 1/2, 0, 1)",
               {"x": "clip(x/6 + 1/2, 0, 1) + x*step(x + 3, 0)*step(3 - x, 0)/6"},
               kinks=("x + 3", "x - 3"), summary="`x*hard_sigmoid(x)`", source="Howard et al. 2019"),
    Activation("gelu", "x*(1 + erf(x/sqrt(2)))/2", {"x": "(1 + erf(x/sqrt(2)))/2 + 0.3989422804014327*x*exp(-x**2/2)"},
               summary=say("activation.gelu"),
               source="Hendrycks & Gimpel 2016"),
    Activation("gelu_tanh", "x*(1 + tanh(0.7978845608028654*(x + 0.044715*x**3)))/2",
               {"x": "(1 + tanh(0.7978845608028654*(x + 0.044715*x**3)))/2 + 0.3989422804014327*x*(1 + 0.134145*x**2)"
                     "*(1 - tanh(0.7978845608028654*(x + 0.044715*x**3))**2)"},
               summary=say("activation.gelu_tanh"), source="Hendrycks & Gimpel 2016"),
    Activation("mish", "x*tanh(softplus(x))", {"x": "tanh(softplus(x)) + x*sigmoid(x)*(1 - tanh(softplus(x))**2)"},
               summary="`x*tanh(log(1 + exp(x)))`", source="Misra 2019"),
    # ------------------------------------------------------------------------- others
    Activation("gaussian", "exp(-x**2)", {"x": "-2*x*result"}, summary="`exp(-x**2)`"),
    Activation("exponential", "exp(x)", {"x": "result"}, domain={"x": (-3, 3)}, summary="`exp(x)`"),
    Activation("tanh_shrink", "x - tanh(x)", {"x": "tanh(x)**2"}, summary="`x - tanh(x)`"),
    Activation("soft_shrink", "max(x - a, 0) + min(x + a, 0)",
               {"x": "step(x - a, 0) + step(-x - a, 0)", "a": "step(-x - a, 0) - step(x - a, 0)"},
               parameters={"a": 0.5}, domain={"a": (0.2, 2)}, kinks=("x - a", "x + a"),
               summary=say("activation.soft_shrink")),
)  # fmt: skip
