"""What section 1 says about a network before its equations: its topology, the choices in it, what names are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bptt_solver.blocks import Block, Formula, Paragraph, Value, Words
from bptt_solver.catalogues import Message, in_language
from bptt_solver.derivation import Derivation
from bptt_solver.language.expressions import Reference
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.narration.common import joined, with_formulas
from bptt_solver.problem.model import Problem
from bptt_solver.records import Loss, Network

_MOST = 40  # names that are explained
_SEVERAL = 3
_PLACED = r"(.+?)(?: (?:of|to) the [\w-]+(?: [\w-]+)?)+"  # a role that is a plain text


def network_blocks(derivation: Derivation, say: Catalogue) -> list[Block]:
    """The topology and its notes in one paragraph, the names in another; nothing for equations without a network."""
    problem = derivation.computation.problem
    network, block = problem.network, problem.document.network
    if network is None or block is None:
        return []
    topology = problem.registry.registry.topology(block.topology)
    words: list[str | Formula | Reference | Value] = list(
        say(f"network.named.{'from' if topology.source else 'plain'}",
            name=topology.name, summary=topology.summary, source=topology.source)
    )  # fmt: skip
    ranks = derivation.computation.backward.ranks if derivation.computation.shapes else None
    for note in network.notes:
        words += [say.gap, *with_formulas(in_language(note, say.language), ranks)]
    words += _matched_identity({**topology.options, **block.options}, problem, say)
    blocks: list[Block] = [Paragraph(tuple(words))]
    names = _names(network, problem)
    if names:
        blocks.append(
            Paragraph(say("network.names", names=joined(_grouped(names, say)[:_MOST], say.text("list.semicolon"))))
        )
    return blocks


def _matched_identity(options: Mapping[str, object], problem: Problem, say: Catalogue) -> Words:
    """That an output without a function of its own matches the loss; section 4 tells the other matched pairs."""
    output, name = options.get("output"), options.get("loss")
    if options.get("readout") is False or not isinstance(output, str) or not isinstance(name, str):
        return ()
    function, loss = problem.operations.find(output), problem.operations.find(name)
    record = loss.record if loss is not None else None
    if function is None or function.name != "identity" or not isinstance(record, Loss):
        return ()
    if "identity" not in record.matched:
        return ()
    return (say.gap, *say("network.matched", loss=record.name, reason=record.matched["identity"][1]))


def _grouped(names: Sequence[tuple[str, str]], say: Catalogue) -> list[Words]:
    """``x: input``; names for one thing at several places together: ``W_i, W_f, W_g, W_o: weights from the input``."""
    heads: dict[str, list[str]] = {}
    for name, role in names:
        heads.setdefault(_head(role), []).append(name)
    told: dict[str, Words] = {}
    for name, role in names:
        together = heads[_head(role)]
        if len(together) < _SEVERAL:
            told[name] = (Reference(name), say.colon, *say.told(role))
        elif name == together[0]:
            listed = say.listed([Reference(n) for n in together], "list.comma", len(together))
            alike = all(other == role for n, other in names if n in together)
            told[name] = (*listed, say.colon, *say.told(role if alike else _head(role)))
    return list(told.values())


def _head(role: str) -> str:
    """What a role says without the place: ``recurrent weights`` of ``recurrent weights of the input gate``. A message
    has the two in its fields ``head`` and ``place``."""
    while isinstance(role, Message):
        head = role.field("head")
        if not isinstance(head, str) or role.field("place") is None:
            return role
        role = head
    found = re.fullmatch(_PLACED, role)
    return found[1] if found else role


def _names(network: Network, problem: Problem) -> list[tuple[str, str]]:
    """The names that the equations use, each with what it is: first what is given, then what is computed."""
    system = problem.system
    known = [(name, role) for name, role in network.roles.items() if role]
    given = [(n, r) for n, r in known if n in system.given and n not in system.defining]
    return given + [(n, r) for n, r in known if n in system.defining]
