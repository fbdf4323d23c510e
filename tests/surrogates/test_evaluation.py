"""How surrogates are scored: splits that do not leak, scores worked out by hand, and the ceiling of
real data.
"""

import numpy as np
import pytest

from surrogate_nas import Surrogate
from surrogate_nas.core.errors import UserError
from surrogate_nas.surrogates.base import Prediction
from surrogate_nas.surrogates.evaluation import scores_of, split_cells


@pytest.mark.parametrize("kind", ["random", "grouped"])
def test_a_split_has_as_many_cells_as_asked_and_repeats(space, kind):
    values = np.zeros(15625)
    values[::3] = np.nan
    split = split_cells(space, values, 500, kind, seed=4)
    assert len(split.train) == 500 == len(set(split.train.tolist()))
    assert not set(split.train) & set(split.test)
    assert np.isfinite(values[np.concatenate(split)]).all()
    again = split_cells(space, values, 500, kind, seed=4)
    np.testing.assert_array_equal(split.train, again.train)


def test_a_grouped_split_keeps_functional_twins_together(space):
    classes = space.classes
    values = np.zeros(15625)
    grouped = split_cells(space, values, 1000, "grouped")
    assert not set(classes[grouped.train]) & set(classes[grouped.test])
    random = split_cells(space, values, 1000, "random")
    assert len(random.test) == 14625 and set(classes[random.train]) & set(
        classes[random.test]
    )


def test_what_cannot_be_split_says_so(space):
    values = np.zeros(15625)
    with pytest.raises(UserError, match="1 training cells are not possible"):
        split_cells(space, values, 1)
    with pytest.raises(UserError, match="15625 cells have a value"):
        split_cells(space, values, 15626)
    with pytest.raises(UserError, match="random or grouped"):
        split_cells(space, values, 10, "odd")


def test_scores_worked_out_by_hand():
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    found = Prediction(np.array([2.0, 1.0, 3.0, 5.0]), np.array([1.0, 0.1, 1.0, 1.0]))
    scores = scores_of(truth, found, top=1)
    assert (
        scores["kendall"] == pytest.approx(4 / 6) and scores["kendall_top_half"] == -1.0
    )
    assert scores["spearman"] == pytest.approx(0.8)
    assert scores["r2"] == pytest.approx(1 - 3 / 5) and scores["mae"] == 0.75
    assert scores["coverage90"] == 0.75 and scores["coverage90_top_quarter"] == 1.0
    narrow = scores_of(truth, found._replace(std=np.array([0.1, 1.0, 1.0, 1.0])), top=1)
    assert narrow["coverage90"] == 0.75 and narrow["coverage90_top_quarter"] == 0.0
    assert scores["regret_top"] == 1.0 and scores["precision_top"] == 0.0
    assert scores_of(truth, found, top=2)["precision_top"] == 1.0
    assert np.isnan(
        list(scores_of(truth[:1], Prediction(truth[:1], truth[:1])).values())
    ).all()
    assert np.isnan(scores_of(np.ones(4), found)["kendall"])


def test_real_accuracy_is_learned_and_its_interval_is_honest(real):
    values = real.column("valid_error", 200)
    found = []
    for seed in range(3):
        split = split_cells(real.space, values, 156, seed=seed)
        model = Surrogate("gp", seed=seed).fit(real, "valid_error", split.train)
        found.append(model.scores(real))
    assert all(scores["kendall"] > 0.82 for scores in found)
    assert 0.84 < np.mean([scores["coverage90"] for scores in found]) < 0.96


def test_real_latency_is_learned_from_ten_cells(real):
    values = real.column("latency@gold_6226")
    cells = split_cells(real.space, values, 10).train
    model = Surrogate("ridge").fit(real, "latency@gold_6226", cells)
    assert model.scores(real)["spearman"] > 0.95
