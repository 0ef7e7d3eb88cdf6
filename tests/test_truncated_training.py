"""Training down truncated gradients: against PyTorch's `detach`, against repeated solutions, in files, as printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.analyses import losses as losses_module
from bptt_solver.analyses.truncation import Truncation, rule_from_text
from bptt_solver.api import FORMATS
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.training.trainer import full_sweep, trained
from bptt_solver.training.truncated import truncated_sweep
from bptt_solver.unfold import instance_text

ROOT = Path(__file__).parents[1]
STEPS = 6
NET = """\
network: {topology: elman, sizes: {input: 2, hidden: 3, output: 2}, output: softmax, loss: cross_entropy,
          initial: trained}
data:
  x: [[1, 0.5], [-0.5, 0.8], [0.3, -1.2], [0.9, -0.1], [-0.7, 0.2], [0.4, 1.1]]
  d: [[1, 0], [0, 1], [1, 0], [0, 1], [0, 1], [1, 0]]
parameters:
  W_x: [[0.4, -0.3], [0.2, 0.6], [-0.7, 0.1]]
  W_h: [[0.5, -0.2, 0.1], [-0.4, 0.3, 0.25], [0.15, 0.45, -0.35]]
  b_h: [0.1, -0.05, 0.2]
  W_y: [[0.6, -0.5, 0.3], [-0.2, 0.7, 0.4]]
  b_y: [0.2, -0.1]
  h[0]: [0.3, -0.2, 0.1]
"""
NAMES = ("W_x", "W_h", "b_h", "W_y", "b_y", "h[0]")
RULES = ["depth=0", "depth=1", "depth=3", "k1=1", "k1=2", "k1=4", "k1=2,k2=3", "k1=1,k2=3", "k1=2,k2=5"]


def solve(text: str, **options: Any) -> Any:
    """A document's text, solved without the check."""
    return bptt_solver.solve(bptt_solver.loads(text, "net.yaml"), check="none", **options)


def named(parameters: Any) -> dict[str, Any]:
    """Parameters by the names that the JSON has."""
    return {instance_text(key): np.asarray(value) for key, value in parameters.items()}


def printed(solution: Any, form: str = "text") -> str:
    """What is printed, without its line breaks."""
    return " ".join(solution.render(form).split())


# ----------------------------------------------------------------------------- PyTorch


def reaches(rule: str) -> list[tuple[int, list[int]]]:
    """For each group of losses the last step whose state is detached (0: none), and the losses."""
    given = {name: int(number) for name, _, number in (part.partition("=") for part in rule.split(","))}
    if "depth" in given:
        return [(max(0, t - given["depth"] - 1), [t]) for t in range(1, STEPS + 1)]
    k1, k2 = given["k1"], given.get("k2", given["k1"])
    return [(max(0, at + k1 - k2), list(range(at + 1, min(at + k1, STEPS) + 1))) for at in range(0, STEPS, k1)]


class Torch:
    """The network in PyTorch."""

    def __init__(self) -> None:
        self.torch = pytest.importorskip("torch")
        values = solve(NET).values
        self.parameters = [self.torch.tensor(values[n], dtype=self.torch.float64, requires_grad=True) for n in NAMES]
        self.x = [self.torch.tensor(values[f"x[{t}]"], dtype=self.torch.float64) for t in range(1, STEPS + 1)]
        self.d = [self.torch.tensor(values[f"d[{t}]"], dtype=self.torch.float64) for t in range(1, STEPS + 1)]

    def step(self, t: int, h: Any) -> tuple[Any, Any]:
        """The next state and the loss."""
        W_x, W_h, b_h, W_y, b_y, _ = self.parameters
        h = self.torch.tanh(W_x @ self.x[t - 1] + W_h @ h + b_h)
        return h, -(self.d[t - 1] * self.torch.log_softmax(W_y @ h + b_y, 0)).sum()

    def gradients(self, rule: str) -> float:
        """New gradients, truncated with `detach`; the whole loss."""
        for parameter in self.parameters:
            parameter.grad = None
        states, losses = [self.parameters[-1]], []
        for t in range(1, STEPS + 1):
            h, loss = self.step(t, states[-1])
            states.append(h)
            losses.append(loss.item())
        for held, chosen in reaches(rule):
            h = states[held].detach() if held else self.parameters[-1]
            total: Any = 0.0
            for t in range(held + 1, max(chosen) + 1):
                h, loss = self.step(t, h)
                total = total + loss if t in chosen else total
            total.backward()  # adds to the gradients
        return float(sum(losses))


def compare(network: Torch, training: Any, losses: list[float]) -> None:
    """Weights and losses are the same."""
    found = named(training.parameters)
    assert list(found) == list(NAMES)
    for name, parameter in zip(NAMES, network.parameters, strict=True):
        assert np.abs(found[name] - parameter.detach().numpy()).max() < 1e-10, name
    assert np.allclose(training.losses, losses, rtol=0, atol=1e-10)


def run_of(network: Torch, rule: str, optimiser: Any, limit: float | None = None) -> list[float]:
    """Twenty steps of PyTorch."""
    losses = []
    for _ in range(20):
        losses.append(network.gradients(rule))
        if limit is not None:
            length = sum(float((p.grad**2).sum()) for p in network.parameters) ** 0.5
            for parameter in network.parameters:
                parameter.grad *= min(1.0, limit / length)
        optimiser.step()
    return [*losses, network.gradients(rule)]


@pytest.mark.parametrize("rule", RULES)
def test_twenty_steps_are_those_of_pytorch(rule: str) -> None:
    network = Torch()
    losses = run_of(network, rule, network.torch.optim.SGD(network.parameters, lr=0.1))
    training = solve(NET + "update: {rule: sgd, learning_rate: 0.1, steps: 20}\n", truncate=rule).training
    compare(network, training, losses)
    assert training.losses[-1] < training.losses[0]


@pytest.mark.parametrize("rule", ["depth=1", "k1=2", "k1=2,k2=3"])
def test_the_clip_is_behind_the_truncation(rule: str) -> None:
    network = Torch()
    losses = run_of(network, rule, network.torch.optim.Adam(network.parameters, lr=0.05), limit=0.5)
    text = NET + "update: {rule: adam, learning_rate: 0.05, steps: 20, clip: {norm: 0.5}}\n"
    compare(network, solve(text, truncate=rule).training, losses)


def test_the_usual_loop_over_windows() -> None:
    """`h = h.detach()` between windows, one call of the optimiser for all of them."""
    network = Torch()
    optimiser = network.torch.optim.SGD(network.parameters, lr=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        h = network.parameters[-1]
        for start in range(0, STEPS, 2):
            total: Any = 0.0
            for t in (start + 1, start + 2):
                h, loss = network.step(t, h)
                total = total + loss
            total.backward()
            h = h.detach()
        optimiser.step()
    found = named(solve(NET + "update: {steps: 20}\ntruncate: {k1: 2}\n").training.parameters)
    for name, parameter in zip(NAMES, network.parameters, strict=True):
        assert np.abs(found[name] - parameter.detach().numpy()).max() < 1e-10, name


@pytest.mark.parametrize("other", ["depth=2", "k1=1,k2=2"])
def test_the_comparison_sees_another_truncation(other: str) -> None:
    network = Torch()
    losses = run_of(network, "k1=2", network.torch.optim.SGD(network.parameters, lr=0.1))
    for truncate in (other, None):
        with pytest.raises(AssertionError):
            compare(network, solve(NET + "update: {steps: 20}\n", truncate=truncate).training, losses)


def test_a_forgotten_window_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    original = losses_module.Sweeps.route
    monkeypatch.setattr(
        losses_module.Sweeps, "route", lambda self, chosen, blocked=None: original(self, chosen[:1], blocked)
    )
    with pytest.raises(AssertionError):
        test_twenty_steps_are_those_of_pytorch("k1=2")


# ----------------------------------------------------------------------------- any system, any target

SYSTEM = """\
equations: |
  h[t] = tanh(w*x[t] + u*h[t-1])  for t in 1..T
{}
parameters: {{w: {}, u: {}, v: {}, 'h[0]': {}}}
data: {{x: [-0.5, 0.5, 1.5, 0.3, -0.8], d: [0.5, 1, 0.3, 0.1, 0.2]}}
"""
TARGETS = {
    "of the states, with weight decay": "  E = sum((h[t] - d[t])**2 for t in 1..T) + 0.1*w**2",
    "a function of a sum": "  E = log(1 + sum((h[t] - d[t])**2 for t in 1..T))",
    "a mean": "  e[t] = (v*h[t] - d[t])**2 for t in 1..T\n  E = sum(e[t] for t in 1..T)/T",
    "a part read twice": "  S = sum((h[t] - d[t])**2 for t in 1..T)\n  E = 3*S + v**2",
    "a product of sums": """\
  S = sum(h[t] - d[t] for t in 1..2)
  R = sum(h[t]*d[t] for t in 3..T)
  E = S*R""",
    "sums of sums": """\
  e[t] = (v*h[t] - d[t])**2 for t in 1..T
  S[k] = sum(e[t] for t in 1..T where t <= k) for k in 1..T
  E = sum(S[k]*S[k]/2 for k in 1..T)""",
    "one sum and one loss": """\
  e[t] = (v*h[t] - d[t])**2 for t in 1..T
  S[k] = sum(e[t] for t in 1..T where t <= k) for k in 1..2
  E = S[1] + S[2]*e[5]""",
    "sums inside functions": """\
  g[t] = tanh(sum(exp(v*h[t-j])*h[t-j] for j in 0..1)) for t in 1..T
  E = sum(exp(sum(g[t]*g[s] for s in 1..T where s < t)) for t in 1..T)""",
}


@pytest.mark.parametrize("rule", ["depth=0", "depth=1", "k1=2", "k1=2,k2=3"])
@pytest.mark.parametrize("target", TARGETS)
def test_steps_are_repeated_solutions(target: str, rule: str) -> None:
    """Three steps, by the truncated gradients of three documents: also where the losses' weights change."""
    names = ("w", "u", "v", "h[0]")
    weights: tuple[float, ...] = (1.25, 0.85, 0.45, 0.3)
    text = SYSTEM.format(TARGETS[target], *weights)
    for _ in range(3):
        found = solve(SYSTEM.format(TARGETS[target], *map(repr, weights)), truncate=rule).as_dict()["truncation"]
        gradients = [found["gradients"].get(name, {"truncated": 0})["truncated"] for name in names]
        weights = tuple(w - 0.1 * float(g) for w, g in zip(weights, gradients, strict=True))
    training = solve(text + "update: {steps: 3}\n", truncate=rule).training
    trained_to = named(training.parameters)
    for name, weight in zip(names, weights, strict=True):
        if name in trained_to:
            assert trained_to[name] == pytest.approx(weight, rel=1e-13)


def test_data_that_is_wanted_is_trained_too() -> None:
    """It stands in a partial sum of the target, beside what is computed."""
    text = "equations: |\n  h[t] = tanh(w*x[t] + u*h[t-1]) for t in 1..T\n  S = sum(h[t]*d[t] for t in 1..T)\n"
    text += "  E = 3*S\nparameters: {w: 1.25, u: 0.85, 'h[0]': 0.3}\ndata: {x: [-0.5, 0.5, 1.5], d: [0.5, 1.0, 0.3]}\n"
    solution = solve(text + "wrt: [d, w]\nupdate: {steps: 1}\n", truncate="depth=0", by="loss")
    h = [solution.values[f"h[{t}]"] for t in (1, 2, 3)]
    found = named(solution.training.parameters)
    for t, d in enumerate((0.5, 1.0, 0.3)):
        assert found[f"d[{t + 1}]"] == pytest.approx(d - 0.1 * 3 * h[t], rel=1e-13)
    assert solution.as_dict()["contributions"]["agrees"] is True
    again = solve(text + "wrt: [d, w]\nupdate: {steps: 2}\n", truncate="depth=0").training
    moved = text.replace("[0.5, 1.0, 0.3]", repr([float(found[f"d[{t}]"]) for t in (1, 2, 3)]))
    moved = moved.replace("1.25", repr(float(found["w"])))
    rest = solve(moved + "wrt: [d, w]\nupdate: {steps: 1}\n", truncate="depth=0").training
    for name, value in named(again.parameters).items():  # the target's effect of h[t] is 3*d[t], which has changed
        assert value == pytest.approx(named(rest.parameters)[name], rel=1e-13)


EXAMPLES = ["04_scalar_rnn", "07_elman", "08_many_to_one", "10_sequences", "11_deep", "12_jordan", "13_lags", "14_narx",
            "15_ordered_net", "16_lstm", "22_leaky", "26_training"]  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_topology_has_the_gradients_of_its_truncation(name: str) -> None:
    computation = Computation(bptt_solver.load(ROOT / "examples" / name / "problem.yaml"))
    problem = computation.problem
    keys, _ = trained(problem)
    for rule in ("depth=0", "depth=1", "k1=2", "k1=2,k2=3"):
        truncation = Truncation(computation, rule_from_text(rule))
        weights = [np.asarray(problem.given[k], float) if np.ndim(problem.given[k]) else float(problem.given[k])
                   for k in keys]  # fmt: skip
        value, gradients = truncated_sweep(truncation, keys).run(weights)
        assert value == pytest.approx(float(computation.value(computation.target_key)), rel=1e-14)
        differs = False
        for key, gradient, full in zip(keys, gradients, full_sweep(computation, keys).run(weights)[1], strict=True):
            expected = np.asarray(truncation.derivative(key), dtype=float)
            assert np.shape(gradient) == expected.shape
            assert np.allclose(gradient, expected, rtol=1e-13, atol=1e-15)
            differs |= not np.allclose(gradient, full, rtol=1e-9, atol=1e-12)
        assert differs == truncation.cuts


def test_only_what_is_wanted_is_trained() -> None:
    training = solve(NET + "wrt: [W_y, h]\nupdate: {steps: 2}\ntruncate: {depth: 1}\n").training
    assert sorted(named(training.parameters)) == ["W_y", "h[0]"]


def test_what_cuts_nothing_changes_nothing() -> None:
    full = solve(NET + "update: {steps: 5}\nclip: {norm: 1}\n")
    for rule in ("depth=5", "depth=100", "k1=6", "k1=1,k2=6"):
        solution = solve(NET + "update: {steps: 5}\nclip: {norm: 1}\n", truncate=rule)
        assert solution.training.losses == full.training.losses
        data = solution.as_dict()
        assert (data["training"]["truncated"], data["clip"]["truncated"]) == (False, False)
        assert "Nothing is cut here" in printed(solution)
        assert printed(solution).partition("Clipping")[2] == printed(full).partition("Clipping")[2]


# ----------------------------------------------------------------------------- files and JSON


@pytest.mark.parametrize("rule", ["depth=1", "k1=2,k2=3"])
@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_training_goes_on_with_the_same_bits(rule: str, ending: str, tmp_path: Path) -> None:
    text = NET + "update: {rule: adam, learning_rate: 0.05, steps: %d, clip: {norm: 1}}\n"
    whole = solve(text % 20, truncate=rule)
    file = tmp_path / f"params{ending}"
    file.write_bytes(solve(text % 8, truncate=rule).training_files(save=str(file))[str(file)])
    rest = solve(text % 12, truncate=rule, resume=file)
    assert rest.training.losses == whole.training.losses[8:]
    name = "b" + ending
    assert rest.training_files(save=name) == whole.training_files(save=name)


def test_json() -> None:
    data = solve(NET + "update: {steps: 2}\nclip: {norm: 0.5}\ntruncate: {k1: 2}\n").as_dict()
    assert data["training"]["truncated"] is True and data["clip"]["truncated"] is True
    factor = data["clip"]["groups"][0]["factor"]
    assert factor < 1
    for name, change in data["training"]["first_step"].items():
        truncated = np.asarray(data["truncation"]["gradients"][name]["truncated"])
        assert np.allclose(change["gradient"], truncated, rtol=1e-13, atol=1e-16)
        assert np.allclose(change["clipped"], factor * truncated, rtol=1e-13, atol=1e-16)
        assert np.allclose(data["clip"]["gradients"][name], change["clipped"], rtol=1e-13, atol=1e-16)
    assert solve(NET + "update: sgd\n").as_dict()["training"]["truncated"] is False


# ----------------------------------------------------------------------------- as it is printed


@pytest.mark.parametrize("rule", ["depth=1", "k1=2,k2=3"])
def test_one_step_says_which_gradient_it_uses(rule: str) -> None:
    text = (ROOT / "examples" / "04_scalar_rnn" / "problem.yaml").read_text("utf-8") + "update: {learning_rate: 0.1}\n"
    solution = solve(text, truncate=rule)
    training = printed(solution).partition("Training (rule sgd")[2]
    assert training.startswith(f", one step, gradients truncated: {', '.join(rule.split(',')).replace('=', ' = ')})")
    assert "g stands for the truncated gradient." in training
    gradient = solution.as_dict()["truncation"]["gradients"]["u"]["truncated"]
    assert f"u' = u − η·g = 0.8 − 0.1·({gradient:.6g})".replace("-", "−") in training
    assert "∂⁺" not in training
    assert "norm of the truncated gradient" in training
    assert ("once a step, not once a window" in training) == (rule != "depth=1")
    assert "uses the truncated gradients, not those in full" in printed(solution)


def test_clipping_says_which_gradient_it_shortens() -> None:
    text = (ROOT / "examples" / "04_scalar_rnn" / "problem.yaml").read_text("utf-8")
    told = printed(solve(text + "update: {learning_rate: 0.1}\nclip: {norm: 0.1}\ntruncate: {depth: 0}\n"))
    clipping, _, training = told.partition("Clipping")[2].partition("Training (")
    assert "The truncated gradients (ĝ) are made shorter where they are too long" in clipping
    assert "g = c·ĝ = " in clipping and "∂⁺" not in clipping
    assert "g stands for the truncated gradient, clipped, and ĝ for what it is before it is clipped" in training
    assert "u' = u − η·c·ĝ = 0.8 − 0.1·" in training and "∂⁺" not in training
    per = printed(solve(text + "clip: {norm: 0.1, per: parameter}\ntruncate: {depth: 0}\n")).partition("Clipping")[2]
    assert "‖ĝ‖ = " in per and "u: g = c·ĝ = " in per
    taken = "equations: |\n  ĝ[t] = tanh(g*ĝ[t-1]) for t in 1..T\n  E = sum(ĝ[t] for t in 1..T)\n"
    taken += "sizes: {T: 3}\nparameters: {g: 0.5, 'ĝ[0]': 1.0}\nclip: {norm: 0.1}\ntruncate: {depth: 0}\n"
    assert "The truncated gradients (truncated) are made shorter" in printed(solve(taken))


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ("svg", "dot")])
@pytest.mark.parametrize("name", ["04_scalar_rnn", "07_elman", "11_deep", "16_lstm"])
def test_everything_at_once(name: str, form: str) -> None:
    """Contributions, truncation, another method, gradient flow, clipping and training in one run."""
    text = (ROOT / "examples" / name / "problem.yaml").read_text("utf-8")
    problem = bptt_solver.loads(text + "\nupdate: {rule: momentum, steps: 3}\nclip: {norm: 0.1}\n")
    solution = bptt_solver.solve(problem, by="both", truncate="depth=0", flow=True, method="rtrl")
    assert solution.verified
    written = solution.render(form)
    if form == "json":
        data = json.loads(written)
        assert {"contributions", "truncation", "rtrl", "gradient_flow", "clip", "training"} <= set(data)
        assert data["training"]["truncated"] is True
        return
    titles = ("Contributions", "Truncated backpropagation through time", "Gradient flow", "Clipping", "Training")
    places = [at for title in titles if (at := written.rfind(title)) >= 0]
    assert len(places) == len(titles)
    assert "internal" not in written


# ----------------------------------------------------------------------------- messages


def test_what_cannot_be_truncated_is_not_trained() -> None:
    text = (ROOT / "examples" / "18_bidirectional" / "problem.yaml").read_text("utf-8") + "\nupdate: sgd\n"
    with pytest.raises(ProblemError, match="errors travel forwards in time as well"):
        solve(text, truncate="depth=1").render("json")


def test_wrong_settings_are_told_with_their_place() -> None:
    line = NET.count("\n") + 2
    with pytest.raises(ProblemError, match=f"net.yaml:{line}:19: 'depth' must be a whole number from 0 on, got -1"):
        solve(NET + "update: sgd\ntruncate: {depth: -1}\n").render("json")
    with pytest.raises(ProblemError, match="unknown option 'update' of 'truncate'"):
        solve(NET + "update: sgd\ntruncate: {k1: 2, update: window}\n").render("json")


def test_divergence_names_the_step_and_the_quantity() -> None:
    text = "equations: |\n  h[t] = w*h[t-1]**3 for t in 1..T\n  E = sum(h[t]**2 for t in 1..T)\nsizes: {T: 3}\n"
    text += "parameters: {w: 2.0, 'h[0]': 1.5}\nupdate: {learning_rate: 10, steps: 50}\ntruncate: {depth: 1}\n"
    with pytest.raises(ProblemError, match=r"training diverged: after step [0-9]+ .* is not a finite number") as error:
        solve(text).render("json")
    assert "·" not in str(error.value)


def test_speed() -> None:
    """The sweeps are compiled once: twenty time steps make hundreds of steps a second, also on a busy machine."""
    import time

    text = NET.partition("data:")[0] + "data:\n  x: [" + ", ".join(["[0.5, -0.3]"] * 20) + "]\n"
    text += "  d: [" + ", ".join(["[1, 0]"] * 20) + "]\nupdate: {steps: 200}\n"
    start = time.perf_counter()
    assert len(solve(text, truncate="depth=4").training.losses) == 201
    assert time.perf_counter() - start < 8
