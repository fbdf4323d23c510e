"""The drawing routine of the papers: what panels say is what the axes have."""

import numpy as np

from analysis.papers.common.pictures import (
    mean_curves,
    pen,
)


def test_curves_are_means_where_all_runs_have_a_value():
    samples = np.array([[np.nan, 1.0, 2.0], [0.0, 3.0, 4.0]])
    (curve,) = mean_curves(np.arange(3.0), {"both": samples})
    assert np.array_equal(curve.x, [1.0, 2.0]) and np.array_equal(curve.y, [2.0, 3.0])
    assert curve.band is not None
    low, high = curve.band
    assert (np.asarray(low) <= curve.y).all() and (curve.y <= np.asarray(high)).all()


def test_pens_differ():
    pens = {(pen(i)["color"], str(pen(i)["linestyle"])) for i in range(36)}
    assert len(pens) == 36
