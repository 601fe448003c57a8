"""The site of the documentation: it builds, its links lead somewhere, it needs no network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from tests.viz.browser import CHROMIUM, Browser

pytest.importorskip(
    "mkdocstrings", reason="the site needs mkdocs: pip install 'graphopt[docs]'"
)
pytest.importorskip("material", reason="the site needs mkdocs-material")
ROOT = Path(__file__).resolve().parent.parent.parent


class Page(HTMLParser):
    """What a page links to, loads and can be linked at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(given.get("href") or "")
        elif given.get("src"):
            self.loads.append(given["src"])
        if "style" in given:
            self.loads += re.findall(r"url\(([^)]*)\)", given["style"] or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(folder)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}


def test_links_lead_to_pages_and_anchors(site, pages):
    dead = []
    for path, page in pages.items():
        # What a server shows for an address that it does not have.
        if path.name == "404.html":
            continue
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            file, anchor = urldefrag(link)
            target = (path.parent / unquote(file)).resolve() if file else path
            if not target.exists():
                dead.append(f"{path.relative_to(site)}: {link}")
            elif anchor and unquote(anchor) not in pages[target].anchors:
                dead.append(f"{path.relative_to(site)}: {link} (no such anchor)")
    assert len(pages) > 80
    assert not dead


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for path, page in pages.items():
        for source in page.loads:
            assert not re.match(r"(https?:)?//", source), f"{path}: {source}"
            file = urldefrag(source.partition("?")[0])[0]
            if path.name != "404.html" and not file.startswith("data:"):
                assert (path.parent / unquote(file)).exists(), f"{path}: {source}"
    for path in site.rglob("*.css"):
        for source in re.findall(r"(?:url\(|@import )([^);]*)", path.read_text()):
            assert "//" not in source.strip("\"' ").partition("data:")[0], path


def test_public_names_are_documented(site):
    page = (site / "reference" / "tf.keras.optimizers.html").read_text()
    assert "The exponential decay rate" in page or "beta_1" in page
    assert 'id="graphopt.keras.optimizers.Adam"' in page
    functions = Page((site / "reference" / "tf.html").read_text()).anchors
    assert {"graphopt.add", "graphopt.assert_less", "graphopt.function"} <= functions


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_search_works_from_the_disk_without_a_network(site, tmp_path):
    with Browser(tmp_path / "profile") as browser:
        browser.requests.clear()
        browser.problems.clear()
        browser.call("Page.navigate", url=(site / "index.html").as_uri())
        browser.wait("document.readyState == 'complete' && !!window.IFrameWorker")
        field = "document.querySelector('input[name=query]')"
        browser.evaluate(f"{field}.focus()")
        browser.type("clip_by_global_norm")
        browser.wait("!!document.querySelector('.md-search-result__item')")
        found = browser.evaluate(
            "document.querySelector('.md-search-result').innerText"
        )
        assert "clip_by_global_norm" in found
        assert not browser.problems
        assert all(r.startswith(("file:", "data:", "about:")) for r in browser.requests)


def test_built_pages_are_ignored_by_git():
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    command = [git, "check-ignore", "-q", "build/site/index.html"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
