"""A profile meets a problem: the new names of families and of their derivatives, and which arrays are transposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bptt_solver.catalogues import message
from bptt_solver.errors import fail, suggest
from bptt_solver.language.expressions import Index, Reference, derivative_name, derivative_parts, is_derivative
from bptt_solver.language.notation.writer import PLAIN_STYLE, Style
from bptt_solver.problem.names import lookalike
from bptt_solver.problem.problem import Problem
from bptt_solver.profiles.profile import STANDARD, Profile
from bptt_solver.profiles.roles import Roles, find_roles

if TYPE_CHECKING:
    from bptt_solver.blocks import Item

_BY_LAYER = ("a", "h", "W_x", "W_h", "b_h")
Name = tuple[str, tuple[Index, ...]]  # a new name, and indices that stand before its own


class Convention:
    """``names``: family -> new name; ``deltas``: family -> name of its ordered derivative; ``kept``: families that
    keep their name though the profile has another one, which is taken; ``unknown``: families without a role.
    """

    __slots__ = ("deltas", "kept", "names", "problem", "profile", "roles", "rows", "shown", "signed", "style",
                 "target", "transposed", "unknown")  # fmt: skip

    def __init__(self, profile: Profile, problem: Problem, target: str) -> None:
        self.target = target
        self.shown: dict[object, tuple[object, list[Item]]] = {}  # lines that are in this convention already
        self.profile = profile
        self.problem = problem
        self.roles: Roles = find_roles(problem)
        self.rows = profile.layout == "rows"
        self.transposed = profile.weights == "senders"
        self.names: dict[str, Name] = {}
        self.deltas: dict[str, Name] = {}
        self.kept: dict[str, str] = {}
        self.unknown: list[str] = []
        self._rename()
        self._name_derivatives()
        self.signed = profile.sign < 0 and bool(self.deltas)
        self.style = PLAIN_STYLE
        if profile.name != STANDARD or profile.settings is not None:
            raised = any("^" in name for name, _ in (*self.names.values(), *self.deltas.values()))
            self.style = Style(profile.indices, profile.nabla, raised)

    # -- names

    def _families(self) -> list[str]:
        system = self.problem.system
        return list(dict.fromkeys([*system.given, *(e.name for e in system.equations)]))

    def _rename(self) -> None:
        profile, roles = self.profile, self.roles
        families = self._families()
        wanted: dict[str, Name] = {}
        layers = roles.layered or "a" not in roles.families  # layers of its own, or none that could be numbered
        for role, family in roles.families.items():
            key = "e" if role == "E" and "e" in profile.names and "e" not in roles.families else role
            name = _split(profile.names[key]) if key in profile.names else None
            if name is not None and name[1] and layers:  # W[k] has its layer already
                own = roles.layered and role in _BY_LAYER and self.problem.system.arity(family) > 0
                name = (name[0], ()) if own else None
            if name is not None:
                wanted[family] = name
        network = self.problem.document.network
        if network is not None:
            known = profile.more.get(network.topology, {})
            wanted.update({f: _split(known[f]) for f in families if f in known})
        for old, new in profile.rename.items():
            if old not in families:
                raise fail(message("profile.no_name", name=old), profile.place("rename", old, key=True),
                           suggest(old, families))  # fmt: skip
            wanted[old] = (new, ())
        self._settle(families, wanted)
        self.names = {f: wanted[f] for f in families if f in wanted and wanted[f] != (f, ())}
        mine = set(roles.families.values()) | set(wanted)
        self.unknown = [f for f in families if f not in mine]

    def _settle(self, families: Sequence[str], wanted: dict[str, Name]) -> None:
        """Take back names of the profile that are taken; refuse such names of the document."""
        asked = self.profile.rename
        order = {family: at for at, family in enumerate(asked)}
        others = self._other_names()
        again = True
        while again:
            again = False
            seen: dict[str, list[str]] = {}
            for family in sorted(families, key=lambda f: (order.get(f, len(order)), f in wanted)):
                look = lookalike(wanted.get(family, (family, ()))[0])
                other = self._clash(family, seen.get(look, ()), wanted)
                new = wanted.get(family, (family, ()))[0]
                if other is None and family in wanted and new != family and new in others:
                    other = new
                if other is not None and family in asked:
                    self._refuse(family, new, other)
                if other is not None and other in asked:
                    self._refuse(other, new, family)
                if other is not None and family in wanted:
                    self.kept[family] = wanted.pop(family)[0]
                    again = True
                    break
                seen.setdefault(look, []).append(family)

    def _other_names(self) -> set[str]:
        """Index variables, sizes and maps."""
        system = self.problem.system
        ranges = {r.variable for e in system.equations for r in e.ranges}
        return {*ranges, *system.sizes, *system.maps}

    def _clash(self, family: str, seen: Sequence[str], wanted: Mapping[str, Name]) -> str | None:
        """Which of the families with a name that looks the same is in the way. A profile may give one name to a total
        and its terms.
        """
        arity, asked = self.problem.system.arity, self.profile.rename
        before = wanted.get(family, (family, ()))[1]
        for other in seen:
            theirs_before = wanted.get(other, (other, ()))[1]
            if family in asked or other in asked:
                return other
            same_place = not before or not theirs_before or before == theirs_before
            if same_place and arity(family) + len(before) == arity(other) + len(theirs_before):
                return other
        return None

    def _refuse(self, family: str, name: str, other: str) -> None:
        key = "profile.taken" if other == name else "profile.same"
        raise fail(
            message(key, family=family, name=name, other=other),
            self.profile.place("rename", family),
            message("profile.one_thing"),
        )

    # -- ordered derivatives

    def _name_derivatives(self) -> None:
        profile, roles = self.profile, self.roles
        patterns = dict(profile.derivatives)
        if profile.sign < 0 and not patterns:
            patterns = {"a": "δ^*", "o": "δ^*"}
        by_family = {family: patterns[role] for role, family in roles.families.items() if role in patterns}
        if "a" in patterns and "*" not in patterns:  # whatever enters an activation has one
            own = patterns["a"] if "*" in patterns["a"] else patterns["a"].partition("_")[0] + "_*"
            by_family = {**dict.fromkeys(roles.sums, own), **by_family}
        if roles.linear and "o" not in roles.families and "o" in patterns:
            by_family[roles.families["y"]] = patterns["o"]
        families = self._families()
        for old, new in profile.delta.items():
            if old not in families:
                raise fail(message("profile.no_name", name=old), profile.place("delta", old, key=True),
                           suggest(old, families))  # fmt: skip
            if old == self.problem.target.name:
                raise fail(
                    message("profile.differentiated", name=old),
                    profile.place("delta", old, key=True),
                    message("profile.by"),
                )
            by_family[old] = new
        taken = {(lookalike(self.name(f)[0]), self.problem.system.arity(f)) for f in families}
        target = self.problem.target.name
        for family in families:
            pattern = by_family.get(family, patterns.get("*"))
            if pattern is None or family == target:
                continue
            new, before = self.name(family)
            written = pattern.replace("*", new)
            clash = (lookalike(written), self.problem.system.arity(family)) in taken
            if clash and family in profile.delta:
                raise fail(message("profile.derivative", family=family, written=written),
                           profile.place("delta", family))  # fmt: skip
            if not clash:
                self.deltas[family] = (written, before)
        owners: dict[Name, int] = {}
        for delta in self.deltas.values():
            owners[delta] = owners.get(delta, 0) + 1
        for family in [f for f, d in self.deltas.items() if owners[d] > 1]:
            if family in profile.delta:
                raise fail(message("profile.two", name=self.deltas[family][0]),
                           profile.place("delta", family))  # fmt: skip
            del self.deltas[family]

    # -- what the rest asks

    @property
    def variants(self) -> list[str]:
        """The endings of sentences that are different in this notation."""
        holding = [name for name, holds in (("rows", self.rows), ("senders", self.transposed)) if holds]
        return [*holding, "named"]

    def name(self, family: str) -> Name:
        """A family's new name."""
        return self.names.get(family, (family, ()))

    def rank(self, name: str) -> int:
        """The rank of a family or of its derivatives; 0 for what is no family."""
        while _is_whole(name):
            name = derivative_parts(name)[1]
        return self.problem.system.ranks.get(name, 0)

    def flips(self, name: str) -> bool:
        """Whether the array of this name is printed transposed."""
        return self.transposed and self.rank(name) == 2

    def delta(self, name: str) -> Name | None:
        """The name for an ordered derivative of the problem's target, if the notation has one."""
        if not _is_whole(name) or not self.deltas:
            return None
        target, family = derivative_parts(name)
        return self.deltas.get(family) if target == self.target else None

    def reference(self, node: Reference) -> Reference:
        """A plain reference, or an ordered derivative as ∂⁺, in new names."""
        if _is_whole(node.name):
            name, before = self._derivative(node.name)
        else:
            name, before = self.names.get(node.name, (node.name, ()))
        return node if name == node.name and not before else Reference(name, (*before, *node.indices))

    def _derivative(self, name: str) -> Name:
        layers: list[str] = []
        while _is_whole(name):
            target, name = derivative_parts(name)
            layers.append(target)
        new, before = self.name(name)
        for target in reversed(layers):
            shown = self._derivative(target)[0] if _is_whole(target) else self._target(target)
            new = derivative_name(shown, new)
        return new, before

    def _target(self, text: str) -> str:
        family, bracket, indices = text.partition("[")
        new, before = self.name(family)
        inside = ",".join([str(i.constant) for i in before] + ([indices.rstrip("]")] if bracket else []))
        return f"{new}[{inside}]" if inside else new


def _split(name: str) -> Name:
    stem, bracket, index = name.partition("[")
    return stem, (Index(int(index.rstrip("]"))),) if bracket else ()


def _is_whole(name: str) -> bool:
    """Whether a name is that of an ordered derivative, and not a sign that begins like one."""
    return is_derivative(name) and "/∂" in name
