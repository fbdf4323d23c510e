"""What a result answers next: curves, fronts, frames, what is stored, and what is misspelt."""

import pickle

import numpy as np
import pandas as pd
import pytest

import surrogate_nas as sn
from surrogate_nas.report.export import EXPORTS
from surrogate_nas.space.trial import TrialValues

NAMES = ["random", "evolution"]
TWO = "valid_error, params"


@pytest.fixture(scope="module")
def drawn():
    """Searches that see drawn seeds."""
    options = {"runs": 3, "budget": 25, "seed_policy": "draw"}
    return sn.compare("fashion", NAMES, "valid_loss", **options)


@pytest.fixture(scope="module")
def front():
    return sn.compare("fashion", ["random", "nsga2"], TWO, runs=2, budget=30)


@pytest.fixture(scope="module")
def suite():
    problems = [
        sn.Problem(
            "fashion", f"valid_loss + {weight}*params", name=f"p{weight}", budget=20
        )
        for weight in (0.1, 0.5)
    ]
    return sn.run_suite(
        sn.Suite("s", "Two", problems, [sn.Entry(name, 2) for name in NAMES])
    )


@pytest.fixture(scope="module")
def path():
    return sn.lambda_path("fashion", NAMES, lambdas=[0, 0.2], runs=2, budget=15)


def test_frames_report_what_regrets_do_where_seeds_are_drawn(drawn):
    """Trap 3: the least reported score of the incumbents minus the optimum is the regret."""
    curves, trials = drawn.curves(), drawn.to_frame()
    ends = curves.groupby(["strategy", "run"], sort=False).last()
    for name in NAMES:
        assert ends.loc[name].regret.tolist() == drawn.regrets(name).tolist()
        normalised = drawn.problem_result.at(name)
        assert np.allclose(ends.loc[name].normalised_regret, normalised)
    for run in drawn.runs:
        own = trials[(trials.strategy == run.strategy) & (trials.run == run.run)]
        seen_best = own.score.reset_index(drop=True).idxmin()
        assert own.reported_score.iloc[seen_best] == run.answer.score
        assert run.answer.score == drawn.score(run)
        mine = curves[(curves.strategy == run.strategy) & (curves.run == run.run)]
        assert run.curves().equals(mine.reset_index(drop=True))
    assert (trials.score != trials.reported_score).any()


def test_a_suite_in_memory_reports_as_its_folder_does_where_seeds_are_drawn(tmp_path):
    asked = "losses-digits", "valid_error@cross_entropy"
    options = {"seed_policy": "draw", "budget": 15}
    made = sn.run_suite([sn.Problem(*asked, **options)], NAMES, runs=3, folder=tmp_path)
    assert made.means().equals(sn.read(tmp_path).means())
    alone = sn.compare(asked[0], NAMES, asked[1], runs=3, **options)
    means = [alone.problem_result.at(name).mean() for name in NAMES]
    assert made.means().iloc[0].tolist() == means


def test_the_curves_of_a_run_are_its_steps_and_what_they_cost():
    run = sn.search(
        "fashion", "random", "valid_loss", subject_to="params <= 9000", budget=30
    )
    feasible = [t.score if t.feasible else np.inf for t in run.trials]
    best = np.minimum.accumulate(feasible)
    curves = run.curves()
    assert np.array_equal(curves.best_score.fillna(np.inf), best)
    assert curves.cost.tolist() == [t.finished for t in run.trials]
    assert curves.evaluations.tolist() == [*range(1, 31)]
    optimum = run.objective.optimum()
    assert curves.regret.dropna().tolist() == (best - optimum)[best < np.inf].tolist()


def test_regret_is_nan_where_no_optimum_is_known():
    space = sn.ChoiceSpace("free", {"a": tuple("abc"), "b": tuple("abc")})
    bench = sn.Computed(space, {"valid_loss": lambda cell: 1.0 + sum(cell.choices)})
    found = sn.compare(bench, ["random"], runs=2, budget=12)
    assert np.isnan(found.regrets("random")).all() and not found.mean_regrets
    assert found.to_json()["strategies"][0]["regret"]["mean"] is None
    curves = sn.search(bench, "random", budget=12).curves()
    assert curves[["regret", "normalised_regret"]].isna().all(axis=None)
    assert curves.best_score.notna().all()


def test_a_run_without_a_feasible_cell_has_no_score_in_any_frame():
    found = sn.compare(
        "fashion", ["random"], "valid_loss", subject_to="params <= 1", runs=1, budget=12
    )
    assert found.curves().best_score.isna().all() and not len(found.regrets("random"))
    assert np.isnan(found.summary("random").mean)
    score = found.to_json()["strategies"][0]["score"]
    assert set(score.values()) == {None}


def test_several_objectives_have_a_front_and_no_incumbent(front):
    """Trap 11."""
    for run in front.runs:
        vectors = np.array([trial.scores for trial in run.front])
        every = np.array([trial.scores for trial in run.trials])
        for vector in vectors:
            assert not (
                (every <= vector).all(axis=1) & (every < vector).any(axis=1)
            ).any()
        with pytest.raises(sn.UserError, match="no single best trial. Use front"):
            _ = run.incumbent
        frame = run.front_frame()
        assert frame[["score_0", "score_1"]].to_numpy().tolist() == vectors.tolist()
        # two objectives: the steps of a staircase up to the reference
        reference = vectors.max(axis=0) * 1.5
        x, y = vectors[np.argsort(vectors[:, 0])].T
        area = ((np.append(x[1:], reference[0]) - x) * (reference[1] - y)).sum()
        assert run.hypervolume(reference.tolist()) == pytest.approx(area)
        assert front.hypervolume(reference) >= run.hypervolume(reference)
        missed = run.curves().best_score
        assert missed.iloc[-1] == front.score(run) and missed.is_monotonic_decreasing
    frame = front.front_frame()
    assert len(frame) == len(front.front) and {*frame.strategy} <= {"random", "nsga2"}
    assert "score_0" in front.to_frame() and front.runs[0].hypervolume((-9, -9)) == 0
    assert front.to_json()["strategies"][0]["best"]["cell"] is None


def test_a_front_begins_with_the_first_feasible_cell():
    options = {"subject_to": "params <= 5000", "budget": 30}
    run = sn.search("fashion", "random", TWO, **options)
    feasible = [trial.feasible for trial in run.trials]
    missed = run.curves().best_score
    assert (
        not feasible[0]
        and any(feasible)
        and (missed[: feasible.index(True)] == 1).all()
    )
    assert all(trial.feasible for trial in run.front)
    options["subject_to"] = "params <= 1"
    nothing = sn.search("fashion", "random", TWO, **options)
    assert nothing.front == [] and nothing.hypervolume((1, 2)) == 0
    assert nothing.curves().best_score.isna().all()
    with pytest.raises(sn.UserError, match="none is the best"):
        _ = sn.Run("none", 0, [], 0.0, 0.0).incumbent


@pytest.mark.parametrize("reference", [(1,), (1, 2, 3), 1, "ab", (1, np.nan), None])
def test_a_reference_is_a_score_for_each_objective(front, reference):
    with pytest.raises(sn.UserError, match="one finite score for each of the 2"):
        front.runs[0].hypervolume(reference)


def test_one_objective_has_an_incumbent_and_no_front(drawn):
    for result in (drawn, drawn.runs[0]):
        with pytest.raises(sn.UserError, match="With one, use incumbent"):
            _ = result.front


def test_the_search_of_several_objectives_prints_its_front(snas):
    arguments = ("search", "fashion", "--objective", TWO, "--budget", 20)
    ended = snas(*arguments, "--strategy", "random", "--json")
    run = sn.search("fashion", "random", TWO, budget=20)
    assert ended.json["best"]["cell"] is None and ended.json["best"]["feasible"]
    assert [row["cell"] for row in ended.json["front"]] == [
        str(trial.cell) for trial in run.front
    ]
    assert "on the front" in repr(run) and str(run.front[0].cell) in run._repr_html_()


def test_a_misspelt_strategy_is_an_error_with_a_suggestion(drawn, suite):
    """Trap 7."""
    asked = [
        drawn.regrets, drawn.scores, drawn.runs_of, drawn.feasible_runs_of,
        drawn.summary, drawn.optimism, suite.problems[0].regrets, suite.problems[0].at,
    ]  # fmt: skip
    for ask in asked:
        with pytest.raises(sn.UserError, match="'evoluton'.*Did you mean 'evolution'"):
            ask("evoluton")


def test_a_verdict_names_one_winner_or_none_and_prints_its_sentences(suite):
    """Trap 8."""
    verdict = suite.verdict
    assert verdict.winner is None and sorted(verdict.leaders) == sorted(NAMES)
    assert verdict.to_json()["winner"] == verdict.leaders
    assert str(verdict) == "\n".join(verdict.sentences)
    assert repr(verdict) == f"<Verdict: {verdict.sentences[0]}>"
    alone = sn.compare("fashion", ["random"], runs=2, budget=12).verdict
    assert (alone.winner, alone.leaders) == ("random", ["random"])
    assert alone.to_json()["winner"] == "random"


def test_a_metric_is_found_without_its_epochs_where_it_was_read_once(tmp_path):
    objective = "valid_error[5] + 0.1*params"
    run = sn.search("fashion", "random", objective, budget=12, folder=tmp_path)
    for one in (run, sn.read(tmp_path), pickle.loads(pickle.dumps(run))):
        values = one.trials[0].values
        assert values["valid_error"] == values["valid_error[5]"]
        assert [*values] == ["valid_error[5]", "params"] and "valid_error" in values
        assert one == run
    twice = TrialValues({"e[1]": 2.0, "e[5]": 1.0})
    for name, said in (("e", "e is not one of e.1., e.5."), ("f", "f is not one of")):
        with pytest.raises(KeyError, match=said):
            twice[name]
    assert twice.get("e", 7) == 7 and "e" not in twice


def test_a_folder_is_read_as_what_made_it(tmp_path, drawn, suite, path):
    at = {name: tmp_path / name for name in ("search", "compare", "suite", "path")}
    run = sn.search("fashion", "random", budget=12, folder=at["search"])
    made = sn.compare(
        "fashion", NAMES, "valid_loss", runs=2, budget=12, folder=at["compare"]
    )
    sn.run_suite(suite.suite, folder=at["suite"])
    sn.lambda_path(
        "fashion", NAMES, lambdas=[0, 0.2], runs=2, budget=15, folder=at["path"]
    )
    again = {name: sn.read(folder) for name, folder in at.items()}
    assert again["search"] == run and again["compare"].runs == made.runs
    assert again["compare"].curves().equals(made.curves())
    assert again["suite"].curves().equals(suite.curves())
    assert again["path"].summary_frame().equals(path.summary_frame())
    both = sn.read(at["search"], against=[at["search"]])
    assert both == run, "the same folder twice is one"
    with pytest.raises(sn.UserError, match="no other folder can be added"):
        sn.read(at["path"], against=[at["compare"]])
    for name, said in (
        ("nowhere", "does not exist"), (".", "contains no results"), ("file", "is a file"),
    ):  # fmt: skip
        (tmp_path / "file").write_text("")
        with pytest.raises(sn.UserError, match=f"{said}. Name the folder of a search"):
            sn.read(tmp_path / name)


def test_a_benchmark_without_a_name_is_given_again(tmp_path):
    space = sn.ChoiceSpace("free", {"a": tuple("abc"), "b": tuple("abc")})
    bench = sn.Computed(space, {"valid_loss": lambda cell: 1.0 + sum(cell.choices)})
    run = sn.search(bench, "random", budget=12, folder=tmp_path)
    assert sn.read(tmp_path, benchmark=bench) == run
    with pytest.raises(sn.UserError, match="Pass the benchmark: sn.read"):
        sn.read(tmp_path)
    other = sn.Computed(space, {"valid_loss": lambda cell: 2.0 + sum(cell.choices)})
    with pytest.raises(sn.UserError, match=str(tmp_path)):
        sn.read(tmp_path, benchmark=other)
    assert pickle.loads(pickle.dumps(run)) == run, "its functions cannot be pickled"
    with pytest.raises(sn.UserError, match="has no objective"):
        pickle.loads(pickle.dumps(run)).curves()


def test_every_result_has_frames_sentences_and_a_face(drawn, front, suite, path):
    for result in (drawn, front, suite, path, drawn.runs[0], front.runs[0]):
        assert result.sentences and len(result.to_frame()) and len(result.curves())
        assert "<td" in result._repr_html_() and repr(result)[0] == "<"
    for result in (drawn, suite, path):
        assert {*result.summary_frame().strategy} == {*NAMES}
    assert path.curves()["lambda"].unique().tolist() == [0.0, 0.2]


def test_the_frames_of_a_suite_are_its_means_and_its_tables(suite):
    means = suite.means()
    assert means.index.tolist() == ["p0.1", "p0.5"] and [*means] == NAMES
    runs, curves = suite.to_frame(), suite.curves()
    for frame in (runs, curves[curves.evaluations == 20]):
        by = frame.groupby(["problem", "strategy"]).normalised_regret.mean().unstack()
        assert np.allclose(by[NAMES], means)
    half = curves[curves.evaluations == 10]
    by = half.groupby(["problem", "strategy"]).normalised_regret.mean().unstack()
    assert np.allclose(by[NAMES], suite.means(0.5))
    rows = {row["name"]: row for row in suite.strategy_rows()}
    for row in suite.summary_frame().to_dict("records"):
        own = rows[row["strategy"]]
        assert (row["regret_ci95_low"], row["regret_ci95_high"]) == own["regret_ci95"]
        assert row["rank_mean"] == own["rank_mean"]


@pytest.mark.parametrize("kind", ["drawn", "front", "path"])
def test_frames_are_the_tables_that_are_exported(kind, request, tmp_path):
    result = request.getfixturevalue(kind)
    files = {f.stem: pd.read_csv(f) for f in EXPORTS["csv"].write(result, tmp_path)}
    for name, frame in (
        ("trials", result.to_frame()), ("summary", result.summary_frame()),
    ):  # fmt: skip
        assert files[name].columns.tolist() == frame.columns.tolist()
        for column in frame.select_dtypes("number"):
            assert np.allclose(files[name][column], frame[column], equal_nan=True)
