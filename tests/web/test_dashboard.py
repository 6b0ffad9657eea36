"""The dashboard against the real server: charts, keys, budgets, requests, models, upstreams."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from forefront.cli.settings.config import Config
from forefront.cli.settings.sections import PriceSettings
from forefront.upstream.spec import UpstreamSpec
from tests.support.backends import clustered
from tests.support.backends.instant import KEY, MODEL, Nursery
from tests.support.server import RunningServer
from tests.web.conftest import OpenTab
from tests.web.dashboard_data import fill_ledger, make_keys
from tests.web.test_accessibility import findings

CHAT = "/v1/chat/completions"
VIEWS = ("overview", "requests", "keys", "projects", "models")
PHONE = {"width": 390, "height": 844}
SECRET = "a text that only the client knows"


@dataclass
class Served:
    """The server, a client for its administrator, and its keys with their texts."""

    url: str
    admin: httpx.Client
    keys: list[dict[str, Any]]

    def complete(self, key: str = KEY, **fields: Any) -> httpx.Response:
        """One request with a key."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": SECRET}], "max_tokens": 5} | fields
        return self.admin.post(CHAT, json=body, headers={"authorization": f"Bearer {key}"})


@pytest.fixture(scope="module")
def served(web_pages: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with an upstream that is down, and with a month in its ledger."""
    folder = tmp_path_factory.mktemp("dashboard")
    url, settings = f"sqlite:///{folder}/store.sqlite", Config(prices={MODEL: PriceSettings(input=1.0, output=2.0)})
    upstream = UpstreamSpec("remote", ("http://127.0.0.1:9/v1",), "m", dialect="generic", context_length=4096)
    with (
        Nursery().serve(url, folder / "log", settings=settings, upstreams=[upstream]) as running,
        httpx.Client(base_url=running.url, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as admin,
    ):
        keys = make_keys(admin)
        fill_ledger(url, keys, (MODEL, "remote"), days=3)
        served = Served(running.url, admin, keys)
        served.complete()
        yield served


Dashboard = Callable[..., Page]


@pytest.fixture
def dashboard(open_page: OpenTab, served: Served) -> Dashboard:
    """Opens a view in its own tab."""

    def make(view: str = "overview", **options: Any) -> Page:
        page = open_page(f"/dashboard#{view}", url=served.url, key=KEY, **options).page
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        return page

    return make


def tile(page: Page, name: str) -> str:
    """The value of a tile."""
    return page.locator(".tiles > div", has_text=name).locator(".value").inner_text()


def row(page: Page, name: str) -> Any:
    return page.locator("li.columns", has=page.get_by_text(name, exact=True))


def test_the_numbers_add_up_to_the_report_and_are_live(dashboard: Dashboard, served: Served) -> None:
    page = dashboard()
    page.get_by_text("30 days").click()
    expect(page.get_by_role("heading", name="Requests")).to_be_visible()
    [usage] = served.admin.get("/admin/usage", params={"by": "model", "model": MODEL}).json()["data"]
    page.get_by_label("Only the model").select_option(MODEL)
    expect(page.locator(".tiles > div", has_text="Requests").locator(".value")).to_have_text(f"{usage['requests']:,}")
    page.get_by_label("Only the model").select_option("")
    page.get_by_text("Hour", exact=True).click()
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    before = int(tile(page, "Requests"))
    for _ in range(3):
        assert served.complete().status_code == 200
    value = page.locator(".tiles > div", has_text="Requests").locator(".value")
    expect(value).to_have_text(str(before + 3), timeout=15_000)
    chart = page.get_by_role("img", name=re.compile("^Requests, per minute"))
    assert chart.locator("canvas").count() == 1


def test_charts_by_model_project_and_key(dashboard: Dashboard) -> None:
    page = dashboard()
    page.get_by_text("24 hours").click()
    legend = page.get_by_role("group", name="Lines of the charts")
    for group, names in (("Model", [MODEL, "remote"]), ("Project", ["shop", "research"]), ("Key", ["mobile app"])):
        page.get_by_role("radio", name=group, exact=True).check(force=True)
        for name in names:
            expect(legend.get_by_role("button", name=name)).to_be_visible()
    chart = page.get_by_role("img", name=re.compile("^Time to first token, mean. Latest: .*mobile app [0-9.]+ m?s"))
    expect(chart).to_be_visible()
    legend.get_by_role("button", name="mobile app").click()
    expect(chart).to_have_count(0)
    plot = page.locator(".plot").first
    plot.hover(position={"x": 150, "y": 60})
    expect(page.locator(".tip")).to_contain_text("search backend")
    assert findings(page) == []


def test_the_life_of_a_key_on_the_dashboard(dashboard: Dashboard, served: Served) -> None:
    page = dashboard("keys")
    page.get_by_role("button", name="New key").click()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("A key needs a name.")
    page.get_by_label("Name").fill("a test of the page")
    page.get_by_label("Requests per minute").fill("many")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Requests per minute must be a number from 0.")
    page.get_by_label("Requests per minute").fill("60")
    page.keyboard.press("Enter")
    field = page.get_by_label("API key", exact=True)
    text = field.input_value()
    assert served.complete(text).status_code == 200
    page.get_by_role("button", name="Done").click()
    assert text not in page.content()
    entry = row(page, "a test of the page")
    expect(entry).to_contain_text("60 requests/min")

    page.get_by_role("button", name="Limits of a test of the page").click()
    page.get_by_label("Requests per minute").fill("")
    page.get_by_label("Tokens", exact=True).fill("1000")
    page.get_by_role("button", name="Save").click()
    expect(entry).to_contain_text("985 of 1k tokens left this month")
    expect(entry).not_to_contain_text("requests/min")

    page.get_by_role("button", name="Rotate a test of the page").click()
    page.get_by_role("button", name="Rotate the key").click()
    rotated = page.get_by_label("API key", exact=True).input_value()
    assert rotated != text
    page.get_by_role("button", name="Done").click()

    page.get_by_role("button", name="Revoke a test of the page").click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(entry).to_have_count(0)
    page.wait_for_timeout(600)
    assert served.complete(rotated).status_code == served.complete(text).status_code == 401
    page.get_by_label("Revoked").check()
    expect(page.get_by_text("a test of the page", exact=True)).to_be_visible()


@pytest.mark.parametrize("now", ["1990-01-01", "2060-01-01"])
def test_a_key_expires_by_the_clock_of_the_server(dashboard: Dashboard, served: Served, now: str) -> None:
    page = dashboard("keys")
    page.clock.set_fixed_time(now)
    page.reload()
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill(f"made in {now}")
    page.get_by_label("Expires").select_option("In 30 days")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Done").click()
    entry = row(page, f"made in {now}")
    expect(entry).to_contain_text("until ")
    expect(entry.get_by_text("expired", exact=True)).to_have_count(0)
    [key] = [key for key in served.admin.get("/admin/keys").json()["data"] if key["name"] == f"made in {now}"]
    assert key["expires"] - time.time() == pytest.approx(30 * 86_400, abs=60)


def test_the_budget_of_a_project(dashboard: Dashboard, served: Served) -> None:
    page = dashboard("projects")
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name").fill("no slash/")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("letters, digits")
    page.get_by_label("Name").fill("tests")
    page.get_by_label("Tokens", exact=True).fill("100")
    page.get_by_label("Period").select_option("day")
    page.get_by_role("button", name="Save").click()
    entry = row(page, "tests")
    expect(entry).to_contain_text("100 of 100 tokens left today")
    key = served.admin.post("/admin/keys", json={"name": "spender", "project": "tests"}).json()["key"]
    assert served.complete(key).status_code == 200
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="Projects").click()
    expect(entry).to_contain_text("85 of 100 tokens left today")
    assert entry.get_by_role("progressbar").get_attribute("value") == "15"


def test_failed_and_slow_requests_with_receipts_and_without_prompts(dashboard: Dashboard, served: Served) -> None:
    assert served.complete(model="remote").status_code == 503
    page = dashboard("requests")
    failed = page.get_by_role("list", name="Failed")
    expect(failed).to_contain_text("upstream_unavailable")
    slowest = page.get_by_role("list", name="Slowest")
    slowest.get_by_role("listitem").filter(has_text=MODEL).get_by_role("button").first.click()
    receipt = page.get_by_role("dialog", name="Receipt")
    expect(receipt).to_contain_text("Prompt tokens10 (0 cached)")
    assert SECRET not in page.content()
    page.keyboard.press("Escape")
    expect(receipt).to_have_count(0)


def test_upstreams_with_their_health(dashboard: Dashboard, served: Served) -> None:
    for _ in range(5):  # as many failures in a row as open its circuit
        served.complete(model="remote")
    page = dashboard("models")
    upstream = page.get_by_role("list", name="Upstream servers").locator("[data-replica='remote/1']")
    expect(upstream).to_contain_text("http://127.0.0.1:9/v1")
    expect(upstream.locator(".badge")).to_have_text(re.compile("out of use|on trial"))


def test_replicas_on_a_cluster(open_page: OpenTab, tmp_path: Path) -> None:
    with Nursery().serve(
        f"sqlite:///{tmp_path}/store.sqlite", tmp_path / "log", backends={clustered.MODEL: clustered.ClusteredInstant()}
    ) as running:
        page = open_page("/dashboard#models", url=running.url, key=KEY).page
        replicas = page.get_by_role("list", name="Replicas of clustered")
        expect(replicas.locator("[data-replica='replica-2'] .badge")).to_have_text("draining")
        expect(replicas.locator("[data-replica='replica-1']")).to_contain_text("3 of 64")
        expect(replicas.locator("[data-replica='replica-1']")).to_contain_text("58.3 % accepted")
        expect(page.locator("[data-cluster='clustered']")).to_contain_text("3 replicas on 2 nodes, 48 %")


def test_a_model_is_unloaded_and_loaded(open_page: OpenTab, server: RunningServer) -> None:
    page = open_page("/dashboard#models").page
    entry = page.locator("[data-model=tiny]")
    page.get_by_role("button", name="Unload tiny").click()
    expect(entry.locator(".badge")).to_have_text("unloaded")
    page.get_by_role("button", name="Load tiny").click()
    expect(entry.locator(".badge")).to_have_text("loaded")
    expect(entry).to_contain_text(re.compile("MiB|KiB"))


def test_a_key_without_admin_scope(open_page: OpenTab, served: Served) -> None:
    page = open_page("/dashboard", url=served.url, key=served.keys[0]["key"]).page
    expect(page.get_by_role("alert").first).to_contain_text("lacks the scope admin")
    page.get_by_label("API key", exact=True).fill(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(("scheme", "options"), [("light", {}), ("dark", {"viewport": PHONE})])
def test_axe_finds_no_serious_violations(dashboard: Dashboard, scheme: str, options: dict[str, Any]) -> None:
    page = dashboard(color_scheme=scheme, **options)
    for view in VIEWS:
        page.goto(f"/dashboard#{view}")
        expect(page.get_by_text("Loading …")).to_have_count(0)
        assert (view, findings(page)) == (view, [])
    page.goto("/dashboard#keys")
    page.get_by_role("button", name="New key").click()
    assert findings(page) == []


def test_a_phone_has_no_sideways_scrolling(dashboard: Dashboard) -> None:
    page = dashboard(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    for view in VIEWS:
        page.goto(f"/dashboard#{view}")
        expect(page.get_by_text("Loading …")).to_have_count(0)
        assert (view, page.evaluate("document.documentElement.scrollWidth")) == (view, 360)


def test_keyboard_only_operation(dashboard: Dashboard) -> None:
    page = dashboard()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Keys":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.ariaLabel") == "Limits of mobile app":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Limits of mobile app")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
