"""The graph network: equal on functionally equal cells, right about what it computes on, and better
than a mean.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kendalltau

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import NB201, macro
from surrogate_nas.space.nb201 import terms_of
from surrogate_nas.surrogates.base import make_model
from surrogate_nas.surrogates.gnn import GraphNetwork

Values = NDArray[np.float64]
QUICK = {"steps": 60, "pretrain": False}
"""Settings where a test does not ask for accuracy."""


def errors_of(cells):
    """Errors (%) that fall with the convolutions of a cell."""
    return np.array(
        [
            60.0 / (1 + sum(c in (2, 3) for c in cell.choices)) + sum(cell.choices) / 10
            for cell in cells
        ]
    )


def some(space, n, seed=0):
    return [
        space[int(i)] for i in np.random.default_rng(seed).permutation(len(space))[:n]
    ]


@pytest.fixture(scope="module")
def terms(space):
    return terms_of(space)


def test_the_space_is_132_terms_computed_in_order(terms):
    computed = terms.poolings
    for level in terms.levels:
        assert level.sums.shape[1] == 2 * computed and 0 < level.ones < len(level.sums)
        computed += len(level.sums)
        for once_less in level.pooled:
            assert max(once_less) < computed
            computed += len(once_less)
    assert computed == 132 and sum(len(level.sums) for level in terms.levels) == 2 * 59
    assert terms.classes.shape == (5044, 3 * 132)


def test_the_counts_belong_to_the_class_and_tell_nearly_all_classes_apart(space, terms):
    assert len(np.unique(terms.classes, axis=0)) == 5032
    live = (terms.classes.reshape(5044, 3, -1)[:, 2] > 0).any(axis=1)
    assert (~live[space.classes]).sum() == 1983


@pytest.fixture(scope="module")
def fitted(space):
    cells = some(space, 80)
    return GraphNetwork("error", seed=1, **QUICK).fit(cells, errors_of(cells))


@pytest.fixture(scope="module")
def whole(space, fitted):
    """What it predicts of every cell."""
    return fitted.predict(space)


def test_functional_twins_are_predicted_equal_over_the_whole_space(space, whole):
    _, first, of_class = np.unique(
        space.classes, return_index=True, return_inverse=True
    )
    for numbers in whole:
        np.testing.assert_array_equal(numbers, numbers[first][of_class])
    assert len(np.unique(whole.mean)) > 5000


@pytest.mark.usefixtures("briefly_pretrained")
@pytest.mark.parametrize("pretrain", [True, False])
def test_it_learns_with_pretraining_or_without(space, pretrain):
    train, test = some(space, 200)[:100], some(space, 200)[100:]
    first, again, other = (
        GraphNetwork("error", seed=seed, steps=60, pretrain=pretrain)
        .fit(train, errors_of(train))
        .predict(test)
        .mean
        for seed in (0, 0, 1)
    )
    assert kendalltau(first, errors_of(test)).statistic > 0.6
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_cost_counts_dead_operations(space):
    """Two cells without a path differ in a cost, by what they build."""
    cells = some(space, 200)
    model = make_model("gnn", "cost", seed=0, steps=100, pretrain=False).fit(
        cells, [1.0 + sum(c == 3 for c in cell.choices) for cell in cells]
    )
    dead = [
        space.parse(f"|{op}~0|+|none~0|{op}~1|+|none~0|none~1|none~2|")
        for op in ("none", "nor_conv_3x3")
    ]
    less, more = model.predict(dead).mean
    assert more > 1.5 * less


def test_a_space_without_terms_is_refused_by_name():
    cells = macro()[:4]
    with pytest.raises(
        UserError, match=r"needs a space of graphs \(Space.terms\); macro has none"
    ):
        GraphNetwork().fit(cells, [1.0, 2.0, 3.0, 4.0])
    assert not GraphNetwork.reads(macro())


def test_another_space_of_graphs_is_read(space):
    """Nothing of the network knows the field's space: its graphs under another name are learned
    too.
    """

    class Renamed(NB201):
        """The same graphs, with nothing known for free."""

        name = "renamed"
        analytic = {}

    other = Renamed()
    cells = some(other, 60)
    model = GraphNetwork(**QUICK).fit(cells, errors_of(cells), other)
    assert (
        kendalltau(model.predict(other[::20]).mean, errors_of(other[::20])).statistic
        > 0.4
    )
    with pytest.raises(
        UserError, match="cells belong to the space nb201, not to renamed"
    ):
        model.predict(space)


@pytest.mark.data
@pytest.mark.slow
def test_on_real_errors_it_is_far_better_than_a_mean(space, real):
    values = real.column("valid_error", epochs=200)
    train, test = np.split(
        np.random.default_rng(0).permutation(len(space))[:2000], [200]
    )
    model = make_model("gnn", "error", seed=0).fit(
        [space[int(i)] for i in train], values[train]
    )
    found = model.predict([space[int(i)] for i in test])
    assert kendalltau(found.mean, values[test]).statistic > 0.85
    error = np.abs(np.log(found.mean) - np.log(values[test])).mean()
    baseline = np.abs(np.log(values[train]).mean() - np.log(values[test])).mean()
    assert error < baseline / 4
    assert (np.abs(found.mean - values[test]) < 1.6449 * found.std).mean() > 0.8
