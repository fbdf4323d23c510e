"""``snas fit``: what it recommends runs, and what it cannot do is one line."""

import shlex

import pytest

OWN = """
import numpy as np
from surrogate_nas.surrogates import Prediction, Model

class Mean(Model):
    name = "mean"
    def _learn(self, cells, target): self.mean = target.mean()
    def _predict(self, cells): return Prediction(np.full(len(cells), self.mean), np.ones(len(cells)))
"""  # noqa: E501


@pytest.mark.parametrize("target", ["valid_error", "latency@thing"])
def test_the_recommended_command_runs(snas, small, tmp_path, target):
    asked = f"fit {small.path} --target {target} --train 30 --model ridge --out {tmp_path}/m.h5"
    made = snas(*asked.split())
    assert made.code == 0
    advised = shlex.split(" ".join(made.err.split(" or snas ")[1].split()))
    assert ("--with" in advised) == (target != "valid_error")
    advised = ["fashion" if word == "BENCH" else word for word in advised]
    asked = f"--strategies random --runs 1 --budget 5 --out {tmp_path}/out"
    ran = snas(*advised, *asked.split())
    assert ran.code == 0, ran.err


def test_a_model_of_one_s_own_is_tested_but_not_stored(snas, small, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    asked = [
        "--target",
        "valid_error",
        "--train",
        30,
        "--model",
        f"{tmp_path / 'own.py'}:Mean",
    ]
    made = snas("fit", small.path, *asked, "--out", tmp_path / "m.h5", "--json")
    assert made.code == 0 and made.json["file"] is None and made.json["n_test"] == 15595
    assert "not stored" in made.err and not (tmp_path / "m.h5").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--train", 15626],
            "15626 training cells are not possible: 15625 cells have a value",
        ),
        (["--train", 1], "at least 2 are needed"),
        (["--train", -5], "must be a whole number of at least 0, not -5"),
        (["--train", 30, "--split", "odd"], "random or grouped, not 'odd'"),
        (["--train", 30, "--seed", -1], "at least 0, not -1"),
        (["--train", 30, "--seed", 2**70], "whole number of at least 0"),
        (["--train", 30, "--model", "rigde"], "Did you mean 'ridge'"),
        (
            ["--train", 30, "--known", "thing"],
            "Unknown setting of the model ridge 'known'",
        ),
        (["--train", 30, "--epochs", 5], "not 5"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(snas, small, tmp_path, arguments, says):
    given = ["--model", "ridge"] if "--model" not in arguments else []
    ended = snas(
        "fit",
        small.path,
        "--target",
        "valid_error",
        *given,
        *arguments,
        "--out",
        tmp_path / "m.h5",
    )
    assert (
        ended.code == 2
        and says in " ".join(ended.err.split())
        and "Traceback" not in ended.err
    )
    assert not (tmp_path / "m.h5").exists()
