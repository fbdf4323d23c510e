"""Python and the command line have the same words, defaults and abilities."""

from __future__ import annotations

import inspect
from urllib.error import URLError
from urllib.request import urlopen

import pytest

import surrogate_nas as sn
from surrogate_nas.cli import search, studies
from surrogate_nas.core.errors import UserError
from surrogate_nas.report.live import Server
from surrogate_nas.runs.options import Resources
from surrogate_nas.strategies import DEFAULTS

ASKED = {"runs": 1, "budget": 14}
PLACES = {"bench": "benchmark", "name": "suite", "out": "folder"}
"""What is named otherwise in Python."""
LEFT_OUT = {"json", "with_", "strategy_", "problems", "serve"}
"""``sn.load(with_=)`` joins tables, ``read_suite(…).select(…)`` chooses problems, ``sn.serve``
shows a folder.
"""


@pytest.mark.parametrize(
    ("command", "function"),
    [
        (search.search, sn.search),
        (studies.compare, sn.compare),
        (studies.suite, sn.run_suite),
        (studies.lambda_path, sn.lambda_path),
    ],
)
def test_every_flag_is_a_keyword_with_the_same_default(command, function):
    flags = inspect.signature(command).parameters
    keywords = inspect.signature(function).parameters
    own = flags.keys() - LEFT_OUT - {*Resources.__struct_fields__}
    assert {PLACES.get(name, name) for name in own} <= keywords.keys()
    resources = inspect.signature(sn.Resources).parameters
    for name in flags.keys() - LEFT_OUT:
        keyword = keywords.get(PLACES.get(name, name)) or resources[name]
        given, default = flags[name].default, keyword.default
        if isinstance(default, tuple) and isinstance(given, str):
            given = tuple(map(float, given.split(",")))
        # a strategy, a folder and lists have their default where the command begins
        if given is not None:
            assert given == default or default is inspect.Parameter.empty, name


def test_strategies_may_be_left_out(snas, tmp_path):
    assert sn.compare("fashion", **ASKED).strategies == [*DEFAULTS]
    path = sn.lambda_path("fashion", lambdas=[0.1], **ASKED)
    assert path.strategies == [*DEFAULTS]
    printed = snas("compare --runs 1 --budget 14 --json --out", tmp_path / "c").json
    assert {row["name"] for row in printed["strategies"]} == {*DEFAULTS}


def test_every_strategy_begins_with_the_given_cells(snas, tmp_path):
    begun = {"first": [7, 11], "n_random": 3}
    made = sn.compare("fashion", ["random", "bo"], "valid_loss", **ASKED, **begun)
    command = (
        "compare --strategies random,bo --objective valid_loss --first 7 --first 11"
        " --n-random 3 --runs 1 --budget 14 --out"
    )
    out = tmp_path / "c"
    assert snas(command, out).code == 0
    stored = sn.read(out)
    for run, same in zip(made.runs, stored.runs, strict=True):
        assert [trial.cell.index for trial in run.trials[:2]] == [7, 11]
        assert run.trials[:5] == made.runs[0].trials[:5]
        assert run.trials == same.trials
    path = sn.lambda_path("fashion", ["random"], lambdas=[0.1], **ASKED, **begun)
    (run,) = path.steps[0].runs
    assert [trial.cell.index for trial in run.trials[:2]] == [7, 11]


def test_earlier_results_are_judged_with_a_new_comparison(snas, tmp_path):
    earlier, later = tmp_path / "a", tmp_path / "b"
    sn.compare("fashion", ["random"], folder=earlier, **ASKED)
    in_memory = sn.compare("fashion", ["bo"], against=earlier, **ASKED)
    asked = {"strategies": ["evolution"], "folder": later, **ASKED}
    assert sn.compare("fashion", **asked, against=[later]).strategies == ["evolution"]
    stored = sn.compare("fashion", ["bo"], folder=later, against=[earlier], **ASKED)
    assert in_memory.strategies == ["bo", "random"]
    assert stored.strategies == ["evolution", "bo", "random"]
    command = "compare fashion --strategies bo --runs 1 --budget 14 --json --out"
    printed = snas(command, later, "--against", earlier).json
    assert {row["name"] for row in printed["strategies"]} == {*stored.strategies}
    for wrong in (tmp_path / "none", 3, [4]):
        with pytest.raises(
            UserError, match="archive|against must be a list of folders"
        ):
            sn.compare("fashion", ["bo"], against=wrong, **ASKED)


def test_suites_are_blinded_begun_and_joined(tmp_path):
    problems = sn.Suite(
        "mine",
        "",
        [sn.Problem("fashion", name="one", budget=12)],
        [sn.Entry("random", 1)],
    )
    made = sn.run_suite(problems, folder=tmp_path / "a", n_random=2, seed=4, blind=True)
    assert made.strategies == ["random", "blind:random"]
    assert (made.suite.seed, made.suite.problems[0].n_random) == (4, 2)
    other = problems.entered(["evolution"])
    asked = {"n_random": 2, "seed": 4, "against": tmp_path / "a"}
    joined = sn.run_suite(other, folder=tmp_path / "b", **asked)
    assert joined.strategies == ["evolution", "random", "blind:random"]
    with pytest.raises(UserError, match="against requires a stored suite"):
        sn.run_suite(other, **asked)


def test_rivals_and_the_page_are_asked_for_by_keywords(tmp_path, capsys):
    made = sn.compare("fashion", {"r": "random"}, blind=True, **ASKED)
    assert made.strategies == ["r", "blind:r"]
    with pytest.raises(UserError, match="adds baselines to external optimisers"):
        sn.compare("fashion", ["random"], controls=True, **ASKED)
    with sn.serve(tmp_path / "new", port=0) as address:
        sn.compare("fashion", ["random"], folder=tmp_path / "new", **ASKED)
        assert b"1 of 1 runs done" in urlopen(address).read()
    assert f"Watch the progress: {address}" in capsys.readouterr().err
    with pytest.raises(URLError):
        urlopen(address)
    with (
        Server(tmp_path, 0) as other,
        pytest.raises(UserError, match="cannot be opened"),
    ):
        sn.serve(tmp_path, port=other.server_port).__enter__()
    for wrong in (3, "/dev/null/x"):
        with pytest.raises(
            UserError, match="folder must be a|Cannot write /dev/null/x"
        ):
            sn.serve(wrong).__enter__()
