"""What is given, compared with what the topology declares: names, how many members, shapes. Told with both sides.

The lengths in a `Network`'s shapes may know their option (`Length`); sizes that nobody set are those of the first
data that have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bptt_solver.catalogues import message
from bptt_solver.errors import Notes, Span, suggest
from bptt_solver.options import shown
from bptt_solver.problem.arrays import covers_members, nested_shape
from bptt_solver.problem.making import Making
from bptt_solver.problem.network import NetworkBlock
from bptt_solver.problem.sizes import declared_sizes
from bptt_solver.problem.told import loose_text, some
from bptt_solver.problem.values import Given, split_label
from bptt_solver.problem.zeros import members_of
from bptt_solver.records import Length, Network, Shape

_PLURALS = {
    "T": "network.steps",
    "N": "network.sequences",
}  # keys  # what the members of a family are, by the size that counts them
_AXES = {0: "row", 1: "column"}
_WRITTEN = 6  # numbers that a hint shows one by one
_WHERE = {"parameters": "parameter", "data": "data"}


class _Said(NamedTuple):
    """A length, in whose words, and where."""

    length: int
    words: str
    span: Span


def check_declared(making: Making) -> None:
    """Compare what is given with what the topology declares; sizes that data determine are set."""
    network, block = making.network, making.document.network
    if network is not None and block is not None:
        _Comparison(making, network, block).run()
        making.problems.raise_if_any()


class _Comparison:
    """One network's declarations beside what is given."""

    def __init__(self, making: Making, network: Network, block: NetworkBlock) -> None:
        self.making = making
        self.network = network
        self.block = block
        self.place = block.span
        self.of_document = {id(item) for item in making.document.givens}
        self.shapes: dict[str, Shape] = {**network.parameters, **network.data}
        self.defined = {e.name for e in making.equations}
        self.read = {name for survey in making.surveys for name, _ in survey.references}
        self.sizes = self._sizes()
        self.items: dict[tuple[str, tuple[int, ...] | None], Given] = {
            (item.name, item.members): item for item in making.filling.givens
        }

    def run(self) -> None:
        """All comparisons."""
        for item in self.making.filling.givens:
            self._known(item)
        for item in self.making.document.sizes:
            self._known_size(item)
        for label, shape in self.shapes.items():
            name, indices = split_label(label)
            if name not in self.read:
                continue
            if indices is not None or not self.making.arities.get(name):
                self._member(name, indices or (), self._expected(shape))
            else:
                self._family(name, self.making.arities[name], shape)
        if not self._outside():
            self._missing()
        for size, said in self.sizes.items():
            self.making.sizes.setdefault(size, said.length)
            if said.span is not self.place:
                self.making.said.append(
                    (message("network.since", name=size, value=said.length, said=said.words), said.span)
                )
        self._required()

    def _sizes(self) -> dict[str, _Said]:
        """The sizes that are set, and who says so."""
        result: dict[str, _Said] = {}
        of_document = {item.name: item for item in self.making.document.sizes}
        for name, value in declared_sizes(self.making).items():
            if name in of_document:
                result[name] = _Said(
                    value, message("network.sizes_is", name=name, value=value), of_document[name].value_span
                )
            else:
                words = message("network.is_in", name=name, value=value, topology=self.block.topology)
                result[name] = self._said(self.network.sizes[name] or 0, words)
        return result

    def _said(self, length: int, otherwise: str) -> _Said:
        """Who says a length: the option that it came from, or the topology."""
        if isinstance(length, Length) and self.block.has(*length.path):
            return _Said(
                int(length),
                message("network.is", name=shown(length.path), value=int(length)),
                self.block.span_of(*length.path),
            )
        return _Said(int(length), otherwise, self.place)

    # -- names

    def _known(self, item: Given) -> None:
        """Note a name that neither the topology nor an equation reads."""
        making = self.making
        if item.name in self.read or item.name in self.defined or item.name in making.resolver.sizes:
            return
        of_role = {"data": self.network.data, "parameter": self.network.parameters}
        labels = of_role.get(item.role, self.shapes)
        what = item.role if item.role in ("data", "parameter") else "quantity"
        names = [label.partition("[")[0] for label in self.shapes]
        hint = suggest(item.name, names)
        listed: str = message(f"network.no_{what}_at_all")
        if labels:
            listed = message("network.has", names=self._listed(labels))
        told = message(f"network.no_{what}", topology=self.block.topology, name=item.name)
        making.problems.add(told, item.key_span, message("network.two", one=hint, other=listed) if hint else listed)

    def _known_size(self, item: Given) -> None:
        """Note a size that no equation names: often one that belongs into the network."""
        if item.name in self.network.sizes or item.name in self.making.resolver.sizes:
            return
        told = message("network.no_size", topology=self.block.topology, name=item.name)
        if self.block.has("sizes", item.name):
            place = self.block.span_of("sizes", item.name)
            hint = message("network.is_option", name=item.name)
            self.making.problems.add(
                told, item.key_span, hint, [(message("network.sizes_here", name=item.name), place)]
            )
            return
        known = message(
            "option.known", names=message.listed([*self.network.sizes], "list.comma") or message("option.none")
        )
        self.making.problems.add(told, item.key_span, suggest(item.name, self.network.sizes) or known)

    def _listed(self, labels: Mapping[str, Shape] | Sequence[str]) -> str:
        """``W_x (3×2), b_h (3)``: names with their shapes."""
        texts = []
        for label in labels:
            shape = self.shapes[label]
            lengths = [self.sizes[n].length if n in self.sizes else n for n in shape]
            texts.append(label + (f" ({'×'.join(map(str, lengths))})" if shape else ""))
        return message.listed(texts, "list.comma") if len(texts) <= 12 else some(texts)

    def _missing(self) -> None:
        """Note what is neither given nor 0 by itself."""
        lacking: dict[str, list[str]] = {"parameters": [], "data": []}
        defined = {e.name for e in self.making.equations}
        for where, labels in (("parameters", self.network.parameters), ("data", self.network.data)):
            for label in labels:
                name, indices = split_label(label)
                if name not in self.read or label in self.network.zeros or name in defined:
                    continue
                members = self.making.values.get(name)
                if not members if indices is None else indices not in (members or ()):
                    lacking[where].append(label)
        for where, absent in lacking.items():
            if absent:
                key = _WHERE[where] if where == "data" or len(absent) == 1 else where
                told = message(f"network.needs_{key}", topology=self.block.topology, names=self._listed(absent))
                hint = message("network.write_under", where=where)
                self.making.problems.add(told, self.place, hint)

    def _outside(self) -> bool:
        """Note a step that an option names and that the data do not have; whether there is one."""
        found = False
        for number, size in self.network.within:
            said = self.sizes.get(size)
            if said is not None and number > said.length and self.block.has(*number.path):
                told = message("network.step_but", option=shown(number.path), step=int(number), said=said.words)
                self.making.problems.add(told, self.block.span_of(*number.path), None, self._notes(said))
                found = True
        return found

    def _required(self) -> None:
        """Note what an option says that the document gives, and what of it has another shape."""
        lacking: dict[tuple[str | int, ...], list[tuple[str, Shape]]] = {}
        for label, (shape, path) in self.network.required.items():
            for name, indices in members_of(self.making, label):
                if indices in self.making.values.get(name, {}):
                    self._member(name, indices, self._expected(shape))
                elif name in self.read:
                    lacking.setdefault(path, []).append((f"{name}[{','.join(map(str, indices))}]", shape))
        for path, members in lacking.items():
            option = self.block.options.get(str(path[0]))
            label, shape = members[0]
            told = message("network.not_given", option=shown(path), value=option, names=some([m for m, _ in members]))
            lengths = [int(n) for n in shape if not isinstance(n, str)]
            short = len(lengths) == len(shape) < 2 and sum(lengths) <= _WRITTEN
            form = _filled(0, lengths) if short else "..."
            hint = message("network.write_value", name=label, form=form)
            if not short:
                hint = message("network.write_shape", name=label, form=form, shape=loose_text(lengths))
            self.making.problems.add(told, self.block.span_of(*path), hint)

    # -- shapes

    def _family(self, name: str, arity: int, shape: Shape) -> None:
        """A name that is declared whole and read with indices: how many members, and what each of them is."""
        members = self.making.values.get(name)
        if not members or arity > len(shape):
            return
        for axis in range(arity):
            if not self._count(name, members, axis, shape[axis]):
                return
        if arity == 1 and len(members) < (last := max(members)[0]):
            lacking = next((at for at in range(1, last + 1) if (at,) not in members), None)
            if lacking is not None:
                told = message("network.lacking", name=name, last=last, lacking=lacking)
                self.making.problems.add(told, self._span(name, (last,)))
                return
        said = self._expected(shape[arity:])
        for indices in members:
            if not self._member(name, indices, said):
                return

    def _count(self, name: str, members: Mapping[tuple[int, ...], Any], axis: int, length: int | str) -> bool:
        """Whether a family ends where it should along one axis."""
        last = max(indices[axis] for indices in members)
        span = self._span(name, next(indices for indices in members if indices[axis] == last), axis + 1)
        if isinstance(length, str):
            if length not in self.network.sizes and length not in self.sizes:
                return True  # each member may have its own
            if length not in self.sizes:
                self.sizes[length] = _Said(
                    last, message("network.has_count", name=name, count=last), span or self.place
                )
                return True
            said = self.sizes[length]
        else:
            said = self._said(length, message("network.reads", topology=self.block.topology, count=int(length)))
        if last == said.length:
            return True
        counted = message(_PLURALS.get(str(length), "network.members"), count=last)
        if axis and length != "T":
            counted = message("network.along", counted=counted, index=axis + 1)
        told = message("network.has_but", name=name, counted=counted, said=said.words)
        self.making.problems.add(told, span, None, self._notes(said))
        return False

    def _expected(self, shape: Shape) -> list[_Said | None]:
        """What each length has to be; None for a size that is not known."""
        return [self.sizes.get(n) if isinstance(n, str) else self._said(n, "") for n in shape]

    def _member(self, name: str, indices: tuple[int, ...], said: Sequence[_Said | None]) -> bool:
        """Whether one member is of the shape that it should have."""
        value = self.making.values.get(name, {}).get(indices)
        if value is None:
            return True
        found = nested_shape(value)
        lengths = [s.length for s in said if s is not None]
        known = len(lengths) == len(said)
        if known and list(found) == lengths:
            return True
        one_by_one = indices and (name, indices) not in self.items  # x: [1, 2] gives a number for each step
        if known and not found and (not one_by_one or set(lengths) <= {1}):
            self.making.values[name][indices] = _filled(value, lengths)  # a number fills an array
            return True
        label = name + (f"[{','.join(map(str, indices))}]" if indices else "")
        return self._differs(label, found, said, self._span(name, indices))

    def _differs(self, label: str, found: tuple[int, ...], said: Sequence[_Said | None], span: Span | None) -> bool:
        """Note where the shape of a member is another one than it should be; whether it is not."""
        if len(found) != len(said):
            wanted = loose_text([None if s is None else s.length for s in said])
            told = message(
                "network.shape_but", name=label, shape=loose_text(found), topology=self.block.topology, wanted=wanted
            )
            notes = next((self._notes(s) for s in said if s is not None and self._notes(s)), None)
            self.making.problems.add(told, span, None, notes or [(message("network.named_here"), self.place)])
            return False
        for axis, (length, wanted_length) in enumerate(zip(found, said, strict=True)):
            if wanted_length is None or length == wanted_length.length:
                continue
            unit = "entry" if len(found) == 1 else _AXES.get(axis, "entry")
            counted = message(f"network.one_{unit}" if length == 1 else f"network.{unit}", count=length)
            words = wanted_length.words or message(
                "network.reads", topology=self.block.topology, count=wanted_length.length
            )
            told = message("network.has_but", name=label, counted=counted, said=words)
            self.making.problems.add(told, span, None, self._notes(wanted_length))
            return False
        return True

    def _notes(self, said: _Said) -> Notes:
        return [(said.words, said.span)] if said.span is not self.place else []

    def _span(self, name: str, indices: tuple[int, ...], depth: int | None = None) -> Span | None:
        """Where a member is given: its own key's value, or its place in the whole."""
        item, whole = self.items.get((name, indices)), self.items.get((name, None))
        for count in range(len(indices) - 1, 0, -1):  # x[2] gives x[2,1], x[2,2], ...
            part = self.items.get((name, indices[:count]))
            if part is not None and covers_members(part, indices[count:]):
                starts = [*part.starts, *([1] * len(indices))]
                path = tuple(at - start for at, start in zip(indices[count:], starts, strict=False))
                return part.span_of(path if depth is None else path[: max(depth - 1 - count, 0)])
        if id(item) not in self.of_document and id(whole) not in self.of_document:
            return self.place  # made up
        if item is not None:
            return item.value_span
        if whole is None:
            return self.making.spans.get(name)
        starts = [*whole.starts, *([1] * len(indices))]
        path = tuple(at - start for at, start in zip(indices, starts, strict=False))
        return whole.span_of(path if depth is None else path[: depth - 1])


def _filled(value: Any, lengths: Sequence[int]) -> Any:
    for length in reversed(lengths):
        value = [value] * length
    return value
