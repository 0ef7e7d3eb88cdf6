"""Small systems as straight-line code for Numba: what is given comes as one vector, and the results go out as one.

An array costs a compiled function more to receive than the few operations of a textbook example take; so there is one
array in and one out, and between them nothing but numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.straight import Scalar, Straight
from bptt_solver.compile.words import Text, joined, say
from bptt_solver.unfold import instance_text

MOST_OPERATIONS = 4_000  # beyond, compiling takes more than some seconds


class Flat(Straight):
    """Writes ``gradient(given)`` over vectors. ``sizes`` are the lengths of the two."""

    sizes: tuple[int, int] = (0, 0)

    def source(self, arguments: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]]) -> str:
        """A module: ``arguments`` and ``outputs`` in the order in which they stand in the vectors."""
        if len(self.recorder.nodes) > MOST_OPERATIONS:
            raise NotCompiled(message("compile.many_numbers", count=f"{MOST_OPERATIONS:,}"))
        given = [number for numbers in arguments.values() for number in numbers]
        results = [number for numbers in outputs.values() for number in numbers]
        entries = [entry for number in results for entry in self._entries(number)]
        roots = [entry for entry in entries if isinstance(entry, Scalar)]
        live = self._live(roots)
        lines = [f"{scalar.name} = given[{at}]" for at, scalar in self._loaded(given) if id(scalar) in live]
        for node in self.recorder.nodes:
            if node.kind != "given" and id(node) in live and node.uses > 1:
                text, _ = self._write(node, top=True)
                node.name = f"v{len(lines)}"
                lines.append(f"{node.name} = {text}")
        for at, entry in enumerate(entries):
            text = self._write(entry)[0] if isinstance(entry, Scalar) else repr(float(entry))
            lines.append(f"result[{at}] = {text}")
        self.sizes = sum(len(self._entries(n)) for n in given), len(entries)
        return joined([*self._about(given, results), *(f"    {line}" for line in lines), "    return result", ""])

    def _loaded(self, given: Sequence[int]) -> list[tuple[int, Scalar]]:
        """Every given number with its place; it gets its name."""
        found: list[tuple[int, Scalar]] = []
        for number in given:
            for k, scalar in enumerate(self.given[number]):
                scalar.name = f"g{number}_{k}"
                found.append((len(found), scalar))
        return found

    def _about(self, given: Sequence[int], results: Sequence[int]) -> list[str]:
        """The module up to the first line of its function."""
        return [
            Text('"""', say("about.numbers")),
            "",
            "    result = gradient(given)",
            "",
            say("vector.given"),
            "",
            *self._places(given),
            "",
            say("vector.result"),
            "",
            *self._places(results),
            '"""',
            "",
            "from math import cos, erf, exp, log, sin, sqrt, tan, tanh",
            "",
            "import numpy as np",
            "from numba import njit",
            "",
            "",
            '@njit(cache=True, error_model="numpy")',
            "def gradient(given):",
            f"    result = np.empty({sum(len(self._entries(n)) for n in results)}, given.dtype)",
        ]

    def _places(self, numbers: Sequence[int]) -> list[str]:
        """Where each instance stands."""
        lines, start = [], 0
        for number in numbers:
            count = len(self._entries(number))
            lines.append(f"    {start:>4} .. {start + count - 1:<4}  {instance_text(self.unfolded.keys[number])}")
            start += count
        return lines
