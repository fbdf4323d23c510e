"""Losses of surrogates: values by published formulas, gradients by finite differences, and
predictions with a unit.
"""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from surrogate_nas.core.errors import UserError
from surrogate_nas.surrogates import gnn
from surrogate_nas.surrogates.base import Prediction, make_model
from surrogate_nas.surrogates.evaluation import ndcg_of, scores_of
from surrogate_nas.surrogates.gnn import LOSSES

GOAL = torch.tensor([0.3, -1.0, 2.0, 0.9, 0.1], dtype=torch.float64)
GUESS = torch.tensor(
    [[0.1, -0.45, 0.3, 1.0, 0.35], [0.0, 1.1, -0.2, 0.4, -2.0]], dtype=torch.float64
)
SEEN = torch.tensor(
    [[1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0, 0.0]], dtype=torch.float64
)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients_are_those_of_finite_differences(loss):
    assert torch.autograd.gradcheck(
        lambda guess: loss(guess, GOAL, SEEN), (GUESS.clone().requires_grad_(),)
    )


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_cells_that_a_member_has_not_seen_count_for_nothing(loss):
    moved = GUESS.clone()
    moved[1, [2, 4]] = torch.tensor([90.0, -70.0], dtype=torch.float64)
    alone = loss(
        GUESS[1:, [0, 1, 3]], GOAL[[0, 1, 3]], torch.ones(1, 3, dtype=torch.float64)
    )
    torch.testing.assert_close(loss(moved, GOAL, SEEN)[1:], alone)
    assert torch.equal(loss(GUESS, GOAL, 0 * SEEN), torch.zeros(2, dtype=torch.float64))


def pairs():
    return [(i, j) for i in range(5) for j in range(5) if GOAL[i] < GOAL[j]]


def test_listmle_is_the_probability_of_the_true_order():
    """Plackett and Luce's: the probabilities of all orders add up to one, and each is a product of
    softmaxes.
    """
    total = 0.0
    for order in itertools.permutations(range(5)):
        goal = torch.empty(5, dtype=torch.float64)
        goal[list(order)] = torch.arange(5.0, dtype=torch.float64)
        found = torch.exp(-5 * LOSSES["listmle"](GUESS[:1], goal, SEEN[:1]))[0]
        strength = torch.exp(-GUESS[0, list(order)])
        torch.testing.assert_close(
            found,
            torch.stack([strength[i] / strength[i:].sum() for i in range(5)]).prod(),
        )
        total += float(found)
    assert total == pytest.approx(1.0)


def test_warp_weighs_hinges_by_the_harmonic_number_of_violators():
    """As Weston et al. write it, with the exact rank: L(r) = 1 + 1/2 + … + 1/r times the mean
    hinge.
    """
    expected = 0.0
    for i in range(5):
        hinges = [
            0.5 - float(GUESS[0, j] - GUESS[0, i]) for first, j in pairs() if first == i
        ]
        wrong = [hinge for hinge in hinges if hinge > 0]
        expected += (
            sum(1 / k for k in range(1, len(wrong) + 1))
            * sum(wrong)
            / max(len(wrong), 1)
        )
    assert float(LOSSES["warp"](GUESS[:1], GOAL, SEEN[:1])[0]) == pytest.approx(
        expected / 5
    )


def errors_of(cells):
    """Errors (%) that fall with the convolutions of a cell."""
    return np.array(
        [
            60.0 / (1 + sum(c in (2, 3) for c in cell.choices)) + sum(cell.choices) / 10
            for cell in cells
        ]
    )


def test_the_best_of_a_quality_is_the_largest(space):
    drawn = [
        space[int(i)] for i in np.random.default_rng(0).permutation(len(space))[:200]
    ]
    accuracy = 100 - errors_of(drawn)
    model = make_model(
        "gnn", "quality", seed=0, steps=60, pretrain=False, loss="warp"
    ).fit(drawn[:100], accuracy[:100])
    assert kendalltau(model.predict(drawn[100:]).mean, accuracy[100:]).statistic > 0.5


def test_a_loss_that_is_none_is_refused():
    with pytest.raises(
        UserError, match="Unknown loss of a surrogate 'wrap'. Did you mean 'warp'"
    ):
        make_model("gnn", loss="wrap")


@pytest.mark.usefixtures("briefly_pretrained")
def test_fit_takes_a_loss_and_stores_it(snas, small, tmp_path, monkeypatch):
    monkeypatch.setattr(gnn, "_FEWEST_STEPS", 5)
    monkeypatch.setattr(gnn, "_STEPS_PER_ROOT", 1)
    asked = ("fit", small.path, "--target", "valid_error", "--train", 20, "--test", 200)
    file = tmp_path / "m.h5"
    refused = snas(*asked, "--model", "ridge(loss=warp)", "--out", file)
    assert refused.code == 2 and "'loss'" in refused.err
    assert not file.exists()
    made = snas(*asked, "--model", "gnn(loss=listmle)", "--out", file, "--json")
    assert made.code == 0, made.err
    assert made.json["loss"] == "listmle" and made.json["rank_top"] >= 1
    assert 0 <= made.json["ndcg"] <= 1
    assert snas("predict", file, 11, "--json").json[0]["std"] > 0


def test_rank_and_precision_of_the_top_are_those_of_gates():
    """N@K and P@K as walkerning/aw_nas counts them: ranks from 1, the whole part of the share."""
    rng = np.random.default_rng(3)
    truth = rng.permutation(1000).astype(float)
    mean = truth + rng.normal(size=1000) * 150
    liked = np.argsort(mean)
    scores = scores_of(truth, Prediction(mean, np.ones(1000)))
    assert scores["rank_top"] == truth[liked[:10]].min() + 1
    assert (
        scores["precision_half_percent"]
        == len(set(truth[liked[:5]]) & set(range(5))) / 5
    )


def test_ndcg_is_that_of_scikit_learn():
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(5)
    truth = rng.normal(size=400)
    mean = rng.normal(size=400)
    relevance = 20 * (1 - (np.argsort(np.argsort(truth)) + 1) / 400)
    assert ndcg_of(truth, mean) == pytest.approx(
        ndcg_score([2**relevance - 1], [-mean])
    )
    assert ndcg_of(truth, truth) == pytest.approx(1.0) and np.isnan(
        ndcg_of(np.ones(4), mean[:4])
    )
