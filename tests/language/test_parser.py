"""What the parser makes of texts: trees as the user wrote them, positions, and many lines at once."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bptt_solver.errors import Excerpt, ProblemError, Source, Span
from bptt_solver.language.equations import Equation, Origin
from bptt_solver.language.expressions import (
    Call,
    Comparison,
    Expression,
    Index,
    Iverson,
    Lookup,
    Number,
    Range,
    Reference,
    Sum,
)
from bptt_solver.language.notation.source import equation_to_source, to_source
from bptt_solver.language.parser import locate, parse_equations, parse_expression, parse_reference
from bptt_solver.limits import Limits

A, B, C, D = (Reference(name) for name in "abcd")


def expression(text: str, **limits: int) -> Expression:
    return parse_expression(Excerpt.of(text), Limits(limits))


def equation(text: str) -> Equation:
    (parsed,) = parse_equations(Excerpt.of(text))
    return parsed


def add(*terms: Expression) -> Call:
    return Call("add", terms)


def mul(*factors: Expression) -> Call:
    return Call("mul", factors)


def neg(term: Expression) -> Call:
    return Call("neg", (term,))


def power(base: Expression, exponent: Expression) -> Call:
    return Call("power", (base, exponent))


def index(text: str) -> Index:
    tree = expression(f"h[{text}]")
    assert isinstance(tree, Reference)
    return tree.indices[0]


class TestTrees:
    def test_sums_and_products_are_flat_and_nested_as_written(self) -> None:
        assert expression("a - b + c") == add(A, neg(B), C)
        assert expression("-a + b") == add(neg(A), B)
        assert expression("a + (b + c)") == add(A, add(B, C))
        assert expression("(a + b) + c") == add(add(A, B), C)
        assert expression("a*b*c") == mul(A, B, C)
        assert expression("(a*b)*c") == mul(mul(A, B), C)
        assert expression("a*b/c*d") == mul(Call("div", (mul(A, B), C)), D)
        assert expression("a/b/c") == Call("div", (Call("div", (A, B)), C))

    def test_a_minus_sign_is_looser_than_a_power_and_tighter_than_a_product(self) -> None:
        assert expression("-a*b") == mul(neg(A), B)
        assert expression("-a**2") == neg(power(A, Number(2)))
        assert expression("a**-b**2") == power(A, neg(power(B, Number(2))))
        assert expression("a**-b*c") == mul(power(A, neg(B)), C)
        assert expression("a - -b") == add(A, neg(neg(B)))
        assert expression("a*-b") == mul(A, neg(B))

    def test_powers_go_to_the_right(self) -> None:
        assert expression("a**b^c") == power(A, power(B, C))
        assert expression("a²") == power(A, Number(2))
        assert expression("-a²³") == neg(power(A, Number(23)))

    def test_matrix_products_share_the_rank_of_products(self) -> None:
        assert expression("a @ b @ c") == Call("matmul", (Call("matmul", (A, B)), C))
        assert expression("a*b @ c") == Call("matmul", (mul(A, B), C))
        assert expression("a @ b*c") == mul(Call("matmul", (A, B)), C)
        assert expression("a.T @ b") == expression("aᵀ @ b") == Call("matmul", (Call("transpose", (A,)), B))

    def test_signs_with_other_shapes(self) -> None:
        assert expression("a·b ⊙ c ⋅ d") == mul(A, B, C, D)
        assert expression("a − b") == add(A, neg(B))
        assert expression("[t≤T, t≥1, t≠2]") == expression("[t <= T and t >= 1, t != 2]")

    def test_numbers_are_exact_or_floats(self) -> None:
        assert [expression(t) for t in ("1", "1.5", ".5", "1e3")] == [
            Number(1),
            Number(1.5),
            Number(0.5),
            Number(1000.0),
        ]
        assert isinstance(expression("1"), Number)
        assert expression("1/2") == Call("div", (Number(1), Number(2)))

    def test_calls_and_references(self) -> None:
        assert expression("f(a, b + c)") == Call("f", (A, add(B, C)))
        assert expression("f (a)") == Call("f", (A,))
        assert expression("sum(a)") == Call("sum", (A,))
        assert expression("h[t-1, 2]") == Reference("h", (Index(-1, (("t", 1),)), Index(2)))

    def test_indices_are_affine(self) -> None:
        assert index("2*t-1") == Index(-1, (("t", 2),))
        assert index("T-t+1") == Index(1, (("T", 1), ("t", -1)))
        assert index("-(2*(t-1)) + t*3") == Index(2, (("t", 1),))
        assert index("-1") == Index(-1)
        assert index("2*3*t - t") == Index(0, (("t", 5),))
        assert index("left[right[i]]+1") == Index(
            1, ((Lookup("left", (Index(0, ((Lookup("right", (Index.variable("i"),)), 1),)),)), 1),)
        )

    def test_guards_and_sums(self) -> None:
        t, one, last = Index.variable("t"), Index(1), Index.variable("T")
        assert expression("[1 <= t < T]*a") == mul(Iverson((Comparison(one, "<=", t), Comparison(t, "<", last))), A)
        assert expression("sum(a for t in 1..T, k in 1..t where k != t)") == Sum(
            A,
            (Range("t", one, last), Range("k", one, t)),
            (Comparison(Index.variable("k"), "!=", t),),
        )

    def test_ordered_derivatives_are_atoms(self) -> None:
        assert expression("∂⁺E/∂h[t]") == Reference("∂⁺E/∂h", (Index.variable("t"),))
        assert expression("∂⁺E / ∂h * a/b") == Call("div", (mul(Reference("∂⁺E/∂h"), A), B))
        assert expression("∂⁺C[2]/∂h[t]") == Reference("∂⁺C[2]/∂h", (Index.variable("t"),))
        assert expression("∂⁺(∂⁺E/∂u[1])/∂w[3]") == Reference("∂⁺(∂⁺E/∂u[1])/∂w", (Index(3),))
        assert expression("∂⁺E/∂(∂⁺E/∂h)[3]") == Reference("∂⁺E/∂(∂⁺E/∂h)", (Index(3),))

    def test_equations_have_index_domains(self) -> None:
        parsed = equation("c[k, t] = c[k-1, t] for k in 1..K, t in 1..T where k != t")
        assert (parsed.name, parsed.indices) == ("c", (Index.variable("k"), Index.variable("t")))
        assert [r.variable for r in parsed.ranges] == ["k", "t"]
        assert parsed.conditions == (Comparison(Index.variable("k"), "!=", Index.variable("t")),)
        assert equation("∂⁺E/∂h[T] = 1").name == "∂⁺E/∂h"

    def test_names_are_letters_of_any_script_in_one_spelling(self) -> None:
        assert expression("y\u0302") == expression("ŷ") == Reference("ŷ")
        assert expression("h′") == expression("h'") == Reference("h'")
        assert expression("x̂ + z₁ + 权重 + क्षमता") == add(*map(Reference, ("x̂", "z₁", "权重", "क्षमता")))

    @pytest.mark.parametrize(
        "name",
        [
            "E",
            "I",
            "N",
            "S",
            "Q",
            "O",
            "pi",
            "lambda",
            "if",
            "else",
            "sum",
            "for",
            "where",
            "in",
            "and",
            "import",
            "None",
            "y",
            "n",
        ],
    )
    def test_no_name_is_reserved(self, name: str) -> None:
        assert equation(f"{name} = {name}[t]*2 + {name} for t in 1..3").name == name


class TestReferences:
    def test_a_reference_has_constant_indices(self) -> None:
        assert parse_reference(Excerpt.of("h[-1]")) == Reference("h", (Index(-1),))
        assert parse_reference(Excerpt.of("W")) == Reference("W")
        assert parse_reference(Excerpt.of("h[t]"), allow_variables=True) == Reference("h", (Index.variable("t"),))
        with pytest.raises(ProblemError, match="must be numbers here"):
            parse_reference(Excerpt.of("h[t]"))
        with pytest.raises(ProblemError, match="not a name"):
            parse_reference(Excerpt.of("2*h"))


class TestLines:
    def test_comments_blank_lines_and_line_ends(self) -> None:
        text = "# all\r\n\r\na = 1  # one\r\n   # more\r\nb = 2\r\n"
        assert [e.name for e in parse_equations(Excerpt.of(text))] == ["a", "b"]

    def test_a_deeper_line_continues_one_that_is_not_complete(self) -> None:
        text = "E = a + (b  # here\n\n      - c)\n    *d\nF = f(a,\n  b\n  ) *\n  c\nG = 1"
        with pytest.raises(ProblemError, match="4:5"):
            parse_equations(Excerpt.of(text))  # "E = a + (b - c)" was complete
        first, second, third = parse_equations(Excerpt.of(text.replace("- c)\n", "- c) +\n").replace("*d", "d")))
        assert first.right == add(A, add(B, neg(C)), D)
        assert second.right == mul(Call("f", (A, B)), C)
        assert third.name == "G"

    def test_a_line_that_is_not_deeper_is_an_equation_of_its_own(self) -> None:
        with pytest.raises(ProblemError) as caught:
            parse_equations(Excerpt.of("a = b +\nc = 2\nd = (\n  1"))
        first, second = caught.value.problems
        assert first.message == "an operand is missing after '+'"
        assert second.message == "'(' is never closed"

    def test_every_bad_line_is_told(self) -> None:
        with pytest.raises(ProblemError) as caught:
            parse_equations(Excerpt.of("a = 2b\nb = 1\nc = (1\nd = h[t*t]"))
        places = [p.span.source.position(p.span.start) for p in caught.value.problems if p.span]
        assert places == [(1, 6), (3, 5), (4, 7)]

    def test_lines_of_one_shape_are_the_same_as_lines_on_their_own(self) -> None:
        lines = [
            "z3 = 2*z1 + f(z2) - .5",
            "z4 = 2*z1 + f(z2) - 5",
            "z4 = 1e3*z1 + f(z2) - 0.25",
            "h[1] = tanh(h[0])",
            "h[2] = tanh(h[1])",
            "x[t] = y[2*t-1] for t in 1..3",
            "x[k] = y[3*k-7] for k in 0..12",
            "x[k] = y[3*k-7] for k in K..12",
            "a = in + W.T",
            "a = on + W.T",
            "a = sum(x[t] for t in 1..T)",
            "b = sum(y[s] for s in 1..T)",
        ]
        together = parse_equations(Excerpt.of("\n".join(lines)))
        assert [equation_to_source(e) for e in together] == [equation_to_source(equation(line)) for line in lines]

    def test_a_bad_number_in_a_known_shape_is_told_with_its_place(self) -> None:
        with pytest.raises(ProblemError) as caught:
            parse_equations(Excerpt.of("a = 2*h[1]\nb = 3*h[2]\nc = 010*h[3]\nd = 2*h[1.5]\ne = 1e999*h[1]"))
        assert [str(p.render()).splitlines()[0].split(" (")[0] for p in caught.value.problems] == [
            "<text>:3:5: '010' starts with 0",
            "<text>:4:9: an index is a whole number, not 1.5",
            "<text>:5:5: 1e999 is too large for a 64-bit number",
        ]

    leaf = st.sampled_from(["z1", "x9'", "in", "for", "2", "0.5", ".5", "1e3", "sin", "beta_2", "E"])

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(
            st.tuples(
                leaf,
                leaf,
                st.sampled_from(["+", "-", "*", "/", "**", "@", "..", "==", ",", "sin(", "[", "]", ")", ".T", "for"]),
                leaf,
            )
        )
    )
    def test_the_memory_of_shapes_never_changes_what_a_line_means(self, parts: list[tuple[str, ...]]) -> None:
        for line in ("{} = {} {} {}", "{}={}{}{}", "{}[{}{}{}] = 1"):
            lines = [line.replace("{}", "%s") % part for part in parts]
            alone: list[str] = []
            for single in lines:
                try:
                    alone += [equation_to_source(e) for e in parse_equations(Excerpt.of(single))]
                except ProblemError:
                    continue
            good = [single for single in lines if _parses(single)]
            assert [equation_to_source(e) for e in parse_equations(Excerpt.of("\n".join(good)))] == alone


def _parses(line: str) -> bool:
    try:
        parse_equations(Excerpt.of(line))
    except ProblemError:
        return False
    return True


def spelled(span: Span | None) -> str:
    assert span is not None
    return span.source.text[span.start : span.end]


class TestPositions:
    def test_the_place_of_a_node_is_found_again(self) -> None:
        parsed = equation("h[t] = tanh((W @ x[t] + b)*2) - c**2  for t in 1..T")
        right = parsed.right
        assert isinstance(right, Call)
        inner = right.arguments[0]
        assert isinstance(inner, Call)
        assert spelled(locate(parsed, right)) == "tanh((W @ x[t] + b)*2) - c**2"
        assert spelled(locate(parsed, inner)) == "tanh((W @ x[t] + b)*2)"
        assert spelled(locate(parsed, inner.arguments[0])) == "(W @ x[t] + b)*2"
        assert spelled(locate(parsed, Reference("x", (Index.variable("t"),)))) == "x[t]"
        assert spelled(locate(parsed, None)) == "h[t]"
        assert spelled(locate(parsed, Reference("nowhere"))) == "h[t] = tanh((W @ x[t] + b)*2) - c**2  for t in 1..T"

    def test_the_same_name_twice_is_told_apart_when_the_nodes_are(self) -> None:
        parsed = equation("y = sum(f(h[t]) for t in 1..T) + f(h[t])")
        first, second = parsed.right.arguments  # type: ignore[union-attr]
        assert spelled(locate(parsed, first)) == "sum(f(h[t]) for t in 1..T)"
        place = locate(parsed, second)
        assert place is not None
        assert place.start == 33

    def test_positions_are_those_of_the_file(self) -> None:
        source = Source("file.yaml", "equations: |\n    a = 1\n    b = 2z\n")
        excerpt = Excerpt("a = 1\nb = 2z\n", source, ((0, 17), (6, 27)))
        with pytest.raises(ProblemError) as caught:
            parse_equations(excerpt)
        assert caught.value.problems[0].render() == (
            "file.yaml:3:10: an operator is missing before 'z' (did you mean 2*z?)\n      b = 2z\n           ^"
        )

    def test_a_text_that_is_no_equation_has_a_place_all_the_same(self) -> None:
        excerpt = Excerpt.of("layers: 3")
        assert spelled(locate(Equation("a", (), A, origin=Origin(excerpt, 0, 9)), A)) == "layers: 3"

    def test_an_equation_that_was_not_written_has_no_place(self) -> None:
        assert locate(Equation("a", (), A), A) is None


class TestLimits:
    @pytest.mark.parametrize(
        ("name", "fits", "exceeds"),
        [
            ("depth", "((((a))))", "(((((a)))))"),
            ("depth", "----a", "-----a"),
            ("depth", "a.T.T.T.T", "a.T.T.T.T.T"),
            ("depth", "a/b/b/b/b", "a/b/b/b/b/b"),
            ("depth", "a**a**a**a**a", "a**a**a**a**a**a"),
            ("depth", "f(f(f(f(a))))", "f(f(f(f(f(a)))))"),
            ("depth", "h[l[l[l[1]]]]", "h[l[l[l[l[1]]]]]"),
            ("equation_nodes", "a + b*2", "a + b*c*2 - a"),
            ("name_length", "abcd", "abcde"),
            ("name_length", "abcd(a)", "abcde(a)"),
            ("digits", "1234", "12345"),
            ("digits", "1.234e5", "1.2345"),
            ("exponent_digits", "1e0001", "1e00001"),
            ("equation_length", "a +b", "a + b"),
            ("indices", "h[1,2,3,4]", "h[1,2,3,4,5]"),
        ],
    )
    def test_each_is_exact(self, name: str, fits: str, exceeds: str) -> None:
        value = {"equation_nodes": 5}.get(name, 4)
        expression(fits, **{name: value})
        with pytest.raises(ProblemError, match=f"limit {name}=|no --limit"):
            expression(exceeds, **{name: value})

    def test_the_length_of_an_equation_is_that_of_its_line(self) -> None:
        text = "a = 1\nb = 1234  # comments do not count\nc = (1 +\n 2 +\n 3)"
        assert len(parse_equations(Excerpt.of(text), Limits({"equation_length": 17}))) == 3
        with pytest.raises(ProblemError, match=r":3:1: .* 17 characters, limit 16"):
            parse_equations(Excerpt.of(text), Limits({"equation_length": 16}))

    def test_the_number_of_equations(self) -> None:
        parse_equations(Excerpt.of("a = 1\nb = 2"), Limits({"equations": 2}))
        with pytest.raises(ProblemError, match="3 equations, limit 2"):
            parse_equations(Excerpt.of("a = 1\nb = 2\nc = 3"), Limits({"equations": 2}))

    @pytest.mark.parametrize("piece", ["(", "-", "a**", "a/", "f(", "a[l[", "∂⁺(", "sum(", "x.T", "[", "1", "z", "'"])
    def test_a_million_of_anything_is_refused_at_once(self, piece: str) -> None:
        raised = Limits({"equation_length": 10_000_000})
        for text in (piece * 1_000_000 + "z", "z = " + piece * 1_000_000):
            start = time.perf_counter()
            with pytest.raises(ProblemError):
                parse_expression(Excerpt.of(text), raised)
            with pytest.raises(ProblemError):
                parse_equations(Excerpt.of(text), raised)
            assert time.perf_counter() - start < 1

    def test_a_long_sum_and_the_deepest_tree_are_read_and_printed(self) -> None:
        raised = {"equation_length": 10_000_000, "equation_nodes": 5_000_000, "depth": 300}
        long = " + ".join(f"2*z{i}" for i in range(20_000))
        assert to_source(expression(long, **raised)) == long
        deep = "tanh(" * 300 + "z" + ")" * 300
        assert to_source(expression(deep, **raised)) == deep
        signs = "-(" * 299 + "-z" + ")" * 299
        assert to_source(expression("-" * 300 + "z", **raised)) == signs == to_source(expression(signs, **raised))

    def test_many_equations_are_read_in_seconds(self) -> None:
        text = "\n".join(f"z{i} = {i}.25*z{i - 1} + sin(z{i - 5})*z{i - 9} - 0.5" for i in range(10, 20_010))
        start = time.perf_counter()
        assert len(parse_equations(Excerpt.of(text))) == 20_000
        assert time.perf_counter() - start < 2
