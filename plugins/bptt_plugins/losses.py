"""Losses, of an output and a target ``d``. Outputs are named ``y``, probabilities ``p``, their logarithms ``q``,
logits ``o``.

How the rules are written:

* A loss is a **sum** over the entries unless its name says mean; ``squared_error`` has its ½.
* Derivatives are given with respect to the output *and* the target.
* ``xlogy(d, p)`` is ``d*log(p)``, and 0 where d = 0 (0*log 0 = 0).
* Losses on logits stay finite for logits of ±1000. A loss on probabilities cannot: a probability that is 0 for a
  class that does occur has an infinite loss. ``fused`` names the loss on logits that is the same number.
* ``matched`` is what an output function and its own loss make together; the reason is printed beside it.
"""

from __future__ import annotations

from bptt_plugins.messages import say
from bptt_solver.records import Loss

_INSIDE = (0.05, 0.95)

LOSSES = (
    # ------------------------------------------------------------------------- distances
    Loss("squared_error", "1/2*sum((y - d)**2)", {"y": "y - d", "d": "d - y"},
         matched={"identity": ("y - d", say("reason.identity"))},
         summary=say("loss.squared_error")),
    Loss("sum_squared_error", "sum((y - d)**2)", {"y": "2*(y - d)", "d": "2*(d - y)"},
         summary=say("loss.sum_squared_error")),
    Loss("mean_squared_error", "mean((y - d)**2)", {"y": "2*(y - d)/count(y)", "d": "2*(d - y)/count(y)"},
         aliases=("mse",), summary=say("loss.mean_squared_error")),
    Loss("absolute_error", "sum(abs(y - d))", {"y": "sign(y - d)", "d": "sign(d - y)"}, kinks=("y - d",),
         summary=say("loss.absolute_error")),
    Loss("mean_absolute_error", "mean(abs(y - d))", {"y": "sign(y - d)/count(y)", "d": "sign(d - y)/count(y)"},
         kinks=("y - d",), aliases=("mae",), summary=say("loss.mean_absolute_error")),
    Loss("huber", "sum(min(abs(y - d), delta)*(abs(y - d) - min(abs(y - d), delta)/2))",
         {"y": "clip(y - d, -delta, delta)", "d": "clip(d - y, -delta, delta)",
          "delta": "sum(max(abs(y - d) - delta, 0))"},
         parameters={"delta": 1}, domain={"delta": (0.5, 2)}, source="Huber 1964",
         summary=say("loss.huber")),
    Loss("log_cosh", "sum(abs(y - d) + log((1 + exp(-2*abs(y - d)))/2))", {"y": "tanh(y - d)", "d": "tanh(d - y)"},
         summary=say("loss.log_cosh")),
    # ------------------------------------------------------------------------- probabilities of classes
    Loss("cross_entropy", "-sum(xlogy(d, p))", {"p": "-d/p", "d": "-log(p)"}, ("p", "d"),
         domain={"p": _INSIDE, "d": _INSIDE},
         matched={"softmax": ("p*sum(d) - d", say("reason.softmax"))},
         fused={"softmax": "softmax_cross_entropy"}, targets="classes",
         summary=say("loss.cross_entropy")),
    Loss("softmax_cross_entropy", "-dot(d, log_softmax(o))", {"o": "softmax(o)*sum(d) - d", "d": "-log_softmax(o)"},
         ("o", "d"), domain={"d": _INSIDE}, targets="classes", summary=say("loss.softmax_cross_entropy")),
    Loss("negative_log_likelihood", "-dot(d, q)", {"q": "-d", "d": "-q"}, ("q", "d"), aliases=("nll",),
         domain={"d": _INSIDE},
         matched={"log_softmax": ("exp(q)*sum(d) - d", say("reason.log_softmax"))},
         targets="classes", summary=say("loss.negative_log_likelihood")),
    Loss("kl_divergence", "sum(xlogy(d, d) - xlogy(d, p))", {"p": "-d/p", "d": "log(d) + 1 - log(p)"}, ("p", "d"),
         domain={"p": _INSIDE, "d": _INSIDE},
         matched={"softmax": ("p*sum(d) - d", say("reason.kl_divergence"))},
         targets="shares", summary=say("loss.kl_divergence")),
    # ------------------------------------------------------------------------- probabilities of yes
    Loss("binary_cross_entropy", "-sum(xlogy(d, y) + xlogy(1 - d, 1 - y))",
         {"y": "(1 - d)/(1 - y) - d/y", "d": "log(1 - y) - log(y)"}, aliases=("bce",),
         domain={"y": _INSIDE, "d": _INSIDE},
         matched={"sigmoid": ("y - d", say("reason.sigmoid"))},
         fused={"sigmoid": "binary_cross_entropy_with_logits"},
         targets="binary", summary=say("loss.binary_cross_entropy")),
    Loss("binary_cross_entropy_with_logits", "sum(softplus(o) - d*o)", {"o": "sigmoid(o) - d", "d": "-o"}, ("o", "d"),
         domain={"d": _INSIDE}, targets="binary", summary=say("loss.binary_cross_entropy_with_logits")),
    # ------------------------------------------------------------------------- others
    Loss("hinge", "sum(max(1 - d*y, 0))", {"y": "-d*step(1 - d*y, 0)", "d": "-y*step(1 - d*y, 0)"}, kinks=("1 - d*y",),
         targets="signs", summary=say("loss.hinge")),
    Loss("squared_hinge", "sum(max(1 - d*y, 0)**2)", {"y": "-2*d*max(1 - d*y, 0)", "d": "-2*y*max(1 - d*y, 0)"},
         targets="signs", summary=say("loss.squared_hinge")),
    Loss("poisson", "sum(y - xlogy(d, y))", {"y": "1 - d/y", "d": "-log(y)"}, domain={"y": (0.1, 3), "d": (0.1, 3)},
         matched={"exp": ("y - d", say("reason.exp")),
                  "exponential": ("y - d", say("reason.exp"))},
         targets="counts", summary=say("loss.poisson")),
)  # fmt: skip
