"""Which index of a system is its time, and how far apart in time two instances stand."""

from __future__ import annotations

from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Reference, preorder
from bptt_solver.system import Instance, System


class Times:
    """The time of instances. ``variable`` is its name in the equations (empty: nothing is shifted, so there is no
    time).

    ``recurrent``: something given that does not carry the time is read by an equation that looks back (a shared
    weight); then the index really is a time, not the number of a layer.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.variables: dict[str, str] = {}
        self.variable = ""
        self.recurrent = False
        self.clocks: dict[tuple[int, str], bool] = {}
        shifted: set[str] = set()
        for equation in system.equations:
            own = {r.variable for r in equation.ranges}
            looks_back: set[str] = set()
            shared: set[str] = set(own)
            for node in preorder(equation.right):
                if type(node) is not Reference:
                    continue
                carried = {v for i in node.indices for v in i.variables()}
                if node.name in system.defining:
                    looks_back |= {v for i in node.indices if i.constant for v in i.variables() if v in own}
                elif system.roles.get(node.name) != "data":
                    shared &= own - carried
            shifted |= looks_back
            reads_given = any(type(n) is Reference and n.name not in system.defining for n in preorder(equation.right))
            self.recurrent = self.recurrent or (bool(looks_back & shared) and reads_given)
        for equation in system.equations:
            at = system.time_position(equation.name)
            if at is not None and equation.indices:
                ranged = {r.variable for r in equation.ranges}
                words = [v for v in equation.indices[at].variables() if v in ranged]
                if words and words[0] in shifted:
                    self.variables.setdefault(equation.name, words[0])
        if self.variables:
            self.variable = next(iter(self.variables.values()))

    def of(self, key: Instance) -> int | None:
        """The time of an instance; None if it has none."""
        if not self.variable or not key[1]:
            return None
        name = key[0]
        if name in self.system.defining and name not in self.variables:
            return None
        at = self.system.time_position(name)
        return None if at is None else key[1][at]

    def shift(self, earlier: Instance, later: Instance) -> int | None:
        """How many steps after ``earlier`` the instance ``later`` stands; None if one of them has no time."""
        a, b = self.of(earlier), self.of(later)
        return None if a is None or b is None else b - a

    def apart(self, node: Instance, user: Instance, via: Equation) -> int | None:
        """How many steps after ``node`` its user stands; None if that is no distance in time: in ``W @ h[S]`` for every
        t the h is always the last one, whatever t is.
        """
        return self.shift(node, user) if self._one_clock(via, node[0]) else None

    def _one_clock(self, via: Equation, family: str) -> bool:
        """Whether an equation reads a family at times that move along with its own, or at a fixed distance."""
        known = self.clocks.get((id(via), family))
        if known is None:
            mine, read = self.system.time_position(via.name), self.system.time_position(family)
            known = mine is None or read is None
            if mine is not None and read is not None and via.indices:
                own = via.indices[mine]
                moving = {*own.variables()} & {r.variable for r in via.ranges}
                found = [n.indices[read] for n in preorder(via.right) if type(n) is Reference and n.name == family]
                known = any(moving & {*i.variables()} or not i.plus(own, -1).terms for i in found)
            self.clocks[id(via), family] = known
        return known
