"""The page in a real browser: stepping, choosing, how it looks to a screen reader, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from bptt_solver import api

EXAMPLES = ["01", "04", "11", "19"]
LONG = "title: Long\nnetwork: {topology: lstm, steps: 50, sizes: {input: 3, hidden: 4, output: 2}}\n"


def solved(text: str, **choices: Any) -> str:
    return api.solve(api.loads(text), **choices).render("html")


def until(tab: Any, told: str, arg: Any = None) -> None:
    """Wait until an expression (or a function of ``arg``) is true. Playwright's own way needs eval, which the page's
    policy refuses."""
    for _ in range(100):
        if tab.evaluate(told, arg):
            return
        tab.wait_for_timeout(50)
    raise AssertionError(told)


def lit(tab: Any, what: str) -> list[str]:
    """The names of the nodes or edges of the picture that are lit."""
    shown = f"#picture .frame:not([hidden]) [data-{what}].lit"
    return sorted(tab.evaluate(f"[...document.querySelectorAll('{shown}')].map(n => n.dataset.{what})"))


def test_stepping_forward_and_back(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    page = opened(example("01"))
    tab = page.tab
    assert tab.inner_text("#status") == "9 steps: arrow keys"
    assert tab.is_disabled("#back")
    seen = []
    for _ in range(9):
        tab.keyboard.press("ArrowRight")
        seen.append(
            tab.evaluate("[document.querySelector('.now').dataset.part, document.querySelector('.now').dataset.step]")
        )
    names = ["z1", "z2", "z3", "z4", "E"]
    assert seen == [["forward", n] for n in names] + [["backward", n] for n in ("z4", "z3", "z2", "z1")]
    assert tab.is_disabled("#next")
    assert "9 of 9" in tab.inner_text("#status")
    assert tab.get_attribute(".now", "aria-current") == "step"
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate("document.querySelector('.now').dataset.step") == "z2"
    tab.click("#first")
    assert tab.evaluate("document.querySelectorAll('.now').length") == 1
    tab.keyboard.press("Space")  # on a button the key presses it
    assert tab.evaluate("document.querySelector('.now').dataset.step") == "z1"
    assert page.quiet(), page.said


def test_the_step_lights_its_node_its_edges_and_its_terms(
    opened: Callable[..., Any], example: Callable[..., str]
) -> None:
    tab = opened(example("01")).tab
    tab.click("#last")
    assert lit(tab, "node") == ["z1"]
    assert lit(tab, "edge") == ["z1>z2", "z1>z3", "z1>z4"]
    terms = tab.evaluate(
        "[...document.querySelectorAll('.now .term')].slice(0, 4)"
        ".map(t => [t.classList.contains('direct'), t.dataset.through || ''])"
    )
    assert terms == [[True, ""], [False, "z4"], [False, "z3"], [False, "z2"]]
    assert tab.inner_text(".now .term small >> nth=0") == "direct"


def test_a_node_of_the_picture_leads_to_its_line(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    tab = opened(example("04")).tab
    tab.click("#picture .frame:not([hidden]) [data-node='h[2]']")
    assert tab.evaluate(
        "[document.querySelector('.now').dataset.step, document.querySelector('.now').dataset.part]"
    ) == [
        "h[2]",
        "backward",
    ]
    assert lit(tab, "edge") == ["h[2]>a[3]", "h[2]>y[2]"]


def test_languages_and_notations(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    page = opened(example("07"))
    tab = page.tab
    tab.click("#last")
    tab.select_option("#language", "zh-Hans")
    until(tab, "document.documentElement.lang === 'zh-Hans'")
    assert "汇总" in tab.inner_text("#status")
    assert tab.inner_text("#print") == "打印"
    before = tab.inner_html("#steps")
    tab.select_option("#notation", "goodfellow")
    until(tab, "before => document.querySelector('#steps').innerHTML !== before", arg=before)
    assert "∇" in tab.text_content("#steps")
    tab.select_option("#language", "en")
    until(tab, "document.documentElement.lang === 'en'")
    assert "Backward sweep" in tab.text_content("#steps")
    assert page.quiet(), page.said


def test_entries_open_on_a_click_on_their_line(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    tab = opened(example("07")).tab
    line = ".line[data-step='h[2]'][data-part='backward']"
    assert not tab.evaluate(f'document.querySelector("{line} + details").open')
    tab.click(f"{line} .left")
    assert tab.evaluate(f'document.querySelector("{line} + details").open')


def test_time_unfolds(opened: Callable[..., Any]) -> None:
    html = solved(LONG)
    assert len(html.encode()) < 1_000_000
    page = opened(html)
    tab = page.tab
    loaded = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert 0 < loaded < 3_000  # below 300 ms on a quiet machine
    few = tab.evaluate("document.querySelectorAll('.line[data-step]').length")
    tab.click("#unfold")
    until(tab, "few => document.querySelectorAll('.line[data-step]').length > 10 * few", arg=few)
    assert page.quiet(), page.said


def test_light_and_dark(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    tab = opened(example("01")).tab
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = tab.evaluate(ground)
    tab.click("#theme")
    assert tab.evaluate(ground) != light
    assert tab.get_attribute("#theme", "aria-pressed") == "true"
    assert opened(example("01"), dark=True).tab.evaluate(ground) == tab.evaluate(ground)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out(opened: Callable[..., Any], name: str, width: int, example: Callable[..., str]) -> None:
    page = opened(example(name), width=width)
    assert page.tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    for _ in range(12):
        page.tab.keyboard.press("ArrowRight")
    assert page.tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.quiet(), page.said


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["01", "04", "10"])
def test_accessible(opened: Callable[..., Any], name: str, dark: bool, example: Callable[..., str]) -> None:
    """What axe-core checks: contrast, names of controls, landmarks, order of headings, roles."""
    pytest.importorskip("axe_core_python", reason="axe-core-python is not installed: pip install -e '.[test]'")
    tab = opened(example(name, **({"by": "both"} if name == "04" else {})), width=390 if dark else 1280, dark=dark).tab
    tab.keyboard.press("ArrowRight")
    tab.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = tab.evaluate(
        "axe.run(document).then(r => r.violations.map(v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 120))]))"
    )
    assert found == []


def test_keyboard_reaches_everything(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    tab = opened(example("04")).tab
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "steps"
    for selector in ("#language", "#notation", "#theme", "#print", "#back", "#next"):
        assert tab.evaluate(f"document.querySelector('{selector}').tabIndex") == 0


EVIL = """title: "</script><script>window.hurt = 1</script><img src=x onerror='window.hurt = 2'>\\" ' & \\u200b"
description: "<b onclick='window.hurt = 3'>x</b> </style> ]]> <!--"
equations: |
  b = 2*a
  E = b*b + a
values: {a: 3}
"""


def test_titles_are_text(opened: Callable[..., Any]) -> None:
    page = opened(solved(EVIL.replace("\\u200b", "")))
    tab = page.tab
    assert tab.evaluate("window.hurt") is None
    assert tab.inner_text("h1").startswith("</script><script>window.hurt = 1")
    assert tab.evaluate("document.querySelectorAll('article script, article img, article b').length") == 0
    tab.select_option("#language", "zh-Hant")
    until(tab, "document.documentElement.lang === 'zh-Hant'")
    assert tab.evaluate("window.hurt") is None
    assert page.quiet(), page.said


def test_the_policy_stops_what_is_not_the_page_s_own(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    """A planted script and a planted request are refused."""
    page = opened(
        example("01").replace("</main>", "<script>window.hurt = 1</script><img src='http://127.0.0.1:9/x.png'></main>")
    )
    assert page.tab.evaluate("window.hurt") is None
    assert page.said
    assert not page.quiet()


def test_it_reads_without_its_script(browser: Any, tmp_path: Path, example: Callable[..., str]) -> None:
    path = tmp_path / "page.html"
    path.write_text(example("04"), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(path.as_uri())
    assert "Backward sweep" in tab.text_content("#steps")
    assert tab.locator("#steps math").count() > 50
    context.close()


def test_print(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    """On paper there are no controls, and nothing is cut off."""
    tab = opened(example("07"), dark=True).tab
    tab.click("#last")
    tab.emulate_media(media="print")
    for selector in ("header.bar", ".stepper", "details.entries"):
        assert not tab.locator(selector).first.is_visible()
    assert tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.querySelector('.now')).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert tab.pdf(format="A4")[:5] == b"%PDF-"


def test_the_font_is_the_page_s_own(opened: Callable[..., Any], example: Callable[..., str]) -> None:
    tab = opened(example("01")).tab
    assert tab.evaluate("document.fonts.ready.then(() => document.fonts.check('16px \"Derivation Math\"', 'x𝑥∂'))")
    assert tab.evaluate("[...document.fonts].map(f => f.status)") == ["loaded"]
