"""Drawings of cells as marks, and what a page makes of them."""

import math
import re

import pytest

from surrogate_nas.space.sketch import (
    INK,
    PAPER,
    Arrow,
    Box,
    Frame,
    Sketch,
    Text,
    curved,
    sketch_svg,
)


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        # 4 units across and 2 up on 80 × 20 points: 20 points a unit across, 10 up; y rises
        # upwards.
        ({}, {(-1, 0): (0, 20), (3, 2): (80, 0), (1, 1): (40, 10)}),
        ({"top": 5.0}, {(-1, 0): (0, 25), (3, 2): (80, 5)}),
        # 10 points a unit both ways: the 40 points left over stand 20 on either side.
        ({"equal": True}, {(-1, 0): (20, 20), (3, 2): (60, 0), (1, 1): (40, 10)}),
    ],
)
def test_a_frame_just_holds_its_coordinates(settings, places):
    frame = Frame.around((-1.0, 3.0), (0.0, 2.0), (80.0, 20.0), **settings)
    assert {place: frame.at(place) for place in places} == places
    assert frame.span((2.0, 3.0)) == (
        (20.0, 30.0) if "equal" in settings else (40.0, 30.0)
    )


@pytest.mark.parametrize(
    ("bend", "control"), [(0.0, (5.0, 0.0)), (-0.2, (5.0, -2.0)), (0.3, (5.0, 3.0))]
)
def test_a_curve_bends_to_its_side(bend, control):
    assert curved((0.0, 0.0), (10.0, 0.0), bend) == (
        (0.0, 0.0),
        pytest.approx(control),
        (10.0, 0.0),
    )


@pytest.mark.parametrize("gaps", [(0.0, 0.0), (2.0, 0.0), (0.0, 3.0), (2.0, 3.0)])
def test_gaps_are_left_free_on_the_same_curve(gaps):
    first = (1.0, 2.0)
    last = (9.0, 8.0)
    (start, control, end), whole = (
        curved(first, last, 0.3, gaps),
        curved(first, last, 0.3),
    )
    assert math.dist(first, start) == pytest.approx(gaps[0], abs=1e-5)
    assert math.dist(last, end) == pytest.approx(gaps[1], abs=1e-5)

    def point(curve, t):
        x, y = (
            sum(w * p[i] for w, p in zip(((1 - t) ** 2, 2 * t * (1 - t), t * t), curve))  # noqa: B905
            for i in (0, 1)
        )
        return x, y

    dense = [point(whole, i / 5000) for i in range(5001)]
    for t in (0.25, 0.5, 0.9):
        assert (
            min(math.dist(point((start, control, end), t), other) for other in dense)
            < 2e-3
        )


PLAIN = Arrow(((0.0, 0.0), (5.0, 1.0), (10.0, 10.0)), "#d55e00", 1.5, head=0.0)
BOX = Box((10.0, 20.0), (8.0, 6.0), 2.0, PAPER, INK, 1.2)


@pytest.mark.parametrize(
    ("mark", "svg"),
    [
        (
            BOX,
            (
                '<rect x="6.0" y="17.0" width="8.0" height="6.0" rx="2.0"'
                ' style="fill:var(--jp-layout-color0,'
                'var(--vscode-editor-background,Canvas));stroke:currentColor;stroke-width:1.2"/>'
            ),
        ),
        (
            PLAIN,
            (
                '<path d="M0.0 0.0Q5.0 1.0 10.0 10.0"'
                ' style="fill:none;stroke:#d55e00;stroke-width:1.5;opacity:1"/>'
            ),
        ),
        (
            PLAIN._replace(
                dash=(3.0, 2.0),
                opacity=0.5,
                curve=((0.0, 0.0), (10.0, 0.0), (10.0, 10.0)),
                head=10.0,
            ),
            (
                '<path d="M0.0 0.0Q10.0 0.0 10.0 10.0"'
                ' style="fill:none;stroke:#d55e00;stroke-width:1.5;opacity:0.5;stroke-dasharray:4.5'
                ' 3"/><path d="M0 0L-4.0 -2.0V2.0Z" transform="translate(10.0 10.0) rotate(90)"'
                ' style="fill:#d55e00;stroke:#d55e00;stroke-width:1.5"/>'
            ),
        ),
        (
            Text((10.0, 20.0), "a<b", 10.0, align="left"),
            (
                '<text x="10.0" y="23.5" text-anchor="start"'
                ' style="fill:currentColor;font-size:10px">a&lt;b</text>'
            ),
        ),
        (
            Text((40.0, 20.0), "four", 10.0, "#0072b2", ground="#fff"),
            (
                '<rect x="27.4" y="13.5" width="25.2" height="13.0" style="fill:#fff"/><text'
                ' x="40.0" y="23.5" text-anchor="middle"'
                ' style="fill:#0072b2;font-size:10px">four</text>'
            ),
        ),
    ],
    ids=["box", "line", "dashed arrow downwards", "text", "text on a ground"],
)
def test_every_mark_in_svg(mark, svg):
    drawn = sketch_svg(Sketch((50.0, 40.0), [mark]))
    assert re.sub(r"^<svg [^>]*>|</svg>$", "", drawn) == svg
    assert 'viewBox="0 0 50 40"' in drawn and "width:50pt" in drawn
