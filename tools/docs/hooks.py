"""What mkdocs is told besides `mkdocs.yml`: pages from elsewhere, and links to names.

The guides are `examples/guide`, as they are on a code host. The front page is the README,
other files of the root stand beside it, and the reference is written from the list of
public names (`reference.py`). `tf.keras.optimizers.Adam` in the prose of a page becomes a
link to where it is documented.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# mkdocs loads hooks as single files.
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

import reference  # noqa: E402 (it lies beside)

# Files of the root and what they are on the site.
PAGES = {
    "README.md": "index.md",
    "COMPAT.md": "compat.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
_LINK = re.compile(r"(\]\(|src=\")(?:\.\./\.\./)?([\w./-]+)(#[\w-]+)?(?=[)\"])")
_NAME = re.compile(
    r"<(?P<tag>a|pre|h\d)\b.*?</(?P=tag)>|<code>(?P<path>tf(?:\.\w+)+)(?:\(\))?</code>",
    re.DOTALL,
)
_pages = reference.read_pages()
_targets = reference.find_targets(_pages)


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are not in the folder of the guides, and the navigation."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text()
        if source == "README.md":
            # The guides are the other entries of the list at the left.
            text = f"---\nhide: [navigation]\n---\n{text}"
        files.append(File.generated(config, page, content=move_links(text)))
    for page in _pages.values():
        text = reference.write_page(page, _pages, _targets)
        files.append(File.generated(config, f"reference/{page.file}", content=text))
    shim = (HERE / "iframe-worker.js").read_text()
    files.append(File.generated(config, "assets/iframe-worker.js", content=shim))
    for entry in config.nav:
        if "Reference" in entry:
            entry["Reference"] = [
                {page.path: f"reference/{page.file}"} for page in _pages.values()
            ]
    return files


def move_links(text: str) -> str:
    """Makes links between files of the root links between pages of the site."""

    def move(found: re.Match[str]) -> str:
        start, path, anchor = found[1], found[2], found[3] or ""
        path = PAGES.get(path, path.removeprefix("examples/guide/"))
        return f"{start}{path}{anchor}"

    return _LINK.sub(move, text)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Makes links of guides to files of the root links to their pages."""
    return markdown if page.file.generated_by else move_links(markdown)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Links names of the API in prose to their documentation."""
    if page.file.src_uri.startswith("reference/"):
        return html
    folder = posixpath.dirname(page.file.src_uri) or "."

    def link(found: re.Match[str]) -> str:
        target = _targets.get(found["path"] or "")
        if target is None:
            return found[0]
        name, hash_sign, anchor = target.partition("#")
        path = posixpath.relpath("reference/" + name[: -len(".md")] + ".html", folder)
        return f'<a href="{path}{hash_sign}{anchor}">{found[0]}</a>'

    return _NAME.sub(link, html)
