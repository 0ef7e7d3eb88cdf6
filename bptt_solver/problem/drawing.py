"""Random numbers that are the same on every machine: the bits of PCG64, a stream for each name, exact rounding.

NumPy guarantees the bits of PCG64 and of its `SeedSequence` (NEP 19), not what its generators make of them; so that is
done here. Nothing is used whose last digit differs from one machine to the next: no logarithm of the C library, no sum
in an order of its own.
"""

from __future__ import annotations

import math
import unicodedata
import zlib
from typing import TYPE_CHECKING

from bptt_solver.problem.values import RandomValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Wichura's approximation of the inverse normal distribution (AS 241, PPND16): numerator and denominator, highest first
_CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_MIDDLE = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
_FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)  # fmt: skip


def seed_of(name: str) -> int:
    """The number of a name: the CRC-32 of its NFC form. It is the seed where the document gives none."""
    return zlib.crc32(unicodedata.normalize("NFC", name).encode("utf-8"))


def bits(count: int, seed: int, name: str = "") -> NDArray[np.uint64]:
    """So many 64-bit numbers: the stream of a seed, or that of a name under this seed."""
    import numpy as np

    source = np.random.SeedSequence(seed, spawn_key=(seed_of(name),)) if name else seed
    return np.random.PCG64(source).random_raw(count)


def draw(
    shape: tuple[int, ...],
    seed: int,
    scale: float = 1.0,
    places: int | None = None,
    init: str = "uniform",
    name: str = "",
) -> Floats:
    """Random numbers, rounded to ``places`` decimals if given.

    ``init``: ``uniform`` is evenly spread over ``[-scale, scale)``, the same numbers as of `default_rng(seed).random`;
    ``normal`` has the standard deviation ``scale``; ``orthogonal`` are matrices with orthonormal rows or columns, times
    ``scale``. ``name`` chooses one of the streams that a seed has.
    """
    import numpy as np

    raw = bits(math.prod(shape), seed, name)
    if init == "uniform":
        numbers = ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53 * 2.0 - 1.0) * scale
    else:
        numbers = _normal(raw)
        if init == "orthogonal":
            numbers = _orthogonal(numbers.reshape(shape))
        numbers = numbers * scale
    if places is not None:
        numbers = np.round(numbers, places) + 0.0  # no -0.0
    return numbers.reshape(shape)


def draw_value(value: RandomValue, name: str, shape: tuple[int, ...]) -> Floats:
    """The numbers of a document's ``random``; ``shape`` counts where the document says none."""
    import numpy as np

    wanted = shape if value.shape is None else value.shape
    if value.init in ("zeros", "ones"):
        return np.full(wanted, value.scale if value.init == "ones" else 0.0)
    if value.init == "identity":
        return np.broadcast_to(np.eye(wanted[-2], wanted[-1]) * value.scale, wanted).copy()
    if value.seed is None:
        return draw(wanted, seed_of(name), value.scale, value.places, value.init)
    return draw(wanted, value.seed, value.scale, value.places, value.init, name)


def small(shape: tuple[int, ...], seed: int, name: str) -> Floats:
    """Numbers to read: of one decimal (two or three where there are many), none of them 0, and no two of the same size
    as long as there are enough. Long rows have smaller ones."""
    import numpy as np

    count = math.prod(shape)
    places = 2 if count == 1 or 9 < count < 100 else 1 if count <= 9 else 3
    most = 10**places - 1
    if count > 99:
        most = min(most, int(1700 / math.sqrt(shape[-1])) + 1)
    raw = bits(2 * count, seed, name)
    signs = np.where(raw[:count] & np.uint64(1), 1, -1)
    if count <= most:
        order = np.argsort(bits(most, seed, f"{name} order"), kind="stable")
        sizes = order[:count].astype(np.int64) + 1
    else:
        sizes = (raw[count:] % np.uint64(most)).astype(np.int64) + 1
    numbers: Floats = signs * sizes / 10**places
    return numbers.reshape(shape)


def _normal(raw: NDArray[np.uint64]) -> Floats:
    """One standard normal number from each 64-bit number, by the inverse of its distribution."""
    import numpy as np

    below = ((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52  # in (0, 1), exactly
    offset = below - 0.5
    inner = 0.180625 - offset * offset
    result = offset * _ratio(_CENTRE, inner)
    for at in np.flatnonzero(np.abs(offset) > 0.425):
        tail = float(min(below[at], 1.0 - below[at]))
        away = math.sqrt(-_logarithm(tail))
        size = _ratio(_MIDDLE, away - 1.6) if away <= 5.0 else _ratio(_FAR, away - 5.0)
        result[at] = -size if offset[at] < 0 else size
    return result


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: Floats | float) -> Floats | float:
    top, bottom = (0.0 * x + coefficients[0] for coefficients in polynomials)
    for above, below in zip(polynomials[0][1:], polynomials[1][1:], strict=True):
        top, bottom = top * x + above, bottom * x + below
    return top / bottom


def _logarithm(x: float) -> float:
    """The natural logarithm, the same on every machine (that of the C library is not)."""
    from decimal import Context, Decimal

    return float(Context(prec=30).ln(Decimal(x)))


def _orthogonal(matrices: Floats) -> Floats:
    """Matrices with orthonormal rows, or columns if there are more rows: Gram and Schmidt, twice, sums exact."""
    import numpy as np

    flat = matrices.reshape(-1, *matrices.shape[-2:])
    wide = flat if flat.shape[1] <= flat.shape[2] else flat.transpose(0, 2, 1)
    result = wide.copy()
    for matrix in result:
        for place, row in enumerate(matrix):
            for _ in range(2):
                for before in matrix[:place]:
                    row[:] = row - math.fsum(row * before) * before
            row[:] = row / math.sqrt(math.fsum(row * row))
    turned = result if wide is flat else result.transpose(0, 2, 1)
    return np.ascontiguousarray(turned).reshape(matrices.shape)
