"""Training and clipping as analyses: what they found, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bptt_solver.computation import Computation
from bptt_solver.results import plain
from bptt_solver.system import Instance
from bptt_solver.training.clipping import ALL, Clip, Clipped
from bptt_solver.training.settings import Plan, read_clip, read_plan
from bptt_solver.training.trainer import Training, floating, train, trained
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.asked import Asked


class ClipAnalysis:
    """The gradients of a solved problem, clipped as its document says."""

    key = "clip"

    def __init__(self, computation: Computation, clip: Clip) -> None:
        self.computation = computation
        self.clip = clip
        self.keys: list[Instance] = trained(computation.problem)[0] or computation.problem.wanted()
        self.gradients = [floating(computation.derivative(key), weight=True) for key in self.keys]
        self.clipped: Clipped = clip.apply(self.gradients)

    def data(self) -> dict[str, Any]:
        """See docs/json.md."""
        names = [instance_text(key) for key in self.keys]
        groups = [names] if self.clip.per == ALL else [[name] for name in names]
        found = zip(groups, self.clipped.norms, self.clipped.factors, strict=False)
        return {
            "kind": self.clip.kind,
            "limit": self.clip.limit,
            "groups": [{"names": g, "norm": n, "factor": f} for g, n, f in found],
            "cut_entries": self.clipped.cut,
            "gradients": {name: plain(g) for name, g in zip(names, self.clipped.gradients, strict=True)},
        }


class TrainingAnalysis:
    """The steps of training that a document asks for."""

    key = "training"

    def __init__(self, computation: Computation, plan: Plan, asked: Asked) -> None:
        self.computation = computation
        self.everything = asked.everything  # no shortened tables
        self.training: Training = train(computation, plan, asked.start, asked.progress)

    def data(self) -> dict[str, Any]:
        """See docs/json.md."""
        training = self.training
        rule = training.plan.rule
        return {
            "rule": rule.record.name,
            "options": dict(rule.options),
            "start": training.start.step,
            "steps": training.plan.steps,
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


def training_analyses(computation: Computation, asked: Asked) -> list[ClipAnalysis | TrainingAnalysis]:
    """Clipping and training, as far as the document declares them. Raises ProblemError for settings that mean nothing,
    and for training that diverges."""
    problem = computation.problem
    plan, clip = read_plan(problem), read_clip(problem)
    result: list[ClipAnalysis | TrainingAnalysis] = []
    if clip is not None:
        result.append(ClipAnalysis(computation, clip))
    if plan is not None:
        result.append(TrainingAnalysis(computation, plan, asked))
    return result
