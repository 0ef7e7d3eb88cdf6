"""Training and clipping as analyses: what they found, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bptt_solver.computation import Computation
from bptt_solver.results import plain
from bptt_solver.system import Instance
from bptt_solver.training.clipping import ALL, Clip, Clipped
from bptt_solver.training.settings import Plan, read_clip, read_plan
from bptt_solver.training.trainer import Sweep, Training, floating, full_sweep, train, trained
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.analyses.truncation import Truncation
    from bptt_solver.asked import Asked


class ClipAnalysis:
    """The gradients of a solved problem, truncated where there is a truncation, clipped as its document says."""

    key = "clip"

    def __init__(self, computation: Computation, clip: Clip, truncation: Truncation | None = None) -> None:
        self.computation = computation
        self.clip = clip
        self.truncation = truncation
        self.keys: list[Instance] = trained(computation.problem)[0] or computation.problem.wanted()
        derivative = truncation.derivative if truncation is not None else computation.derivative
        self.gradients = [floating(derivative(key), weight=True) for key in self.keys]
        self.clipped: Clipped = clip.apply(self.gradients)

    def data(self) -> dict[str, Any]:
        """See docs/json.md."""
        names = [instance_text(key) for key in self.keys]
        groups = [names] if self.clip.per == ALL else [[name] for name in names]
        found = zip(groups, self.clipped.norms, self.clipped.factors, strict=False)
        return {
            "kind": self.clip.kind,
            "limit": self.clip.limit,
            "truncated": self.truncation is not None,
            "groups": [{"names": g, "norm": n, "factor": f} for g, n, f in found],
            "cut_entries": self.clipped.cut,
            "gradients": {name: plain(g) for name, g in zip(names, self.clipped.gradients, strict=True)},
        }


class TrainingAnalysis:
    """The steps of training that a document asks for, down the truncated gradients where there is a truncation."""

    key = "training"

    def __init__(
        self, computation: Computation, plan: Plan, asked: Asked, truncation: Truncation | None = None
    ) -> None:
        self.computation = computation
        self.truncation = truncation
        self.everything = asked.everything  # no shortened tables
        self.training: Training = train(computation, plan, asked.start, asked.progress, self._sweep)

    def _sweep(self, computation: Computation, keys: list[Instance]) -> Sweep:
        if self.truncation is None:
            return full_sweep(computation, keys)
        from bptt_solver.training.truncated import truncated_sweep

        return truncated_sweep(self.truncation, keys)

    def data(self) -> dict[str, Any]:
        """See docs/json.md."""
        training = self.training
        rule = training.plan.rule
        return {
            "rule": rule.record.name,
            "options": dict(rule.options),
            "start": training.start.step,
            "steps": training.plan.steps,
            "truncated": self.truncation is not None,
            "route": training.route or "evaluated",
            "compiled_from": training.compiled_from or None,
            "losses": list(training.losses),
            "first_step": {
                instance_text(change.key): {
                    "weight": plain(change.weight),
                    "gradient": plain(change.gradient),
                    "clipped": plain(change.used),
                    "state": {name: plain(value) for name, value in change.state.items()},
                    "new_state": {name: plain(value) for name, value in change.new_state.items()},
                    "new_weight": plain(change.new_weight),
                }
                for change in training.first
            },
            "parameters": {instance_text(key): plain(value) for key, value in training.parameters.items()},
            "state": {
                instance_text(key): {name: plain(value) for name, value in state.items()}
                for key, state in training.state.items()
                if state
            },
        }


def training_analyses(
    computation: Computation, asked: Asked, truncation: Truncation | None = None
) -> list[ClipAnalysis | TrainingAnalysis]:
    """Clipping and training, as far as the document declares them, of truncated gradients where there is a truncation
    that cuts anything. Raises ProblemError for settings that mean nothing,
    and for training that diverges."""
    problem = computation.problem
    plan, clip = read_plan(problem), read_clip(problem)
    truncation = truncation if truncation is not None and truncation.cuts else None
    result: list[ClipAnalysis | TrainingAnalysis] = []
    if clip is not None:
        result.append(ClipAnalysis(computation, clip, truncation))
    if plan is not None:
        result.append(TrainingAnalysis(computation, plan, asked, truncation))
    return result
