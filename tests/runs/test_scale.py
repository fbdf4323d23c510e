"""The scale of regret and its costs."""

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.core.metrics import metric_named
from surrogate_nas.runs import scale
from surrogate_nas.runs.options import Budget
from surrogate_nas.tables import Table, write_table


@pytest.mark.parametrize("worst", [50.0, 1e30])
def test_the_curve_of_random_sampling_sums_what_counts(worst, tmp_path, monkeypatch):
    space = sn.ChoiceSpace(
        "ten", {name: tuple(range(10)) for name in "abcd"}, listed=True
    )
    loss = np.random.default_rng(0).normal(20, 3, 10_000).round(2)
    loss[7] = worst
    table = Table("ten", space.definition, "t", "s", cost="queries")
    table.add(metric_named("valid_loss"), 5, loss)
    write_table(table, tmp_path / "ten.h5")
    objective = sn.Objective("valid_loss", sn.load(str(tmp_path / "ten.h5")))
    taken = []
    exp = np.exp

    def counted(values):
        taken.append(len(values))
        return exp(values)

    monkeypatch.setattr(np, "exp", counted)
    curve = scale.expected(objective, Budget(1000), 0.0)
    limit = 45 + np.log(worst)
    steps = len(np.unique(loss)) - 1
    assert sum(taken) < min(
        len(loss) * limit * (1 + np.log(1000 / limit)), 1000 * steps
    )
    loss.sort()
    missed = np.log1p(-np.arange(1, 10_000) / 10_000)
    for cells in (1, 2, 10, 150, 1000):
        whole = (exp(cells * missed) * np.diff(loss)).sum()
        assert curve[cells - 1] - loss[0] == pytest.approx(whole, rel=1e-12)
