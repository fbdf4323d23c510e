"""Suites: what is read, run, resumed and refused; the statistics on results made by hand; the
verdict's words.
"""

import json
import re
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import surrogate_nas as sn
from analysis.torture import COMMAND, hit, marked, start
from surrogate_nas.benchmarks import load, tables
from surrogate_nas.benchmarks.sourced import known
from surrogate_nas.core.errors import UserError
from surrogate_nas.report.reading import Study
from surrogate_nas.report.sections.cells import card
from surrogate_nas.results.api import compare, read_comparison, run_suite, stored_suite
from surrogate_nas.results.comparison import best_cells
from surrogate_nas.results.curves import expected_runtime
from surrogate_nas.results.lambda_path import lambda_path
from surrogate_nas.results.suite import TABLES
from surrogate_nas.runs.options import Budget, ObjectiveOptions
from surrogate_nas.runs.problem import SUITES, Entry, Problem, Suite, bind, read_suite
from surrogate_nas.runs.scale import expected, reference_of
from surrogate_nas.space import Enumerable
from surrogate_nas.strategies import DEFAULTS, Strategy, resolve
from tests.documents import blocks, read
from tests.gated import GATE
from tests.outcomes import bare, made, steps
from tests.pages import text_of

TINY = """
title = "Tiny"
budget = 14
runs = 2
strategies = ["random", "evolution", { name = "local_search", runs = 1 }]

[[problems]]
name = "plain"
benchmark = "fashion"

[[problems]]
name = "capped"
benchmark = "fashion"
objective = "valid_error[5]"
subject_to = "latency@cpu <= 0.6"

[[problems]]
name = "seconds"
benchmark = "fashion"
objective = "valid_error[5]"
budget_seconds = 9
"""
BROKEN = Path(__file__).parents[1] / "broken_strategies.py"


@pytest.fixture
def tiny(tmp_path):
    file = tmp_path / "tiny.toml"
    file.write_text(TINY)
    return file


@pytest.mark.slow
def test_a_suite_is_the_same_from_one_worker_and_from_two_and_grows(
    tiny, tmp_path, snas
):
    out = tmp_path / "out"
    printed = snas("suite", tiny, "--workers", "2", "--out", out, "--json")
    assert printed.code == 0
    told = json.loads(printed.out)
    assert {"problems", "strategies", "tests", "verdict"} <= told.keys()
    assert [problem["name"] for problem in told["problems"]] == [
        "plain",
        "capped",
        "seconds",
    ]
    assert {s["name"]: s["runs"] for s in told["strategies"]} == {
        "random": 6,
        "evolution": 6,
        "local_search": 3,
    }
    assert [s["rank_mean"] for s in told["strategies"]] == sorted(
        s["rank_mean"] for s in told["strategies"]
    )
    assert sum(s["probability_best"] for s in told["strategies"]) == pytest.approx(1)
    assert told["verdict"]["sentences"][0] in text_of((out / "report.html").read_text())
    for name in TABLES:
        assert len(pd.read_csv(out / "tables" / f"{name}.csv"))
        assert r"\toprule" in (out / "tables" / f"{name}.tex").read_text()
    again = snas("report", out, "--json")
    assert again.code == 0 and json.loads(again.out) == told
    alone = run_suite(read_suite(str(tiny)))
    for strategy in told["strategies"]:
        del strategy["real_seconds"]
    assert bare(alone) == told
    held = {file: file.read_bytes() for file in (out / "problems").rglob("*.jsonl")}
    assert len(held) == 15
    more = run_suite(read_suite(str(tiny)).entered((), 2), folder=out)
    assert {
        s: len(more.problems[0].traces[s]) for s in more.strategies
    } == dict.fromkeys(more.strategies, 2)
    assert all(file.read_bytes() == content for file, content in held.items())
    assert len(read_comparison(out / "problems" / "plain").runs) == 6


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_killed_suite_goes_on_where_it_was(tmp_path):
    go = tmp_path / "go"
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "gate.py").write_text(GATE.format(go=str(go), here=str(here)))
    file = tmp_path / "gated.toml"
    file.write_text(
        TINY.replace('"evolution"', json.dumps(f"{tmp_path / 'gate.py'}:Gate"))
    )
    out = tmp_path / "out"
    process = start(
        [*COMMAND, "suite", str(file), "--workers", "2", "--out", str(out)],
        tmp_path / "home",
        str(out),
    )
    while len(list(here.iterdir())) < 2:
        time.sleep(0.01)
    assert hit(process, "group", str(out))
    process.communicate()
    while marked(str(out)):
        time.sleep(0.01)
    begun = sorted(file.name for file in (out / "problems").rglob("*.jsonl"))
    assert "Gate-0.jsonl" in begun and len(begun) < 15
    go.touch()
    suite = read_suite(str(file))
    assert bare(run_suite(str(file), folder=out)) == bare(run_suite(suite))


def test_a_strategy_that_fails_is_told_and_counted_and_ranks_last(tiny):
    suite = (
        read_suite(str(tiny))
        .select(["plain"])
        .entered(["random", f"{BROKEN}:RaisesWhenAsked"])
    )
    result = run_suite(suite)
    problem = result.problems[0]
    name = "RaisesWhenAsked"
    assert len(result.failures) == 2 and all(
        "plain: Strategy RaisesWhenAsked failed" in f for f in result.failures
    )
    assert (problem.regrets(name) == problem.reference.ceiling).all()
    assert result.verdict.end is not None
    assert result.verdict.end.leader == "random"
    assert not result.verdict.decided
    assert any(
        "RaisesWhenAsked failed in 2 of 2 runs" in sentence
        for sentence in result.verdict.sentences
    )
    assert result.summary["strategies"][1]["failures"] == 2


def test_what_was_not_fetched_is_told_and_left_out(tiny, tmp_path, monkeypatch, snas):
    monkeypatch.setenv("SURROGATE_NAS_HOME", str(tmp_path / "home"))
    absent = '[[problems]]\nname = "absent"\nbenchmark = "transnas-micro-jigsaw"\n'
    tiny.write_text(TINY + absent)
    told = snas(
        "suite",
        tiny,
        *"--problems plain,absent --strategies random --runs 1 --out".split(),
        tmp_path,
    )
    assert told.code == 0
    before = (
        "tiny runs 1 of its 2 problems here. The data of the others is missing: absent."
    )
    assert told.err.startswith(f"{before} To get it: snas data fetch transnas (10 MB).")
    assert (
        "Not run: absent: transnas-micro-jigsaw is not on this machine yet:"
        " run snas data fetch transnas" in told.err
    )
    alone = snas("suite", tiny, "--problems", "absent", "--out", tmp_path / "none")
    assert alone.code == 2
    assert "No problem of tiny can be run: absent: transnas" in alone.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "budget = 14",
            "budget = ",
            "tiny.toml is not valid TOML: Invalid value (at line 3, column 10).",
        ),
        (
            "budget = 14",
            'budget = "14"',
            "tiny.toml: budget: Expected int | null, got str.",
        ),
        (
            "budget = 14",
            "budget = 0",
            "tiny.toml: problems[0]: plain: A budget in cells must be a whole number from 1 to",
        ),
        (
            "budget = 14",
            "budget = 14\nfirst_cells = 3\nn_random = 4",
            "tiny.toml: first_cells and n_random are two names of one key. Give only one.",
        ),
        ("budget = 14", "cell = 14", "tiny.toml: Object contains unknown field cell."),
        ('"random"', "7", "tiny.toml: strategies[0]: Expected str | object, got int."),
        (
            '"random"',
            '"evolution"',
            "tiny.toml: tiny has the strategy evolution twice.",
        ),
        ('"random"', '"randon"', "Unknown strategy 'randon'. Did you mean 'random'?"),
        (
            'name = "capped"',
            'name = "../up"',
            "tiny.toml: problems[1]: A problem's name has letters, digits and ._+- only",
        ),
        (
            'benchmark = "fashion"',
            "",
            "tiny.toml: problems[0]: Problem() missing a required argument: 'benchmark'.",
        ),
        (
            "<= 0.6",
            "<= 0",
            "tiny, capped: No cell of fashion satisfies latency@cpu <= 0.",
        ),
        (
            "valid_error[5]",
            "valid_eror",
            "tiny, capped: Unknown metric of fashion 'valid_eror'.",
        ),
    ],
)
def test_a_wrong_file_is_one_line(tiny, tmp_path, snas, old, new, says):
    tiny.write_text(TINY.replace(old, new, 1))
    told = snas("suite", tiny, "--out", tmp_path / "out")
    assert told.code == 2 and not (tmp_path / "out").exists()
    (line,) = told.err.strip().splitlines()
    assert says in line


def test_files_of_an_earlier_release_are_read(tiny):
    text = TINY.replace("[[problems]]", "n_random = 3\n[[problems]]", 1)
    tiny.write_text(text)
    later = read_suite(str(tiny))
    assert [problem.n_random for problem in later.problems] == [3, 3, 3]
    assert [problem.budget for problem in later.problems] == [14, 14, None]
    for new, old in (
        ("n_random", "first_cells"),
        ("budget_seconds", "seconds"),
        ("budget", "cells"),
    ):
        text = text.replace(new, old)
    tiny.write_text(text)
    assert read_suite(str(tiny)) == later


BAD = """
strater: Did you mean 'starter'? Known: FILE.toml, families, standard, starter.
strater: Unknown suite 'strater'. Did you mean 'starter'? Known: FILE.toml,
nowhere.toml: Cannot read nowhere.toml: No such file or directory.
starter --runs 0: The number of runs of random must be a whole number from 1 to 1,000,000, not 0.
starter --workers 0: workers (--workers) must be a whole number from 1 to
"""


@pytest.mark.parametrize("line", BAD.strip().splitlines())
def test_wrong_arguments_are_one_line(line, tmp_path, snas, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, _, says = line.partition(": ")
    told = snas(f"suite {arguments} --out", tmp_path / "out")
    assert told.code == 2 and says in told.err and not (tmp_path / "out").exists()


def test_the_suite_in_the_guide_is_one(tmp_path):
    (block,) = blocks(read("analysis/guide/suite.md"), "toml")
    (tmp_path / "mine.toml").write_text(block)
    suite = read_suite(str(tmp_path / "mine.toml"))
    assert [entry.runs for entry in suite.entries] == [10, 5] and len(
        suite.problems
    ) == 1


@pytest.mark.parametrize("name", SUITES)
def test_the_suites_that_come_along_name_what_there_is(name):
    suite = read_suite(name)
    assert {problem.benchmark for problem in suite.problems} <= set(known())
    assert all(issubclass(resolve(entry.strategy), Strategy) for entry in suite.entries)
    if name != "starter":
        space_of = {
            entry["name"]: re.sub(r"-\d+$", "", entry["space"]) for entry in tables()
        }
        spaces = Counter(
            space_of.get(problem.benchmark, problem.benchmark)
            for problem in suite.problems
        )
        assert len(spaces) >= 8 and max(spaces.values()) <= (
            4 if name == "standard" else 1
        )


@pytest.mark.parametrize(
    ("benchmark", "expression", "limits", "policy"),
    [
        ("fashion", "valid_loss[5]", None, "mean"),
        ("fashion", "valid_error[5]", "latency@cpu <= 0.45", "mean"),
        ("nb201-cifar10", "valid_error[200]", None, "draw"),
    ],
)
def test_what_random_sampling_is_expected_to_find_is_what_it_finds(
    benchmark, expression, limits, policy
):
    objective = bind(
        load(benchmark), expression, limits, ObjectiveOptions(seed_policy=policy)
    )
    scores = objective.over_space()
    assert scores is not None
    start = scores.score[scores.feasible].mean()
    curve = expected(objective, Budget(20), start)
    rng = np.random.default_rng(1)
    drawn = rng.integers(len(scores.score), size=(40_000, 20))
    seen = scores.score[drawn]
    if policy == "draw":
        seeds = objective.single_seeds()
        assert seeds is not None
        column = int(np.flatnonzero(seeds.trained == 0)[0])
        by_seed = seeds.values[:, :, column]
        lots = (
            rng.random((*drawn.shape, by_seed.shape[1])) * np.isfinite(by_seed)[drawn]
        )
        seen = np.take_along_axis(
            by_seed[drawn], lots.argmax(axis=2)[..., None], axis=2
        )[..., 0]
    found = np.take_along_axis(drawn, seen.argmin(axis=1)[:, None], axis=1)[:, 0]
    reported = np.where(scores.feasible[found], scores.score[found], start)
    assert curve[-1] == pytest.approx(reported.mean(), abs=4 * reported.std() / 200)
    assert curve[0] == pytest.approx(start)
    assert (np.diff(curve) <= 1e-12).all()
    reference = reference_of(objective, Budget(20), [])
    assert reference.exact and reference.regret(curve)[-1] == pytest.approx(1)
    assert reference.regret(np.array([objective.optimum(), np.inf])).tolist() == [
        0,
        reference.ceiling,
    ]


def test_a_front_and_a_run_s_history_are_measured_against_what_is_known_of_them():
    front = Problem("fashion", "valid_error, latency@cpu", name="front", budget=12)
    history = Problem(
        "fashion", "valid_error + 0.1*diversity", name="history", budget=12
    )
    result = run_suite(
        Suite(
            "two", "Two", [front, history], [Entry("random", 2), Entry("evolution", 2)]
        )
    )
    first, second = result.problems
    assert (
        not first.reference.exact and first.reference.optimum == 0 and first.weight == 0
    )
    assert not second.reference.exact
    assert second.weight == 0.1
    assert result.means().iloc[1].min() < 1
    assert second.reference.optimum == min(
        t.score[-1] for traces in second.traces.values() for t in traces
    )
    assert {told["solved"] for told in result.summary["strategies"]} == {None}
    assert not [said for said in result.verdict.sentences if "Another λ" in said]


def test_seconds_are_turned_into_cells_by_the_mean_charge():
    objective = bind(load("fashion"), "valid_loss[5]", None)
    seconds = 20 * objective.look_up(list(objective.benchmark.space))[2].mean()
    scores = objective.over_space()
    assert scores is not None
    start = float(scores.score.mean())
    by_seconds = expected(objective, Budget(seconds=seconds * (1 + 1e-9)), start)
    assert by_seconds[0] == start
    assert (
        by_seconds[[99, -1]].tolist()
        == expected(objective, Budget(20), start)[[9, -1]].tolist()
    )


def test_what_was_given_up_was_not_found():
    runs = np.array([[5.0, 0.0, 0.5, 0.5], [5.0, 0.0, 3.0, 0.0], [5.0, 2.0, 0.0, 0.0]])
    result = made({"p": {"a": runs, "b": steps(1, 1, 1)}})
    (problem,) = result.problems
    assert problem.runtimes("a", 0.0).tolist() == [np.inf, 4, 3] and problem.runtimes(
        "a", 1.0
    ).tolist() == [2, 4, 3]
    assert result.solved == [pytest.approx(2 / 3), 0]


def test_isomorphic_answers_are_one():
    result = made({"p": {"a": steps(*[1.0] * 8), "b": steps(*[1.25] * 8)}})
    (problem,) = result.problems
    assert result.verdict.statement == "most runs"
    alike = {
        name: [replace(trace, answer="one" if trace.run else name) for trace in traces]
        for name, traces in problem.traces.items()
    }
    result = replace(result, problems=[replace(problem, traces=alike)])
    assert result.problems[0].answers("a").tolist() == [1.0, *[1.125] * 7]
    assert result.verdict.leaders == ["a", "b"] and result.verdict.end is not None
    (rival,) = result.verdict.end.rivals
    assert (rival.wins, rival.ties, rival.losses) == (1, 7, 0)


def test_isomorphic_answers_that_cost_differently_are_two():
    space = load("fashion").space
    assert isinstance(space, Enumerable) and space.classes is not None
    alike = np.flatnonzero(space.classes == np.bincount(space.classes).argmax())[
        :2
    ].tolist()

    class One(Strategy):
        def ask(self, n):
            return [space[alike[0]]]

    class Other(Strategy):
        def ask(self, n):
            return [space[alike[1]]]

    for objective, same in (
        ("valid_loss", True),
        ("valid_loss + 0.1*latency@cpu", False),
    ):
        found = compare(
            "fashion", [One, Other], objective, runs=2, budget=1, n_random=0
        ).problem_result
        one, other = (found.answers(name).tolist() for name in ("One", "Other"))
        assert [found.traces[name][0].answer for name in ("One", "Other")][0] and (
            one == other
        ) == same
        assert same or one == found.at("One").tolist()


def test_runtimes_ranks_and_probabilities_by_hand():
    result = made(
        {
            "p": {"a": steps(0, 0, 0.5, 2), "b": steps(1, 1, 1, 1)},
            "q": {"a": steps(1, 1, 1, 1), "b": steps(1, 1, 1, 1)},
        }
    )
    first = result.problems[0]
    assert expected_runtime(first, "a", 0.0) == (3 + 3 + 4 + 4) / 2
    assert expected_runtime(first, "b", 0.0) == float("inf")
    assert first.at("a", 0.5).tolist() == [5, 5, 5, 5] and first.at(
        "a", 0.51
    ).tolist() == [
        0,
        0,
        0.5,
        2,
    ]
    assert result.solved == [0.25, 0]
    assert result.ranks.mean[:, -1].tolist() == [1.25, 1.75] and result.ranks.mean[
        :, 0
    ].tolist() == [1.5, 1.5]
    assert ">a</td>" in result._repr_html_() and "2 strategies on 2 problems" in repr(
        result
    )
    (pair,) = result.pairs
    assert pair["probability"] == (0.75 + 0.5) / 2
    low, high = pair["probability_ci95"]
    assert low <= pair["probability"] <= high
    assert [one["regret_iqm"] for one in result.aggregates] == [0.875, 1]
    assert result.aggregates[0]["regret_mean"] == pytest.approx(6.5 / 8)
    account = result.accounts[0]
    spent = ("runs", "duplicates", "simulated_seconds", "queries")
    assert [account[column] for column in spent] == [8, 8, 16, 0]


BESIDE = """
import surrogate_nas as sn
from surrogate_nas.space import ChoiceSpace

SPACE = ChoiceSpace("many", {{"tens": range(100), "ones": range(20)}})

def loss(cell):
    return 1.0 if cell.index == 0 else 1.0 + {apart} if cell.index == 1 else {largest}

BENCH = sn.Computed(SPACE, {{"valid_loss": loss, "width@mine": lambda _: 2.0}}, cheap=True)

class Mine(sn.Strategy):
    def ask(self, n):
        return [self.space[1]]
"""


@pytest.mark.parametrize(
    ("apart", "largest", "found"), [(1e-10, 2.0, True), (1e-8, 2.0, False)]
)
def test_the_optimum_is_found_within_one_share_of_the_range_of_scores(
    apart, largest, found, tmp_path
):
    """For a suite, a path over λ, a comparison's words and its cards alike."""
    file = tmp_path / "beside.py"
    file.write_text(BESIDE.format(apart=apart, largest=largest))
    bench = f"{file}:BENCH"
    mine = f"{file}:Mine"
    compared = compare(bench, [mine], "valid_loss", runs=2, budget=11)
    (best,) = best_cells(compared, 1)
    assert best.trial.score == 1.0 + apart
    assert (compared.regrets("Mine") <= compared.rounding).all() == found
    marks = card(Study(compared), best).marks
    assert ("the optimum of the space" in " ".join(compared.sentences), marks) == (
        found,
        ["the optimum"] * found,
    )
    path = lambda_path(
        bench,
        [mine],
        "valid_loss + 1*width@mine",
        lambdas=[0.0, 1.0],
        runs=2,
        budget=11,
    )
    assert [told["strategies"][0]["found"] for told in path.to_json()["lambdas"]] == [
        float(found)
    ] * 2
    problems = [Problem(bench, "valid_loss", name="one", budget=11)]
    result = run_suite(Suite("beside", "Beside", problems, [Entry(mine, 2)]))
    assert result.solved == [float(found)]


def test_a_suite_takes_the_options_of_a_run_and_says_so(tmp_path, snas):
    suite = "suite starter --problems fashion --strategies random --runs 1".split()
    suite += ["--out", tmp_path / "s"]
    assert (
        snas(
            *suite,
            *"--hidden --simulated-workers 2 --call-limit 60 --workers 2".split(),
        ).code
        == 0
    )
    described = json.loads(
        (tmp_path / "s/problems/fashion/experiment.json").read_text()
    )
    assert (described["hidden"], described["simulated_workers"]) == (True, 2)
    asked = {"call_limit": 60.0, "simulated_workers": 2, "hidden": True}
    assert stored_suite(tmp_path / "s").suite.options == asked
    page = (tmp_path / "s/report.html").read_text()
    assert "were hidden from all strategies" in page
    assert "2 cells are evaluated in parallel" in page
    refused = snas(*suite)
    assert refused.code == 2
    assert "contains another comparison (simulated_workers 2, now 1)" in refused.err
    wrong = snas(*suite, "--simulated-workers", 0)
    assert wrong.code == 2
    assert (
        "simulated_workers (--simulated-workers) must be a whole number from 1 to"
        in wrong.err
    )


def mine(**more):
    space = sn.EnumerableChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
    functions = {"valid_error": lambda cell: 20.0 + sum(cell.choices)}
    return sn.Computed(space, functions, cheap=True, **more)


def test_a_suite_is_a_list_of_problems_with_objects(tmp_path):
    bench = mine()
    problems = [
        sn.Problem(bench, "valid_error", budget=4, n_random=2),
        sn.Problem(bench, sn.loss("valid_error"), budget=5, n_random=2),
        sn.Problem("fashion", budget=12),
    ]
    strategies = {"pure": "random", "local_search": "local_search"}
    result = sn.run_suite(problems, strategies, runs=2, folder=tmp_path / "out")
    assert [problem.name for problem in result.problems] == ["mlp", "mlp-2", "fashion"]
    assert result.strategies == ["pure", "local_search"]
    with pytest.raises(UserError, match=r"mlp: its benchmark has no name"):
        stored_suite(tmp_path / "out")
    read = stored_suite(tmp_path / "out", benchmark=bench)
    assert read.means().equals(result.means())
    assert read.suite.entries[0].strategy == "pure=random"
    assert "strategy pure" in sn.write_report(read, tmp_path / "page").read_text()
    assert sn.run_suite(problems[2:]).strategies == list(DEFAULTS)


def test_a_problem_of_a_file_is_found_again(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "import surrogate_nas as sn\n"
        'space = sn.EnumerableChoiceSpace("mlp", {"width": (16, 64)})\n'
        'BENCH = sn.Computed(space, {"valid_error": lambda cell: 20.0}, cheap=True)\n'
    )
    problem = sn.Problem(sn.load(f"{file}:BENCH"), budget=2, n_random=1)
    sn.run_suite([problem], ["random"], runs=1, folder=tmp_path / "out")
    with pytest.raises(UserError, match="own.py:BENCH was read from a file"):
        stored_suite(tmp_path / "out")
    read = stored_suite(tmp_path / "out", benchmark=f"{file}:BENCH")
    assert read.problems[0].problem.benchmark == f"{file}:BENCH"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: sn.run_suite([mine()]), "a list of surrogate_nas.Problem, not"),
        (lambda: sn.run_suite(3), "a list of surrogate_nas.Problem, not 3"),
        (lambda: sn.run_suite([]), "problems has no problem"),
        (
            lambda: sn.run_suite([sn.Problem("fashion")], "bo"),
            "strategies must be a list",
        ),
        (lambda: sn.run_suite([sn.Problem("fashion")], runs=0), "number of runs of"),
        (lambda: sn.run_suite([sn.Problem(3)]), "A benchmark must be a name or"),
    ],
)
def test_what_is_no_suite_is_one_line(asked, said):
    with pytest.raises(UserError, match=said):
        asked()
