"""The pages of the API reference, written from the list of public names.

`tests/golden/api.txt` has a line for each public name, and a test keeps it complete, so a
page for each module follows from it: what the module defines, by mkdocstrings from the
docstrings, and what is in it by another name, as links. Sources are read and not run, but
for a few functions that a call makes (`true_positives = _counter(...)`): their signature
and docstring are asked of the function.
"""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import griffe
from doctests import fence_doctests

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ROOT / "tests" / "golden" / "api.txt"
ROOTS = ("tf", "tf.compat.v1")
# Modules of others: absl-py's flags where it is installed, and unittest's.
NOT_OURS = {"tf.compat.v1.app.flags", "tf.test.mock"}
_LINE = re.compile(
    r"(?P<path>tf(?:\.\w+)+)"
    r"(?: = (?P<same>[\w.]+)|(?P<call>\(.*\))?(?:: (?P<kind>\w+))?)$"
)


@dataclass
class Page:
    """What a module has.

    Attributes:
      path: What users call the module.
      classes: The names of classes that are documented here.
      functions: Likewise.
      values: From the names of the rest to what they are.
      others: From names to the paths under which they are documented.
      modules: The modules in it that have pages.
    """

    path: str
    classes: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)

    @property
    def file(self) -> str:
        """Where the page is, from the folder of the reference."""
        return f"{self.path}.md"


def read_pages(text: str | None = None) -> dict[str, Page]:
    """Reads the list of names into a page for each module.

    Args:
      text: The list; by default that of the project.

    Returns:
      The pages by the paths of their modules.

    Raises:
      ValueError: A line is none of the list's.
    """
    pages = {path: Page(path) for path in ROOTS}
    # What has names of its own that are on no page.
    classes: set[str] = set()
    for line in (NAMES.read_text() if text is None else text).splitlines():
        found = _LINE.match(line)
        if found is None:
            raise ValueError(f"no line of a list of names: {line!r}")
        path, kind = found["path"], found["kind"]
        owner, _, name = path.rpartition(".")
        if owner in classes or path in pages:
            continue
        if path in NOT_OURS:
            classes.add(path)
        elif kind == "module":
            pages[path] = Page(path)
            if owner in pages:
                pages[owner].modules.append(name)
        elif owner not in pages:
            continue
        elif found["same"]:
            pages[owner].others[name] = found["same"]
        elif kind == "class":
            classes.add(path)
            pages[owner].classes.append(name)
        elif kind is None:
            pages[owner].functions.append(name)
        else:
            pages[owner].values[name] = kind
    return {path: page for path, page in pages.items() if not _is_empty(page)}


def _is_empty(page: Page) -> bool:
    parts = (page.classes, page.functions, page.values, page.others, page.modules)
    return not any(parts)


def object_path(path: str) -> str:
    """Returns the name that Python has for what users call `tf...`."""
    return re.sub(r"^tf\b", "graphopt", path)


@cache
def _read_sources() -> griffe.Module:
    loader = griffe.GriffeLoader(search_paths=[str(ROOT)])
    package = loader.load("graphopt")
    loader.resolve_aliases(implicit=True, external=False)
    assert isinstance(package, griffe.Module)
    return package


@cache
def locate(path: str) -> str | None:
    """Returns where the definition of a public name is, None if a call makes it.

    Args:
      path: What users call it, as `tf.keras.layers.MaxPool1D`.
    """
    name = object_path(path)
    while True:
        try:
            found: Any = _read_sources()[name.partition(".")[2]]
        except KeyError:
            return None
        found = found.final_target if found.is_alias else found
        if not found.is_attribute:
            return name
        if not isinstance(found.value, (griffe.ExprName, griffe.ExprAttribute)):
            return None
        # Another name of what is defined elsewhere.
        name = str(found.value.canonical_path)


def _describe_module(path: str) -> str:
    """Returns what the docstring of a module says."""
    name = object_path(path).partition(".")[2]
    found: Any = _read_sources()[name] if name else _read_sources()
    found = found.final_target if found.is_alias else found
    return fence_doctests(found.docstring.value) if found.docstring else ""


def _find_made(path: str) -> Any:
    found = importlib.import_module("graphopt")
    for part in path.split(".")[1:]:
        found = getattr(found, part)
    return found


def find_targets(pages: dict[str, Page]) -> dict[str, str]:
    """Returns where each public name is documented: file and anchor, by its path."""
    found: dict[str, str] = {}
    for path, page in pages.items():
        found[path] = page.file
        for name in (*page.classes, *page.functions):
            anchor = locate(f"{path}.{name}") or object_path(f"{path}.{name}")
            found[f"{path}.{name}"] = f"{page.file}#{anchor}"
        for name in page.values:
            found[f"{path}.{name}"] = f"{page.file}#values"
    for path, page in pages.items():
        for name, same in page.others.items():
            if same in found:
                found.setdefault(f"{path}.{name}", found[same])
    return found


def _write_object(path: str, name: str) -> str:
    home = locate(path)
    if home is not None:
        return (
            f"::: {home}\n    options:\n"
            f'      heading: "{path}"\n      toc_label: "{name}"\n'
        )
    made = _find_made(path)
    signature = inspect.signature(made)
    plain = [
        each.replace(annotation=inspect.Parameter.empty)
        for each in signature.parameters.values()
    ]
    text = signature.replace(
        parameters=plain, return_annotation=inspect.Signature.empty
    )
    return (
        f"### {path} {{#{object_path(path)}}}\n\n"
        f"```python\n{name}{text}\n```\n\n{fence_doctests(inspect.getdoc(made) or '')}\n"
    )


def write_page(page: Page, pages: dict[str, Page], targets: dict[str, str]) -> str:
    """Returns a page of the reference as Markdown."""
    # Who looks for a name looks for its documentation.
    parts = [f"---\nsearch:\n  boost: 4\n---\n# {page.path}\n"]
    parts.append(_describe_module(page.path) + "\n")
    inner = [f"{page.path}.{name}" for name in page.modules]
    inner = [path for path in inner if path in pages]
    if inner:
        links = ", ".join(f"[`{path}`]({pages[path].file})" for path in inner)
        parts.append(f"Modules: {links}\n")
    for title, names in (("Classes", page.classes), ("Functions", page.functions)):
        if names:
            parts.append(f"## {title}\n")
        for name in names:
            parts.append(_write_object(f"{page.path}.{name}", name))
    if page.values:
        parts.append("## Values\n\n| name | type |\n|---|---|")
        parts += [f"| `{page.path}.{n}` | `{k}` |" for n, k in page.values.items()]
        parts.append("")
    if page.others:
        parts.append("## Other names\n\n| name | documented as |\n|---|---|")
        for name, same in page.others.items():
            link = f"[`{same}`]({targets[same]})" if same in targets else f"`{same}`"
            parts.append(f"| `{page.path}.{name}` | {link} |")
        parts.append("")
    return "\n".join(parts)
