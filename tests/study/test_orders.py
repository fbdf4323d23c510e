"""τ, what each cell adds to it, and differences of it, against other ways of counting the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from surrogate_nas.study.orders import (
    Signal,
    SignalTable,
    by_source,
    difference,
    filled,
    parts,
    signs,
)
from surrogate_nas.study.signals import TRAIN_LOSS, VALID_LOSS
from tests.study.pilots import END, TRAIN, table


@pytest.mark.parametrize("seed", range(2))
def test_the_parts_of_cells_are_the_spread_of_the_bootstrap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.normal(size=100)
    second = first + rng.normal(size=100)
    if seed % 2:  # ties count as in scipy
        first = first.round()
    tau, slopes = parts(signs(first), signs(second))
    assert tau == pytest.approx(kendalltau(first, second).statistic)
    assert slopes.sum() == pytest.approx(0, abs=1e-5)
    drawn = [rng.integers(100, size=100) for _ in range(400)]
    spread = np.std([kendalltau(first[chosen], second[chosen]).statistic for chosen in drawn])
    assert np.sqrt((slopes**2).sum()) == pytest.approx(spread, rel=0.2)


def test_a_signal_of_one_seed_is_judged_by_the_others() -> None:
    made = table({END: 0.5, TRAIN: 1.0}, seeds=3)
    each = []
    for seed in range(3):
        rest = np.delete(made.goal, seed, axis=0).mean(axis=0)
        each.append(kendalltau(made.signals[TRAIN][seed], rest).statistic)
    assert made.tau(TRAIN) == pytest.approx(np.mean(each), abs=1e-6)
    less, slopes = made.less(TRAIN, END)
    assert less == pytest.approx(made.tau(TRAIN) - made.tau(END)) and len(slopes) == 60


def test_the_variance_of_a_difference_is_that_of_fresh_cells_and_falls_with_their_number() -> None:
    noise = {END: 0.5, TRAIN: 0.8}
    tables = [table(noise, cells=80, seed=seed) for seed in range(150)]

    def told(places: slice) -> np.ndarray:
        each = [difference([one.part(places)], TRAIN, END) for one in tables]
        return np.array([one for one in each if one is not None])

    whole, half = told(slice(None)), told(slice(0, 40))
    assert whole[:, 1].mean() == pytest.approx(whole[:, 0].var(ddof=1), rel=0.3)
    assert half[:, 1].mean() == pytest.approx(2 * whole[:, 1].mean(), rel=0.25)


def test_tables_of_one_source_share_their_cells() -> None:
    one = table({END: 0.5, TRAIN: 0.8})
    alone, twice = difference([one], TRAIN, END), difference([one, one], TRAIN, END)
    assert alone is not None and twice == pytest.approx(alone), "the same cells say nothing more"
    other = table({END: 0.5, TRAIN: 0.8}, seed=1)
    apart = SignalTable(**{**vars_of(other), "cells": other.cells + 60})
    both = difference([one, apart], TRAIN, END)
    of_other = difference([apart], TRAIN, END)
    assert both is not None and of_other is not None
    assert both == pytest.approx(
        ((alone[0] + of_other[0]) / 2, (alone[1] + of_other[1]) / 4), abs=1e-6
    )


def vars_of(one: SignalTable) -> dict[str, object]:
    return {name: getattr(one, name) for name in SignalTable.__dataclass_fields__}


def test_what_is_one_quantity_tells_nothing_apart() -> None:
    made = table({END: 0.5, TRAIN: 0.8})
    same = dict(made.signals) | {Signal(VALID_LOSS): made.signals[END] ** 3}
    again = SignalTable(**{**vars_of(made), "signals": same})
    assert again.is_one_quantity and not made.is_one_quantity
    assert difference([again], Signal(VALID_LOSS), END) is None
    assert difference([again], TRAIN, Signal(TRAIN_LOSS, 0.1)) is None, "one of them is lacking"


def test_a_table_whose_seeds_disagree_is_left_out() -> None:
    noise = table({END: 9.0, TRAIN: 1.0}, source="noise")
    assert list(by_source([noise, table({END: 0.3, TRAIN: 1.0})])) == ["one"]


def test_a_training_that_diverged_has_the_worst_value() -> None:
    row = np.array([1.0, np.nan, 3.0, np.nan])
    told = filled(row, np.array([True, True, True, False]))
    assert told[:3].tolist() == [1.0, 3.0, 3.0] and np.isnan(told[3])
