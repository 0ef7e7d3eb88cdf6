"""The first-party plugins: activations, losses, topologies and update rules.

They use nothing that a third party could not use. Each module holds records, one per function; what they yield is
imported when the hook is called.
"""

from __future__ import annotations

from collections.abc import Iterable

from bptt_solver.hookspecs import hookimpl
from bptt_solver.records import Activation, Loss, Topology, UpdateRule


@hookimpl
def bptt_activations() -> Iterable[Activation]:
    """See `activations`."""
    from bptt_plugins.activations import ACTIVATIONS

    return ACTIVATIONS


@hookimpl
def bptt_losses() -> Iterable[Loss]:
    """See `losses`."""
    from bptt_plugins.losses import LOSSES

    return LOSSES


@hookimpl
def bptt_topologies() -> Iterable[Topology]:
    """See the modules in `topologies`."""
    from bptt_plugins.topologies import (
        bidirectional,
        cell,
        deep,
        elman,
        encoder_decoder,
        feedforward,
        gru,
        lags,
        leaky,
        lstm,
        narx,
        ordered_net,
        tree,
    )

    through_time = (elman, deep, lags, leaky, narx, ordered_net)
    cells = (lstm, gru, bidirectional, cell, encoder_decoder, tree)
    return (feedforward.TOPOLOGY, *(module.TOPOLOGY for module in (*through_time, *cells)), narx.JORDAN)


@hookimpl
def bptt_update_rules() -> Iterable[UpdateRule]:
    """See `update_rules`."""
    from bptt_plugins.update_rules import UPDATE_RULES

    return UPDATE_RULES
