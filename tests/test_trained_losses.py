"""The answer on losses: its numbers, computed again from the shipped tables by other means, and its words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.benchmarks.losses import TRAINED, Losses
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.making.losses.agreement import difference
from surrogate_nas.papers.trained import answer
from surrogate_nas.papers.trained.searched import Searched, drives_of
from surrogate_nas.papers.trained.study import FEWEST, Study, regret, study, taus


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(tmp_path_factory.mktemp("home")))
        names = [name for name in Losses().names() if name.endswith(TRAINED)]
        return [found for name in names if (found := study(load(name))) is not None]


def of_both_seeds(bench: Benchmark, found: Study) -> np.ndarray:
    columns = [bench.column(f"valid_loss@{loss}", None, seed) for loss in found.losses for seed in (0, 1)]
    return np.flatnonzero(np.isfinite(columns).all(axis=0))


def test_orders_are_those_of_scipy_across_seeds(studies: list[Study]) -> None:
    assert studies
    for found in studies:
        bench, goal = load(found.table), found.goals[0]
        cells = of_both_seeds(bench, found)
        assert FEWEST <= len(cells) == found.classes[0] <= found.classes[1] == len(list(bench.space))  # type: ignore[call-overload]
        sign = -1 if bench.metric(goal.metric).larger_is_better else 1
        wanted = [sign * bench.column(goal.metric, None, seed)[cells] for seed in (0, 1)]
        assert goal.ceiling["kendall"] == pytest.approx(kendalltau(*wanted).statistic)
        for told in goal.told[:: max(len(goal.told) // 4, 1)]:
            way = -1 if bench.metric(told.metric).larger_is_better else 1
            values = [way * bench.column(told.metric, told.epochs, seed)[cells] for seed in (0, 1)]
            crossed = [kendalltau(values[a], wanted[1 - a]).statistic for a in (0, 1)]
            assert told.taus["kendall"] == pytest.approx(np.mean(crossed), nan_ok=True)


def test_what_the_words_say_is_what_the_tables_hold(studies: list[Study]) -> None:
    told = [found for found in studies if found.goals[0].ceiling["kendall"] >= 0.2]
    (line,) = [line for line in answer.words(studies, []) if line.startswith("After a whole run")]
    said = [float(number) for number in re.findall(r"with (?:a mean τ of )?(\d\.\d\d)", line)]
    means = []
    for name in ("valid_{judged}@{usual}", "valid_loss@{usual}", "train_loss@{usual}"):
        found = [
            [t.taus["kendall"] for t in s.goals[0].told if t.metric == name.format(judged=s.judged, usual=s.usual)]
            for s in told
        ]
        means.append(np.mean([values[0] if name.startswith("train") else values[-1] for values in found]))
    assert said == pytest.approx(means, abs=0.006)


def test_noise_is_named_and_left_out(studies: list[Study]) -> None:
    (line,) = [line for line in answer.words(studies, []) if line.startswith("Named noise")] or [""]
    for found in studies:
        assert (found.task in line) == (found.goals[0].ceiling["kendall"] < 0.2)


def test_an_order_that_is_worse_is_told_from_one_that_is_not() -> None:
    rng = np.random.default_rng(0)
    wanted = [rng.normal(size=200) for _ in range(2)]
    near, far = ([goal + noise * rng.normal(size=200) for goal in wanted] for noise in (0.3, 1.5))
    gap, p = difference(near, far, wanted)
    assert gap.low > 0.1 and p < 0.01
    assert difference(near, near, wanted)[1] == 1
    assert taus(wanted, wanted[::-1])["kendall"] == pytest.approx(1) and regret(wanted, wanted[::-1]) == 0


def test_searches_are_driven_by_every_loss(studies: list[Study], tmp_path: Path) -> None:
    from surrogate_nas.papers.trained.searched import searched

    found = min(studies, key=lambda one: len(one.losses))
    made = searched([found], runs=1, workers=1, folder=tmp_path, progress=None)
    assert [one.drive for one in made] == list(dict.fromkeys(drives_of(found)))
    assert {len(runs) for one in made for runs in one.regret.values()} == {1}
    assert all(value >= 0 for one in made for runs in one.regret.values() for value in runs)
    again = searched([found], runs=1, workers=1, folder=tmp_path, progress=None)
    assert again == made
    assert isinstance(made[0], Searched) and answer.role_of(made[0], made) == "usual validation measure"
