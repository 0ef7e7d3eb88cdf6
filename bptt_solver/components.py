"""Strongly connected families: what has to be differentiated together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def components(start: str, families: Sequence[str], users: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Strongly connected families, users before what they use (Tarjan's algorithm, without recursion)."""
    position = {family: at for at, family in enumerate(families)}
    uses_of: dict[str, list[str]] = {}
    wanted = set(families)
    for family in families:
        for user in users.get(family, ()):
            if user in wanted:
                uses_of.setdefault(user, []).append(family)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    on: set[str] = set()
    stack: list[str] = []
    found: list[list[str]] = []
    for root in [start, *families]:
        if root in index:
            continue
        work: list[tuple[str, int]] = [(root, 0)]
        while work:
            node, at = work.pop()
            if at == 0:
                index[node] = low[node] = len(index)
                stack.append(node)
                on.add(node)
            following = uses_of.get(node, [])
            descended = False
            while at < len(following):
                other = following[at]
                at += 1
                if other not in index:
                    work += [(node, at), (other, 0)]
                    descended = True
                    break
                if other in on:
                    low[node] = min(low[node], index[other])
            if descended:
                continue
            for other in following:
                if other in on:
                    low[node] = min(low[node], low[other])
            if low[node] == index[node]:
                component = []
                while True:
                    member = stack.pop()
                    on.discard(member)
                    component.append(member)
                    if member == node:
                        break
                found.append(sorted(component, key=position.__getitem__))
    return list(reversed(found))
