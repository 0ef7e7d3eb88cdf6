"""The page as text: what is in it, what cannot be in it, and that it is the same each time."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
import zlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from bptt_solver import api
from bptt_solver.catalogues import LANGUAGES
from bptt_solver.page.document import asset, data
from bptt_solver.page.labels import NAMES, all_labels
from bptt_solver.profiles.profile import profile_names

VOID = {"meta", "br", "img", "input", "link"}


class Tree(html.parser.HTMLParser):
    """Checks that every tag is closed by its own, and collects attributes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(text: str) -> Tree:
    tree = Tree()
    tree.feed(text)
    assert not tree.open
    return tree


def views(text: str) -> dict[str, Any]:
    found = re.search(r'id="views">([^<]*)<', text)
    assert found
    data = json.loads(zlib.decompress(base64.b64decode(found[1])))

    def number(shown: re.Match[str]) -> str:
        return f'<mn data-k="{shown[1]}">{data["numbers"][shown[1]]}</mn>'

    data["pieces"] = [re.sub(r"<mn k=([^>]*)>", number, piece) for piece in data["pieces"]]
    return data  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["01", "04", "07"])
def test_it_is_well_formed_and_asks_for_nothing(name: str, example: Callable[..., str]) -> None:
    text = example(name)
    tree = read(text)
    ids = [a["id"] for _, a in tree.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, attributes in tree.tags:
        assert tag not in ("link", "iframe", "object", "base")
        assert "style" not in attributes  # the policy would drop it
        assert not any(key.startswith("on") for key in attributes)
        assert not re.match("https?:", attributes.get("src") or attributes.get("href") or "")


def test_the_policy_names_the_script_and_the_style(example: Callable[..., str]) -> None:
    text = example("01")
    policy = next(a["content"] or "" for _, a in read(text).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    style = text.partition("<style>")[2].partition("</style>")[0]
    for kind, inside in (("script-src", script), ("style-src", style)):
        value = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind} 'sha256-{value}'" in policy
    assert text.count("<style") == 1


def test_every_view_is_there_and_well_formed(example: Callable[..., str]) -> None:
    text = example("04")
    found = views(text)
    for language in LANGUAGES:
        for notation in profile_names():
            read("\n".join(found["pieces"][at] for at in found["order"][f"{language},{notation}"]))
    first = "\n".join(found["pieces"][at] for at in found["order"]["en,standard"])
    assert first in text
    assert len(set(found["pieces"])) == len(found["pieces"])


def test_the_language_and_the_notation_that_were_asked_for_come_first() -> None:
    text = "equations: |\n  h[t] = tanh(u*h[t-1]) for t in 1..2\n  E = h[2]\nvalues: {u: 1, 'h[0]': 1}\n"
    page = api.solve(api.loads(text), language="zh-Hant", notation="werbos").render("html")
    assert '<html lang="zh-Hant">' in page
    tree = read(page)
    options = [a for tag, a in tree.tags if tag == "option"]
    assert [a["value"] for a in options if "selected" in a] == ["zh-Hant"]
    assert options[len(LANGUAGES)]["value"] == "werbos"


def test_the_same_each_time() -> None:
    text = "equations: |\n  E = a*a\nvalues: {a: 2}\n"
    assert api.solve(api.loads(text)).render("html") == api.solve(api.loads(text)).render("html")


def test_no_english_in_a_chinese_page(example: Callable[..., str]) -> None:
    text = example("04", language="zh-Hans")
    body = re.sub(r"<(script|select|svg|h1).*?</\1>|<[^>]*>", " ", text.partition("<body>")[2], flags=re.DOTALL)
    for word in ("the", "is", "used", "step", "Language", "through", "direct"):
        assert not re.search(rf"\b{word}\b", body), word


def test_labels_are_the_same_in_every_language() -> None:
    found = all_labels()
    assert list(found) == list(NAMES) == list(LANGUAGES)
    fields = {k: sorted(re.findall(r"{\w+}", v)) for k, v in found["en"].items()}
    script = "".join(map(asset, ("page.js", "picture.js", "live.js", "interpreter.js")))
    for texts in found.values():
        assert {k: sorted(re.findall(r"{\w+}", v)) for k, v in texts.items()} == fields
    source = "".join(p.read_text("utf-8") for p in files("bptt_solver.page").iterdir() if p.name.endswith(".py"))
    source += files("bptt_solver.render").joinpath("html.py").read_text("utf-8")
    for key in fields:
        stem = key.partition(".")[0]
        assert f'"{key}"' in source + script or f'"{stem}."' in source + script or f"'{stem}.'" in source, key


def test_data_cannot_end_its_element() -> None:
    evil = "</script><script>\u2028\u2029<!--"
    assert json.loads(data({"a": evil})) == {"a": evil}
    assert "<" not in data(evil)
    assert "\u2028" not in data(evil)


def test_the_font_has_mathematics_and_its_own_name() -> None:
    tools = pytest.importorskip("fontTools.ttLib", reason="fonttools is not installed: pip install -e '.[test]'")
    path = files("bptt_solver.page").joinpath("assets", "derivation-math.woff2")
    font = tools.TTFont(str(path))
    assert "MATH" in font
    assert {str(n) for n in font["name"].names if n.nameID == 1} == {"Derivation Math"}
    assert path.stat().st_size < 50_000  # type: ignore[attr-defined]
    known = font.getBestCmap()
    assert all(ord(c) in known for c in "∂∇∑·⊙⊤−∞ηΣ𝑥𝜂ˆ˜")
    assert "SIL Open Font License" in files("bptt_solver.page").joinpath("assets", "OFL.txt").read_text("utf-8")
