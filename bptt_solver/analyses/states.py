"""The states of a system: what it carries from one time to another, found in the graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bptt_solver.components import components
from bptt_solver.instances import Unfolded, instance_text
from bptt_solver.language.expressions import Index, Reference, derivative_name
from bptt_solver.steps.times import Times
from bptt_solver.system import Instance

Column = Instance  # a family and its indices without the time
Link = tuple[Column, Column, int]  # the user, what it reads, and how many steps later the user stands


class State:
    """A family along time: ``h[t]``, or ``a[2,t]`` with its other indices fixed. ``members``: the instances by time."""

    __slots__ = ("members", "name", "position", "rest")

    def __init__(self, column: Column, position: int, members: Mapping[int, int]) -> None:
        self.name, self.rest = column
        self.position = position
        self.members = dict(members)

    def reference(self, time: Index) -> Reference:
        """The state at a time: ``h[t-1]``."""
        indices = [Index(i) for i in self.rest]
        indices.insert(self.position, time)
        return Reference(self.name, tuple(indices))

    def derivative(self, of: str, time: Index) -> Reference:
        """The ordered derivative of something by the state at a time: ``∂⁺E/∂h[t]``."""
        return Reference(derivative_name(of, self.name), self.reference(time).indices)

    def text(self, time: int | str) -> str:
        """The same as the language writes it: ``h[3]``."""
        indices = [*map(str, self.rest)]
        indices.insert(self.position, str(time))
        return f"{self.name}[{','.join(indices)}]"


class Group:
    """States that depend on each other through time (``h`` and ``c`` of an LSTM), and what lies on the paths between
    them.

    ``direction`` is 1, or -1 where the chain runs backwards in time; ``lag`` is how many steps it looks back at most.
    ``nodes`` holds the instances on the paths in the order of computation, given ones first; ``times`` the times of
    the states, in that order as well. ``place`` and ``time`` belong to the nodes.
    """

    __slots__ = ("at", "direction", "lag", "nodes", "on_paths", "place", "states", "time", "times")

    def __init__(
        self,
        states: Sequence[State],
        nodes: Sequence[int],
        shifts: Sequence[int],
        place: Mapping[int, Column],
        time: Mapping[int, int],
    ) -> None:
        self.states = list(states)
        self.nodes = list(nodes)
        self.on_paths = frozenset(nodes)
        self.direction = 1 if shifts[0] > 0 else -1
        self.lag = max(map(abs, shifts)) if min(shifts) * max(shifts) > 0 else 0  # 0: in both directions
        self.place = {n: place[n] for n in nodes}
        self.time = {n: time[n] for n in nodes if n in time}
        self.at: dict[int, list[int]] = {}  # time -> nodes
        for number in nodes:
            if number in time:
                self.at.setdefault(time[number], []).append(number)
        self.times = sorted({t for s in states for t in s.members}, reverse=self.direction < 0)

    @property
    def simple(self) -> bool:
        """Whether everything that reaches a time comes from the one before: the steps multiply to the whole."""
        return self.lag == 1 and len(self.time) == len(self.nodes)

    def link(self, user: int, read: int) -> Link:
        """What two instances of which one reads the other have in common with those of other times."""
        time = self.time.get(user, 0)
        return self.place[user], self.place[read], time - self.time.get(read, time)

    def last(self, state: State) -> int:
        """The time at which a state ends."""
        return max(state.members) if self.direction > 0 else min(state.members)

    def first(self, state: State) -> int:
        """The time at which a state begins."""
        return min(state.members) if self.direction > 0 else max(state.members)


def find_groups(unfolded: Unfolded, times: Times) -> list[Group]:
    """The groups of states, what is computed first in front. None if nothing is read at another time by what it
    depends on."""
    place: dict[int, Column] = {}
    time: dict[int, int] = {}
    for number, key in enumerate(unfolded.keys):
        at = times.of(key)
        if at is None:
            place[number] = key
            continue
        time[number] = at
        position = unfolded.system.time_position(key[0])
        place[number] = key[0], tuple([i for k, i in enumerate(key[1]) if k != position])
    edges: dict[tuple[Column, Column], dict[int, None]] = {}
    for user in unfolded.order:
        for read in unfolded.reads(user):
            shift = time[user] - time[read] if user in time and read in time else 0
            edges.setdefault((place[read], place[user]), {})[shift] = None
    found = []
    for together in _components(edges):
        inside = {e: s for e, s in edges.items() if e[0] in together and e[1] in together}
        shifts = [s for all_shifts in inside.values() for s in all_shifts if s]
        if not shifts:
            continue
        carried = dict.fromkeys(read for (read, _), all_shifts in inside.items() if any(all_shifts))
        nodes = [n for n in range(len(unfolded.keys)) if unfolded.grounds[n] is None and place[n] in together]
        nodes += [n for n in unfolded.order if place[n] in together]
        members: dict[Column, dict[int, int]] = {column: {} for column in carried}
        for number in nodes:
            if place[number] in members and number in time:
                members[place[number]][time[number]] = number
        states = [State(c, unfolded.system.time_position(c[0]) or 0, m) for c, m in members.items()]
        found.append(Group(_in_order(states, nodes), nodes, shifts, place, time))
    computed = {n: at for at, n in enumerate(unfolded.order)}
    return sorted(found, key=lambda g: min(computed.get(n, len(computed)) for n in g.nodes))


def _in_order(states: Sequence[State], nodes: Sequence[int]) -> list[State]:
    """What is computed first at the last common time, first: ``c`` before ``h``."""
    position = {n: at for at, n in enumerate(nodes)}
    common = [t for t in states[0].members if all(t in s.members for s in states)]
    if not common:
        return list(states)
    time = max(common, key=lambda t: position[states[0].members[t]])
    return sorted(states, key=lambda s: position[s.members[time]])


def _components(edges: Mapping[tuple[Column, Column], object]) -> Iterator[dict[Column, None]]:
    """The strongly connected columns."""
    names: dict[str, Column] = {}
    users: dict[str, list[str]] = {}
    for read, user in edges:
        one, other = _label(read), _label(user)
        names.setdefault(one, read)
        names.setdefault(other, user)
        users.setdefault(one, []).append(other)
    if names:
        for component in components(next(iter(names)), list(names), users):
            yield dict.fromkeys(names[n] for n in component)


def _label(column: Column) -> str:
    return instance_text(column)
