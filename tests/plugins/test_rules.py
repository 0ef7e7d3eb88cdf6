"""Every rule of every plugin is the derivative of its own value; and the check that says so notices when one is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bptt_solver.records import Activation, Function, Loss
from bptt_solver.registry import Registry
from bptt_solver.testing import ROUTES, check_function

REGISTRY = Registry.load()
FUNCTIONS = {f.name: f for f in REGISTRY.functions}
PROMISED = """
identity sigmoid relu leaky_relu elu softplus log_sigmoid hard_sigmoid hard_tanh swish gelu softsign
squared_error mean_squared_error absolute_error huber cross_entropy softmax_cross_entropy binary_cross_entropy
binary_cross_entropy_with_logits negative_log_likelihood kl_divergence hinge
"""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rule(name: str) -> None:
    check_function(FUNCTIONS[name], REGISTRY)


def test_nothing_was_left_out() -> None:
    assert REGISTRY.warnings == ()


@pytest.mark.parametrize("name", PROMISED.split())
def test_promised_function_is_there(name: str) -> None:
    assert REGISTRY.find(name) is not None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_party_functions_are_documented(name: str) -> None:
    assert FUNCTIONS[name].summary


def _wrong_rules() -> Iterator[tuple[str, str, str]]:
    for record in FUNCTIONS.values():
        for argument, formula in record.derivatives.items():
            yield record.name, argument, f"-({formula})"
            yield record.name, argument, f"2*({formula})"
            yield record.name, argument, f"0.9995*({formula})"
            yield record.name, argument, f"({formula}) + 0.001"


@pytest.mark.parametrize(("name", "argument", "formula"), list(_wrong_rules()))
def test_wrong_sign_or_factor_is_found(name: str, argument: str, formula: str) -> None:
    record = FUNCTIONS[name]
    wrong = record.replace(derivatives={**record.derivatives, argument: formula})
    with pytest.raises(AssertionError, match=f"{name}: derivative with respect to {argument}"):
        check_function(wrong, REGISTRY, routes=ROUTES[:1])


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if any(a in f.derivatives for a in f.arguments)])
def test_missing_derivative_is_found(name: str) -> None:
    record = FUNCTIONS[name]
    first = record.arguments[0]
    wrong = record.replace(derivatives={k: v for k, v in record.derivatives.items() if k != first})
    with pytest.raises(AssertionError, match=f"{name}: derivative with respect to {first}"):
        check_function(wrong, REGISTRY, routes=ROUTES[:1])


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", ["sigmoid", "leaky_relu", "squared_error", "softmax_cross_entropy", "huber"])
def test_each_route_alone_finds_a_wrong_rule(name: str, route: str) -> None:
    record = FUNCTIONS[name]
    first = record.arguments[0]
    wrong = record.replace(derivatives={**record.derivatives, first: f"1.001*({record.derivatives[first]})"})
    with pytest.raises(AssertionError, match=route):
        check_function(wrong, REGISTRY, routes=[route])
    check_function(record, REGISTRY, routes=[route])


WRONG_FUNCTIONS = [
    (Activation("f", "tanh(x)", {"x": "1 - tanh(result)**2"}), "complex step"),
    (Activation("f", "tanh(x)", {"x": "1 - result"}), "complex step"),
    (Activation("f", "sigmoid(x)", {"x": "1 - result**2"}), "complex step"),
    (Activation("f", "1/(1 + exp(-x))", {"x": "result*(1 - result)"}), "rewrite it, or give the domain of x"),
    (Activation("f", "log(x)", {"x": "1/x"}), "log of a negative number at x = "),
    (Activation("f", "max(x - 1, 0)", {"x": "step(x - 1, 0)"}), "a kink at x = 1 that 'kinks' does not name"),
    (Activation("f", "x**2", {"x": "2*x"}, kinks=("x",)), "'kinks' names x = 0, where both slopes are"),
    (Activation("f", "max(x, 0)", {"x": "step(x, 2)"}, kinks=("x",)), "gives 2 at x = 0, where the slopes are 0 and 1"),
    (Activation("f", "x*", {"x": "1"}), "the value, 'x\\*', does not parse"),
    (Activation("f", "nonesuch(x)", {"x": "1"}), "unknown function 'nonesuch'"),
    (Loss("f", "sum(y - d)", {"y": "1", "d": "expand(-1, d)"}), r"it has shape \(\), the argument \(3,\)"),
    (
        Loss("f", "-sum(xlogy(d, p))", {"p": "-d/p", "d": "-log(p)"}, ("p", "d"),
             domain={"p": (0.1, 0.9), "d": (0.1, 0.9)},
             matched={"softmax": ("p - d", "only where the targets sum to 1")}),
        "f matched with softmax, 'p - d'",
    ),
    (
        Loss("f", "-sum(xlogy(d, p))", {"p": "-d/p", "d": "-log(p)"}, ("p", "d"),
             domain={"p": (0.1, 0.9), "d": (0.1, 0.9)},
             matched={"softmax": ("p*sum(d) - d", "")}, fused={"softmax": "squared_error"}),
        r"f\(softmax\(o\)\) is",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("record", "message"), WRONG_FUNCTIONS, ids=[m for _, m in WRONG_FUNCTIONS])
def test_wrong_function_is_explained(record: Function, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_function(record, REGISTRY)


def test_message_names_record_argument_point_and_both_numbers() -> None:
    with pytest.raises(AssertionError) as caught:
        check_function(Activation("square", "x**2", {"x": "x"}), REGISTRY)
    assert str(caught.value) == (
        "square: derivative with respect to x, 'x': it gives 0.7082039325, but complex step of the value gives "
        "1.416407865 at x = 0.708204"
    )


@pytest.mark.parametrize("power", [4, 6, 8, 12])
def test_values_much_larger_than_their_slopes(power: int) -> None:
    """An entry with a small slope beside one with a large value: what rounds off there is no fault of the rule."""
    slope = f"(y - d)**{power - 1}"
    record = Loss("steep", f"sum((y - d)**{power})/{power}", {"y": slope, "d": f"-{slope}"})
    for route in ROUTES:
        check_function(record, REGISTRY, routes=[route])
    shifted = record.replace(value=f"{record.value} + 1000000")
    check_function(shifted, REGISTRY, routes=ROUTES[:2])


@pytest.mark.parametrize("power", [4, 6, 8])
@pytest.mark.parametrize("wrong", ["0.9995*({})", "-({})", "({}) + 0.001", "abs({})"])
def test_a_wrong_slope_of_a_large_value_is_found(power: int, wrong: str) -> None:
    slope = wrong.format(f"(y - d)**{power - 1}")
    record = Loss("steep", f"sum((y - d)**{power})/{power}", {"y": slope, "d": f"-(y - d)**{power - 1}"})
    with pytest.raises(AssertionError, match="central differences"):
        check_function(record, REGISTRY, routes=["central differences"])
