"""What section 1 says about numbers that the document does not hold itself: random, imported and made-up ones."""

from __future__ import annotations

from bptt_solver.blocks import Words
from bptt_solver.language.expressions import Index, Reference, derivative_name
from bptt_solver.language.notation.source import to_source
from bptt_solver.narration.catalogue import Catalogue, Field
from bptt_solver.narration.common import joined
from bptt_solver.problem.model import Problem, Remark

_MOST = 12  # names


def remarks_of(problem: Problem, say: Catalogue) -> list[Words]:
    """One paragraph each; what was made up is told in one."""
    made_up = [remark for remark in problem.remarks if remark.kind.startswith("made_up")]
    target = to_source(problem.target)
    told = [_told(remark, target, say) for remark in problem.remarks if remark not in made_up]
    if made_up:
        how = say("given.made_up.how", seed=made_up[0].fields["seed"])
        told.append(joined([*(_told(remark, target, say) for remark in made_up), how], say.gap))
    return told


def _told(remark: Remark, target: str, say: Catalogue) -> Words:
    names = [Reference(name, tuple(map(Index, members))) for name, members in remark.names]
    items: list[Field] = [*names]
    if remark.kind == "sums":  # pairs of biases
        gradients = [Reference(derivative_name(target, name.name)) for name in names]
        items = [(first, " = ", second) for first, second in zip(gradients[::2], gradients[1::2], strict=True)]
    fields: dict[str, Field] = {**remark.fields, "names": say.listed(items, "list.comma", _MOST)}
    if remark.kind.startswith("drawn"):
        seed = remark.fields["seed"]
        fields["seed"] = say("given.drawn.seed", seed=seed) if seed else say("given.drawn.own")
    return say(f"given.{remark.kind}", **fields)
