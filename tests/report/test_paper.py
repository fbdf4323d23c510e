"""What a paper says of its experiments: no wrong entry, every text of a user's escaped, every paper
with one key.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.report import checklists
from surrogate_nas.report.checklists import UNKNOWN, Facts, Item, best_practices, neurips
from surrogate_nas.report.export.paper import markdown, write_paper
from surrogate_nas.report.reading import results_of
from surrogate_nas.study.api import compare, read_comparison, run_suite
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.problem import Entry, Problem, Suite
from surrogate_nas.study.recorded import recorded_objective
from surrogate_nas.study.tables import escaped
from tests.conftest import Snas
from tests.results import balanced

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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random search, two variants of evolution, and a strategy of a file."""
    place = tmp_path_factory.mktemp("paper")
    file = place / "mine.py"
    file.write_text(OWN)
    strategies = ["random", "evolution", "evolution(population=5)", f"{file}:Mine"]
    compare(
        "fashion", strategies, "valid_loss + 0.1*params", runs=2, budget=12, folder=place / "own"
    )
    return place / "own"


@pytest.fixture(scope="module")
def made(folder: Path) -> Comparison:
    result = results_of(folder)
    assert isinstance(result, Comparison)
    return result


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("paper") / "suite"
    problems = [
        Problem("plain", "fashion", cells=12),
        Problem("other", "analog-cifar10", cells=15),
    ]
    run_suite(Suite("two", "Two", problems, [Entry("local_search", 2)]), place)
    return place


def answers(facts: Facts) -> dict[str, Item]:
    return {item.title: item for item in (*best_practices(facts), *neurips(facts))}


def test_the_lists_have_their_numbers(made: Comparison) -> None:
    facts = Facts(made)
    assert [item.number for item in best_practices(facts)] == [*range(1, 15)]
    assert [item.number for item in neurips(facts)] == [*range(1, 17)]


def test_answers_are_those_of_the_folder(made: Comparison) -> None:
    told = {title: item.answer for title, item in answers(Facts(made)).items()}
    assert told["Random baselines"].says == "Yes"
    assert told["Several runs"].says == "Yes" and "2 of each strategy" in told["Several runs"].why
    assert "12 evaluations" in told["Same protocol"].why
    assert "test_error, test_loss" in told["Same protocol"].why
    assert told["Ablation"].says == "In part"
    assert "evolution and evolution(population=5)" in told["Ablation"].why
    assert told["Method code"].says == "In part" and "Mine: mine.py" in told["Method code"].why
    assert "evolution(population=5)" in told["Tuning"].why and "Mine 1" in told["Tuning"].why
    assert told["Tabular or surrogate"].says == "Yes"
    assert told["Language models"].says == told["Ethics"].says == UNKNOWN
    n = sum(len(run.trials) for run in made.runs)
    assert f"{len(made.runs)} runs, {n} evaluations" in told["Compute"].why
    for part in ("python", "numpy", "platform"):
        assert str(made.description["provenance"][part]) in told["Details"].why


@pytest.mark.parametrize("which", ["folder", "suite"])
def test_every_place_is_in_the_folder(which: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(which)
    n = 0
    for item in answers(Facts(results_of(folder))).values():
        for place in filter(None, item.answer.where.split("; ")):
            pattern, _, fields = place.partition(": ")
            (file, *_) = folder.glob(pattern)
            n += 1
            if file.name == "experiment.json":
                held = json.loads(file.read_text())
                for field in filter(None, fields.split(", ")):
                    name, _, part = field.partition(".")
                    assert held[name] is not None and (not part or part in held[name]), field
    assert n > 20


def test_answers_change_with_what_was_run(made: Comparison) -> None:
    one = [run for run in made.runs if run.run == 0 and run.strategy.startswith("evolution")]
    names = list(dict.fromkeys(run.strategy for run in one))
    description = {
        name: value for name, value in made.description.items() if name not in ("reference",)
    } | {"strategies": names, "runs": 1, "hidden": True}
    newer = description["provenance"] | {"numpy": "0.1"}
    description["extensions"] = [{"provenance": newer}]
    told = answers(Facts(Comparison(made.objective, description, one)))
    assert told["Random baselines"].answer.says == "No"
    assert told["Several runs"].answer.says == told["Significance"].answer.says == "No"
    assert told["Method code"].answer.says == "Yes"
    assert "withheld too: params" in told["Same protocol"].answer.why
    assert "which version made which run" in told["Reproducibility"].answer.why
    assert "2 sets of versions" in told["Confounders"].answer.why
    assert "0.1" in told["Details"].answer.why
    assert told["Language models"].answer.says == "Does not apply"
    assert not any(item.answer.where for item in told.values()), "nothing is stored"


def test_a_program_and_a_library_are_not_of_this_package(made: Comparison) -> None:
    labels = ["external(command='ask')", "optuna:TPESampler", "random"]
    runs = [replace(made.runs_of("random")[0], strategy=label) for label in labels]
    description = {**made.description, "strategies": labels, "sources": {}, "versions": {}}
    told = answers(Facts(Comparison(made.objective, description, runs)))
    code = told["Method code"].answer
    assert code.says == "In part" and "random: part of surrogate_nas" in code.why
    assert "optuna:TPESampler: of other libraries" in code.why
    assert "external(command='ask'): of code that is not in this folder" in code.why
    assert told["Code as it is"].answer.says == told["Language models"].answer.says == UNKNOWN
    assert "Whether external(command='ask') asks" in told["Language models"].answer.why
    assert told["Reproducibility"].answer.says == "In part"


def test_unequal_budgets_and_missing_runs_are_told(made: Comparison) -> None:
    first, *others = made.runs
    short = replace(made, runs=[replace(first, budget_cells=5), *others[:-1]])
    protocol = answers(Facts(short))["Same protocol"].answer
    assert protocol.says == "In part"
    assert "another budget" in protocol.why and "Not there yet: 1 run." in protocol.why


@pytest.mark.parametrize(
    ("origin", "code", "tabular"),
    [
        ("surrogate", "Does not apply", "Yes"),
        ("live", "In part", "No"),
        ("own", UNKNOWN, UNKNOWN),
    ],
)
def test_what_trained_is_told(
    made: Comparison, monkeypatch: pytest.MonkeyPatch, origin: str, code: str, tabular: str
) -> None:
    monkeypatch.setattr(checklists, "_origin", lambda _: origin)
    told = answers(Facts(made))
    assert told["Training code"].answer.says == code
    assert told["Tabular or surrogate"].answer.says == tabular
    assert ("training code" in told["Reproducibility"].answer.why) == (origin == "own")


def test_of_a_table_that_is_not_here_no_more_is_said(made: Comparison, tmp_path: Path) -> None:
    absent = UserError("It is not here.")
    objective = recorded_objective(made.description, made.objective.benchmark, absent)
    away = replace(made, objective=objective)
    told = answers(Facts(away))
    assert told["Training code"].answer.says == told["Tabular or surrogate"].answer.says == UNKNOWN
    assert "test_error, test_loss" in told["Same protocol"].answer.why
    assert told["Licences"].answer.says == "In part"
    files = {file.name: file for file in write_paper(away, tmp_path)}
    assert "Licence: not known from this folder." in files["data.md"].read_text()


def test_problems_with_other_final_metrics_are_told_apart(suite: Path) -> None:
    told = answers(Facts(results_of(suite)))["Same protocol"].answer.why
    assert "plain: test_error, test_loss; other: none." in told


def test_a_comparison_is_written_in_both_forms(folder: Path, tmp_path: Path) -> None:
    files = {file.name: file for file in write_paper(folder, tmp_path)}
    texts = {name: files[name].read_text() for name in files if files[name].suffix != ".pdf"}
    for name in ("results", "data", "checklists"):
        assert balanced(texts[f"{name}.tex"]), name
        assert texts[f"{name}.md"].startswith("# ")
    keys = re.findall(r"@misc\{(\S+),", texts["references.bib"])
    cited = set()
    for name, text in texts.items():
        if name.endswith(".tex"):
            for group in re.findall(r"\\cite\{([^}]+)\}", text):
                cited |= {*group.split(",")}
    assert cited == set(keys) and len(keys) == len(set(keys)) > 3
    assert set(re.findall(r"@([a-z]\w+)[;\]]", texts["data.md"])) <= set(keys)
    assert "% No paper is known here of Mine." in texts["references.bib"]
    assert "that is known here: Mine." in texts["data.tex"]
    assert "MIT licence" in texts["data.tex"] and "zalandoresearch" in texts["data.md"]
    for named in re.findall(r"\\(?:input|includegraphics\S*?)\{([^}]+)\}", texts["results.tex"]):
        assert (tmp_path / named).is_file(), named
    if (pdflatex := shutil.which("pdflatex")) is not None:
        command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "paper"]
        made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout[-2000:]


def test_a_suite_is_written_with_its_tables(suite: Path, tmp_path: Path) -> None:
    files = {file.name: file for file in write_paper(suite, tmp_path)}
    results = files["results.tex"].read_text()
    assert r"\input{tables/regret.tex}" in results and balanced(results)
    assert "plain: Minimised: " in files["results.md"].read_text()
    assert "analog" in files["data.md"].read_text()


def test_texts_of_users_stay_texts(made: Comparison, tmp_path: Path) -> None:
    runs = [replace(run, strategy=HOSTILE) for run in made.runs if run.strategy == "Mine"]
    description = made.description | {
        "strategies": [HOSTILE],
        "sources": {HOSTILE: {"my file$.py": "0"}},
        "versions": {HOSTILE: 2},
    }
    files = {
        file.name: file.read_text()
        for file in write_paper(Comparison(made.objective, description, runs), tmp_path)
        if file.suffix in (".tex", ".md", ".bib")
    }
    assert all(balanced(files[name]) for name in files if name.endswith(".tex"))
    assert escaped(HOSTILE) in files["checklists.tex"] and "U+5B57" in escaped(HOSTILE)
    assert markdown(HOSTILE) in files["checklists.md"]
    assert r"\_\{\}\~" in markdown(HOSTILE) and r"\<\>\[x\]\`\*" in markdown(HOSTILE)
    assert HOSTILE not in "".join(files.values())
    assert "@article" not in files["references.bib"]


def test_nothing_begun_is_one_clear_line(made: Comparison, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished run"):
        write_paper(replace(made, runs=[]), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_is_left(snas: Snas, folder: Path, tmp_path: Path) -> None:
    outcome = snas("export", "paper", folder, "--out", tmp_path / "out", "--json")
    assert outcome.code == 0 and str(tmp_path / "out" / "checklists.md") in outcome.err
    assert read_comparison(folder).missing == 0
    assert str(tmp_path / "out" / "paper.tex") in json.loads(outcome.out)["files"]
