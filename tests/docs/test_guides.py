"""The code of the guides and of the README runs and prints what they say."""

from __future__ import annotations

import pytest

from tests.docs.guides import GUIDE, ROOT, agrees, read_blocks, run_blocks
from tests.parallel.launching import needs_mpi

# Those whose commands start several ranks.
WITH_RANKS = {"several_machines"}
PAGES = [ROOT / "README.md", *sorted(GUIDE.glob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_prints_what_it_says(path):
    if path.stem in WITH_RANKS:
        needs_mpi()
    blocks = read_blocks(path.read_text())
    printed = run_blocks(path) if any(block.runs for block in blocks) else []
    for block, output in zip(blocks, printed, strict=bool(printed)):
        if block.runs:
            assert agrees(output, block), (
                f"{path.name}:{block.line} prints\n{output}\n"
                f"and not\n{block.expected}\n"
                f"`python -m tests.docs.guides --write {path.relative_to(ROOT)}` "
                "writes down what is printed"
            )


def test_what_is_printed_otherwise_is_noticed():
    (block,) = read_blocks("```python\nprint(1)\n```\n\n```text\n2\n```\n")
    assert block.runs
    assert not agrees("1\n", block)
    assert agrees("2\n", block)


def test_guides_are_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    missing = [path.name for path in PAGES[1:] if f": {path.name}\n" not in navigation]
    assert not missing, "list these in `nav` of mkdocs.yml"
