"""What `bo` is made of: experts that grow, pools, batches while others run, and what it does where
little is known.
"""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import kendalltau

import surrogate_nas as sn
from surrogate_nas.contract.checks import (
    INFEASIBLE,
    LargeSpace,
    TinySpace,
    synthetic,
    trajectory,
    trials_of,
)
from surrogate_nas.objective.expression import Constraint
from surrogate_nas.objective.terms import FreeTerms, Observed
from surrogate_nas.space import ChoiceSpace, Trial, nb201
from surrogate_nas.space.product import is_scale
from surrogate_nas.strategies.bo.pool import (
    LARGEST_LISTED,
    Choice,
    Expert,
    _surveyed,
    prepare,
    some,
    whole,
)
from surrogate_nas.strategies.bo.strategy import (
    BayesianOptimisation,
    moments_of,
    sharpened,
    widened,
)
from surrogate_nas.surrogates.gaussian import Posterior


def test_every_class_of_equal_functions_is_one_point():
    space = nb201()
    seen = whole(space, with_costs=False)
    assert {len(view) for view in seen.views} == {5044}
    first = [
        space[int(i)] for i in np.random.default_rng(1).permutation(len(space))[:40]
    ]
    for view in (*seen.views, *some(space, first, with_costs=True).views):
        draws = np.random.default_rng(0).integers(len(view), size=(2, 2000))
        apart = ((view[draws[0]] - view[draws[1]]) ** 2).sum(axis=1).mean()
        assert apart == pytest.approx(1.0, rel=0.2)


def test_workers_that_run_side_by_side_are_given_different_cells():
    run = sn.search(
        "fashion",
        "bo",
        "valid_loss",
        budget=50,
        resources=sn.Resources(simulated_workers=5),
        run=1000,
    )
    cells = [trial.cell for trial in run.trials]
    assert len(set(cells)) == 50
    classes = [nb201().classes[cell.index] for cell in cells]
    assert len(set(classes[10:30])) >= 15
    alone = sn.search("fashion", "bo", "valid_loss", budget=50, run=1000)
    random = sn.search("fashion", "random", "valid_loss", budget=50, run=1000)
    assert (
        run.incumbent.score < random.incumbent.score
        and alone.incumbent.score < random.incumbent.score
    )


def test_a_cell_that_is_known_to_break_a_limit_is_never_asked_for():
    asked = {
        hidden: sn.search(
            "fashion",
            "bo",
            "valid_loss",
            subject_to="latency@cpu <= 0.6",
            budget=40,
            seed=1,
            hidden=hidden,
        )
        for hidden in (False, True)
    }
    broken = {
        hidden: [not trial.feasible for trial in run.trials]
        for hidden, run in asked.items()
    }
    assert broken[False][:10] == broken[True][:10] and any(broken[False][:10])
    assert not any(broken[False][10:]) and any(broken[True][10:])


class Noting(LargeSpace):
    """Notes what is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0

    def sample(self, rng):
        self.drawn += 1
        return super().sample(rng)


def test_a_space_that_is_not_listed_is_searched_among_a_growing_choice():
    space = Noting()
    assert len(space.reference_sample) == space.drawn
    before = space.drawn
    asked = trajectory(BayesianOptimisation, space, seed=3, n=40, first=0)
    assert len(set(asked)) == 40 and space.drawn - before < 1000
    rng = np.random.default_rng(0)
    assert min(map(synthetic, asked)) < min(
        synthetic(space.sample(rng)) for _ in range(400)
    )


class NotingChoice(Choice):
    """Notes how often each cell is looked up."""

    looked = Counter()

    def places(self, cells):
        cells = list(cells)
        self.looked.update(cells)
        return super().places(cells)


def test_observed_cells_are_looked_up_once_and_not_in_every_step():
    made = BayesianOptimisation(LargeSpace(), seed=0)
    first = [made.space.sample(made.rng) for _ in range(10)]
    made.tell(trials_of(first, synthetic))
    pool = made._pool = NotingChoice(made.space, True, None, 1, 0, made.rng)
    for _ in range(12):
        made.tell(trials_of(made.ask(1), synthetic))
    assert np.median([pool.looked[cell] for cell in first]) <= 2
    assert pool.kept("observed", made._trials).tolist() == [
        pool.cells.index(cell) for cell in made._trials
    ]


def test_columns_of_a_large_listed_space_are_surveyed_block_by_block():
    options = {f"p{i}": range(10) for i in range(5)}
    space = ChoiceSpace("large", options, listed=True)
    columns = np.asarray(space.encode(space, "one_hot"), dtype=np.float64)
    tracemalloc.start()
    prepare(space)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    found = _surveyed(space, "one_hot", 1.0)
    assert peak < 1.5 * columns.nbytes and len(columns) > 3 * LARGEST_LISTED
    assert (found.centre == columns.mean(axis=0)).all()
    assert (found.spread == columns.std(axis=0) * np.sqrt(2 * 50)).all()


def test_what_is_learned_lacks_what_is_known_and_no_infeasible_cell_is_worse_than_the_worst() -> (
    None
):
    made = BayesianOptimisation(TinySpace(), seed=0)
    scores = dict(zip(TinySpace()[:4], (1.0, 2.0, INFEASIBLE, 3.0), strict=True))
    made.tell(trials_of(list(scores), scores.__getitem__))
    pool = made._grown()
    pool.known[:4, 0] = 0.5, 0.25, 0.0, 1.0
    learned, best, _ = made._targets(pool)
    assert learned.tolist() == [0.5, 1.75, 3.0, 2.0] and best == 1.0


def test_scales_are_read_as_numbers_and_names_as_options():
    assert is_scale(("1e-3", "0.1", "5")) and is_scale(("8", "4", "2"))
    assert (
        not is_scale(("relu", "tanh", "elu"))
        and not is_scale(("1", "2"))
        and not is_scale(("1", "3", "2"))
    )
    space = ChoiceSpace("mlp", {"width": (16, 32, 64), "act": ("relu", "tanh")})
    np.testing.assert_array_equal(
        space.encode([space.at((2, 1))], "numbers"), [[2, 0, 1]]
    )
    assert space.views == ("numbers", "one_hot")


def test_a_view_of_an_encoding_that_the_space_lacks_is_one_line():
    class Own(ChoiceSpace):
        encodings = {"one_hot": lambda choices: choices}

    with pytest.raises(sn.UserError, match="encoding in the views of own 'counts'"):
        BayesianOptimisation(Own("own", dict.fromkeys("abc", tuple("xyz"))), seed=0)


def test_where_all_around_the_best_is_known_the_next_best_is_looked_around():
    space = TinySpace()
    made = BayesianOptimisation(space, seed=0)
    best = space[0]
    second = space[space.size - 1]
    island = [best, *space.neighbours(best)]
    scores = dict.fromkeys(island, 9.0) | {best: 1.0, second: 2.0}
    made.tell(trials_of([*island, second], scores.__getitem__))
    grown = made._grown()
    around = {grown.cells[int(place)] for place in made._around_best(grown)}
    assert around == set(space.neighbours(second))
    before = BayesianOptimisation(space, seed=0)
    before.tell(trials_of([best, second], scores.__getitem__))
    near = {
        before._grown().cells[int(place)]
        for place in before._around_best(before._grown())
    }
    assert near == set(space.neighbours(best))


def test_values_that_differ_by_rounding_alone_have_finite_logarithms():
    values = np.array([0.3, 0.3, np.nextafter(0.3, 1), 0.5])
    pole, logarithms = sharpened(values, 0.3, 0.3)
    assert pole < 0.3
    assert np.isfinite(logarithms).all()


def test_a_position_that_does_not_matter_weighs_less():
    space = ChoiceSpace("two", {"idle": tuple("uvwxyz"), "decisive": tuple("abcdef")})
    points = whole(space, with_costs=False)
    told = np.random.default_rng(0).permutation(36)[:20]
    values = np.array([3.0, 1.0, 4.0, 1.5, 5.0, 9.0])[space.choices[told, 1]]
    for view, groups in zip(points.views, points.groups, strict=True):
        expert = Expert(view, 0, groups)
        expert.observe(told, values, told[:0], 0)
        idle, decisive = expert._weights
        assert decisive > 3 * idle


LAYERS = ChoiceSpace("layers", dict.fromkeys("abcde", ("none", "skip", "conv", "pool")))
GAIN, COST = (0.0, 2.0, 6.0, 3.0), (0.0, 0.2, 1.5, 0.7)


def error(cell):
    return 80 - sum(GAIN[o] * (1 + 0.3 * p) for p, o in enumerate(cell.choices))


def energy(cell):
    """Spans four orders of magnitude."""
    return float(np.exp(sum(COST[o] * (1 + p / 5) for p, o in enumerate(cell.choices))))


METERED = sn.Computed(
    LAYERS,
    {"valid_error": sn.Metric(error, unit="%"), "energy": energy},
    cheap=["valid_error"],
)
"""Whose energy only an evaluation tells."""
ERRORS, ENERGIES = (np.array([f(c) for c in LAYERS]) for f in (error, energy))


def until(run, scores):
    """How many evaluations the best cell took."""
    found = [scores[trial.cell.index] for trial in run.trials]
    assert min(found) == scores.min()
    return int(np.argmin(found)) + 1


def test_a_cost_that_is_observed_is_learned_apart_from_the_loss():
    objective = sn.Objective("valid_error + 0.02*energy", METERED)
    assert objective.free.missing == ("energy",)
    scores = ERRORS / 100 + objective.terms[1].coefficient * ENERGIES
    runs = [sn.search(METERED, "bo", objective, budget=40, seed=s) for s in range(3)]
    assert np.median([until(run, scores) for run in runs]) <= 20


@pytest.mark.parametrize("name", ["bo", "blind:bo"])
def test_the_best_cell_within_an_observed_limit_is_found(name):
    most = np.quantile(ENERGIES, 0.02)
    limit = f"energy <= {most}"
    run = sn.search(METERED, name, "valid_error", subject_to=limit, budget=40, seed=1)
    assert until(run, np.where(ENERGIES <= most, ERRORS, np.inf)) <= 30
    assert sum(trial.feasible for trial in run.trials[10:]) >= 5, "chance finds none"


def metered(cells, feasible=True):
    """Trials of L + 0.5 energy."""
    return [
        Trial(
            index=i,
            cell=cell,
            score=error(cell) + 0.5 * energy(cell) + (0.0 if feasible else INFEASIBLE),
            loss=error(cell),
            penalty=0.5 * energy(cell),
            feasible=feasible,
            epochs=None,
            cost=1.0,
            values={"valid_error": error(cell), "energy": energy(cell)},
        )
        for i, cell in enumerate(cells)
    ]


def observing(*limits, cells, feasible=True):
    """A `bo` that is told trials of which energy is observed."""
    made = BayesianOptimisation(LAYERS, seed=0)
    made.free = FreeTerms(
        (), ("energy",), (Observed("energy", (0.5,), limits),), ((),), (), (False,)
    )
    made.tell(metered(cells, feasible))
    return made


@pytest.mark.parametrize("feasible", [True, False])
def test_the_target_is_l_alone_where_the_rest_is_observed(feasible):
    cells = LAYERS[::100]
    made = observing(cells=cells, feasible=feasible)
    learned, best, _ = made._targets(made._grown())
    np.testing.assert_allclose(learned, [error(cell) for cell in cells])
    assert best == min(trial.score for trial in made._trials.values())


def test_on_a_front_the_target_is_l_alone_too():
    class Noting(BayesianOptimisation):
        def believed(self, pool, part, looked, values, ends):
            noted[part] = values
            return super().believed(pool, part, looked, values, ends)

    def slowness(cells):
        return np.array([1.0 + cell.choices[0] for cell in cells])

    noted = {}
    made = Noting(LAYERS, seed=0)
    made.objectives = 2
    observed = (Observed("energy", (0.5, 0.0), ()),)
    penalties = ((), ((1.0, slowness),))
    made.free = FreeTerms((), ("energy",), observed, penalties, (), (False, True))
    cells = LAYERS[::100]
    made.tell(
        [
            replace(trial, scores=(trial.score, *slowness([trial.cell])))
            for trial in metered(cells)
        ]
    )
    assert made.ask(1)[0] in LAYERS
    np.testing.assert_allclose(noted.pop(0), [error(cell) for cell in cells])
    assert not noted, "the other objective is free"


def test_told_cells_are_foreseen_as_told_and_others_by_what_they_are_like():
    limit = Constraint("energy", None, "<=", 30.0)
    cells = LAYERS[::9]
    made = observing(limit, cells=cells)
    now = made._grown()
    seen = made._foreseen(now, now.observed)
    energies = np.array([energy(cell) for cell in cells])
    np.testing.assert_allclose(seen.mean[:, 0], 0.5 * energies, rtol=0.2)
    assert seen.chance[energies < 25].min() > 0.5 > seen.chance[energies > 36].max()
    other = np.setdiff1d(np.arange(len(LAYERS)), now.observed)
    ahead = made._foreseen(now, other)
    assert kendalltau(ahead.mean[:, 0], ENERGIES[other]).statistic > 0.85


def test_before_a_feasible_cell_is_known_the_likeliest_to_be_one_is_asked_for():
    limit = Constraint("energy", None, "<=", 1.5)
    made = observing(limit, cells=LAYERS[40::40], feasible=False)
    now = made._grown()
    chance = made._foreseen(now, np.arange(len(LAYERS))).chance
    (asked,) = made.ask(1)
    assert chance[asked.index] == chance[now.free].max() > np.median(chance)


def test_a_further_variance_is_added_and_keeps_the_mean():
    seen = Posterior(np.array([-1.0, 0.0, 2.0]), np.array([0.1, 0.5, 2.0]))
    further = np.array([0.0, 3.0, 0.2])
    mean, variance = moments_of(seen)
    wide = moments_of(widened(seen, further))
    np.testing.assert_allclose(wide, [mean, variance + further])


@pytest.mark.parametrize(("price", "times"), [(0.0, 0), (0.3, 12)])
def test_where_cells_have_a_known_price_the_least_expected_score_counts(price, times):
    made = BayesianOptimisation(TinySpace(), seed=0)
    made._pool = SimpleNamespace(known=np.array([[0.0], [price]]))
    rules = Counter(made.rule() for _ in range(20))
    assert rules["score"] == times
    assert rules["improvement"] > 0 < rules["near"]
    means = np.array([1.0, 0.5, 0.4])
    seen = Posterior(np.log(means), np.array([0.1, 0.1, 9.0]))
    gains = made.gains([(-1.0, seen)], np.array([0.0, 0.1, 0.3]), 0.5, "score")
    assert gains == pytest.approx(np.array([0.0, 0.4, 0.3])), "whatever is doubtful"
