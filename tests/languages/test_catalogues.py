"""Every sentence is there in every language, with the same fields, and nothing is left in English."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bptt_solver.catalogues import LANGUAGES, Messages, in_language, language_of, message, read_catalogue, split

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "bptt_solver" / "locale", ROOT / "plugins" / "bptt_plugins" / "locale")
ENGLISH = sorted(path for folder in FOLDERS for path in folder.glob("*en.toml"))
CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")


def named(path: Path) -> str:
    """A catalogue by its folder and file."""
    return f"{path.parent.parent.name}-{path.name}"


def texts(path: Path) -> dict[str, str]:
    """The sentences of a catalogue."""
    return read_catalogue(path.read_text(encoding="utf-8"))


def beside(path: Path, language: str) -> Path:
    """The catalogue of another language beside an English one."""
    return path.with_name(path.name.removesuffix("en.toml") + f"{language}.toml")


def differences(english: dict[str, str], other: dict[str, str]) -> list[str]:
    """What is missing, left over, or has other fields."""
    wrong = [f"missing: {key}" for key in english if key not in other]
    wrong += [f"left over: {key}" for key in other if key not in english]
    for key in english:
        fields, theirs = ({name for _, name in split(t.get(key, "")) if name} for t in (english, other))
        wrong += [f"fields of {key}: {sorted(fields ^ theirs)}"] if key in other and fields != theirs else []
    return wrong


@pytest.mark.parametrize("language", LANGUAGES[1:])
@pytest.mark.parametrize("path", ENGLISH, ids=named)
def test_languages_say_the_same(path: Path, language: str) -> None:
    assert differences(texts(path), texts(beside(path, language))) == []


def test_a_missing_sentence_is_found() -> None:
    english = {"a": "one {x}", "b": "two"}
    assert differences(english, {"a": "eins {y}", "c": ""}) == ["missing: b", "left over: c", "fields of a: ['x', 'y']"]


@pytest.mark.parametrize("path", sorted(p for f in FOLDERS for p in f.glob("*.toml")), ids=named)
def test_a_catalogue_is_toml(path: Path) -> None:
    assert texts(path) == tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", ENGLISH, ids=named)
def test_english_is_english(path: Path) -> None:
    assert [key for key, text in texts(path).items() if CHINESE.search(text)] == []


@pytest.mark.parametrize("language", LANGUAGES[1:])
@pytest.mark.parametrize("path", ENGLISH, ids=named)
def test_chinese_is_chinese(path: Path, language: str) -> None:
    """A sentence of two words and more is not the English one."""
    english = texts(path)
    same = [key for key, text in texts(beside(path, language)).items() if text == english.get(key)]
    assert [key for key in same if re.search(r"[a-z]{2,} [a-z]{2,}", re.sub(r"\{\w+\}", "", english[key]))] == []


def test_rows_and_columns_are_not_converted() -> None:
    """行 is a row in zh-Hans and a column in zh-Hant; 列 the other way round."""
    simplified, traditional = (texts(FOLDERS[0] / f"{language}.toml") for language in ("zh-Hans", "zh-Hant"))
    assert (simplified["losses.row"], simplified["losses.column"]) == ("行和", "列和")
    assert (traditional["losses.row"], traditional["losses.column"]) == ("列和", "行和")
    assert "每一列（column）" in simplified["check.columns"] and "每一行（column）" in traditional["check.columns"]


@pytest.mark.parametrize(
    ("asked", "environment", "found"),
    [
        ("zh-Hant", {}, "zh-Hant"),
        ("zh", {"LANG": "en_GB.UTF-8"}, "zh-Hans"),
        (None, {"LANG": "zh_TW.UTF-8"}, "zh-Hant"),
        (None, {"LANG": "zh_TW.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, "zh-Hans"),
        (None, {"LC_MESSAGES": "zh_HK"}, "zh-Hant"),
        (None, {"LANG": "de_DE.UTF-8"}, "en"),
        (None, {"LANG": "C"}, "en"),
        (None, {}, "en"),
    ],
)
def test_the_language_is_asked_for_or_that_of_the_locale(asked: Any, environment: dict[str, str], found: str) -> None:
    assert language_of(asked, environment) == found


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(ValueError, match="tlh"):
        language_of("tlh", {})


def test_a_message_is_a_string_that_can_be_told_again() -> None:
    told = message("error.suggestion", name="z4")
    assert told == "did you mean 'z4'?" and type(in_language(told, "en")) is str
    assert in_language(told, "zh-Hans") == "是不是“z4”？"
    inside = message("error.note", text=told)
    assert inside.in_language("zh-Hant") == "說明：是不是「z4」？"
    listed = message.listed(["a", "b", told], "list.or")
    assert listed == "a, b or did you mean 'z4'?" and in_language(listed, "zh-Hans") == "a、b 或是不是“z4”？"


def test_a_catalogue_of_a_plugin_may_lack_a_language(tmp_path: Path) -> None:
    (tmp_path / "messages.en.toml").write_text('"greeting" = "good day, {name}"\n', encoding="utf-8")
    say = Messages(str(tmp_path))
    assert say("greeting", name="{name}").in_language("zh-Hans") == "good day, {name}"
    with pytest.raises(KeyError):
        say("farewell")
