"""The loss and the gradients of a whole data set, in words."""

from __future__ import annotations

from bptt_solver.blocks import Block, Formulas, Heading, Line, Note, Paragraph, Value
from bptt_solver.datasets.sums import Summed
from bptt_solver.language.expressions import Reference, derivative_name
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.narration.more import named


def data_set_blocks(summed: Summed, lang: str = "en") -> list[Block]:
    """How many sequences there are, the sum of the losses, and a line for each gradient."""
    say = Catalogue(lang)
    target = named(summed.target)
    lines = [Line((target, Value(summed.loss)))]
    for name, gradient in summed.gradients.items():
        of = named(name)
        reference = Reference(derivative_name(summed.target, of.name), of.indices)
        lines.append(Line((reference, Value(gradient if gradient.ndim else gradient.item()))))
    counts = {"sequences": f"{summed.sequences:,}", "chunks": f"{summed.chunks:,}", "chunk": f"{summed.chunk:,}"}
    return [
        Heading((say.text("data_set.title"),), level=0),
        Paragraph(say("data_set.what", target=target, **counts)),
        *([Note(say.told(summed.note))] if summed.note else []),
        Formulas(lines),
    ]
