"""The latency surrogate: known devices help a new one, honestly and repeatably; ties, no-time cells
and nonsense.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from analysis.papers import reproduce
from analysis.papers.common.paper import published
from analysis.papers.latency import (
    HELP_POOL,
    UNSEEN,
    Setting,
    chip,
    known_devices,
    most_telling,
    score,
)
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import Cell
from surrogate_nas.space.four_nodes import edge_live
from surrogate_nas.space.nb201 import operation_counts
from surrogate_nas.surrogates.latency import (
    Latency,
    Prior,
    measure,
    most_evident,
    noise_shape,
)
from surrogate_nas.surrogates.storage import load, save
from tests.stored_model import card

Values = NDArray[np.float64]
COSTS = {
    "phone": (0.0, 0.2, 2.0, 6.0, 1.0),
    "tablet": (0.1, 0.3, 1.5, 7.0, 1.5),
    "server": (0.0, 0.1, 1.0, 1.5, 0.9),
    "board": (0.0, 0.4, 3.0, 9.0, 4.0),
}
"""Milliseconds of every operation on devices of our making."""


def latency_of(space, costs, *, compiled=False):
    """The sum of what a cell's operations take; a compiled graph has no dead ones, and no path is
    no time at all.
    """
    if not compiled:
        return operation_counts(space.choices).astype(float) @ np.array(costs) + 1.0
    live = np.where(edge_live(space.choices), space.choices, 0)
    return np.asarray(
        np.where(
            live.any(axis=1),
            operation_counts(live).astype(float) @ np.array(costs) + 1.0,
            0.0,
        )
    )


@pytest.fixture(scope="module")
def columns(space):
    made = {name: latency_of(space, costs) for name, costs in COSTS.items()}
    return made | {"pi": latency_of(space, COSTS["board"], compiled=True)}


@pytest.fixture(scope="module")
def drawn(space):
    return [int(i) for i in np.random.default_rng(1).permutation(len(space))[:500]]


@pytest.fixture(scope="module")
def known(space, columns, drawn):
    cells = [space[i] for i in drawn[100:]]
    return {device: (cells, values[drawn[100:]]) for device, values in columns.items()}


@pytest.fixture(scope="module")
def taught(known):
    return Latency(known=known)


def rho(model, space, values, measured):
    model.fit([space[i] for i in measured], values[measured])
    return float(spearmanr(model.predict(space).mean, values).statistic)


def test_known_devices_help_a_new_one(taught, space):
    noise = np.exp(0.1 * np.random.default_rng(0).standard_normal(len(space)))
    new = noise * latency_of(space, (0.0, 0.3, 1.8, 5.0, 2.0), compiled=True)
    draws = [
        [int(i) for i in np.random.default_rng(k).choice(len(space), 8, replace=False)]
        for k in range(5)
    ]
    with_them, without = (
        np.mean([rho(m, space, new, drawn) for drawn in draws])
        for m in (taught, Latency())
    )
    assert with_them > 0.94 and with_them > without + 0.01


def test_additive_latencies_are_learned_from_ten_cells(taught, space, drawn):
    assert (
        rho(taught, space, latency_of(space, (0.05, 0.2, 4.0, 4.5, 0.3)), drawn[:10])
        > 0.99
    )


def test_ticks_and_cells_of_no_time(taught, space, drawn):
    ticks = np.floor(latency_of(space, COSTS["board"], compiled=True) / 5) * 5
    assert (ticks == 0).any() and len(np.unique(ticks)) < 15
    assert rho(taught, space, ticks, drawn[:50]) > 0.93
    found = taught.predict(space)
    assert (found.mean > 0).all() and np.isfinite(found.std).all()


@pytest.mark.parametrize("n", [50, 156])
def test_the_interval_holds_nine_in_ten(taught, space, n):
    inside = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        values = latency_of(space, COSTS["phone"]) * np.exp(
            0.08 * rng.standard_normal(len(space))
        )
        measured = rng.choice(len(space), n, replace=False)
        found = taught.fit([space[int(i)] for i in measured], values[measured]).predict(
            space
        )
        inside.append((np.abs(found.mean - values) <= 1.645 * found.std).mean())
    assert 0.86 < np.mean(inside) < 0.95


def test_what_it_knows_is_stored_with_it(taught, space, tmp_path):
    values = latency_of(space, COSTS["server"])
    cells = [space[i] for i in range(12)]
    taught.fit(cells, values[:12])
    told = card("latency", Metric("latency@new", "ms", "search", "cost"), 12)
    save(taught, told, np.arange(12), tmp_path / "new.h5")
    stored = load(tmp_path / "new.h5").model
    np.testing.assert_array_equal(stored.predict(space).std, taught.predict(space).std)
    other = [space[i] for i in range(20, 30)]
    np.testing.assert_array_equal(
        stored.fit(other, values[20:30]).predict(space).mean,
        taught.fit(other, values[20:30]).predict(space).mean,
    )


def test_chosen_cells_are_different_and_teach_more_than_the_first(taught, space):
    chosen = most_telling(taught.prior(space), space, 10).tolist()
    assert len(set(chosen)) == 10
    values = latency_of(space, (0.05, 0.2, 4.0, 4.5, 0.3), compiled=True)
    assert rho(taught, space, values, chosen) > 0.9


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([1.0, 2.0], "Training device odd: 3 cells need 3 values"),
        ([1.0, 2.0, float("inf")], "Training device odd: The value of"),
        (
            [1.0, 2.0, 3.0],
            "odd needs positive latencies of at least 100 different cells, not 3 with a mean of 2",
        ),
        ([2.0, 2.0, 2.0], "Training device odd: All 3 cells have the value 2"),
    ],
)
def test_a_bad_known_device_is_named(space, values, says):
    with pytest.raises(UserError, match=says):
        Latency(known={"odd": (space[:3], values)}).fit(space[:3], [1.0, 2.0, 3.0])


def test_a_known_device_of_another_space_is_refused(space):
    stranger = Cell((0,) * 6, "|elsewhere|", 0)
    with pytest.raises(
        UserError, match="device odd: .* a cell of the space nb201 reads"
    ):
        Latency(known={"odd": ([stranger] * 3, [1.0, 2.0, 3.0])}).fit(
            space[:3], [1.0, 2.0, 3.0]
        )


def test_the_posterior_is_that_of_a_gaussian_process():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((30, 4))
    truth = np.array([1.0, 0.5, -0.3, 0.0])
    target = matrix @ truth + 0.1 * rng.standard_normal(30)
    prior = Prior(
        np.ones(4),
        rng.standard_normal((2, 4)),
        np.array([0, 0, 1, 1]),
        np.zeros(4),
        np.full(4, 4.0),
    )
    logs = np.array([-1.0, 0.0, -2.0, -4.0])
    found = measure(matrix, target, prior, logs)
    shape = np.exp(logs[-1]) * noise_shape(
        matrix @ measure(matrix, target, prior, logs).weights
    )
    covariance = prior.covariance(logs)
    gain = (
        covariance
        @ matrix.T
        @ np.linalg.inv(matrix @ covariance @ matrix.T + np.diag(shape))
    )
    np.testing.assert_allclose(
        found.weights, prior.centre + gain @ (target - matrix @ prior.centre), atol=1e-2
    )
    np.testing.assert_allclose(
        found.root @ found.root.T, covariance - gain @ matrix @ covariance, atol=1e-2
    )


def test_the_evidence_finds_the_noise():
    rng = np.random.default_rng(0)
    matrix = np.column_stack([np.ones(150), rng.uniform(-0.3, 0.3, (150, 3))])
    target = matrix @ np.array([1.0, 0.5, 0.4, 0.0]) + 0.05 * rng.standard_normal(150)
    group = np.array([0, 1, 1, 1])
    prior = Prior(
        np.zeros(4), np.zeros((0, 4)), group, np.full(4, -3.0), np.full(4, 4.0)
    )
    assert np.exp(most_evident([(matrix, target)], prior)[-1] / 2) == pytest.approx(
        0.05, rel=0.15
    )


def test_devices_of_one_chip_never_teach_each_other():
    assert (
        chip("titanx_256")
        == chip("titanxp_1")
        == chip("1080ti_32")
        != chip("titan_rtx_1")
    )
    assert chip("titan_rtx_256") == chip("2080ti_1") and chip("gold_6226") == chip(
        "gold_6240"
    )
    assert chip("essential_ph_1") == "essential_ph_1" and chip("pixel2") != chip(
        "pixel3"
    )
    assert not {chip(device) for device in HELP_POOL} & {
        chip(device) for device in UNSEEN
    }


@pytest.mark.data
@pytest.mark.parametrize(
    ("device", "least"),
    list(zip(UNSEEN, (0.98, 0.97, 0.87, 0.92, 0.97, 0.98), strict=True)),
)
def test_ten_cells_of_a_real_unseen_device(real, device, least):
    assert len(known_devices(real, HELP_POOL)) == 7
    assert (
        score(Setting("ten", 10, whole=True, known=HELP_POOL), device, 3)[:, 0].mean()
        > least
    )
    assert (
        score(Setting("156", 156, whole=True, known=HELP_POOL), device, 2)[:, 2].mean()
        > 0.85
    )


@pytest.mark.slow
@pytest.mark.data
def test_the_paper_is_redone(real, tmp_path):
    assert len(real.space) == 15625
    result = reproduce("latency", folder=tmp_path, runs=1)
    ours = {
        (row.method, row.dataset): row.ours or 0.0
        for row in result.rows
        if row.metric == "spearman"
    }
    assert ours["ours, 10 cells", "mean of the six"] > 0.94
    assert ours["ours, 10 cells, whole space", "mean of the six"] > 0.955
    assert ours["ours, 900 cells, whole space", "mean of the six"] > 0.97
    assert (
        ours["all other chips known, 10 cells, whole space", "mean of 23 devices"]
        > 0.95
    )
    for device in UNSEEN:
        assert ours["FLOPs", device] == pytest.approx(
            published("latency")["FLOPs", device, "spearman"].value, abs=0.06
        )
    assert ours["HELP, 10 cells", "fpga"] == 0.0
    assert {"rows.json", "table.md", "latency.png"} <= {
        path.name for path in tmp_path.iterdir()
    }
