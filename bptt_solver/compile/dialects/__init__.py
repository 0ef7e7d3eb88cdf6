"""The libraries that a program can be written for."""

from __future__ import annotations

from bptt_solver.compile.dialects.base import Dialect

NAMES = ("numpy", "torch", "jax", "numba")
NUMPY = Dialect()


def dialect_of(name: str) -> Dialect:
    """The dialect of a library. Raises KeyError for one that has none."""
    if name == "torch":
        from bptt_solver.compile.dialects.in_torch import TorchDialect

        return TorchDialect()
    if name == "jax":
        from bptt_solver.compile.dialects.in_jax import JaxDialect

        return JaxDialect()
    if name == "numba":
        from bptt_solver.compile.dialects.in_numba import NumbaDialect

        return NumbaDialect()
    if name != "numpy":
        raise KeyError(name)
    return NUMPY
