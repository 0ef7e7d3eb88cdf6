"""Safetensors files: named arrays behind a plain header, read by the library `safetensors` when one is asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bptt_solver.catalogues import message
from bptt_solver.errors import Span, fail
from bptt_solver.limits import Limits
from bptt_solver.problem.numerals import shortened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_TYPES = {  # as the format names them, and as NumPy does; all little-endian
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1",
}  # fmt: skip


class Tensors:
    """The tensors of one file: which there are, and each as an array once it is asked for."""

    def __init__(self, data: bytes, file: str, span: Span) -> None:
        """Raises ProblemError where the library is not there, or the file is damaged."""
        try:
            import safetensors
        except ImportError:
            hint = "pip install 'bptt-solver[weights]'"
            raise fail(message("file.no_package", name=file), span, hint) from None
        self.file = file
        self.span = span
        try:
            deserialize: Any = safetensors.deserialize
            self._found = dict(deserialize(data))
        except safetensors.SafetensorError as error:
            hint = str(error).partition(": ")[2][:80] or str(error)[:80]
            raise fail(message("file.no_tensors", name=file), span, hint) from None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tensors."""
        return tuple(sorted(self._found))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        return tuple(self._found[name]["shape"])

    def array(self, name: str, limits: Limits) -> Array:
        """One tensor. Numbers of 16 bits become float32, which holds each of them; complex and logical ones are no
        real numbers."""
        import numpy as np

        label = f"{self.file}[{shortened(name)}]"
        kind, shape = str(self._found[name]["dtype"]), self.shape(name)
        limits.check("indices", len(shape), lambda: message("syntax.word", word=label), self.span)
        limits.check("elements", math.prod(shape), lambda: message("syntax.word", word=label), self.span)
        if not math.prod(shape):
            raise fail(message("file.empty", name=label), self.span)
        data = self._found[name]["data"]
        array: Array
        if kind == "BF16":  # the upper half of a float32
            array = (np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
        elif kind in _TYPES:
            array = np.frombuffer(data, _TYPES[kind])
            array = array.astype(np.float32 if kind == "F16" else array.dtype.newbyteorder("="))
        else:
            known = message("file.types", names=", ".join((*_TYPES, "BF16")))
            raise fail(message("file.kind", name=label, kind=shortened(kind)), self.span, known)
        return array.reshape(shape)
