"""Documents of every first-party topology, with the options that change the form of its equations. What is not given
is made up, always in the same way."""

from __future__ import annotations

SIZES = "sizes: {input: 2, hidden: 3, output: 2}"
CLASSES = "output: softmax, loss: cross_entropy"
LEAF = "sizes: {input: 2, hidden: 2, output: 2}"

NETWORKS: dict[str, tuple[str, ...]] = {
    "bidirectional": (
        f"{SIZES}, steps: 3",
        f"{SIZES}, steps: 3, layers: 2, combine: sum, {CLASSES}",
        f"{SIZES}, lengths: [3, 2], combine: concat",
    ),
    "cell": (
        "sizes: {input: 2, hidden: 3, output: 2}, steps: 3, shapes: {W_x: [hidden, input], W_h: [hidden, hidden]}, "
        'cell: "h[t] = tanh(W_x @ x[t] + W_h @ h[t-1])"',
        "sizes: scalar, steps: 4, readout: false, layers: 2, shapes: {w: [], u: []}, "
        'cell: "h[t] = tanh(w*x[t] + u*h[t-1])"',
    ),
    "deep": (
        "input: 2, layers: [3, 3, 2], steps: 4",
        "input: 2, layers: [3, {size: 2, activation: softmax}], loss: cross_entropy, sequences: 2, steps: 3",
        "input: 1, layers: [1, 1, 1], steps: 3",
        "input: 2, layers: [3, 3, 2], lengths: [3, 2]",
    ),
    "elman": (
        f"{SIZES}, steps: 4",
        f"{SIZES}, lengths: [3, 2], reduction: mean",
        f"{SIZES}, steps: 3, sequences: 2, {CLASSES}",
        f"{SIZES}, steps: 4, targets: last, initial: trained",
        f"{SIZES}, steps: 4, targets: [2, 3]",
        f"{SIZES}, steps: 4, targets: mask",
    ),
    "encoder_decoder": (
        f"{SIZES}, steps: {{input: 3, output: 2}}, feed: output",
        f"{SIZES}, steps: {{input: 3, output: 2}}, cell: lstm, feed: target, context: each, {CLASSES}",
        f"{SIZES}, steps: {{input: 3, output: 2}}, cell: gru, context: both",
    ),
    "feedforward": ("input: 2, layers: [3, 2]", f"input: 2, layers: [3, 3, 2], samples: 3, {CLASSES}"),
    "gru": (
        f"{SIZES}, steps: 4, reset: after",
        f"{SIZES}, steps: 3, reset: before, layers: 2, directions: both",
        f"{SIZES}, lengths: [3, 2]",
    ),
    "jordan": (f"{SIZES}, steps: 4", f"{SIZES}, steps: 3, mode: series"),
    "lags": (
        f"{SIZES}, steps: 4, lags: [1, 3], input_lags: [0, 1]",
        f"{SIZES}, lengths: [4, 2], lags: [1, 2]",
    ),
    "leaky": (f"{SIZES}, steps: 4, leak: 0.3", f"{SIZES}, steps: 4, leak: trained, inside: true"),
    "lstm": (
        f"{SIZES}, steps: 4",
        f"{SIZES}, steps: 3, layers: 2, directions: both, peephole: true",
        f"{SIZES}, lengths: [3, 2], coupled: true",
        f"{SIZES}, steps: 3, projection: 2",
    ),
    "narx": (
        f"{SIZES}, steps: 4, input_lags: [0, 1], output_lags: [1, 2]",
        f"{SIZES}, steps: 4, mode: series, output_lags: [1]",
    ),
    "ordered_net": (
        "sizes: {input: 1, hidden: 3, output: 1}, steps: 3, lags: [0, 1]",
        "sizes: {input: 2, hidden: 2, output: 1}, lengths: [3, 2], lags: [0, 1, 2]",
    ),
    "tree": (
        "tree: {a: [1, 2], b: [a, 3]}, sizes: {hidden: 2, output: 2}",
        f"tree: {{a: [1, 2], b: [3, 4], c: [a, b]}}, {LEAF}, cell: lstm, {CLASSES}",
    ),
}


def text_of(topology: str, options: str) -> str:
    """The document of a network."""
    return f"network: {{topology: {topology}, {options}}}\n"
