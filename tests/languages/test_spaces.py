"""Spaces of Chinese sentences: between Chinese and Latin characters, nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bptt_solver.blocks import Words
from bptt_solver.catalogues import Messages, is_close, message
from bptt_solver.language.expressions import Reference
from bptt_solver.narration.catalogue import Catalogue


@pytest.mark.parametrize(
    ("before", "after", "close"),
    [
        ("到", "十", True),
        ("到", "5", False),
        ("E", "都", False),
        ("）", "都", True),
        ("）", "h", True),
        ("h", "：", True),
        ("”", "是", True),
        ("", "是", False),
        ("a", "b", False),
    ],
)
def test_where_no_space_belongs(before: str, after: str, close: bool) -> None:
    assert is_close(before, after) is close


def shown(words: Words) -> str:
    """Words with their references as names."""
    return "".join([word if isinstance(word, str) else word.name for word in words])  # type: ignore[union-attr]


def test_sentences_of_a_derivation() -> None:
    say, node = Catalogue("zh-Hans"), Reference("h")
    users: Words = (Reference("y"), *say("time.same"), " 和 ", Reference("a"), *say("time.next"))
    assert shown(say("sweep.contributions", users=users, node=node, count=say.count(2))) == (
        "y（同一时刻） 和 a（下一时刻）都用到 h：两项贡献。"  # the one inside was put together by hand
    )
    listed = say.listed([(Reference("y"), *say("time.same")), (Reference("a"), *say("time.next"))])
    told = shown(say("sweep.contributions", users=listed, node=node, count=say.count(12)))
    assert told == "y（同一时刻）和 a（下一时刻）都用到 h：12 项贡献。"


def test_three_are_listed_with_commas() -> None:
    names = [Reference(name) for name in "abc"]
    assert shown(Catalogue("zh-Hant").listed(names)) == "a、b、c"
    assert shown(Catalogue("zh-Hant").listed(names[:2])) == "a 和 b"
    assert shown(Catalogue("en").listed(names)) == "a, b and c"


def test_messages(tmp_path: Path) -> None:
    (tmp_path / "messages.en.toml").write_text('"a" = "{x} to {y} of it"\n', encoding="utf-8")
    (tmp_path / "messages.zh-Hans.toml").write_text('"a" = "{x} 到 {y} 为止"\n', encoding="utf-8")
    say = Messages(str(tmp_path))
    assert say("a", x="h", y="8").in_language("zh-Hans") == "h 到 8 为止"
    assert say("a", x="（此）", y="末尾").in_language("zh-Hans") == "（此）到末尾为止"
    assert say("a", x="此", y="") == "此 to  of it"  # English stays as it is


def test_a_field_can_be_asked_for_and_put_anew() -> None:
    told = message("role.of", head="weights", place="gate")
    assert (told.field("head"), told.field("none")) == ("weights", None)
    assert told.with_fields(head="biases") == "biases of the gate"
    assert told == "weights of the gate"
