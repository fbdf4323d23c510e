"""The drawing routine of the papers: what panels say is what the axes have."""

from __future__ import annotations

import numpy as np

from analysis.papers.common.pictures import (
    Bars,
    Item,
    Level,
    Map,
    Note,
    Panel,
    Series,
    Violins,
    in_rows,
    mean_curves,
    pen,
    picture,
)


def test_a_picture_has_its_panels_with_their_items_labels_and_limits() -> None:
    items: list[Item] = [
        Series([1, 2], [3, 4], label="line", error=[0.1, 0.2], style=pen(0)),
        Bars([1, 2], [3, 4], 0.5, "bars", "red"),
        Violins([1], [np.arange(9.0)], "blue"),
        Level(0.5, "level"),
        Note("here", 1, 2),
    ]
    first = Panel(items, "first", "best", axes={"xlabel": "x", "ylim": (0, 9)})
    taus = Panel([Map(np.array([[0.5, np.nan]]), ["row"], ["a", "b"], [(0, 0)])], grid="")
    rows = in_rows([first, taus, Panel([])], 2)
    figure = picture(rows, 6, 4, title="all", x_label="below")
    one, two, _, empty = figure.axes
    assert (one.get_title(), one.get_xlabel(), one.get_ylim()) == ("first", "x", (0, 9))
    legend = one.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"line", "bars", "level"}
    assert [text.get_text() for text in one.texts] == ["here"]
    assert [text.get_text() for text in two.texts] == [".50"] and len(two.patches) == 1
    assert [tick.get_text() for tick in two.get_xticklabels()] == ["a", "b"]
    assert figure.get_suptitle() == "all" and figure.get_supxlabel() == "below"
    assert not empty.get_visible()


def test_curves_are_means_where_all_runs_have_a_value() -> None:
    samples = np.array([[np.nan, 1.0, 2.0], [0.0, 3.0, 4.0]])
    (curve,) = mean_curves(np.arange(3.0), {"both": samples})
    assert np.array_equal(curve.x, [1.0, 2.0]) and np.array_equal(curve.y, [2.0, 3.0])
    assert curve.band is not None
    low, high = curve.band
    assert (np.asarray(low) <= curve.y).all() and (curve.y <= np.asarray(high)).all()


def test_pens_differ() -> None:
    pens = {(pen(i)["color"], str(pen(i)["linestyle"])) for i in range(36)}
    assert len(pens) == 36
