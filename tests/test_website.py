"""The documentation site: it is built strictly, loads nothing from elsewhere, and works in a browser."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.programs.chromium import open_page
from tests.support.programs.node import require_node, run
from website.pages import BrokenLinkError, stage_pages

_ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.timeout(600)


def build(output: Path, *, again: bool = False) -> subprocess.CompletedProcess[str]:
    """Build the site as `make docs` does, or build the staged pages again."""
    if again:
        command = ["-m", "zensical", "build", "--strict", "--config-file", str(output / "zensical.toml")]
    else:
        run("make", "--silent", "build/mermaid-js-tiny-12.0.0.tgz", cwd=_ROOT)
        command = ["-m", "website", "--output", str(output), "--renderer", "build/mermaid-js-tiny-12.0.0.tgz"]
    return subprocess.run([sys.executable, *command], cwd=_ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_node()
    output = tmp_path_factory.mktemp("website")
    result = build(output)
    assert result.returncode == 0, result.stdout + result.stderr
    return output / "site"


def test_every_package_and_page_is_in_the_navigation() -> None:
    settings = (_ROOT / "website" / "zensical.toml").read_text()
    packages = [path.parent.name for path in (_ROOT / "src" / "forefront").glob("*/__init__.py")]
    pages = [path.relative_to(_ROOT / "docs").as_posix() for path in (_ROOT / "docs").rglob("*.md")]
    wanted = {*pages, *(f"reference/{name}.md" for name in packages)}
    assert {page for page in wanted if f'"{page}"' not in settings} == set()


class Loads(HTMLParser):
    """Addresses that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag != "a" and not (tag == "link" and values.get("rel") in ("canonical", "prev", "next")):
            self.addresses += [values[name] for name in ("src", "srcset", "href", "data", "poster") if name in values]
        self.addresses += re.findall(r"url\(([^)]*)\)", values.get("style", ""))


@pytest.mark.slow
def test_no_file_loads_from_elsewhere(site: Path) -> None:
    pages, styles = list(site.rglob("*.html")), list(site.rglob("*.css"))
    assert len(pages) > 30
    assert styles
    for path in pages:
        loads = Loads()
        loads.feed(path.read_text())
        assert loads.addresses
        assert [one for one in loads.addresses if re.match(r"([a-z]+:)?//", one)] == [], path
    for path in styles:
        loaded = re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')]+)", path.read_text())
        assert [one for one in loaded if not one.startswith(("data:", "#"))] == [], path


@pytest.mark.slow
def test_every_setting_and_public_name_is_in_the_search(site: Path) -> None:
    index = (site / "search.json").read_text()
    for word in ("server.connections_per_address", "ForefrontClient", "/admin/keys", "KV block"):
        assert word in index


@pytest.fixture(scope="module")
def origin(site: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_every_page_works_in_a_browser(site: Path, origin: str) -> None:
    diagrams = 0
    with open_page(300) as page:
        for path in sorted(site.rglob("*.html")):
            page.open(f"{origin}/{path.relative_to(site)}")
            if '<pre class="mermaid">' in path.read_text():
                # The theme replaces the source by a drawing in a shadow root.
                page.wait("!document.querySelector('pre.mermaid')")
                page.wait("[...document.querySelectorAll('.mermaid')].every(one => one.clientHeight > 50)")
                diagrams += 1
        assert diagrams > 0
        assert [url for url in page.requests() if not url.startswith((origin, "data:", "about:"))] == []
        failed = [
            one["response"]["url"] for one in page.named("Network.responseReceived") if one["response"]["status"] >= 400
        ]
        assert failed == []
        assert page.named("Network.loadingFailed") == []
        assert page.complaints() == []


@pytest.mark.slow
def test_the_search_finds_a_page(origin: str) -> None:
    # The search is in an open shadow root that the button fills.
    shown = "[...document.querySelectorAll('*')].map(one => one.shadowRoot?.textContent ?? '').join(' ')"
    with open_page(60) as page:
        page.open(f"{origin}/index.html")
        page.run("document.querySelector('.md-search__button').click()")
        page.wait("document.activeElement.shadowRoot?.activeElement?.tagName === 'INPUT'")
        page.call("Input.insertText", text="fair use")
        page.wait(f"{shown}.includes('Limits, budgets')")
        assert page.complaints() == []


@pytest.mark.slow
def test_a_broken_anchor_fails(site: Path) -> None:
    page = site.parent / "docs" / "index.md"
    text = page.read_text()
    for link in ("[x](serve.md#no-such-heading)", "[x](no-such-page.md)"):
        page.write_text(f"{text}\n{link}\n")
        result = build(site.parent, again=True)
        assert result.returncode != 0
        assert "1 issue found" in result.stdout + result.stderr
    page.write_text(text)


@pytest.mark.parametrize(("link", "fails"), [("docs/api.md", False), ("docs/absent.md", True), ("absent.py", True)])
def test_a_link_to_a_missing_file_is_refused(tmp_path: Path, link: str, fails: bool) -> None:
    root, output = tmp_path / "root", tmp_path / "output"
    output.mkdir()
    for name in ("README", "ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "SECURITY"):
        (root / f"{name}.md").parent.mkdir(exist_ok=True)
        (root / f"{name}.md").write_text(f"# {name}\n\n[a page]({link})\n\n```sh\n[no](link.md)\n```\n")
    for name in ("benchmarks", "clients/node", "training"):
        (root / name).mkdir(parents=True)
        (root / name / "README.md").write_text(f"# {name}\n")
    (root / "benchmarks" / "NOTES.md").write_text("# Notes\n")
    (root / "docs").mkdir()
    (root / "docs" / "api.md").write_text("[up](../README.md#start) [source](../README.md)\n")
    if fails:
        with pytest.raises(BrokenLinkError, match=link):
            stage_pages(root, output)
    else:
        stage_pages(root, output)
        assert "[a page](api.md)" in (output / "index.md").read_text()
        assert "[no](link.md)" in (output / "index.md").read_text()
        assert (output / "api.md").read_text() == "[up](index.md#start) [source](index.md)\n"
