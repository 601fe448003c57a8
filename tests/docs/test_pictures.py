"""The pictures of the guides can be drawn again."""

from __future__ import annotations

import importlib.util

import pytest

from tests.docs.guides import GUIDE, ROOT


def test_graphs_and_curves_are_drawn(tmp_path):
    matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib")
    matplotlib.use("Agg")
    path = ROOT / "tools" / "draw_pictures.py"
    spec = importlib.util.spec_from_file_location("draw_pictures", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    tool.draw_graphs(tmp_path)
    tool.draw_schedules(tmp_path)
    tool.draw_paths(tmp_path)
    drawn = {each.name for each in tmp_path.iterdir()}
    kept = {each.name for each in (GUIDE / "pictures").iterdir()}
    # Those of the page need a browser, whose tests are elsewhere.
    assert drawn == {name for name in kept if not name.startswith("viewer_")}
    for name in drawn:
        assert (tmp_path / name).stat().st_size > 2000, name
    for folder in (tmp_path, GUIDE / "pictures"):
        for picture in folder.glob("*.svg"):
            # Lines of programs are named from the top of the clone, wherever it is.
            assert "(Placeholder), tools/draw_pictures.py:" in picture.read_text()
