"""A sketch as a matplotlib figure."""

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from surrogate_nas.space.rendering import render
from surrogate_nas.space.sketch import Arrow, Box, Sketch, Text


def test_every_mark_is_set_where_it_stands_and_above_those_before():
    figure = Figure((2.0, 1.0))
    marks = [
        Box((10.0, 20.0), (8.0, 6.0), 0.0, "#ffffff", "#000000", 1.5),
        Box((30.0, 20.0), (8.0, 8.0), 4.0, "#ffffff", "#000000", 1.0),
        Box((50.0, 20.0), (8.0, 8.0), 3.0, "#ffffff", "#000000", 1.0),
        Arrow(
            ((0.0, 0.0), (5.0, 1.0), (10.0, 10.0)), "#d55e00", 1.5, (3.0, 2.0), 0.5, 9.0
        ),
        Arrow(((0.0, 0.0), (5.0, 1.0), (10.0, 10.0)), "#d55e00", 1.5, head=0.0),
        Text((40.0, 5.0), "plain", 7.0, "#0072b2", "left"),
        Text((40.0, 9.0), "on a ground", ground="#eeeeee"),
    ]
    render(figure, Sketch((144.0, 72.0), marks))
    (axes,) = figure.axes
    assert axes.get_position().bounds == (0, 0, 1, 1) and not axes.axison
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 144), (72, 0)), "downwards"
    square, disc, rounded, arrow, line = axes.patches
    assert isinstance(disc, Circle) and (disc.center, disc.radius) == (
        (30.0, 20.0),
        4.0,
    )
    assert isinstance(square, FancyBboxPatch) and isinstance(rounded, FancyBboxPatch)
    assert square.get_bbox().bounds == (6, 17, 8, 6)
    styles = [type(box.get_boxstyle()).__name__ for box in (square, rounded)]
    assert styles == ["Square", "Round"] and rounded.get_boxstyle().rounding_size == 3.0
    assert isinstance(arrow, FancyArrowPatch) and isinstance(line, FancyArrowPatch)
    assert (arrow.get_mutation_scale(), arrow.get_alpha()) == (9.0, 0.5)
    assert arrow.get_linestyle() == (0, (3.0, 2.0)) and line.get_linestyle() in (
        "solid",
        "-",
    )
    heads = [type(one.get_arrowstyle()).__name__ for one in (arrow, line)]
    assert heads == ["CurveFilledB", "Curve"]
    plain, grounded = axes.texts
    shown = plain.get_position(), plain.get_ha(), plain.get_va(), plain.get_fontsize()
    assert shown == ((40, 5), "left", "center", 7.0)
    assert plain.get_bbox_patch() is None and grounded.get_bbox_patch() is not None
    orders = [artist.get_zorder() for artist in (*axes.patches, *axes.texts)]
    assert orders == pytest.approx([1, 2, 3, 4, 5, 6, 7])
