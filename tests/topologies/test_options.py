"""Options of recurrent networks that cannot be used: the message names both sides, and points to the option."""

from __future__ import annotations

import json
import re

import pytest

import bptt_solver
from bptt_solver.errors import ProblemError
from bptt_solver.options import items
from bptt_solver.records import OptionError, Topology
from bptt_solver.registry import Registry

REGISTRY = Registry.load()
SIZES = {"input": 2, "hidden": 3, "output": 1}
Path = tuple[str | int, ...]

WRONG: list[tuple[str, dict[str, object], Path, str]] = [
    ("elman", {"sizes": None}, (), "topology 'elman' needs the option 'sizes'"),
    ("elman", {"sizes": 3}, ("sizes",), "sizes must be a mapping with input, hidden, output, not 3"),
    ("elman", {"sizes": {"input": 2, "hiden": 3}}, ("sizes", "hiden"),
     "sizes has no option 'hiden' (did you mean 'hidden'?)"),
    ("elman", {"sizes": {**SIZES, "hidden": 0}}, ("sizes", "hidden"),
     "sizes.hidden must be a whole number, at least 1, not 0"),
    ("elman", {"sizes": {"input": 2, "hidden": 3}}, ("sizes",),
     "sizes needs output, the number of its entries (or write readout: false)"),
    ("elman", {"readout": False}, ("sizes", "output"),
     "sizes.output is 1, but without a readout the output is the state, of size 3"),
    ("elman", {"readout": False, "output": "softmax"}, ("output",),
     "output: softmax has no readout to act on (readout is false)"),
    ("elman", {"steps": 0}, ("steps",), "steps must be a whole number, at least 1, not 0"),
    ("elman", {"steps": 2, "targets": [1, 3]}, ("targets", 1), "targets[2] is step 3, but steps is 2"),
    ("elman", {"steps": 2, "inputs": [3]}, ("inputs", 0), "inputs[1] is step 3, but steps is 2"),
    ("elman", {"targets": [1, 0]}, ("targets", 1), "targets[2] must be a whole number, at least 1, not 0"),
    ("elman", {"targets": [2, 2]}, ("targets", 1), "targets names step 2 twice"),
    ("elman", {"targets": "lats"}, ("targets",),
     "targets must be all, last, mask or a list of times, not 'lats' (did you mean 'last'?)"),
    ("elman", {"inputs": "first", "targets": "last"}, ("steps",),
     "steps is needed: neither inputs nor targets are there at every step"),
    ("elman", {"inputs": "none", "targets": [3]}, ("steps",), "steps is needed"),
    ("elman", {"sequences": "all"}, ("sequences",),
     "sequences must be one, several or a whole number, not 'all'"),
    ("elman", {"lengths": "len"}, ("lengths",), "lengths is len, but sequences is one"),
    ("elman", {"lengths": 3, "sequences": 2}, ("lengths",), "lengths must be a list of whole numbers like [3, 2], or"),
    ("elman", {"lengths": [3, 2], "sequences": 3}, ("lengths",), "lengths has 2 numbers, but sequences is 3"),
    ("elman", {"lengths": [3, 0]}, ("lengths", 1), "lengths[2] must be a whole number, at least 1, not 0"),
    ("elman", {"lengths": []}, ("lengths",), "lengths must be a list that is not empty"),
    ("elman", {"lengths": [3, 2], "steps": 4}, ("lengths",),
     "lengths is [3, 2], but steps is 4 (leave out steps: lengths says them)"),
    ("elman", {"lengths": "len", "sequences": 2, "steps": 3}, ("lengths",), "lengths is len, but steps is 3"),
    ("elman", {"lengths": "len", "sequences": 2, "targets": [1]}, ("targets",),
     "targets lists times, but lengths is len: a sequence may be shorter"),
    ("elman", {"reduction": "average"}, ("reduction",),
     "reduction must be sum, mean or {time: mean, sequences: sum}, not 'average'"),
    ("elman", {"reduction": {"tme": "mean"}}, ("reduction", "tme"), "did you mean 'time'?"),
    ("elman", {"reduction": {"time": "max"}}, ("reduction", "time"), "reduction.time must be sum or mean, not 'max'"),
    ("elman", {"initial": "random"}, ("initial",), "initial must be zero, given or trained, not 'random'"),
    ("ordered_net", {"bias": "output"}, ("bias",), "ordered_net: bias must be true or false, not output"),
    ("elman", {"bias": "off"}, ("bias",), "bias must be true, false, hidden or output, not 'off'"),
    ("elman", {"hidden": "tanhh"}, ("hidden",), "unknown function 'tanhh' (did you mean 'tanh'?)"),
    ("elman", {"output": "sofmax"}, ("output",), "unknown function 'sofmax' (did you mean 'softmax'?)"),
    ("elman", {"loss": 3}, ("loss",), "loss must be a function's name"),
    ("elman", {"form": "conact"}, ("form",), "form must be blocks or concat, not 'conact' (did you mean 'concat'?)"),
    ("elman", {"form": "concat", "inputs": "first"}, ("form",),
     "form: concat joins vectors, but there is no input at some steps"),
    ("elman", {"form": "concat", "sizes": "scalar"}, ("form",), "form: concat joins vectors, but sizes is scalar"),
    ("elman", {"laggs": [1]}, ("laggs",), "topology 'elman' has no option 'laggs'"),
    ("elman", {"inputs": "none", "bias": False, "steps": 1, "form": "blocks", "sequences": -1}, ("sequences",),
     "sequences must be a whole number, at least 1, not -1"),
    ("lags", {"lags": [1, 1]}, ("lags", 1), "lags names lag 1 twice"),
    ("lags", {"lags": [0]}, ("lags", 0), "lags[1] must be a whole number, at least 1, not 0"),
    ("lags", {"lags": 2}, ("lags",), "lags must be a list that is not empty, not 2"),
    ("lags", {"input_lags": [0, 1], "inputs": "first"}, ("input_lags",),
     "input_lags names lag 1, but there is no input at some steps"),
    ("narx", {"mode": "free"}, ("mode",), "mode must be parallel or series, not 'free'"),
    ("narx", {"mode": "series", "targets": "last"}, ("mode",),
     "mode: series reads the target of every step, but targets does not have them all"),
    ("leaky", {"leak": 0}, ("leak",), "leak must be a number in 0..1 (not 0), trained or units, not 0"),
    ("leaky", {"leak": True}, ("leak",), "leak must be a number in 0..1"),
    ("ordered_net", {"sizes": "scalar"}, ("sizes",), "ordered_net: sizes must count the units"),
    ("ordered_net", {"inputs": "first"}, ("inputs",), "every step needs an input: inputs must be all"),
    ("ordered_net", {"lags": [0, 3]}, ("lags",), "an ordered net has lags 0, 1 and 2, not 3"),
    ("deep", {"sizes": None, "input": 2, "layers": []}, ("layers",), "layers must be a list that is not empty"),
    ("deep", {"sizes": None, "input": 2, "layers": [2, {"size": 2, "recurent": True}]}, ("layers", 1, "recurent"),
     "layers[2] has no option 'recurent' (did you mean 'recurrent'?)"),
    ("deep", {"sizes": None, "input": 2, "layers": [2, {"recurrent": True}]}, ("layers", 1), "layers[2] needs a size"),
    ("deep", {"sizes": None, "input": 2, "layers": [{"size": 2, "recurrent": 1}]}, ("layers", 0, "recurrent"),
     "layers[1].recurrent must be true or false, not 1"),
]  # fmt: skip


def chosen(options: dict[str, object]) -> dict[str, object]:
    """The options with sizes, unless there are to be none."""
    return {key: value for key, value in {"sizes": SIZES, **options}.items() if value is not None}


@pytest.mark.parametrize(("topology", "options", "path", "message"), WRONG)
def test_wrong_option(topology: str, options: dict[str, object], path: Path, message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)) as caught:
        REGISTRY.network(topology, chosen(options))
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ("{topology: elman, steps: 2, targets: [1, 3], sizes: {input: 1, hidden: 1, output: 1}}", "3]"),
        ("{topology: elman, sizes: {input: 1, hidden: 1, output: -1}}", "-1"),
        ("{topology: elman, lengths: len, sizes: {input: 1, hidden: 1, output: 1}}", "len,"),
        ("{topology: tree, tree: [[1, 2], 5], sizes: {hidden: 2, output: 2}}", "5]"),
        ("{topology: tree, tree: {p: [1, 2], q: [p, 5]}, sizes: {hidden: 2, output: 2}}", "5]"),
        ("{topology: deep, input: 1, layers: [1, {size: 2, activation: tanhh}]}", "tanhh"),
    ],
)
def test_the_message_points_into_the_document(options: str, place: str) -> None:
    text = f"network: {options}\n"
    with pytest.raises(ProblemError) as caught:
        bptt_solver.loads(text, "net.yaml")
    assert str(caught.value).startswith(f"net.yaml:1:{text.index(place) + 1}: ")


SHARED = [t for t in REGISTRY.topologies if "bias" in t.options and t.name != "ordered_net"]


@pytest.mark.parametrize("topology", SHARED, ids=lambda t: t.name)
def test_biases_of_the_readout_or_of_the_rest(topology: Topology) -> None:
    """The two kinds together are all biases, and only what is left out is missing."""
    found = {
        which: set(REGISTRY.network(topology.name, {**topology.example, "bias": which}).parameters)
        for which in (True, False, "hidden", "output")
    }
    layered = topology.name in ("deep", "feedforward")
    own = {f"b[{len(items(topology.example['layers'], 'layers'))}]"} if layered else {"b_y"}
    assert found["output"] - found[False] == own
    assert found["hidden"] == found[True] - own
    for which in ("hidden", "output"):
        text = json.dumps({"network": {"topology": topology.name, **topology.example, "bias": which}})
        assert bptt_solver.solve(bptt_solver.loads(text), check="fast").verified


def test_steps_that_are_the_longest_length() -> None:
    """They may be said as well: the same equations; another number is refused."""
    for inputs in ("all", "first"):
        options = {"sizes": SIZES, "lengths": [2, 1], "inputs": inputs}
        both = REGISTRY.network("elman", {**options, "steps": 2}), REGISTRY.network("elman", options)
        assert both[0].equations == both[1].equations


def test_zero_unless_given() -> None:
    """A given initial state replaces the zeros; `initial: given` demands it."""
    content = {
        "network": {"topology": "elman", "sizes": "scalar", "bias": False, "initial": "given"},
        "data": {"x": [1, 2], "d": [0, 1]},
        "parameters": {"W_x": 1, "W_h": 2, "W_y": 3},
    }
    with pytest.raises(ProblemError, match=re.escape("h[0]")):
        bptt_solver.loads(json.dumps(content))
    content["values"] = {"h[0]": 0.5}
    given = bptt_solver.solve(bptt_solver.loads(json.dumps(content)))
    assert given.values["a[1]"] == 2
