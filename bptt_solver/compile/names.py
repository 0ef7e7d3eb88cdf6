"""Names of families as Python identifiers: readable, different from each other and from everything else."""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Iterable

from bptt_solver.language.expressions import is_derivative

_TAKEN = (
    "given", "gradient", "make", "dtype", "device", "real", "program",
    "np", "torch", "jax", "jnp", "lax", "njit", "vectorize", "math",
    "range", "list", "len", "next", "isinstance", "enumerate", "dict", "zip", "print", "type", "float", "int",
)  # fmt: skip


class Identifiers:
    """Hands out one identifier for each name."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._used: dict[str, None] = dict.fromkeys([*_TAKEN, *taken])
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """``d_h`` for ``∂⁺E/∂h``, ``z_2`` for ``z[2,·]``, ``h_`` where ``h`` is taken."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._free(_plain(name))
        return known

    def _free(self, word: str) -> str:
        while word in self._used or keyword.iskeyword(word):
            word += "_"
        self._used[word] = None
        return word


def _plain(name: str) -> str:
    front, space, rest = name.partition(" ")
    derived = is_derivative(front)
    base, bracket, inside = (front.rpartition("/∂")[2] if derived else front).partition("[")
    word = ("d_" if derived else "") + base.replace("'", "_prime")
    fixed = [part for part in inside.rstrip("]").split(",") if bracket and part != "·"]
    word = "_".join([word, *(part.replace("-", "m") for part in fixed)])
    if space:
        word += "_" + rest.replace(" ", "_")
    # Python reads names in the form NFKC: what is the same there must be the same here
    word = unicodedata.normalize("NFKC", word)
    word = "".join(c if c.isidentifier() or c.isdecimal() else "_" for c in word)
    return word if word.isidentifier() else "v_" + word
