"""Stage the pages, build the site strictly, and print its path: `python -m website --output FOLDER`."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from website.diagrams import write_renderer
from website.openapi_page import write_openapi
from website.pages import BrokenLinkError, stage_pages
from website.reference import write_reference

ROOT = Path(__file__).parents[1]


def build_site(output: Path, renderer: Path) -> Path:
    """Build the site in `output/site` and return that folder.

    `renderer` is the tarball of the Mermaid renderer. Raises `BrokenLinkError` for a link to a file that does not
    exist, and `CalledProcessError` for other broken links and anchors.
    """
    pages = output / "docs"
    shutil.rmtree(output, ignore_errors=True)
    pages.mkdir(parents=True)
    stage_pages(ROOT, pages)
    write_openapi(pages)
    write_reference(ROOT / "src" / "forefront", pages / "reference")
    write_renderer(renderer, pages / "javascripts")
    settings = (ROOT / "website" / "zensical.toml").read_text()
    (output / "zensical.toml").write_text(settings.replace("SOURCE_FOLDER", str(ROOT / "src")))
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(output / "zensical.toml")]
    subprocess.run(command, check=True)
    return output / "site"


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the documentation site.")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "website", help="folder to build in")
    parser.add_argument("--renderer", type=Path, required=True, help="tarball of the npm package @mermaid-js/tiny")
    arguments = parser.parse_args()
    try:
        site = build_site(arguments.output.resolve(), arguments.renderer)
    except BrokenLinkError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    print(site / "index.html")


main()
