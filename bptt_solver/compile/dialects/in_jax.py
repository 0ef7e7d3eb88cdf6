"""JAX: arrays are never changed, a loop carries what it computes from turn to turn, and the whole is compiled."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from bptt_solver.compile.dialects.base import Dialect

_HELPERS = {
    "rows": '''def rows(x):
    """{rows}"""
    return x.reshape(-1, x.shape[-1])''',
    "argmax_share": '''def argmax_share(x):
    """{argmax_share}"""
    ties = (x == x.max(-1, keepdims=True)).astype(x.dtype)
    return ties / ties.sum(-1, keepdims=True)''',
    "column_sums": '''def column_sums(x):
    """{column_sums}"""
    return x.sum(0)''',
}


class JaxDialect(Dialect):
    """How JAX writes it."""

    name = "jax"
    library = "JAX"
    prefix = "jnp"
    header = (
        "import jax",
        "import jax.numpy as jnp",
        "from jax import lax",
        "",
        'jax.config.update("jax_enable_x64", True)  # {types_stay}',
    )
    in_place = False
    hoists_entries = False
    usage = ("result = gradient(given)  # {type_given}",)
    decorators = ("@jax.jit",)
    taken = ("jax", "jnp", "lax", "dtype", "carried", "k")
    helpers = _HELPERS
    needs = MappingProxyType({})

    def _pairs(self) -> dict[str, str]:
        special = {name: f"jax.scipy.special.{name}" for name in ("erf", "xlogy")}
        special["sigmoid"] = "jax.nn.sigmoid"
        return {"max": "jnp.maximum", "min": "jnp.minimum", "clip": "jnp.clip", "step": "jnp.heaviside"} | special

    def array_of(self, text: str) -> str:
        return f"jnp.asarray({text}, dtype)"

    def row_function(self, name: str) -> tuple[str, str]:
        return f"jax.nn.{name}", ", -1"

    def counted(self, low: str, after: str) -> str:
        return f"jnp.arange({low}, {after}, dtype=dtype)"

    def inner(self, left: str, right: str) -> str:
        return f"jnp.vdot({left}, {right})"

    def outer_sum(self, left: str, right: str, axes: int) -> str:
        over = tuple(range(axes))
        return f"jnp.tensordot({left}, {right}, ({over}, {over}))"

    def turned(self, matrix: str) -> str:
        return f"{matrix}.T"

    def kinds(self, like: str | None) -> list[tuple[str, str]]:
        return [("dtype", "dtype = jnp.float64" if like is None else f"dtype = {like}.dtype")]

    def empty(self, shape: Sequence[int]) -> str:
        return f"jnp.zeros({tuple(shape)!r}, dtype)"

    def assigned(self, array: str, where: str, value: str) -> str:
        return f"{array} = {array}.at[{where or '...'}].set({value})"
