"""Seeing a graph from Python: `tf.viewer.view(thing)`, in a notebook or in files.

What the command line shows of a script, this shows of a value: a graph, what is wanted of
one, a plan, a traced function, a Keras model. In a notebook the page appears under the cell;
elsewhere it opens in the browser or is saved.
"""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphopt.checkpoint.files import write_file
from graphopt.errors import fail
from graphopt.graph.provenance import user_site

if TYPE_CHECKING:
    from graphopt.runtime.profile import Profile
    from graphopt.viz.target import Target

__all__ = ["View", "view"]


class View:
    """A picture and a page of a graph; made by `view`.

    Attributes:
      title: What stands above.
    """

    def __init__(
        self,
        target: Target,
        title: str,
        depth: int | None,
        select: str | None,
        profile: Profile | None,
    ) -> None:
        self._target = target
        self.title = title
        self._depth = depth
        self._select = select
        self._profile = profile

    def to_html(self) -> str:
        """Returns the page: one file that asks the network for nothing."""
        # Loaded by those who look, here and below.
        from graphopt.viz.html.page import make_page

        target = self._target
        return make_page(
            target.graph,
            target.operations,
            target.tensors,
            title=self.title,
            depth=self._depth,
            select=self._select,
            feeds=target.feeds,
            profile=self._profile,
        )

    def to_svg(self) -> str:
        """Returns the picture as SVG text."""
        from graphopt.viz.svg import draw_svg

        target = self._target
        return draw_svg(
            target.graph, target.wanted, title=self.title, depth=self._depth
        )

    def to_png(self) -> bytes:
        """Returns the picture as a PNG file.

        Raises:
          MissingExtraError: (also an ImportError) `graphopt[png]` is not installed.
        """
        from graphopt.viz.png import draw_png

        return draw_png(self.to_svg())

    def save(self, path: Any) -> Path:
        """Writes a file, whose suffix says what: `.html`, `.svg` or `.png`.

        Args:
          path: Where to; a file that is there is replaced.

        Returns:
          The path.

        Raises:
          ValueError: The suffix is none of these.
          OSError: It cannot be written; what was there is as it was.

        >>> import graphopt as tf
        >>> folder = __import__("tempfile").mkdtemp()
        >>> with tf.Graph().as_default():
        ...     y = tf.exp(tf.zeros([2]))
        >>> tf.viewer.view(y).save(f"{folder}/y.svg").read_text()[:4]
        '<svg'
        """
        place = Path(path)
        writers: dict[str, Callable[[], str | bytes]] = {
            ".html": self.to_html,
            ".svg": self.to_svg,
            ".png": self.to_png,
        }
        writer = writers.get(place.suffix.lower())
        if writer is None:
            raise fail(
                ValueError,
                "The name of the file does not say what to save",
                got=str(path),
                expected=", ".join(writers),
                site=str(user_site()),
            )
        content = writer()
        data = content.encode() if isinstance(content, str) else content
        write_file(str(place), data)
        return place

    def open(self) -> Path:
        """Opens the page in the browser; returns the temporary file."""
        folder = tempfile.mkdtemp(prefix="graphopt-")
        path = self.save(Path(folder) / "graph.html")
        webbrowser.open(path.as_uri())
        return path

    def _repr_html_(self) -> str:
        """The page that notebooks show, in a frame of its own."""
        from graphopt.viz.html.page import in_frame

        return in_frame(self.to_html())

    def __repr__(self) -> str:
        ops = len(self._target.graph)
        return (
            f"<graphopt.viewer.View of {self.title!r}, {ops} ops: .open(), .save(...)>"
        )


def view(
    thing: Any,
    *,
    title: str = "",
    depth: int | None = None,
    select: str | None = None,
    profile: Profile | None = None,
) -> View:
    """Looks at a graph, and at what the compiler makes of it.

    Args:
      thing: A graph; an operation or a tensor of one, or a list of them; `session.plan(...)`;
        a `tf.function`, of whose traces the one that costs most by its shapes is taken, or
        one trace; a Keras model, whose training step is taken once it was fit, else its
        call.
      title: What stands above; by default what it is called.
      depth: How many levels of scopes are open at first; by default so many that few boxes
        show.
      select: The name of the op that the page shows at first.
      profile: What `session.profile` measured of the same fetches and feeds: colors the
        steps by their time.

    Returns:
      A view: shown by notebooks as the page, with `.save(path)` and `.open()`.

    Raises:
      ValueError: There is nothing to see: a function that was never called, a model that
        was never built, or another value.

    >>> import graphopt as tf
    >>> @tf.function
    ... def square(x):
    ...     return x * x
    >>> _ = square(tf.constant([1.0, 2.0]))
    >>> tf.viewer.view(square)
    <graphopt.viewer.View of 'square', 3 ops: .open(), .save(...)>
    """
    from graphopt.viz.target import TargetNotFoundError
    from graphopt.viz.things import EXPECTED, target_of

    try:
        target = target_of(thing)
    except TargetNotFoundError as error:
        raise fail(
            ValueError,
            "There is nothing to see",
            got=str(error),
            expected=EXPECTED,
            site=str(user_site()),
        ) from None
    return View(target, title or target.name or _title(thing), depth, select, profile)


def _title(thing: Any) -> str:
    """What a value calls itself."""
    name = getattr(thing, "name", "") or getattr(thing, "__name__", "")
    return str(name) if isinstance(name, str) and name else type(thing).__name__
