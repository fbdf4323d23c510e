"""Strategies behind a disguise: those that read no names search as before, and those that do are
found out.
"""

import json
import sys

import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.results.api import read_comparison
from surrogate_nas.runs.sandbox import Blinded, BlindFreeTerms, _Names, sandboxed
from surrogate_nas.space import nb201
from surrogate_nas.space.blind import blind
from surrogate_nas.strategies import strategy_entry

ASKED = "valid_loss + 0.1*params"
NAMES = ("random", "evolution", "local_search", "guided", "successive_halving")


@pytest.mark.parametrize("name", NAMES)
def test_a_search_that_reads_no_names_goes_the_same_way(name):
    for limit in (None, "params <= 30000"):
        plain, hidden = (
            sn.search("fashion", each, ASKED, subject_to=limit, budget=25)
            for each in (name, f"blind:{name}")
        )
        assert [trial.cell for trial in plain.trials] == [
            trial.cell for trial in hidden.trials
        ]
        assert (
            plain.scores.tolist() == hidden.scores.tolist()
            and hidden.strategy == f"blind:{name}"
        )


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("zero_cost", marks=pytest.mark.slow),
        *("bo", "nsga2", "bohb", "reinforce", "hyperband", "optuna:TPESampler"),
    ],
)
def test_every_kind_of_strategy_runs_blinded(name):
    run = sn.search("fashion", f"blind:{name}", ASKED, budget=14)
    assert not run.failure and {trial.cell.text[0] for trial in run.trials} == {"|"}


def test_metrics_that_are_observed_have_other_names_too():
    text = "valid_error + 0.1*train_loss subject to train_error <= 40"
    objective = sn.Objective(text, sn.load("fashion"))
    names = _Names()
    hidden = BlindFreeTerms(objective.free, blind(nb201(), 1), names)
    (observed,) = hidden.observed
    (limit,) = observed.limits
    assert observed.name == limit.name == names.hide("train_error[5]") == "m1[5]"
    run = sn.search("fashion", "blind:bo", objective, budget=14)
    assert not run.failure and len(run.trials) == 14


def test_several_objectives_and_user_code_run_blinded(tmp_path):
    file = tmp_path / "own.py"
    kind = "RegularisedEvolution"
    file.write_text(
        f"from surrogate_nas.strategies.evolution import {kind}\nclass Own({kind}): pass\n"
    )
    front = sn.search("fashion", "blind:nsga2", "valid_loss, params", budget=30)
    assert len(front.trials) == 30 and len(front.trials[0].scores) == 2
    own, ours = (
        sn.search("fashion", name, ASKED, budget=30)
        for name in (f"blind:{file}:Own", "blind:evolution")
    )
    assert own.strategy == "blind:Own" and own.scores.tolist() == ours.scores.tolist()


def test_an_external_program_reads_no_name(tmp_path):
    proposer = tmp_path / "listen.py"
    heard = tmp_path / "heard.txt"
    proposer.write_text(
        f"import json, random, sys\nfor line in sys.stdin:\n    open({str(heard)!r},"
        " 'a').write(line)\n    said = json.loads(line)\n    if 'space' in said: space ="
        " said['space']\n    if 'ask' in said:\n        chosen = ',"
        " '.join(f'{p}={random.choice(o)}' for p, o in space['positions'].items())\n       "
        " print(json.dumps({'evaluate': [f\"{space['name']}({chosen})\"]}), flush=True)\n"
    )
    command = f"external(command={f'{sys.executable} {proposer}'!r})"
    run = sn.search(
        "fashion", f"blind:{command}", f"{ASKED} + 0.1*latency@cpu", budget=20
    )
    assert not run.failure and len(run.trials) == 20
    told = heard.read_text()
    words = (
        "conv pool skip none edge nb201 fashion valid loss[ params latency cpu".split()
    )
    assert [word for word in words if word in told] == []
    trials = [
        trial
        for line in told.splitlines()
        for trial in json.loads(line).get("tell", ())
    ]
    assert (
        len(trials) >= 19
        and [trial["score"] for trial in trials] == run.scores.tolist()[: len(trials)]
    )
    assert sorted(trials[0]["values"].values()) == sorted(run.trials[0].values.values())


def test_a_strategy_that_has_read_the_benchmark_is_found_out(tmp_path, snas):
    scores = sn.Objective(ASKED, sn.load("fashion")).over_space()
    assert scores is not None
    best = sn.load("fashion").space[int(scores.score.argmin())]
    file = tmp_path / "read.py"
    file.write_text(
        "import surrogate_nas as sn\n"
        "class Read(sn.Strategy):\n"
        "    def ask(self, n):\n"
        "        try:\n"
        f"            return [self.space.parse({str(best)!r})]\n"
        "        except sn.UserError:\n"
        "            return [self.space.sample(self.rng)]\n"
    )
    asked = ["--objective", ASKED, "--runs", 14, "--budget", 13]
    asked += ["--strategies", f"{file}:Read,random"]
    told = snas(
        "compare", "fashion", *asked, "--blind", "--json", "--out", tmp_path / "out"
    ).json
    assert [one["name"] for one in told["strategies"]] == [
        "Read",
        "blind:Read",
        "random",
        "blind:random",
    ]
    read, random = told["verdict"]["blinded"]
    assert (
        read["name"] == "Read"
        and read["better"] >= 9
        and read["worse"] == 0
        and read["p"] < 0.05
    )
    assert (random["better"], random["ties"], random["worse"], random["p"]) == (
        0,
        14,
        0,
        1,
    )
    said = " ".join(read_comparison(tmp_path / "out").sentences)
    assert "part of its success comes from reading names" in said
    assert "random against itself with hidden names" in said


def test_only_its_prefix_blinds_a_strategy():
    for name in (" evolution", " blind:evolution"):
        made = sandboxed(
            strategy_entry(name), sn.load("fashion").space, seed=0, limit=60
        )
        assert isinstance(made, Blinded) == ("blind" in name)


def test_what_cannot_be_blinded_is_refused():
    for name, said in (
        ("blind:darts", "cannot be blinded"),
        ("blind:nothing", "Unknown strategy 'nothing'"),
    ):
        with pytest.raises(UserError, match=said):
            sn.search("fashion", name, ASKED, budget=5)
