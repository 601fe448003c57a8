"""PNG by resvg, and what is said where it or fonts are missing."""

from __future__ import annotations

import struct
import sys

import pytest

from graphopt.cli import main
from graphopt.viz import png
from graphopt.viz.png import MOST_PIXELS, MissingExtraError, draw_png
from graphopt.viz.svg import draw_svg
from tests.viz.conftest import build_network
from tests.viz.test_svg import hostile_graph

pytest.importorskip("resvg_py")


@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_has_the_size_of_its_svg(dark: bool) -> None:
    graph, train_op = build_network(2)
    svg = draw_svg(graph, (train_op,), title="costs $1 and $2")
    picture = draw_png(svg, dark=dark)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert f'width="{width // 2}" height="{height // 2}"' in svg


def test_hostile_names_are_drawn() -> None:
    assert draw_png(draw_svg(hostile_graph(), title="$\\frac{1}{2}$"))


def test_light_and_dark_differ() -> None:
    graph, train_op = build_network(1)
    svg = draw_svg(graph, (train_op,))
    assert draw_png(svg) != draw_png(svg, dark=True)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError):
        draw_png("<svg><unclosed></svg>")


def test_a_huge_picture_is_drawn_coarser() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="20000" height="20000"/>'
    width, height = struct.unpack(">II", draw_png(svg)[16:24])
    assert width == height and width * height <= MOST_PIXELS * 1.01


def test_export_to_png(script, tmp_path, capsysbinary):
    out = tmp_path / "graph.png"
    assert main(["export", str(script), "-o", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert main(["export", str(script), "-o", "-", "-f", "png"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"\x89PNG")


def test_without_resvg_it_says_what_to_install(script, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    out = tmp_path / "graph.png"
    assert main(["export", str(script), "-o", str(out)]) == 5
    assert 'pip install "graphopt[png]"' in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(MissingExtraError, match="SVG needs nothing"):
        draw_png("<svg/>")


def test_a_machine_without_fonts_is_told(monkeypatch) -> None:
    # As such a machine draws: no letter leaves a mark.
    monkeypatch.setattr(png, "_draw", lambda *_arguments: b"empty")
    with pytest.raises(MissingExtraError, match="needs a font"):
        draw_png("<svg/>")
