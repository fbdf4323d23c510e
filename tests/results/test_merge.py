"""What several folders hold of one problem, judged as if it had been made at once."""

import json

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.results.api import compare, read_comparison, run_suite, stored_suite
from surrogate_nas.runs.problem import Entry, Problem, Suite
from tests.conftest import assert_one_clear_line

ASKED = "valid_loss + 0.1*params"


def test_two_folders_are_judged_as_one_comparison(tmp_path):
    early = tmp_path / "early"
    late = tmp_path / "late"
    compare("fashion", ["random", "evolution"], ASKED, runs=7, budget=40, folder=early)
    compare(
        "fashion", ["local_search", "random"], ASKED, runs=8, budget=40, folder=late
    )
    at_once = compare(
        "fashion", ["random", "evolution", "local_search"], ASKED, runs=8, budget=40
    )
    beside = read_comparison(late, against=[early])
    assert beside.strategies == ["local_search", "random", "evolution"]
    assert [len(beside.runs_of(name)) for name in beside.strategies] == [8, 8, 7]
    for name in beside.strategies:
        assert (
            beside.scores(name).tolist()
            == at_once.scores(name).tolist()[: len(beside.runs_of(name))]
        )
    sevens = compare(
        "fashion", ["local_search", "random", "evolution"], ASKED, runs=7, budget=40
    )
    assert beside.verdict.end is not None and sevens.verdict.end is not None
    assert beside.verdict.end.rivals == sevens.verdict.end.rivals, (
        "runs that one strategy lacks pair with none"
    )


def test_a_strategy_that_did_something_else_has_its_folder_behind_it(tmp_path):
    file = tmp_path / "own.py"
    code = "from surrogate_nas.strategies.{} import {}\n\n\nclass Own({}):\n    pass\n"
    for name, classed in (
        ("random", "RandomSearch"),
        ("evolution", "RegularisedEvolution"),
    ):
        file.write_text(code.format(name, classed, classed))
        compare(
            "fashion", [f"{file}:Own"], ASKED, runs=2, budget=30, folder=tmp_path / name
        )
    found = read_comparison(tmp_path / "random", against=[tmp_path / "evolution"])
    assert found.strategies == ["Own of random", "Own of evolution"]
    assert (
        found.scores("Own of random").tolist()
        == compare("fashion", ["random"], ASKED, runs=2, budget=30)
        .scores("random")
        .tolist()
    )


@pytest.mark.parametrize(
    ("objective", "options", "said"),
    [
        ("valid_loss + 0.2*params", {}, "is another objective than"),
        (ASKED, {"budget": 30}, "budget 30 cells, the other with 20 cells"),
        (ASKED, {"seed": 3}, "seed 3, the other with 0"),
        (ASKED, {"n_random": 4}, "first cells 4, the other with 10"),
    ],
)
def test_another_question_is_refused(objective, options, said, tmp_path):
    compare("fashion", ["random"], ASKED, runs=1, budget=20, folder=tmp_path / "a")
    compare(
        "fashion",
        ["random"],
        objective,
        runs=1,
        **{"budget": 20} | options,
        folder=tmp_path / "b",
    )
    with pytest.raises(UserError, match="cannot be merged with") as refused:
        read_comparison(tmp_path / "a", against=[tmp_path / "b"])
    assert said in str(refused.value)


def test_suites_are_judged_on_the_problems_that_both_hold(tmp_path):
    problems = [
        Problem("fashion", f"valid_loss + {w}*params", name=f"w{w}", budget=25)
        for w in (0.1, 0.3, 0.5)
    ]
    one = Suite("one", "One", problems[:2], [Entry("random", 3), Entry("evolution", 3)])
    other = Suite(
        "other", "Other", problems[1:], [Entry("random", 2), Entry("local_search", 2)]
    )
    run_suite(one, folder=tmp_path / "one")
    run_suite(other, folder=tmp_path / "other")
    result = stored_suite(tmp_path / "one", against=[tmp_path / "other"])
    assert [p.name for p in result.problems] == ["w0.3"]
    assert {account["strategy"]: account["runs"] for account in result.accounts} == {
        "random": 3,
        "evolution": 3,
        "local_search": 2,
    }
    run_suite(
        Suite("third", "Third", [problems[2]], [Entry("random", 2)]),
        folder=tmp_path / "third",
    )
    with pytest.raises(UserError, match="have no problem in common"):
        stored_suite(tmp_path / "one", against=[tmp_path / "third"])


def test_a_report_against_another_folder_runs_nothing(tmp_path, snas):
    asked = ["--objective", ASKED, *"--runs 6 --budget 25 --json".split()]
    snas("compare fashion --strategies random", *asked, "--out", tmp_path / "a")
    out = tmp_path / "b"
    snas("compare fashion --strategies evolution", *asked, "--out", out)
    against = ["--against", tmp_path / "a", "--json"]
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    both = snas("report", out, *against).json
    assert kept == {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    assert [told["name"] for told in both["strategies"]] == ["evolution", "random"]
    with_a = snas(
        "compare fashion --strategies evolution", *asked, "--out", out, *against
    )
    assert both["verdict"] == with_a.json["verdict"]
    stored = json.loads((out / "summary.json").read_text())
    assert stored["verdict"] == both["verdict"]
    assert "random" in (out / "report.html").read_text()


def test_a_folder_of_nothing_is_one_line(tmp_path, snas):
    snas(
        "compare fashion --strategies random --runs 1 --budget 20 --out", tmp_path / "a"
    )
    (tmp_path / "empty").mkdir()
    refused = snas("report", tmp_path / "a", "--against", tmp_path / "empty")
    assert_one_clear_line(refused, "contains no comparison")
