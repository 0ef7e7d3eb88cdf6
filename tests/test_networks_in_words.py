"""What the derivations of networks say in words: nothing about members that no network has."""

from __future__ import annotations

import re

import pytest

import bptt_solver
from bptt_solver.errors import suggest


def words(network: str, **asked: str) -> str:
    """The derivation of a network from one line, on one line."""
    problem = bptt_solver.loads(f"network: {{{network}}}\n")
    return re.sub(r"\s+", " ", bptt_solver.solve(problem, **asked).render("text"))  # type: ignore[arg-type]


ORDERED = "topology: ordered_net, sizes: {input: 1, hidden: 2, output: 1}, steps: 2"
DECODER = (
    "topology: encoder_decoder, sizes: {input: 2, hidden: 2, output: 2}, steps: {input: 3, output: 2}, context: each"
)


def test_only_members_that_another_time_has_are_missed() -> None:
    text = words(ORDERED)  # the units 2, 3 and 4 have a z
    assert "s_{4,2} is used only by e_2 (there is no z_{2,3}, z_{3,3} or z_{4,3})." in text
    assert "z_{5,3}" not in text
    assert "z_{1,3}" not in text


def test_the_times_of_encoder_and_decoder_are_not_compared() -> None:
    text = words(DECODER)
    assert "h_3 is used by a_s[1] and by a_s[2]: two contributions." in text
    assert "steps earlier" not in text
    assert "a_s[0]" not in text
    assert "h_2 is used by a_h[3]" in text
    assert "s_2 is used only by y_2 (there is no a_s[3])." in text  # one clock
    by_use = words(DECODER, by="use")
    assert "∂⁺E/∂h_t: a_h[t+1] (next time) and a_s[t']." in by_use


def test_three_users_are_a_list() -> None:
    text = words("topology: lstm, sizes: {input: 1, hidden: 1, output: 1}, steps: 3, layers: 2")
    assert re.search(r"is used by [^.:,]+, [^.:]+ and ", text)
    assert not re.search(r"is used by [^.:,]+, [^.:]+ and by ", text)


def test_conditions_that_are_settled_are_not_printed() -> None:
    text = words(ORDERED)
    assert "∂⁺E/∂W_{3,2} = Σ_{t=1..T} ∂⁺E/∂z_{3,t}·s_{2,t}" in text


def test_a_number_is_not_equal_to_itself_twice() -> None:
    text = words(ORDERED)
    assert "s_{1,0} = 0 s_{2,0} = 0" in text
    assert "= 0 = 0" not in text


def test_letters_of_entries_are_no_indices_of_members() -> None:
    text = words("topology: tree, tree: [1, [2, 3, 4]], sizes: {hidden: 2, output: 1}")
    assert "∂a_j[m]/∂W_h[i][m,n] = h_k[n]" in text
    assert "∂y[i]/∂W_y[i,j] = h_M[j]" in text


def test_a_diagonal_times_the_identity_is_the_diagonal() -> None:
    text = words("topology: leaky, sizes: {input: 1, hidden: 2, output: 1}, steps: 2, leak: units, inside: true")
    assert "∂a_t/∂(alpha@t) = −diag(a_{t−1}) + diag(u_t)" in text


def test_blocks_of_a_joined_vector_are_explained() -> None:
    elman = "topology: elman, sizes: {input: 2, hidden: 2, output: 1}, steps: 2"
    assert "block(v, k, a, b) is the part of v" in words(f"{elman}, form: concat")
    assert "block(" not in words(elman)


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [("tahn", ["tan", "tanh"], "did you mean 'tanh'?"), ("tann", ["tan", "tanh"], "did you mean 'tan'?")],
)
def test_turned_letters_are_nearest(word: str, known: list[str], said: str) -> None:
    assert suggest(word, known) == said


def test_a_mean_is_written_once_and_stays_in_what_the_pair_passes_on() -> None:
    pair = "output: softmax, loss: cross_entropy, reduction: mean"
    text = words(f"topology: elman, sizes: {{input: 1, hidden: 1, output: 2}}, steps: 3, {pair}")
    assert "∂⁺E/∂e_3 = 1/3 ∂⁺E/∂o_3" in text
    assert "times ∂⁺E/∂y_t = −∂⁺E/∂e_t·(d_t/y_t) it gives ∂⁺E/∂e_t·(y_t − d_t))" in text


def test_what_a_topology_defines_has_no_line() -> None:
    network = "network: {topology: elman, sizes: scalar, steps: 2}"
    with pytest.raises(bptt_solver.ProblemError) as caught:
        bptt_solver.loads(f"{network}\nequations: |\n  h[t] = x[t] for t in 1..T\n")
    assert "h[1] is defined twice, first by the topology" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [("a", "'a' occurs in no equation"), ("W_i", "'W_i' is not defined by an equation")],
)
def test_what_cannot_be_eliminated(name: str, said: str) -> None:
    network = "network: {topology: lstm, sizes: {input: 1, hidden: 1, output: 1}, steps: 2}"
    with pytest.raises(bptt_solver.ProblemError) as caught:
        bptt_solver.loads(network, eliminate=[name])
    assert said in str(caught.value)
