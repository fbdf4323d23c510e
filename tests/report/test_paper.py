"""The export of a paper: no wrong entry, every text of a user escaped, every paper with one key."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.report.export.paper import write_paper
from surrogate_nas.report.reading import results_of
from surrogate_nas.results.api import compare, read_comparison, run_suite
from surrogate_nas.results.comparison import Comparison
from surrogate_nas.results.suite import escaped
from surrogate_nas.runs.problem import Entry, Problem, Suite
from tests.outcomes import balanced

OWN = """
from surrogate_nas import Strategy

class Mine(Strategy):
    def __init__(self, space, *, seed, note=""):
        super().__init__(space, seed=seed)

    def ask(self, n):
        return [self.space.sample(self.rng)]
"""
HOSTILE = "Mine(note='&%$#_{}~^|<>[x]`*\"--@article{a, 字 λ')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Random search, two variants of evolution, and a strategy of a file."""
    place = tmp_path_factory.mktemp("paper")
    file = place / "mine.py"
    file.write_text(OWN)
    strategies = ["random", "evolution", "evolution(population=5)", f"{file}:Mine"]
    compare(
        "fashion",
        strategies,
        "valid_loss + 0.1*params",
        runs=2,
        budget=12,
        folder=place / "own",
    )
    return place / "own"


@pytest.fixture(scope="module")
def made(folder):
    result = results_of(folder)
    assert isinstance(result, Comparison)
    return result


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    place = tmp_path_factory.mktemp("paper") / "suite"
    problems = [
        Problem("fashion", name="plain", budget=12),
        Problem("analog-cifar10", name="other", budget=15),
    ]
    run_suite(Suite("two", "Two", problems, [Entry("local_search", 2)]), folder=place)
    return place


def test_a_comparison_is_written_and_the_command_says_how_to_compile(
    snas, folder, tmp_path
):
    out = tmp_path / "out"
    outcome = snas("export", "paper", folder, "--out", out, "--json")
    assert outcome.code == 0 and str(out / "paper.tex") in outcome.err
    assert read_comparison(folder).missing == 0
    files = {Path(file).name: Path(file) for file in outcome.json["files"]}
    assert files["paper.tex"] == out / "paper.tex"
    texts = {
        name: files[name].read_text() for name in files if files[name].suffix != ".pdf"
    }
    assert balanced(texts["results.tex"]) and balanced(texts["data.tex"])
    keys = re.findall(r"@misc\{(\S+),", texts["references.bib"])
    cited = set()
    for name, text in texts.items():
        if name.endswith(".tex"):
            for group in re.findall(r"\\cite\{([^}]+)\}", text):
                cited |= {*group.split(",")}
    assert cited == set(keys) and len(keys) == len(set(keys)) > 3
    assert "% No paper is recorded for Mine." in texts["references.bib"]
    assert "a recorded paper: Mine." in texts["data.tex"]
    assert "MIT licence" in texts["data.tex"] and "zalandoresearch" in texts["data.tex"]
    for named in re.findall(
        r"\\(?:input|includegraphics\S*?)\{([^}]+)\}", texts["results.tex"]
    ):
        assert (out / named).is_file(), named
    if (pdflatex := shutil.which("pdflatex")) is not None:
        command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "paper"]
        made = subprocess.run(
            command, cwd=out, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stdout[-2000:]


def test_a_suite_is_written_with_its_tables(suite, tmp_path):
    files = {file.name: file for file in write_paper(suite, tmp_path)}
    results = files["results.tex"].read_text()
    assert r"\input{tables/regret.tex}" in results and balanced(results)
    assert "plain: Minimised: " in results
    assert "analog" in files["data.tex"].read_text()


def test_texts_of_users_stay_texts(made, tmp_path):
    runs = [
        replace(run, strategy=HOSTILE) for run in made.runs if run.strategy == "Mine"
    ]
    description = made.description | {
        "strategies": [HOSTILE],
        "sources": {HOSTILE: {"my file$.py": "0"}},
        "versions": {HOSTILE: 2},
    }
    files = {
        file.name: file.read_text()
        for file in write_paper(Comparison(made.objective, description, runs), tmp_path)
        if file.suffix in (".tex", ".bib")
    }
    assert all(balanced(files[name]) for name in files if name.endswith(".tex"))
    assert escaped(HOSTILE) in files["data.tex"] and "U+5B57" in escaped(HOSTILE)
    assert HOSTILE not in "".join(files.values())
    assert "@article" not in files["references.bib"]


def test_nothing_begun_is_one_clear_line(made, tmp_path):
    with pytest.raises(UserError, match="no finished run"):
        write_paper(replace(made, runs=[]), tmp_path)
    assert not list(tmp_path.iterdir())
