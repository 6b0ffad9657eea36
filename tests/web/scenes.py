"""Scenes of the playground: what the screenshots and several tests show, with the scripts that they take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, Request, expect

from tests.support.backends.scripted import Script

RICH: Final = """A **Kalman filter** keeps an estimate and its variance. A measurement moves the estimate by the *gain*:

$$K_k = \\frac{P_k^-}{P_k^- + R}$$

where $R$ is the variance of the measurement.

```python
def update(estimate: float, variance: float, measured: float, noise: float) -> tuple[float, float]:
    gain = variance / (variance + noise)  # between 0 and 1
    return estimate + gain * (measured - estimate), (1 - gain) * variance
```

| step | measured | estimate | variance |
|-----:|---------:|---------:|---------:|
|    1 |     10.3 |     10.1 |     0.67 |
|    2 |      9.7 |      9.9 |     0.40 |
|    3 |     10.0 |     9.95 |     0.29 |

1. Predict, which adds the noise of the process.
2. Update, which takes some of it away again.

> The variance never grows in an update, see <https://en.wikipedia.org/wiki/Kalman_filter>.
"""
TOKENS: Final = (
    {"Risotto": -0.03, "Pasta": -3.9, "Soup": -5.2},
    {" with": -0.2, " alla": -1.9, ",": -4.0},
    {" peas": -1.6, " lemon": -0.9, " mushrooms": -2.2},
    {" and": -0.01, ",": -5.0},
    {" lemon": -0.5, " mint": -1.4, " butter": -2.0},
    {" juice": -0.8, ".": -1.0, " zest": -2.6},
)
SCRIPTS: Final = {
    "What does a Kalman filter do?": Script(RICH, pause=0.001, piece=24),
    "Is 391 a prime number?": Script(
        "No: $391 = 17 \\cdot 23$.", reasoning="Try the primes up to 19. 391 / 17 = 23, without a remainder."
    ),
    "What is the weather in Rome?": Script(calls=[("get_weather", '{"city": "Rome"}')]),
    "What is for dinner?": Script(tokens=TOKENS),
    "Count slowly": Script(" ".join(map(str, range(2000))), pause=0.02),
    "A megabyte": Script(
        "A paragraph of the answer, with *emphasis* and `code`, which goes on.\n\n" * 14_500, piece=2000
    ),
    "A table": Script("| a | b |\n|---|---:|\n" + "".join(f"| row {at} | {at} |\n" for at in range(10_000)), piece=400),
    "A line": Script("x" * 300_000, piece=1000),
    "Code": Script("```python\n" + "value = compute(1, 'text')  # comment\n" * 9_000 + "```\n", piece=1000),
    "Large JSON": Script('{"rows": [' + ", ".join(f'"row {at}"' for at in range(30_000)), pause=0.05, piece=1000),
    "A line of code": Script("```js\n" + "x" * 200_000, piece=4000),
    "Fail": Script("The first half of an answer", failure="internal_error"),
}
WEATHER: Final = "What is the weather in Rome?"


def send(page: Page, text: str) -> None:
    """Type a message and send it by the keyboard."""
    field = page.get_by_label("Message", exact=True)
    field.fill(text)
    field.press("Enter")


def finish(page: Page) -> None:
    """Wait until no answer is arriving any more."""
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def ask(page: Page, text: str) -> None:
    """Send a message and wait for the whole answer."""
    send(page, text)
    finish(page)


def body_of(request: Request) -> Any:
    """The JSON body of a request."""
    return request.post_data_json


def open_settings(page: Page) -> None:
    """Show the settings, beside the conversation or over it."""
    button = page.get_by_role("button", name="Settings", exact=True)
    if button.get_attribute("aria-expanded") == "false":
        button.click()


def close_settings(page: Page) -> None:
    """Close the settings where they cover the conversation."""
    close = page.get_by_role("button", name="Close settings")
    if close.is_visible():
        close.click()


def _answer(page: Page) -> None:
    ask(page, "What does a Kalman filter do?")
    expect(page.locator(".katex").first).to_be_visible()


def _streaming(page: Page) -> None:
    send(page, "Count slowly")
    expect(page.get_by_text("1 2 3 4 5 6 7 8 9")).to_be_visible()


def _reasoning(page: Page) -> None:
    ask(page, "Is 391 a prime number?")
    page.get_by_text("Reasoning", exact=True).click()
    page.locator("article details.meter summary").click()


def _tool(page: Page) -> None:
    open_settings(page)
    page.get_by_role("button", name="Add a tool").click()
    close_settings(page)
    ask(page, WEATHER)
    page.get_by_label("Result of get_weather").fill('{"celsius": 21}')


def _probabilities(page: Page) -> None:
    ask(page, "What is for dinner?")
    page.get_by_role("button", name="Token probabilities").click()
    page.get_by_role("button", name="·peas").focus()


def _comparison(page: Page) -> None:
    page.get_by_role("button", name="Compare two models or settings").click()
    ask(page, "Is 391 a prime number?")


def _schema(page: Page) -> None:
    open_settings(page)
    page.get_by_text("Schema", exact=True).click()
    expect(page.get_by_role("textbox", name="JSON schema of the answer")).to_be_visible()
    page.get_by_role("textbox", name="JSON schema of the answer").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(',"type": 3}')


def _code(page: Page) -> None:
    ask(page, "Is 391 a prime number?")
    page.get_by_role("button", name="View as code").click()
    expect(page.locator(".code-keyword").first).to_be_visible()


def _formula(page: Page) -> None:
    ask(page, f"$${'x + ' * 60}y$$")
    expect(page.locator(".formula.display[tabindex]")).to_be_visible()


def _failed(page: Page) -> None:
    ask(page, "Fail")


def _sidebar(page: Page) -> None:
    for text in ("What is for dinner?", "Is 391 a prime number?"):
        ask(page, text)
        if not page.get_by_role("button", name="New conversation").is_visible():
            page.get_by_role("button", name="Conversations", exact=True).click()
        page.get_by_role("button", name="New conversation").click()
    if not page.get_by_role("button", name="New conversation").is_visible():
        page.get_by_role("button", name="Conversations", exact=True).click()


SCENES: Final[dict[str, Callable[[Page], None]]] = {
    "empty": lambda page: None,
    "answer": _answer,
    "streaming": _streaming,
    "reasoning": _reasoning,
    "tool": _tool,
    "probabilities": _probabilities,
    "comparison": _comparison,
    "schema": _schema,
    "code": _code,
    "failed": _failed,
    "formula": _formula,
    "sidebar": _sidebar,
}


def folder() -> Path:
    """The folder of the screenshots in the documentation."""
    return Path(__file__).parents[2] / "docs" / "images"
