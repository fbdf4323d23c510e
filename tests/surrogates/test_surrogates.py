"""What every surrogate promises, over the registry: it learns, repeats itself, is stored whole,
refuses nonsense.
"""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import ChoiceSpace, drawn_cells, nb201
from surrogate_nas.surrogates.bagging import Boosting
from surrogate_nas.surrogates.base import (
    CHUNK,
    MODELS,
    check_data,
    columns,
    fit_target,
    make_model,
    model_class,
)
from surrogate_nas.surrogates.storage import load, save
from tests.stored_model import card

Values = NDArray[np.float64]
NETWORK = {"steps": 40, "pretrain": False}
QUICK = {
    "gnn": NETWORK,
    "xgboost": {"trees": 60, "rate": 0.1},
    "ensemble": {
        "members": [
            ("gnn", NETWORK, 3.0),
            ("gp", {"warp": True}, 1.0),
            ("ridge", {}, 1.0),
        ]
    },
}
"""Settings of models that would take long by default."""


def errors_of(cells):
    """Errors (%) that fall with the convolutions of a cell."""
    return np.array(
        [
            60.0 / (1 + sum(c in (2, 3) for c in cell.choices)) + sum(cell.choices) / 10
            for cell in cells
        ]
    )


@pytest.fixture(scope="module")
def cells(space):
    drawn = np.random.default_rng(5).permutation(len(space))[:120]
    return [space[int(i)] for i in drawn]


@pytest.fixture(scope="module", params=MODELS)
def fitted(request, cells):
    settings = QUICK.get(request.param, {})
    return make_model(request.param, seed=3, **settings).fit(
        cells[:60], errors_of(cells[:60])
    )


ERROR = Metric("valid_error", "%", "search", "error", (200,))


def test_it_orders_cells_that_it_never_saw(fitted, cells):
    found = fitted.predict(cells[60:])
    assert found.mean.shape == found.std.shape == (60,)
    assert np.isfinite(found.mean).all() and (found.std > 0).all()
    assert spearmanr(found.mean, errors_of(cells[60:])).statistic > 0.5
    assert fitted.predict([]).mean.shape == (0,)


def test_the_same_seed_and_data_predict_the_same_and_what_was_learned_before_is_forgotten(
    fitted, cells
):
    again = model_class(fitted.name)(**fitted.settings())
    again.fit(cells[60:75], 7.0 + errors_of(cells[60:75])).fit(
        cells[:60], errors_of(cells[:60])
    )
    for ours, theirs in zip(
        fitted.predict(cells[60:]), again.predict(cells[60:]), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_what_is_stored_predicts_the_same(fitted, cells, tmp_path):
    told = card(fitted.name, ERROR, 60, scores={"kendall": 0.5})
    save(fitted, told, np.arange(60), tmp_path / "m.h5")
    found = load(tmp_path / "m.h5")
    assert found.card == replace(told, versions=found.card.versions)
    assert found.train_cells.tolist() == list(range(60))
    for ours, theirs in zip(
        fitted.predict(cells), found.model.predict(cells), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["gp", "xgboost", "extra_trees", "ensemble"])
def test_a_handful_of_cells_is_enough(name, cells):
    model = make_model(name, **QUICK.get(name, {}))
    found = model.fit(cells[:2], [10.0, 20.0]).predict(cells)
    assert np.isfinite(found.mean).all() and np.isfinite(found.std).all()


def test_nonsense_is_refused_in_one_line(cells):
    for n, values, says in (
        (3, [1.0, 1.0, 1.0], "nothing to learn"),
        (3, [1.0, float("nan"), 2.0], "is nan"),
        (3, [1.0, 2.0], "3 cells need 3 values"),
        (1, [1.0], "at least 2 different training cells"),
        (0, [], "needs a list of cells, not"),
        (2, ["low", "high"], "not all numbers"),
    ):
        with pytest.raises(UserError, match=says):
            make_model("gp").fit(cells[:n], values)


def test_repeated_cells_are_averaged(cells):
    kept, values = check_data([cells[0], cells[1], cells[0]], [1.0, 5.0, 3.0])
    assert kept == cells[:2] and values.tolist() == [2.0, 5.0]
    with pytest.raises(UserError, match="at least 2 different training cells, not 1"):
        make_model("ridge").fit([cells[0]] * 3, [1.0, 2.0, 3.0])


def test_an_unknown_model_is_named_with_those_that_are_known():
    with pytest.raises(UserError, match="Unknown model 'rigde'. Did you mean 'ridge'"):
        make_model("rigde")
    with pytest.raises(
        UserError,
        match="Metric is not a subclass of surrogate_nas.surrogates.Model",
    ):
        make_model(f"{__file__}:Metric")


@pytest.fixture
def stored(cells, tmp_path):
    model = make_model("ridge").fit(cells, errors_of(cells))
    save(model, card("ridge", ERROR, 120), np.arange(120), tmp_path / "m.h5")
    return tmp_path / "m.h5"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_cut_off_is_one_clear_error(stored, share):
    whole = stored.read_bytes()
    stored.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match=r"is damaged|is not a surrogate_nas surrogate"):
        load(stored)


def test_a_file_of_another_version_or_kind_says_so(stored):
    with h5py.File(stored, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(
        UserError, match="surrogate of version 99; this release reads version 2"
    ):
        load(stored)
    with h5py.File(stored, "r+") as file:
        file.attrs["format"] = "else"
    with pytest.raises(UserError, match="not a surrogate_nas surrogate"):
        load(stored)
    with pytest.raises(UserError, match="There is no surrogate file"):
        load(stored.with_name("absent.h5"))


def test_settings_of_earlier_models_are_ignored_unless_they_matter(
    cells, tmp_path, monkeypatch
):
    file = tmp_path / "m.h5"
    model = make_model("ridge").fit(cells, errors_of(cells))
    settings = model.settings()
    for extra, says in (
        ([], ""),
        (["params"], "uses columns in addition to its encoding"),
    ):
        monkeypatch.setattr(
            model, "settings", lambda extra=extra: settings | {"extra": extra}
        )
        save(model, card("ridge", ERROR, 120), np.arange(120), file)
        if says:
            with pytest.raises(UserError, match=says):
                load(file)
        else:
            ours, theirs = (
                model.predict(cells).mean,
                load(file).model.predict(cells).mean,
            )
            np.testing.assert_array_equal(ours, theirs)


def test_a_changed_number_is_noticed(stored):
    with h5py.File(stored, "r+") as file:
        file["state/model/weights"][0] += 1.0
    with pytest.raises(UserError, match="its digest is wrong"):
        load(stored)


@pytest.mark.parametrize("quantity", ["error", "loss", "cost", "structure"])
@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0, 50.0],
        [0.0, 0.0, 3.0],
        [0.003, 20.0, 21.0],
        [-5.0, 1.0, 2.0],
        [-3.0, -2.0, -1.0],
    ],
)
def test_the_target_keeps_order_and_comes_back(quantity, values):
    array = np.array(values)
    target = fit_target(array, quantity)
    learned = target.forward(array)
    assert (
        np.isfinite(learned).all()
        and ((np.diff(array) > 0) == (np.diff(learned) > 0)).all()
    )
    np.testing.assert_allclose(
        target.backward(learned, np.ones(3))[0], array, atol=1e-9
    )


@pytest.mark.parametrize("name", ["ridge", "gp"])
def test_no_cost_is_predicted_to_be_below_zero(name):
    """Of cells that cost next to nothing there are some whose prediction would be: a loss of these
    numbers is.
    """
    space = nb201()
    cells = drawn_cells(space, 60)
    values = np.array(
        [max(0.0, float(sum(cell.choices)) - 10.0) ** 2 for cell in cells]
    )
    others = space[::25]
    cost, loss = (
        make_model(name, quantity).fit(cells, values).predict(others).mean
        for quantity in ("cost", "loss")
    )
    assert cost.min() == 0.0 and loss.min() < 0.0


@pytest.mark.parametrize(("quantity", "sign"), [("structure", 1.0), ("quality", -1.0)])
def test_the_best_cells_have_an_interval_of_their_own(quantity, sign, space):
    drawn = [
        space[int(i)] for i in np.random.default_rng(1).permutation(len(space))[:700]
    ]
    counts = np.array(
        [sum(c in (2, 3) for c in cell.choices) for cell in drawn], dtype=np.float64
    )
    noise = np.random.default_rng(2).standard_normal(700) * np.where(
        counts >= 3, 0.6, 0.05
    )
    values = sign * (
        noise - counts
    )  # the best, those of the most convolutions, are what is noisy
    model = make_model("ridge", quantity).fit(drawn[:200], values[:200])

    def covered(by_region):
        found = model.predict(drawn[200:], by_region=by_region)
        inside = np.abs(found.mean - values[200:]) <= 1.6449 * found.std
        best = sign * found.mean <= np.quantile(sign * found.mean, 0.2)
        return float(inside[best].mean()), float(inside.mean())

    (best, all_cells), (best_before, all_before) = covered(True), covered(False)
    assert best_before < 0.8 < 0.85 < best < 0.97
    assert 0.86 < all_cells < 0.95 and 0.85 < all_before < 0.96
    stored = model_class("ridge").from_state(model.settings(), model.state())
    for ours, theirs in zip(
        model.predict(drawn[200:]), stored.predict(drawn[200:]), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(
        model.predict(drawn[200:]).mean,
        model.predict(drawn[200:], by_region=False).mean,
    )


def test_deviations_of_ridge_do_not_hang_on_the_order_of_the_cells(cells):
    known = cells[:13]
    predictions = []
    for one in (known, known[::-1]):
        model = make_model("ridge", "error", calibrate=False).fit(one, errors_of(one))
        predictions.append(model.predict(cells[13:]))
    assert predictions[0].std == pytest.approx(predictions[1].std, rel=1e-6)
    assert predictions[0].mean == pytest.approx(predictions[1].mean, rel=1e-6)


def test_a_stored_ensemble_names_no_code(tmp_path):
    file = tmp_path / "evil.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    own = [f"{file}:Evil", {}, 1.0]
    for member in (own, [f"sklearn:{file}:Evil", {}, 1.0], [["gp"], {}, 1.0]):
        with pytest.raises(UserError, match="Unknown member of an ensemble"):
            model_class("ensemble").from_state({"members": [member]}, {})
    assert not (tmp_path / "ran").exists()


def test_a_large_space_is_predicted_chunk_by_chunk(cells, monkeypatch):
    rows = []
    predict = Boosting._predict_parts

    def counted(model, parts, matrix):
        rows.append(len(matrix))
        return predict(model, parts, matrix)

    model = Boosting(trees=3, parts=2).fit(cells, np.arange(len(cells)) + 1.0)
    monkeypatch.setattr(Boosting, "_predict_parts", counted)
    predicted = model.predict(nb201())
    assert max(rows) <= CHUNK < sum(rows) == len(nb201())
    few = model.predict(nb201()[-3:])
    assert (predicted.mean[-3:] == few.mean).all()
    assert (predicted.std[-3:] == few.std).all()


class Counting(ChoiceSpace):
    """A space that counts the cells that it encodes."""

    rows = 0

    def encode(self, cells, encoding):
        self.rows += len(cells)
        return super().encode(cells, encoding)


def test_a_cell_of_a_large_space_is_encoded_alone():
    for n, encoded in ((4, 4**6), (7, 1)):
        space = Counting("grid", {name: range(n) for name in "abcdef"}, listed=True)
        assert (columns(space, space[9:10], "one_hot").sum(axis=1) == 6).all()
        assert space.rows == encoded, n
