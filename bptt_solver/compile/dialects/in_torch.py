"""PyTorch: the program runs where its inputs lie, on the CPU or on a GPU, and builds no graph of its own."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.compile.dialects.base import Dialect

_HELPERS = {
    "rows": '''def rows(x):
    """{rows}"""
    return x.reshape(-1, x.shape[-1])''',
    "tensors": '''def tensors(*values):
    """{tensors}"""
    like = next(v for v in values if isinstance(v, torch.Tensor))
    return [v if isinstance(v, torch.Tensor) else like.new_tensor(v) for v in values]''',
    "maximum": '''def maximum(a, b):
    """{maximum}"""
    return torch.maximum(*tensors(a, b))''',
    "minimum": '''def minimum(a, b):
    """{minimum}"""
    return torch.minimum(*tensors(a, b))''',
    "step": '''def step(x, c):
    """{step}"""
    return torch.heaviside(*tensors(x, c))''',
    "argmax_share": '''def argmax_share(x):
    """{argmax_share}"""
    ties = (x == x.amax(-1, keepdim=True)).to(x.dtype)
    return ties / ties.sum(-1, keepdim=True)''',
    "column_sums": '''def column_sums(x):
    """{column_sums}"""
    return x.sum(0)''',
}
_NEEDS = {"maximum": ("tensors",), "minimum": ("tensors",), "step": ("tensors",)}


class TorchDialect(Dialect):
    """How PyTorch writes it."""

    name = "torch"
    library = "PyTorch"
    prefix = "torch"
    header = ("import torch",)
    in_place = False
    gathers = True
    usage = ("result = gradient(given)  # {type_and_device}",)
    decorators = ("@torch.no_grad()",)
    taken = ("torch", "dtype", "device")
    helpers = _HELPERS
    needs = _NEEDS

    def _pairs(self) -> dict[str, str]:
        return {"clip": "torch.clip", "erf": "torch.erf", "xlogy": "torch.xlogy", "sigmoid": "torch.sigmoid"}

    def array_of(self, text: str) -> str:
        return f"torch.tensor({text}, dtype=dtype, device=device)"

    def row_function(self, name: str) -> tuple[str, str]:
        return f"torch.{name}", ", -1"

    def over_last(self, operand: str, what: str, rank: int) -> tuple[str, str]:
        word = {"max": "amax", "min": "amin"}.get(what, what)
        return super().over_last(operand, word, rank)

    def counted(self, low: str, after: str) -> str:
        return f"torch.arange({low}, {after}, dtype=dtype, device=device)"

    def inner(self, left: str, right: str) -> str:
        return f"torch.sum({left} * {right})"

    def turned(self, matrix: str) -> str:
        return f"{matrix}.T.contiguous()"

    def kinds(self, like: str | None) -> list[tuple[str, str]]:
        return [
            ("dtype", "dtype = torch.float64" if like is None else f"dtype = {like}.dtype"),
            ("device", 'device = "cpu"' if like is None else f"device = {like}.device"),
        ]

    def empty(self, shape: Sequence[int]) -> str:
        return f"torch.empty({tuple(shape)!r}, dtype=dtype, device=device)"
