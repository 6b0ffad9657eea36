"""The pages for users of a keyboard, a screen reader, or a phone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.backends.instant import KEY, Instant
from tests.web.conftest import OpenTab
from tests.web.scenes import SCENES, finish

Playground = Callable[..., Page]
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def findings(page: Page) -> list[str]:
    """The serious findings of axe."""
    page.evaluate("document.fonts.ready")
    # The policy of the page forbids inline scripts: the library is evaluated, not added to the page.
    page.evaluate(AXE.read_text() + "; undefined")
    results = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    serious = [one for one in results["violations"] if one["impact"] in ("serious", "critical")]
    return [
        f"{one['id']}: {node['html'][:200]}: {node['failureSummary'][:300]}" for one in serious for node in one["nodes"]
    ]


@pytest.mark.parametrize(
    ("scene", "scheme", "viewport"),
    [
        ("answer", "light", WIDE),
        ("tool", "light", PHONE),
        ("probabilities", "light", WIDE),
        ("comparison", "dark", WIDE),
        ("schema", "light", WIDE),
        ("code", "dark", PHONE),
        ("failed", "light", WIDE),
        ("sidebar", "light", PHONE),
        ("formula", "dark", PHONE),
    ],
)
def test_axe_finds_no_serious_violations(
    playground: Playground, scene: str, scheme: str, viewport: dict[str, int]
) -> None:
    page = playground(color_scheme=scheme, viewport=viewport)
    SCENES[scene](page)
    assert findings(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violations_in_the_reference(open_page: OpenTab, scripted: Instant, scheme: str) -> None:
    page = open_page("/docs", url=scripted.url, key=KEY, color_scheme=scheme).page
    expect(page.locator(".opblock").first).to_be_visible(timeout=20_000)
    assert [one for one in findings(page) if one.startswith("color-contrast")] == []


@pytest.mark.parametrize("scene", ["answer", "reasoning", "probabilities", "comparison", "schema", "code"])
def test_a_phone_has_no_sideways_scrolling(playground: Playground, scene: str) -> None:
    page = playground(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    SCENES[scene](page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("document.querySelector('.scroller').scrollWidth") <= 360
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, a, input, select, textarea')]
            .map((one) => [one.getBoundingClientRect(), one.ariaLabel || one.textContent])
            .filter(([box, name]) => box.width > 0 && (box.right > 361 || box.left < -1)).map(([box, name]) => name)"""
    )
    assert small == []


def press(page: Page, key: str, times: int = 1) -> None:
    for _ in range(times):
        page.keyboard.press(key)


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on the control of that name."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent.trim()")
        if focused == name:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"Tab never reaches {name}")


def test_keyboard_only_operation(playground: Playground) -> None:
    page = playground(key=None)
    page.keyboard.type(KEY + "\n")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_label("Model", exact=True)).to_have_value("first")
    page.evaluate("document.activeElement.blur()")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.ariaLabel") == "Message":
            break
    page.keyboard.type("What is for dinner?")
    page.keyboard.press("Enter")
    finish(page)
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    press(page, "Shift+Tab")
    page.evaluate("document.querySelector('.scroller').focus()")
    page.evaluate("document.activeElement.blur()")
    tab_to(page, "Token probabilities")
    page.keyboard.press("Enter")
    tab_to_back(page, "Risotto 97.0 %")
    press(page, "ArrowRight", 2)
    expect(page.get_by_role("group", name="Alternatives")).to_contain_text("·lemon")
    tab_to(page, "Continue from ·lemon, 40.7 %")
    page.keyboard.press("Enter")
    finish(page)
    expect(page.get_by_text("2 / 2")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    tab_to(page, "Previous version")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 / 2")).to_be_visible()
    tab_to(page, "View as code")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def tab_to_back(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.ariaLabel") == name:
            return
    raise AssertionError(f"Shift+Tab never reaches {name}")


def test_a_screen_reader_announces_the_state_of_an_answer(playground: Playground) -> None:
    page = playground()
    page.get_by_label("Message", exact=True).fill("Hello")
    page.keyboard.press("Enter")
    finish(page)
    expect(page.locator(".visually-hidden[role=status]")).to_have_text("The answer is complete: Hello")
    expect(page.get_by_role("article", name="Your message")).to_have_count(1)
    expect(page.get_by_role("article", name="Answer")).to_have_attribute("aria-busy", "false")
