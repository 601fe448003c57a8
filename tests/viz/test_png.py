"""PNG by matplotlib, and what is said where it is missing."""

from __future__ import annotations

import struct
import sys

import pytest

from graphopt.cli import main
from graphopt.viz.png import MissingExtraError, draw_png
from graphopt.viz.svg import draw_svg
from tests.viz.conftest import build_network
from tests.viz.test_svg import hostile_graph

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_has_the_size_of_its_svg(dark: bool) -> None:
    graph, train_op = build_network(2)
    svg = draw_svg(graph, (train_op,), title="costs $1 and $2")
    picture = draw_png(svg, dark=dark)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert f'width="{width // 2}" height="{height // 2}"' in svg


@pytest.mark.filterwarnings("ignore:Glyph")
def test_hostile_names_are_drawn() -> None:
    assert draw_png(draw_svg(hostile_graph(), title="$\\frac{1}{2}$"))


def test_light_and_dark_differ() -> None:
    graph, train_op = build_network(1)
    svg = draw_svg(graph, (train_op,))
    assert draw_png(svg) != draw_png(svg, dark=True)


def test_other_pictures_are_refused() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><{}/></svg>'
    with pytest.raises(ValueError, match="'circle' is not one that graphopt writes"):
        draw_png(svg.format('circle r="3"'))
    with pytest.raises(ValueError, match="'Q' is not one of ours"):
        draw_png(svg.format('path d="M0 0Q1 1 2 2"'))


def test_export_to_png(script, tmp_path, capsysbinary):
    out = tmp_path / "graph.png"
    assert main(["export", str(script), "-o", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert main(["export", str(script), "-o", "-", "-f", "png"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"\x89PNG")


def test_without_matplotlib_it_says_what_to_install(
    script, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    out = tmp_path / "graph.png"
    assert main(["export", str(script), "-o", str(out)]) == 5
    assert 'pip install "graphopt[plot]"' in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(MissingExtraError, match="SVG needs nothing"):
        draw_png("<svg/>")
