"""The complex functions have the float functions' values and slopes, at the edges too."""

from __future__ import annotations

import math

import pytest

from bptt_solver.arithmetic import Arithmetic, ComplexArithmetic
from bptt_solver.language.operations import Operations

POINTS = (-800.0, -1.5, -5e-324, -0.0, 0.0, 5e-324, 0.25, 1.0, 800.0)
SLOPES = {
    "abs": lambda x: (x > 0) - (x < 0),
    "sign": lambda x: 0,
    "tanh": lambda x: 1 / math.cosh(x) ** 2 if abs(x) < 300 else 0,
    "sin": math.cos,
    "cos": lambda x: -math.sin(x),
    "exp": lambda x: math.exp(x) if x < 700 else None,
    "erf": lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x),
}


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("x", POINTS)
def test_functions(name: str, x: float) -> None:
    operations = Operations()
    expected = SLOPES[name](x)
    if expected is None:
        return
    found = ComplexArithmetic(operations).function(name)(complex(x, 1e-30))
    assert found.real == pytest.approx(Arithmetic(operations).function(name)(x), rel=1e-15, abs=0)
    assert found.imag / 1e-30 == pytest.approx(expected, rel=1e-14, abs=1e-320)
    import numpy

    array = ComplexArithmetic(operations).function(name)(numpy.array([complex(x, 1e-30)]))
    assert array[0].imag / 1e-30 == pytest.approx(expected, rel=1e-14, abs=1e-320)


@pytest.mark.parametrize(
    ("base", "exponent", "slope"),
    [(-1.01, 201, 201 * 1.01**200), (2.0, -3, -3 / 16), (0.0, 2, 0), (0.0, 1.5, 0), (4.0, 0.5, 0.25), (-3.0, 3, 27)],
)
def test_powers(base: float, exponent: float, slope: float) -> None:
    power = ComplexArithmetic(Operations()).function("power")
    assert power(complex(base, 1e-30), complex(exponent)).imag / 1e-30 == pytest.approx(slope, rel=1e-13)


@pytest.mark.parametrize(("a", "b", "slope"), [(1.0, 2.0, 0), (3.0, 2.0, 1), (2.0, 2.0, 0.5)])
def test_max_and_its_tie(a: float, b: float, slope: float) -> None:
    function = ComplexArithmetic(Operations()).function("max")
    assert function(complex(a, 1e-30), complex(b)).imag == slope * 1e-30


def test_logits_of_a_thousand() -> None:
    import numpy

    operations = Operations()
    x = numpy.array([1000.0, -1000.0, 999.0])
    for name in ("softmax", "log_softmax", "logsumexp"):
        found = ComplexArithmetic(operations).function(name)(x + numpy.array([1e-30j, 0, 0]))
        assert numpy.isfinite(numpy.atleast_1d(found)).all()
        expected = Arithmetic(operations).function(name)(x)
        assert numpy.real(found) == pytest.approx(expected, rel=1e-15)
