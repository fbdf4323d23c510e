"""Several objectives: NSGA-II, expected hypervolume improvement, frames, fronts of papers, and
paths over λ.
"""

from __future__ import annotations

import moocore
import numpy as np
import pytest

import surrogate_nas as sn
from analysis.papers import pareto, reproduce
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective, parse
from surrogate_nas.report.sections.fronts import attained
from surrogate_nas.results.lambda_path import at, lambda_path
from surrogate_nas.runs.scale import frame_of, hypervolume, nondominated
from surrogate_nas.space import Cell, ChoiceSpace
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies.bo import strategy as ehvi
from surrogate_nas.strategies.nsga2 import NSGA2, crowding, survivors
from surrogate_nas.surrogates.gaussian import Posterior
from tests import examples_sampled

REFERENCE = np.array([1.1, 1.0, 0.9])
POINTS = np.array(
    [
        [0.2, 0.8, 0.5],
        [0.5, 0.4, 0.6],
        [0.7, 0.2, 0.3],
        [0.9, 0.9, 0.1],
        [0.6, 0.9, 0.95],
    ]
)


ANY = Cell((0,), "x")


def trial(vector, feasible=True, cell=ANY):
    return Trial(
        0, cell, sum(vector), sum(vector), 0.0, feasible, None, 1.0, scores=vector
    )


def test_the_room_around_a_point_is_the_distance_of_its_neighbours():
    line = np.array([[0.0, 10.0], [1.0, 6.0], [4.0, 1.0], [5.0, 0.0]])
    np.testing.assert_allclose(
        crowding(line), [np.inf, 4 / 5 + 9 / 10, 4 / 5 + 6 / 10, np.inf]
    )
    assert np.isinf(crowding(np.ones((1, 3)))).all()
    assert not np.isnan(crowding(np.ones((4, 2)))).any()


def test_ranks_come_before_room_and_limits_before_ranks():
    front = [trial((0.0, 3.0)), trial((1.0, 1.0)), trial((3.0, 0.0))]
    behind = [trial((2.0, 2.0)), trial((9.0, 9.0))]
    broken = trial((50.0, 50.0), feasible=False)
    kept = survivors([broken, *behind, *front], 5)
    assert {t.scores for t in kept[:3]} == {t.scores for t in front} and kept[
        3:
    ] == behind
    assert survivors([trial((2.0,)), trial((1.0,)), trial((3.0,))], 2)[0].scores == (
        1.0,
    )


class Even(ChoiceSpace):
    """Only cells of an even sum, so that a mixture of two may be none."""

    name = "even"
    positions = ("a", "b", "c", "d")
    options = (tuple("0123"),) * 4

    def allows(self, choices):
        return sum(choices) % 2 == 0


def test_children_are_cells_of_a_space_that_forbids_mixtures():
    made = NSGA2(Even(), seed=0, population=4)
    made.objectives = 2
    for _ in range(8):
        asked = made.ask(4)
        assert all(cell in made.space for cell in asked)
        made.tell(
            [trial((float(c.choices[0]), 3.0 - c.choices[1]), cell=c) for c in asked]
        )
    for knobs in ({"population": 1}, {"crossover": 1.5}):
        with pytest.raises(UserError):
            NSGA2(Even(), seed=0, **knobs)


@pytest.mark.parametrize("n", [2, 3])
def test_what_is_known_exactly_gains_what_it_adds(n):
    points = POINTS[:, :n]
    reference = REFERENCE[:n]
    cells = np.random.default_rng(0).random((40, n)) * 1.2
    gain = ehvi.expected_gain(
        [ehvi.Believed(column) for column in cells.T], points, reference
    )
    before = moocore.hypervolume(points, ref=reference)
    added = [
        moocore.hypervolume(np.vstack([points, cell]), ref=reference) - before
        for cell in cells
    ]
    np.testing.assert_allclose(gain, added, atol=1e-12)
    assert (gain > 0).any() and (gain == 0).any()


@pytest.mark.parametrize("n", [2, 3])
def test_what_is_believed_gains_what_many_draws_add_on_average(n):
    rng = np.random.default_rng(1)
    k = 4
    seen = [
        Posterior(rng.normal(-0.5, 0.3, k), rng.uniform(0.05, 0.5, k))
        for _ in range(n - 1)
    ]
    known = rng.random((k, n)) * 0.3
    learned = [ehvi.Believed(known[:, j], -0.1, [each]) for j, each in enumerate(seen)]
    gain = ehvi.expected_gain(
        [*learned, ehvi.Believed(known[:, -1])], POINTS[:, :n], REFERENCE[:n]
    )
    before = moocore.hypervolume(POINTS[:, :n], ref=REFERENCE[:n])
    for cell in range(k):
        drawn = np.tile(known[cell], (3000, 1))
        for j, each in enumerate(seen):
            drawn[:, j] += (
                np.exp(rng.normal(each.mean[cell], each.variance[cell] ** 0.5, 3000))
                - 0.1
            )
        added = [
            moocore.hypervolume(np.vstack([POINTS[:, :n], one]), ref=REFERENCE[:n])
            - before
            for one in drawn
        ]
        assert gain[cell] == pytest.approx(
            np.mean(added), abs=5 * np.std(added) / 3000**0.5
        )


def test_an_empty_front_leaves_everything_to_gain_and_many_objectives_stay_affordable() -> (
    None
):
    one = [ehvi.Believed(np.array([0.5])), ehvi.Believed(np.array([0.25]))]
    np.testing.assert_allclose(
        ehvi.expected_gain(one, np.empty((0, 2)), np.ones(2)), [0.375]
    )
    rng = np.random.default_rng(2)
    sphere = rng.random((200, 5))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    thin = ehvi.thinned(sphere, np.full(5, 1.1))
    assert 5 <= len(thin) < 10 and len(ehvi.thinned(sphere[:, :2], np.full(2, 1.1))) > 1


def test_the_reference_reaches_over_what_is_known_and_not_over_cells_that_cannot_learn() -> (
    None
):
    told = np.column_stack([np.linspace(0.1, 0.2, 20), np.linspace(2.0, 0.5, 20)])
    with_dead = np.vstack([told, [0.9, 0.01], [0.15, 7.0]])
    dearest = np.array([0.0, 9.0])
    error, latency = ehvi.reference_of(with_dead, (False, True), dearest)
    assert 0.2 < error < 0.35 and latency == 9.0
    assert (ehvi.reference_of(with_dead, (True, True), dearest / 2) > [0.9, 7.0]).all()
    assert (ehvi.reference_of(np.ones((3, 2)), (False, False), dearest) > 1.0).all()


def test_infeasible_cells_teach_what_can_be_told_apart():
    known = np.array([[0.0, 1.0], [0.0, 2.0]])
    trials = [trial((0.3, 1.0)), trial((50.0, 52.0), feasible=False)]
    trials[1] = Trial(
        1, trials[1].cell, 102.0, 0.4, 2.0, False, None, 1.0, scores=(50.0, 52.0)
    )
    front, learned = ehvi.learned_of(trials, known, (False, True))
    assert front.tolist() == [[0.3, 1.0]] and learned[:, 0] == pytest.approx([0.3, 0.4])
    _, clipped = ehvi.learned_of(trials, known, (False, False))
    assert clipped[1].tolist() == [0.3, -1.0]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("valid_error, latency@cpu", False),
        ("valid_error + 0.1*params, macs subject to latency@cpu <= 6", False),
        ("valid_error, macs", True),
        ("valid_error, train_loss, macs", False),
        ("valid_error, macs subject to train_error <= 25", False),
    ],
)
def test_bo_covers_fronts_better_than_chance(text, hidden):
    made = sn.compare(
        "fashion", ["random", "bo"], text, runs=1, budget=25, hidden=hidden
    )
    assert not made.failures and made.scores("bo")[0] < made.scores("random")[0]
    assert len({t.cell for t in made.runs_of("bo")[0].trials}) == 25


@pytest.mark.parametrize("strategy", ["nsga2", "bo"])
def test_fronts_are_searched_side_by_side(strategy):
    one, two = (
        sn.search(
            "fashion",
            strategy,
            "valid_error, macs",
            budget=19,
            resources=sn.Resources(simulated_workers=3),
            seed=4,
        )
        for _ in range(2)
    )
    assert one.trials == two.trials and len({trial.cell for trial in one.trials}) == 19


def test_known_says_which_objectives_it_tells_entirely(small):
    assert Objective(
        "valid_error + params, latency@thing, params", small
    ).free.whole == (
        False,
        True,
        True,
    )


def test_a_cell_that_cannot_learn_bounds_no_frame(real):
    bench = real
    objective = Objective("valid_error, latency@raspi4", bench)
    fenced, whole = frame_of(objective), frame_of(objective, fenced=False)
    scores = objective.over_space()
    assert fenced is not None and whole is not None and scores is not None
    alive = nondominated(scores.vector[bench.column("paths") > 0])
    np.testing.assert_allclose(fenced.utopia + fenced.span, alive.max(axis=0))
    assert whole.span[0] > 0.8 and fenced.span[0] < 0.1
    assert fenced.missed(scores.vector) == pytest.approx(0.0)


def test_half_of_the_runs_attain_the_median_surface():
    runs = [
        np.array([[0.0, 2.0], [2.0, 0.0]]),
        np.array([[1.0, 1.0]]),
        np.array([[1.0, 2.0], [3.0, 3.0]]),
    ]
    surface = attained(runs)
    reached = [[any((run <= point).all(axis=1)) for run in runs] for point in surface]
    assert all(sum(each) >= 2 for each in reached) and [1.0, 2.0] in surface.tolist()
    assert hypervolume(surface / 4) < hypervolume(np.concatenate(runs) / 4)


@pytest.mark.data
@pytest.mark.usefixtures("fetched")
def test_paper_pareto_in_small(tmp_path, monkeypatch):
    monkeypatch.setattr(pareto, "COSTS", ("latency@fpga", "energy@eyeriss"))
    monkeypatch.setattr(pareto, "_CELLS", 20)
    monkeypatch.setattr(pareto, "_REPORTED", (10, 20))
    result = reproduce("pareto", folder=tmp_path, runs=2)
    rows = {
        (row.method, row.dataset, row.metric, row.evaluations): row
        for row in result.rows
    }
    assert len(rows) == len(result.rows) == 2 * 4 * 5 and all(
        row.runs == 2 for row in result.rows
    )
    for front in ("valid_error, latency@fpga", "valid_error, energy@eyeriss"):
        firsts = {
            rows[name, front, pareto.MISSING, 10].ours for name in pareto.STRATEGIES
        }
        assert len(firsts) == 1, "the ten first cells are shared"
        assert (
            (rows["bo", front, pareto.MISSING, 20].ours or 0)
            < (rows["bo", front, pareto.MISSING, 10].ours or 0)
            < 0
        )
        assert "from nsga2" in rows["bo", front, pareto.DISTANCE, 20].verdict
    assert (
        tmp_path / "fronts.png"
    ).stat().st_size > 10_000 and result.summary is not None
    again = reproduce("pareto", folder=tmp_path, runs=2)
    assert [row.ours for row in again.rows] == [row.ours for row in result.rows]


def test_lambda_replaces_the_sum_of_the_weights_and_keeps_their_proportions(small):
    given = parse(
        "valid_error + 0.1*params + 0.3*latency@thing subject to latency@thing <= 5"
    )
    assert (
        str(at(given, small, 0.2))
        == "valid_error + 0.05*params + 0.15*latency@thing subject to latency@thing <= 5"
    )
    assert (
        str(at(parse("valid_error + 0.1*params"), small, 0.3))
        == "valid_error + 0.3*params"
    )
    assert str(at(given, small, 0.0)).startswith(
        "valid_error + 0*params + 0*latency@thing"
    )


def test_a_path_over_lambda_tells_optima_winners_and_what_of_the_front_was_traced(
    small, snas, tmp_path
):
    done = snas(
        "lambda-path",
        tmp_path / "small.h5",
        "--objective",
        "valid_error + 0.1*latency@thing",
        *"--lambdas 0.5,0,.2 --strategies random,evolution --runs 2 --budget 25 --out".split(),
        tmp_path / "out",
        "--json",
    )
    assert done.code == 0, done.err
    told = done.json
    assert [step["value"] for step in told["lambdas"]] == [0.0, 0.2, 0.5]
    scores = Objective("valid_error + 0.2*latency@thing", small).over_space()
    assert scores is not None
    assert told["lambdas"][1]["optimum"]["score"] == pytest.approx(scores.score.min())
    assert told["lambdas"][0]["optimum"]["cell"] == str(small.space[15624])
    for step in told["lambdas"]:
        assert [one["name"] for one in step["strategies"]] == [
            "random",
            "evolution",
        ] and step["winners"]
        assert all(
            one["regret"] >= 0 and one["runs"] == 2 for one in step["strategies"]
        )
        assert step["optimum"]["score"] == pytest.approx(
            step["optimum"]["L"] + step["value"] * step["optimum"]["R"]
        )
    covered = told["hypervolume"]
    assert 0 < covered["optima"] <= 1 and all(
        0 <= one["mean"] <= 1 for one in covered["strategies"]
    )
    assert (tmp_path / "out" / "lambda-path.png").stat().st_size > 10_000
    kept = sorted((tmp_path / "out").rglob("*.jsonl"))
    stamps = [file.stat().st_mtime_ns for file in kept]
    again = lambda_path(
        sn.load(str(tmp_path / "small.h5")),
        ["random", "evolution"],
        "valid_error + 0.1*latency@thing",
        lambdas=[0, 0.2, 0.5],
        runs=2,
        budget=25,
        folder=tmp_path / "out",
    )
    assert (
        again.to_json() == told and [file.stat().st_mtime_ns for file in kept] == stamps
    )


@pytest.mark.parametrize(
    ("objective", "lambdas", "says"),
    [
        ("valid_error", [0.1], "no regulariser"),
        ("valid_error + 0*params", [0.1], "no regulariser"),
        ("valid_error, params", [0.1], "one objective"),
        ("valid_error + 0.1*diversity + params", [0.1], "diversity"),
        ("valid_error + params", [], "at least one"),
        ("valid_error + params", [-0.1], "of at least 0"),
        (
            "valid_error + params subject to params <= 1",
            [0.1],
            "satisfies the constraints",
        ),
    ],
)
def test_a_path_that_makes_no_sense_is_refused(small, objective, lambdas, says):
    with pytest.raises(UserError, match=says):
        lambda_path(small, ["random"], objective, lambdas=lambdas, runs=1, budget=5)


def test_a_path_takes_numbers_and_a_table(snas):
    refused = snas("lambda-path fashion --lambdas 0,x")
    assert refused.code == 2
    assert (
        refused.err.strip().splitlines()[-1] == "snas: A λ must be a number, not 0,x."
    )
    with pytest.raises(UserError, match="a table"):
        lambda_path(
            examples_sampled.BENCH,
            ["random"],
            "valid_error + latency@mine",
            lambdas=[0.1],
            runs=1,
            budget=5,
        )
