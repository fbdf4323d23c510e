"""Programs outside beside their controls: what is added, and what the verdict says of each."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.results.verdict import controlled
from surrogate_nas.space import nb201
from surrogate_nas.strategies import controls_of, strategy_entry, with_controls
from tests import examples_talker

ASKED = "valid_loss + 0.1*params"
NAME = "external(command='./propose')"
ALONE = "external(command='./propose',history=False)"


def test_each_program_has_three_controls_and_others_one():
    assert list(controls_of(NAME)) == [f"blind:{NAME}", ALONE, "random_mutation"]
    assert list(controls_of("bo")) == ["blind:bo"]
    assert controls_of(ALONE) == controls_of(f"blind:{NAME}") == {}
    for label in (NAME, *controls_of(NAME)):
        assert strategy_entry(label).label == label


def test_they_are_added_once_and_only_to_programs():
    def labels(strategies):
        return [entry.label for entry in with_controls(strategies, nb201())]

    entered = labels(["random", NAME, "random_mutation"])
    assert entered == ["random", NAME, "random_mutation", f"blind:{NAME}", ALONE]
    assert labels([NAME.replace(",", ", ")])[1:] == list(controls_of(NAME))
    with pytest.raises(UserError, match="adds baselines to external optimisers"):
        with_controls(["random", "bo"], nb201())


def ends(runs, **means):
    rng = np.random.default_rng(0)
    names = {
        "it": NAME,
        "blind": f"blind:{NAME}",
        "alone": ALONE,
        "mutation": "random_mutation",
    }
    return {names[one]: [mean + 0.1 * rng.random(runs)] for one, mean in means.items()}


def test_the_verdict_tells_it_from_each_and_corrects_for_their_number():
    made = ends(10, it=0.0, blind=0.0, alone=0.5, mutation=-0.5)
    blind, alone, mutation = controlled(made)
    assert (alone["better"], alone["worse"]) == (10, 0) and (
        mutation["better"],
        mutation["worse"],
    ) == (0, 10)
    assert alone["p"] == mutation["p"] == pytest.approx(3 * 2**-9)
    assert blind["p"] > 0.05
    (alone,) = controlled({name: made[name] for name in (NAME, ALONE)})
    assert alone["p"] == pytest.approx(2**-9)
    assert controlled({name: made[name] for name in (ALONE, "random_mutation")}) == []


def test_a_program_like_its_controls_is_told_from_none_in_95_of_100_studies():
    """Runs of one number share half of their variance, and a third of all pairs tie."""
    rng = np.random.default_rng(0)
    names = [NAME, *controls_of(NAME)]
    told = 0
    for _ in range(1000):
        runs = np.maximum(rng.normal(size=(len(names), 12)) + rng.normal(size=12), -0.5)
        pairs = controlled({name: [runs[place]] for place, name in enumerate(names)})
        told += min(pair["p"] for pair in pairs) <= 0.05
    assert 10 <= told <= 50


def test_random_mutation_stays_among_valid_cells_and_reads_no_score():
    first, again = (
        sn.search("fashion", "random_mutation", objective, budget=60, run=3)
        for objective in (ASKED, "valid_error")
    )
    cells = [trial.cell for trial in first.trials]
    assert cells == [trial.cell for trial in again.trials]
    assert len(set(cells)) == 60
    near = {one for cell in cells for one in nb201().neighbours(cell)}
    assert set(cells[10:]) <= near
    assert cells[:10] == [
        t.cell for t in sn.search("fashion", "random", ASKED, run=3).trials[:10]
    ]


def test_a_comparison_with_controls_says_so(tmp_path, snas, monkeypatch):
    monkeypatch.chdir(Path(examples_talker.__file__).parent)
    monkeypatch.setenv(
        "PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    name = "external(command='python examples_talker.py draw')"
    asked = ["--objective", ASKED, *"--runs 2 --budget 12 --strategies".split(), name]
    told = snas(
        "compare fashion", *asked, "--controls", "--json", "--out", tmp_path
    ).json
    assert [one["name"] for one in told["strategies"]] == [name, *controls_of(name)]
    assert [one["control"] for one in told["verdict"]["blinded"]] == [f"blind:{name}"]
    assert [one["control"] for one in told["verdict"]["controls"]] == list(
        controls_of(name)
    )[1:]
    said = (tmp_path / "verdict.txt").read_text()
    assert "against its control (no history, the best of as many cells)" in said
    assert "against its control (random mutation without selection)" in said
    assert said.count("no significant difference") == 2
