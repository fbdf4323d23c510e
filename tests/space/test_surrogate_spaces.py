"""Surrogates of any space: listed or not, registered or not; what is handed in is looked up by its
string.
"""

import numpy as np
import pytest
from scipy.stats import spearmanr

from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import (
    ChoiceSpace,
    macro,
    nb201,
)
from surrogate_nas.space.network import Network
from surrogate_nas.surrogates.base import MODELS, make_model, model_class
from surrogate_nas.surrogates.latency import Latency
from surrogate_nas.surrogates.storage import Card, save

WIDTHS = ("8", "16", "32", "64")
HUGE = ChoiceSpace("huge", {f"layer{i}": map(str, range(8)) for i in range(20)})
SMALL = ChoiceSpace("small", {"a": WIDTHS, "b": WIDTHS, "c": WIDTHS})
EVERYWHERE = [name for name in MODELS if name != "gnn"]


def drawn(space, n):
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(n)]


def values_of(cells):
    return np.array([10.0 + sum(cell.choices[:3]) + cell.choices[0] for cell in cells])


@pytest.mark.parametrize("name", EVERYWHERE)
@pytest.mark.parametrize("space", [macro(), SMALL, HUGE], ids=lambda space: space.name)
def test_every_model_but_the_graph_network_reads_any_space(name, space):
    assert space != HUGE or space.size > 10**18
    cells = drawn(space, 150)
    quick = {"trees": 60} if name == "xgboost" else {}
    model = make_model(name, "cost", **quick).fit(
        cells[:100], values_of(cells[:100]), space
    )
    found = model.predict(cells[100:])
    least = (
        0.6 if name == "mlp" else 0.8
    )  # small networks learn columns that mean nothing by heart
    assert spearmanr(found.mean, values_of(cells[100:])).statistic > least
    assert (found.std > 0).all()
    again = (
        model_class(name)
        .from_state(model.settings(), model.state())
        .predict(cells[100:])
    )
    np.testing.assert_allclose(again.mean, found.mean, rtol=1e-12)
    np.testing.assert_allclose(again.std, found.std, rtol=1e-12)


def test_a_space_that_is_no_more_than_its_options_is_found_again_from_the_file():
    cells = drawn(HUGE, 20)
    model = make_model("ridge").fit(cells, values_of(cells), HUGE)
    assert bytes(model.state()["space"]).decode() == HUGE.definition
    assert type(model).from_state(model.settings(), model.state()).predict(
        cells[:1]
    ).mean.shape == (1,)


def test_cells_of_two_spaces_are_refused_and_a_space_may_be_named():
    mixed = [*macro()[:3], *nb201()[:3]]
    with pytest.raises(UserError, match="a cell of the space macro reads"):
        make_model("ridge").fit(mixed, range(6))
    with pytest.raises(UserError, match="a cell of the space nb201 reads"):
        make_model("ridge").fit(macro()[:3], [1.0, 2.0, 3.0], nb201())
    unregistered = drawn(
        ChoiceSpace("nobody", {"a": tuple("xyz"), "b": tuple("xyz")}), 3
    )
    with pytest.raises(
        UserError,
        match=r"registered space: pass its space, as in fit\(cells, values, space=…\)",
    ):
        make_model("ridge").fit(unregistered, [1.0, 2.0, 3.0])


def test_a_failed_fit_leaves_nothing_half_learned():
    model = make_model("gnn", steps=2, pretrain=False).fit(nb201()[:10], range(10))
    with pytest.raises(UserError, match="needs a space of graphs"):
        model.fit(macro()[:10], range(10))
    with pytest.raises(UserError, match="call fit first"):
        model.predict(nb201()[:3])


@pytest.fixture
def of_macro(tmp_path):
    space = macro()
    made = []
    for metric in (
        Metric("valid_error", "%", "search", "error", (5,)),
        Metric("latency@cpu", "ms", "search", "cost"),
    ):
        values = values_of(list(space))
        model = make_model("ridge", metric.quantity).fit(space[:20], values[:20])
        card = Card(
            model="ridge",
            benchmark="b",
            fingerprint="f",
            space="macro",
            metric=metric,
            epochs=5 if metric.epochs else None,
            network=Network(input_channels=1),
            split="random",
            seed=0,
            n_train=20,
            n_test=16,
            scores={},
        )
        made.append(tmp_path / f"{metric.name}.h5")
        save(model, card, np.arange(20), made[-1])
    return f"surrogate:{','.join(map(str, made))}"


def test_a_surrogate_of_the_macro_space_answers_with_that_space_s_sizes(of_macro):
    bench = load(of_macro)
    cell = bench.space.parse("conv_stack(layers=1, channels=32)")
    assert bench.query(cell, "params") == 682
    everything = bench.query(cell)
    assert set(everything) == {metric.name for metric in bench.metrics}
    assert everything["params"] == 682


def checks():
    return {
        "a number": 7.5,
        "nothing": None,
        "a text": "cells",
        "bytes": b"x",
        "a mapping": {"a": 1},
    }


@pytest.mark.parametrize("given", checks().values(), ids=checks())
def test_wrong_kinds_of_cells_values_and_spaces_are_one_line(given):
    cells = nb201()[:3]
    fitted = make_model("ridge").fit(cells, [1.0, 2.0, 3.0])
    for call in (
        lambda: make_model("ridge").fit(given, [1.0, 2.0, 3.0]),
        lambda: make_model("ridge").fit([given] * 3, [1.0, 2.0, 3.0]),
        lambda: make_model("ridge").fit(cells, given),
        lambda: make_model("ridge").fit(cells, [1.0, 2.0, 3.0], given or "x"),
        lambda: fitted.predict(given),
        lambda: fitted.predict([given]),
        lambda: make_model(given),
        lambda: make_model("ridge", given),
        lambda: Latency(known={"a": given}).prior(nb201()),
    ):
        with pytest.raises(UserError) as said:
            call()
        assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("ridge", {"seed": "one"}),
        ("ridge", {"seed": -1}),
        ("ridge", {"calibrate": "no"}),
        ("ridge", {"encoding": 3}),
        ("ridge", {"penalty": 1}),
        ("xgboost", {"parts": 0}),
        ("xgboost", {"rate": "a"}),
        ("xgboost", {"subsample": 2}),
        ("extra_trees", {"column_sample": float("nan")}),
        ("gp", {"blocks": "alive"}),
        ("gnn", {"steps": 0}),
        ("latency", {"known": [1]}),
        ("ensemble", {"members": [("gp", 1.0)]}),
        ("ensemble", {"members": [("gp", {}, "heavy")]}),
        ("ensemble", {"members": [("none", {}, 1.0)]}),
    ],
)
def test_wrong_settings_are_one_line(model, settings):
    with pytest.raises(UserError) as said:
        make_model(model, **settings)
    assert "\n" not in str(said.value)
