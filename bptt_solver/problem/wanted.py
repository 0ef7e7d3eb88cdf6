"""Whose derivatives are wanted, and with respect to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.errors import Excerpt, Source, Span, fail, suggest
from bptt_solver.language.expressions import Index, Reference
from bptt_solver.language.shapes import Shape
from bptt_solver.limits import Limits
from bptt_solver.problem.document import Document
from bptt_solver.problem.outline import Irregular, Outline
from bptt_solver.problem.told import (
    default_target_problem,
    loose_text,
    not_there,
)
from bptt_solver.records import Network
from bptt_solver.system import (
    Instance,
    OutsideMap,
    System,
)
from bptt_solver.unfold import Unfolded, instance_text


class Wanted:
    """Reads the target and the names of a document, or those that were asked for instead."""

    def __init__(self, document: Document, network: Network | None, limits: Limits) -> None:
        self.document = document
        self.network = network
        self.limits = limits

    def target(
        self, text: str | None, system: System, unfolded: Unfolded | Outline, shapes: Mapping[int, Shape]
    ) -> Reference:
        """The target: asked for, declared, or the only number that nothing else uses. Raises ProblemError."""
        from bptt_solver.language.parser import parse_reference

        excerpt = Excerpt.of(text, "--target") if text is not None else self.document.target
        if excerpt is None and self.network is not None:
            excerpt = self._of_network(self.network.target)
        if excerpt is None:
            return (
                unfolded.target() if isinstance(unfolded, Outline) else self._default_target(system, unfolded, shapes)
            )
        reference = parse_reference(excerpt, self.limits, allow_variables=True)
        span = excerpt.span(0, len(excerpt.text))
        for index in reference.indices:
            for word in index.variables():
                if word not in system.sizes:
                    hint = suggest(word, system.sizes) or message("size.number_or", name=word)
                    raise fail(message("size.no_size", name=word), span, hint)
        key = self._key(reference, system, span)
        reference = Reference(reference.name, tuple(map(Index, key[1])))
        if key not in unfolded.number:
            if isinstance(unfolded, Outline):
                raise Irregular(f"there is no {instance_text(key)}")
            raise not_there(key, span, system, unfolded)
        shape = shapes.get(unfolded.number[key], ())
        if shape:
            raise fail(
                message("target.shape", name=instance_text(key), shape=loose_text(shape)),
                span,
                message("target.name_number"),
            )
        return reference

    def _of_network(self, text: str) -> Excerpt:
        """The target that the topology names."""
        block = self.document.network
        assert block is not None
        return Excerpt(text, Source(f"topology '{block.topology}'", text, block.span))

    @staticmethod
    def _key(reference: Reference, system: System, span: Span) -> Instance:
        try:
            return reference.name, tuple(system.index(i, {}) for i in reference.indices)
        except (KeyError, OutsideMap):
            told = message("target.indices", name=reference.name)
            raise fail(told, span, message("target.example", name=reference.name)) from None

    def _default_target(self, system: System, unfolded: Unfolded, shapes: Mapping[int, Shape]) -> Reference:
        """The only number without indices that no other quantity uses; else the user has to say."""
        used = {n for number in unfolded.order for n in unfolded.reads(number)}
        ends = [n for n in unfolded.order if n not in used and n not in shapes and not unfolded.keys[n][1]]
        if len(ends) == 1:
            return Reference(unfolded.keys[ends[0]][0])
        raise default_target_problem(ends, unfolded, shapes, Span(self.document.source, 0, 1))

    def wrt(self, texts: Sequence[str], system: System, unfolded: Unfolded | Outline) -> list[str] | None:
        """The names of the instances or families that are wanted; None if the document does not say."""
        from bptt_solver.language.parser import parse_reference

        excerpts = [Excerpt.of(t, "--wrt") for t in texts] or self.document.wrt
        if not excerpts:
            return None
        result = []
        for excerpt in excerpts:
            reference = parse_reference(excerpt, self.limits, allow_variables=True)
            span = excerpt.span(0, len(excerpt.text))
            key = self._key(reference, system, span)
            whole = not key[1] and (key[0] in system.defining or key[0] in system.given)
            if key not in unfolded.number and not whole:
                if isinstance(unfolded, Outline):
                    raise Irregular(f"there is no {instance_text(key)}")
                raise not_there(key, span, system, unfolded)
            result.append(instance_text(key))
        return result
