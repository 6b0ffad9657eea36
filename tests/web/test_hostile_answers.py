"""Answers that try to run code, to load something or to hold up the tab."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web.scenes import ask

Playground = Callable[..., Page]
MARK = "window.__pwned=1"
ATTACKS = [
    f"<script>{MARK}</script>",
    f"<img src=x onerror={MARK}>",
    f"<svg/onload={MARK}>",
    f"<svg><script>{MARK}</script></svg>",
    f'<a href="javascript:{MARK}">a</a>',
    f"[a](javascript:{MARK})",
    f"[a](JaVaScRiPt:{MARK})",
    f"[a](&#106;avascript:{MARK})",
    f"[a](java\tscript:{MARK})",
    f"[a](data:text/html,<script>{MARK}</script>)",
    f"[a](vbscript:{MARK})",
    f"<javascript:{MARK}>",
    f'[a](https://example.com" onmouseover="{MARK})',
    f'![a](https://tracker.example/p.png" onerror="{MARK})',
    "![a](https://tracker.example/pixel.png)",
    "![a](//tracker.example/pixel.png)",
    "![a](/v1/models)",
    "[![a](https://tracker.example/b.png)](https://example.com)",
    "![a][r]\n\n[r]: https://tracker.example/pixel.png",
    "<style>*{background:url(https://tracker.example/a)}</style>",
    '<div style="background:url(https://tracker.example/a)">x</div>',
    '<link rel=stylesheet href="https://tracker.example/a.css">',
    f"<iframe srcdoc='<script>{MARK}</script>'></iframe>",
    '<iframe src="https://tracker.example"></iframe>',
    f"<details open ontoggle={MARK}><summary>x</summary></details>",
    f"<math><mtext></mtext><script>{MARK}</script></math>",
    f"<form action=javascript:{MARK}><input type=submit autofocus onfocus={MARK}></form>",
    f"<object data='javascript:{MARK}'></object><embed src='javascript:{MARK}'>",
    "<meta http-equiv=refresh content='0;url=https://tracker.example'>",
    "<base href=https://tracker.example/>",
    f"```html\n<script>{MARK}</script>\n```",
    f'```"><script>{MARK}</script>\nx\n```',
    f"```javascript\n</code></pre><img src=x onerror={MARK}>\n```",
    f"$\\href{{javascript:{MARK}}}{{x}}$",
    "$\\includegraphics{https://tracker.example/a.png}$",
    f"$\\htmlStyle{{background:url(https://tracker.example)}}{{x}}$ $\\htmlData{{a=b onclick={MARK}}}{{x}}$",
    "$\\unknowncommand{x$",
    "$$\\def\\a{\\a\\a}\\a$$",
    "$\\rule{1000000em}{1000000em}$",
    f"| a |\n|---|\n| <img src=x onerror={MARK}> |",
    f"- <b onclick={MARK}>x</b>\n\n> <u onmouseover={MARK}>y</u>",
    "<!-- --!> <script>alert(1)</script> -->",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "# <textarea autofocus onfocus=alert(1)>",
    "](javascript:alert(1)) ![](" * 30,
]
FOUND = """() => {
    const tags = /^(script|style|img|iframe|object|embed|form|input|link|meta|base|textarea)$/i;
    const isAttack = ({ name, value }) => /^on/i.test(name) || /^\\s*(javascript|data|vbscript):/i.test(value)
        || (name === 'href' && !/^(https?|mailto):/.test(value));
    return [...document.querySelectorAll('.markdown *')].flatMap((element) => [
        ...(tags.test(element.tagName) ? [element.tagName] : []),
        ...[...element.attributes].filter(isAttack).map(({ name, value }) => `${name}=${value}`),
    ]);
}"""


def test_markup_in_an_answer_is_neither_executed_nor_loaded(playground: Playground) -> None:
    """The fixture fails on requests to other hosts, and on violations of the policy, which would be attempts."""
    page = playground()
    ask(page, "\n\n".join(ATTACKS))
    expect(page.locator(".markdown .section").first).to_be_visible()
    page.wait_for_timeout(300)
    assert page.evaluate(FOUND) == []
    assert page.evaluate("window.__pwned") is None
    # One after the other too: what stands before an attack may hide it.
    page.evaluate("window.__attacks = 0")
    for attack in ATTACKS[:20:4]:
        ask(page, attack)
    assert page.evaluate(FOUND) == []
    assert page.evaluate("window.__pwned") is None
    link = page.locator(".markdown a.image-link").first
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(link).to_have_attribute("target", "_blank")


def render(page: Page, text: str, **options: Any) -> Any:
    """Render a text by the page's own module, outside a conversation."""
    return page.evaluate(PROBE, {"text": text, **options})


PROBE = """async ({ text, step }) => {
    const loaded = performance.getEntriesByType('resource').map(({ name }) => name);
    const module = await import(loaded.find((name) => /assets\\/view-/.test(name)));
    const View = Object.values(module).find((value) => typeof value === 'function' && value.prototype?.set);
    const host = document.createElement('div');
    host.className = 'markdown';
    document.body.append(host);
    const view = new View(host);
    for (let end = step; end < text.length; end += step) {
        view.set(text.slice(0, end), false);
        await new Promise(requestAnimationFrame);
    }
    view.set(text, true);
    for (let at = 0; at < 3; at++) await new Promise(requestAnimationFrame);
    const html = host.innerHTML;
    const shown = host.textContent;
    host.remove();
    return [html, shown];
}"""
BROKEN = (
    "# A *b **c ~~d `e [f](g ![h](i $j \\(k <m\n\n- a\n   1. b\n      > c\n      > ```x\n      > d\n\n"
    "| a | b\n|--\n|---|---\n| c\n\n$$x\n\n```js\nconst a = 1;\n"
)


def test_broken_markdown_is_rendered_at_every_prefix(playground: Playground) -> None:
    page = playground()
    ask(page, "Load the renderer")
    streamed, shown = render(page, BROKEN, step=1)
    whole, _ = render(page, BROKEN, step=len(BROKEN))
    assert streamed == whole
    for word in ("A ", "const a = 1;", "d", "c"):
        assert word in shown


def test_a_formula_cannot_crash_the_tab(playground: Playground) -> None:
    page = playground()
    ask(page, "Load the renderer with $x$")
    expect(page.locator(".markdown .katex")).to_have_count(1)
    nested = "$$" + "\\sqrt{" * 300 + "x" + "}" * 300 + "$$"
    hidden = "$$\\def\\a#1{\\sqrt{\\sqrt{\\sqrt{\\sqrt{\\sqrt{#1}}}}}}" + "\\a{" * 8 + "x" + "}" * 8 + "$$"
    for text in (nested, hidden):
        html, shown = render(page, text, step=len(text))
        assert "katex" not in html
        assert shown == text.strip("$")
    # Formulas far from the view are drawn when they come near.
    many = "$x_1^2$ " + " ".join(f"$x_{{{at}}}^2$" for at in range(4000))
    html, _ = render(page, "A line.\n\n" * 200 + many, step=len(many))
    assert html.count('class="katex"') < 2000
    page.evaluate("document.body.append(Object.assign(document.createElement('p'), { textContent: 'alive' }))")
    expect(page.get_by_text("alive")).to_be_visible()


FRAMES = """() => {
    window.__frames = [];
    let last = performance.now();
    const frame = (now) => {
        window.__frames.push(now - last);
        last = now;
        window.__timer = requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""


def median_and_longest(page: Page) -> tuple[float, float]:
    """The median and the longest time between frames since `FRAMES` was evaluated, in milliseconds."""
    frames = sorted(page.evaluate("(cancelAnimationFrame(window.__timer), window.__frames)"))
    return frames[len(frames) // 2], frames[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("A megabyte", "which goes on."),
        ("A table", "row 99"),
        ("A line", "xxx"),
        ("Code", "comment"),
        ("A line of code", "xxx"),
    ],
)
def test_a_large_answer_does_not_freeze_the_tab(playground: Playground, name: str, end: str) -> None:
    page = playground()
    ask(page, "Load the renderer")
    page.evaluate(FRAMES)
    ask(page, name)
    expect(page.locator(".markdown").last).to_contain_text(end, timeout=20_000)
    median, longest = median_and_longest(page)
    # On a busy machine with two processors; without pieces, one frame took more than ten seconds.
    assert median < 100, (median, longest)
    assert longest < 4_000, (median, longest)
    if name == "A table":
        page.get_by_role("button", name="Show 500 more of 10000 rows").click()
        expect(page.locator(".markdown").last).to_contain_text("row 599")
    assert page.evaluate("[...document.querySelectorAll('.markdown')].at(-1).getElementsByTagName('*').length") < 80_000


@pytest.mark.slow
def test_a_conversation_of_a_thousand_messages_scrolls(playground: Playground) -> None:
    page = playground()
    page.evaluate(
        """async () => {
        const database = await new Promise((resolve) => {
            const opening = indexedDB.open('forefront');
            opening.onsuccess = () => resolve(opening.result);
        });
        const change = database.transaction(['conversations', 'messages'], 'readwrite');
        const conversation = { id: 'long', title: 'A long one', created: 1, updated: 1, chosen: {} };
        change.objectStore('conversations').put(conversation);
        for (let at = 0; at < 1000; at++) {
            const parent = at ? `m${at - 1}` : null;
            const node = { id: `m${at}`, conversation: 'long', parent, created: 1, sequence: at };
            const text = `Message ${at} with **some** text.\\n\\n`.repeat(12);
            const answer = { settings: { model: 'first', format: 'text' }, prefix: '', pair: null, reasoning: '',
                calls: [], status: 'complete', finish: 'stop', problem: null, logprobs: [], usage: null, receipt: null,
                timing: null, notes: [] };
            change.objectStore('messages').put(at % 2 ? { ...node, role: 'assistant', text, ...answer }
                : { ...node, role: 'user', text, images: [] });
        }
        await new Promise((resolve) => { change.oncomplete = resolve; });
    }"""
    )
    page.reload()
    page.get_by_role("button", name="A long one", exact=True).click()
    expect(page.locator(".message")).to_have_count(1000)
    expect(page.get_by_text("Message 999").first).to_be_visible()
    assert page.locator(".message.seen").count() < 100
    page.evaluate(FRAMES)
    page.evaluate(
        """async () => {
        const scroller = document.querySelector('.scroller');
        for (let at = 0; at < 60; at++) { scroller.scrollTop -= 2000; await new Promise(requestAnimationFrame); }
    }"""
    )
    median, longest = median_and_longest(page)
    assert median < 100, (median, longest)
    page.evaluate("document.querySelector('.scroller').scrollTop = 0")
    expect(page.get_by_text("Message 0 with").first).to_be_visible()
