"""A plugin with catalogues of its own speaks the languages it has, and roles are told together in all of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import bptt_solver
from bptt_solver.catalogues import in_language, message
from bptt_solver.draft import role_of, role_to
from bptt_solver.narration.networks import _head
from bptt_solver.registry import Registry
from bptt_solver.testing import check_record

MANUAL = (Path(__file__).parents[2] / "docs" / "languages.md").read_text(encoding="utf-8")
SLOW = "network: {topology: slow, sizes: {input: 1, hidden: 2, output: 1}, steps: 2}"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The plugin of the manual, with its two catalogues."""
    folder = tmp_path_factory.mktemp("slow")
    code = next(block for block in re.findall(r"```python\n(.*?)```", MANUAL, re.DOTALL) if "Messages" in block)
    (folder / "slow.py").write_text(code, encoding="utf-8")
    (folder / "locale").mkdir()
    found = re.findall(r"`locale/(messages\.[\w-]+\.toml)`:\n\n```toml\n(.*?)```", MANUAL, re.DOTALL)
    assert [name for name, _ in found] == ["messages.en.toml", "messages.zh-Hans.toml"]
    for name, text in found:
        (folder / "locale" / name).write_text(text, encoding="utf-8")
    return str(folder / "slow.py")


def told(plugin: str, text: str, language: str) -> str:
    """The derivation of a document, on one line."""
    problem = bptt_solver.loads(text, plugins=[plugin])
    return re.sub(r"\s+", " ", bptt_solver.solve(problem, language=language, check="none").render())


def test_it_speaks_its_languages(plugin: str) -> None:
    english = told(plugin, SLOW, "en")
    assert "Topology slow: units that keep half of their state." in english
    assert "h_{t−1}/2 is what is kept." in english and "h: state of the slow unit" in english
    chinese = told(plugin, SLOW, "zh-Hans").replace(" ", "")
    assert "拓扑slow：保留自身一半状态的单元。" in chinese
    assert "保留下来的是h_{t−1}/2。" in chinese and "h：慢单元的状态" in chinese


def test_what_it_does_not_speak_is_english(plugin: str) -> None:
    assert "units that keep half of their state" in told(plugin, SLOW, "zh-Hant")


def test_its_errors_speak(plugin: str) -> None:
    with pytest.raises(bptt_solver.ProblemError) as caught:
        bptt_solver.loads("network: {topology: slow, sizes: scalar, steps: 2}", plugins=[plugin])
    assert "there are no slow networks of numbers" in str(caught.value)
    assert "必须给出 sizes：没有由标量构成的慢网络" in caught.value.in_language("zh-Hans")


def test_it_is_sound(plugin: str) -> None:
    registry = Registry.load([plugin])
    check_record(registry.topology("slow"), registry)


@pytest.mark.parametrize(
    ("role", "head"),
    [
        (role_of(message("role.biases"), message("place.output")), "biases"),
        (role_of(role_to(message("role.from_input"), "input gate"), "encoder"), "weights from the input"),
        (role_of("weights of the gate", "cell"), "weights"),
        ("weights from the input to the input gate", "weights from the input"),  # the plain texts of others
        ("recurrent weights of the update gate of the decoder", "recurrent weights"),
        ("hidden state", "hidden state"),
        (message("role.input"), "input"),
        (message("role.every_sequence", role=message("role.initial_state")), "initial state of every sequence"),
    ],
)
def test_the_head_of_a_role(role: str, head: str) -> None:
    assert _head(role) == head


LSTM = "network: {topology: lstm, sizes: {input: 1, hidden: 1, output: 1}, steps: 2, output: softmax}"


@pytest.mark.parametrize(
    ("language", "lists"),
    [
        ("en", ("W_i, W_f, W_g, W_o: weights from the input;", "z_y, z_i, z_f, z_g, z_o: pre-activation;")),
        ("zh-Hans", ("W_i、W_f、W_g、W_o：输入权重；", "b_y、b_i、b_f、b_g、b_o：偏置；")),
        ("zh-Hant", ("W_i、W_f、W_g、W_o：輸入權重；", "b_y、b_i、b_f、b_g、b_o：偏差；")),
    ],
)
def test_names_with_one_role_are_told_together(language: str, lists: tuple[str, ...]) -> None:
    solution = bptt_solver.solve(bptt_solver.loads(LSTM), language=language, check="none")
    text = re.sub(r"\s+", " " if language == "en" else "", solution.render())
    assert [line for line in lists if line not in text] == []


def test_every_role_says_itself_in_chinese() -> None:
    registry = Registry.load()
    for topology in registry.topologies:
        network = registry.network(topology.name, {**topology.options, **topology.example})
        said: list[Any] = [*network.roles.values(), *network.notes, topology.summary]
        for language in ("zh-Hans", "zh-Hant"):
            assert [text for text in said if not re.search("[\u4e00-\u9fff]", in_language(text, language))] == []
