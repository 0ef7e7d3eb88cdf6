"""What is given, as numbers: from the document, from files, by random numbers - and, for a network, made up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_array
from bptt_solver.catalogues import message
from bptt_solver.problem.arrays import double, split
from bptt_solver.problem.model import Remark
from bptt_solver.problem.values import FileValue, Given, OneHot, RandomValue, split_label

if TYPE_CHECKING:
    from bptt_solver.problem.making import Making

Members = dict[tuple[int, ...], Any]  # by their indices: nested lists, or NumPy arrays from files


class Filling:
    """The numbers of one problem, in the making: its network and equations are known."""

    def __init__(self, making: Making) -> None:
        """Raises ProblemError where the weights of a file do not fit the network."""
        self.making = making
        self.document = making.document
        self.remarks: list[Remark] = []
        self.givens: list[Given] = [*making.document.givens]
        if "weights" in self.document.settings:
            self._import()
        if making.network is not None:
            self._make_up()

    def _import(self) -> None:
        """The parameters in the file of another library."""
        from bptt_solver.problem.weights import imported, library_of, packing_of

        found = imported(self.document, self.making.network, self.making.limits)
        self.givens += found
        file = str(self.document.settings["weights"].options["file"])
        library = library_of(self.document)
        self._say("weights", found, file=file, library=library)
        assert self.making.network is not None
        sums = packing_of(self.document, self.making.network).sums
        pairs = dict.fromkeys(tuple(split_label(part)[0] for part in parts) for parts in sums.values())
        if pairs:
            names = tuple((name, ()) for pair in pairs for name in pair)
            self.remarks.append(Remark("sums", names, {"library": library}))

    def _make_up(self) -> None:
        """What the network reads and nobody gives."""
        network = self.making.network
        assert network is not None
        known = {*network.zeros, *(item.label for item in self.givens), *(item.name for item in self.givens)}
        if all(label in known for label in (*network.data, *network.parameters)):
            return
        from bptt_solver.problem.made_up import MadeUp

        equations, operations = self.making.equations, self.making.operations
        made_up = MadeUp(self.document, network, equations, self.givens, operations, self.making.limits)
        found = made_up.givens()
        self.givens += found
        for role in ("data", "parameter"):
            self._say(f"made_up.{role}", [item for item in found if item.role == role], seed=str(made_up.seed))

    def _say(self, kind: str, items: list[Given], **fields: str) -> None:
        if items:
            self.remarks.append(Remark(kind, tuple((item.name, item.members or ()) for item in items), fields))

    def values(self, arities: Mapping[str, int]) -> dict[str, Members]:
        """Name -> member -> value. ``arities`` tells with how many indices each name is read."""
        result: dict[str, Members] = {}
        spans, problems = self.making.spans, self.making.problems
        drawn: dict[tuple[str, str, str], list[Given]] = {}
        for item in self.givens:
            raw = self._raw(item, drawn)
            if raw is None:
                continue
            raw = raw if not is_array(raw) or raw.ndim else raw.item()
            spans.setdefault(item.name, item.key_span)
            spans.setdefault(item.label, item.key_span)
            members = result.setdefault(item.name, {})
            arity = arities.get(item.name, 0)
            first = item.members or ()
            if item.members is not None and len(first) >= arity:
                if len(first) == arity:
                    members[first] = raw
                continue
            for rest, value in split(raw, item.starts, arity - len(first), item, problems):
                indices = (*first, *rest)
                members.setdefault(indices, value if not is_array(value) or value.ndim else value.item())
        for (init, scale, seed), items in drawn.items():
            self._say(f"drawn.{init}", items, scale=scale, seed=seed)
        problems.raise_if_any()
        return result

    def _raw(self, item: Given, drawn: dict[tuple[str, str, str], list[Given]]) -> Any:
        value: Any = item.value
        if isinstance(value, FileValue):
            return self._file(value)
        if isinstance(value, OneHot):
            from bptt_solver.problem.classes import vectors

            labels = self._file(value.labels) if isinstance(value.labels, FileValue) else value.labels
            return vectors(item, labels, self.classes(item), self.making.problems, self.making.limits)
        return self._drawn(item, value, drawn) if isinstance(value, RandomValue) else value

    def _file(self, value: FileValue) -> Any:
        from bptt_solver.problem.files import load

        found = load(value, self.document.folder, self.making.limits)
        return double(found, self.document.precisions) if is_array(found) else found

    def _drawn(self, item: Given, value: RandomValue, drawn: dict[tuple[str, str, str], list[Given]]) -> Any:
        from bptt_solver.problem.drawing import draw_value
        from bptt_solver.problem.made_up import seed_of_document

        shape = value.shape
        if shape is None:
            shape = self._network_shape(item.label) or self._network_shape(item.name)
        if shape is None:
            hint = message("form.write_random")
            self.making.problems.add(message("form.no_shape", name=item.label), item.value_span, hint)
            return None
        self.making.limits.check(
            "elements", math.prod(shape), lambda: message("syntax.word", word=item.label), item.value_span
        )
        if value.init in ("orthogonal", "identity") and len(shape) < 2:
            self.making.problems.add(message("form.no_matrix", name=item.label, init=value.init), item.value_span)
            return None
        seed = seed_of_document(self.document) if value.seed is None else value.seed
        if value.init not in ("identity", "zeros", "ones"):
            key = value.init, f"{value.scale:g}", "" if seed is None else str(seed)
            drawn.setdefault(key, []).append(item)
        chosen = RandomValue(value.shape, seed, value.scale, value.places, value.init)
        return draw_value(chosen, item.label, tuple(shape))

    def _network_shape(self, label: str) -> tuple[int, ...] | None:
        """The shape that a topology asks for, if every length in it is known."""
        network = self.making.network
        shapes = {**network.data, **network.parameters} if network is not None else {}
        if network is None or label not in shapes:
            return None
        sizes = {item.name: item.value for item in self.document.sizes if isinstance(item.value, int)}
        lengths = [sizes.get(n, network.sizes.get(n)) if isinstance(n, str) else n for n in shapes[label]]
        return None if any(n is None for n in lengths) else tuple(int(n) for n in lengths if n is not None)

    def classes(self, item: Given) -> int | None:
        """The length of the vectors that the network wants for a name."""
        network = self.making.network
        shape = (network.data.get(item.label) or network.data.get(item.name) or ()) if network is not None else ()
        return int(shape[-1]) if shape and not isinstance(shape[-1], str) else None
