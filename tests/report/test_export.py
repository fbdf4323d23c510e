"""Exports: what other people's tools open holds what the comparison says, whole, the same twice,
and unfinished too.
"""

import json
import re
import sys
from collections import Counter
from functools import cache, partial
from pathlib import Path
from xml.etree import ElementTree

import optuna
import pandas as pd
import pytest

import surrogate_nas as sn
from surrogate_nas.report.export import EXPORTS
from surrogate_nas.report.export.latex import escaped, write_latex
from surrogate_nas.report.reading import results_of
from surrogate_nas.results.api import compare, read_comparison, run_suite, stored_suite
from surrogate_nas.results.comparison import Comparison
from surrogate_nas.results.lambda_path import lambda_path, read_lambda_path
from surrogate_nas.runs.problem import Entry, Problem, Suite
from tests.outcomes import balanced

TOP = Path(__file__).parents[2]
BUDGET = 24
RUNS = 3
read_csv = partial(pd.read_csv, float_precision="round_trip")
STRATEGIES = ["random", "evolution(population=5)", "successive_halving"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One objective with a limit; a strategy that trains most cells for fewer epochs."""
    place = tmp_path_factory.mktemp("export") / "limited"
    compare(
        "fashion",
        STRATEGIES,
        "valid_error + 0.1*params",
        subject_to="latency@cpu <= 0.55",
        runs=RUNS,
        budget=BUDGET,
        folder=place,
    )
    return place


@pytest.fixture(scope="module")
def made(folder):
    return read_comparison(folder)


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    """The files of a format, which are written once."""
    place = tmp_path_factory.mktemp("written")
    return cache(
        lambda name: EXPORTS[name].write(folder, place / name / EXPORTS[name].default)
    )


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    """Two objectives."""
    place = tmp_path_factory.mktemp("export") / "front"
    compare(
        "fashion",
        ["random", "nsga2"],
        "valid_error, params",
        runs=1,
        budget=30,
        folder=place,
    )
    return place


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    place = tmp_path_factory.mktemp("export") / "tiny"
    problems = [
        Problem("fashion", name="plain", budget=12),
        Problem("fashion", "valid_error", name="late", budget=12),
    ]
    run_suite(
        Suite(
            "tiny",
            "Tiny & small",
            problems,
            [Entry("random", 2), Entry("evolution", 1)],
        ),
        folder=place,
    )
    return place


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("export") / "path"
    lambda_path(
        "fashion",
        ["random"],
        "valid_error + 0.1*params",
        lambdas=[0.5, 0.05],
        runs=2,
        budget=12,
        folder=place,
    )
    return place


def studies_of(file):
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(file))
    )
    return {
        name: optuna.load_study(study_name=name, storage=storage)
        for name in optuna.get_all_study_names(storage)
    }


def valid(file):
    """Whether a file is what its name says, and has no number that JSON does not know."""
    content = file.read_bytes()
    if file.suffix in (".pdf", ".png", ".db"):
        return content.startswith((b"%PDF", b"\x89PNG"))
    text = content.decode()
    if file.suffix in (".log", ".jsonl"):  # a JSON document a line
        return bool(
            [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
        )
    if file.suffix == ".csv":
        return len(read_csv(file).columns) > 1 and not re.search(
            r"(^|,)(nan|inf)(,|$)", text, re.M
        )
    if file.suffix == ".svg":
        return ElementTree.fromstring(text).tag.endswith("svg")
    return balanced(text) if file.suffix == ".tex" else bool(text.strip())


@pytest.fixture(scope="module")
def failed():
    """Every third training fails, and has no value."""
    space = sn.load("fashion").space

    def train(cell, trial):
        assert space.index(cell) % 3, "This cell fails."
        trial.report(1, valid_error=float(len(cell.text)))

    training = sn.Training(space, train, metrics=["valid_error"], epochs=1)
    return compare(training, ["random"], runs=1, budget=12)


@pytest.mark.parametrize("name", EXPORTS)
def test_every_export_takes_failed_trials(name, failed, tmp_path):
    assert any(trial.failure for trial in failed.runs[0].trials)
    assert all(
        map(valid, EXPORTS[name].write(failed, tmp_path / EXPORTS[name].default))
    )


@pytest.mark.parametrize("name", EXPORTS)
def test_every_export_is_valid_the_same_twice_and_in_the_guide(
    name, folder, written, tmp_path
):
    export = EXPORTS[name]
    first = written(name)
    assert (
        first and all(map(valid, first)) and not list(first[0].parent.rglob("*.part"))
    )
    second = export.write(folder, tmp_path / export.default)
    assert [file.read_bytes() for file in first] == [
        file.read_bytes() for file in second
    ]
    lines = (TOP / "analysis" / "guide" / "exports.md").read_text().splitlines()
    assert export.summary
    assert any(line.startswith(f"| `{name}` | {export.summary} |") for line in lines)


def test_csv_holds_every_trial_run_and_summary(made, written):
    files = {file.stem: read_csv(file) for file in written("csv")}
    trials, runs, summary = (files[name] for name in ("trials", "runs", "summary"))
    told = made.to_frame()
    assert len(trials) == len(told) == sum(len(run.trials) for run in made.runs)
    assert trials["score"].tolist() == told["score"].tolist()
    assert trials["cell"].tolist() == told["cell"].tolist()
    assert trials["latency@cpu"].tolist() == told["latency@cpu"].tolist()
    for run in made.runs:
        (row,) = runs[(runs.strategy == run.strategy) & (runs.run == run.run)].to_dict(
            "records"
        )
        answer = run.answer
        assert row["score"] == answer.score and row["cell"] == answer.cell.text
        assert row["final_test_error"] == made.objective.benchmark.query(
            answer.cell, "test_error"
        )
    means = {
        entry["name"]: entry["score"]["mean"] for entry in made.to_json()["strategies"]
    }
    assert dict(zip(summary["strategy"], summary["mean"], strict=True)) == means


def test_optuna_has_a_study_a_run_with_values_states_and_limits(made, written):
    (file,) = written("optuna")
    studies = studies_of(file)
    assert sorted(studies) == sorted(
        f"{run.strategy} / run {run.run}" for run in made.runs
    )
    seen = Counter()
    for run in made.runs:
        study = studies[f"{run.strategy} / run {run.run}"]
        for trial, frozen in zip(run.trials, study.trials, strict=True):
            complete = trial.epochs == run.epochs
            seen[frozen.state.name] += 1
            assert (frozen.state.name == "COMPLETE") == complete
            assert frozen.intermediate_values == {trial.epochs: trial.score}
            if complete:
                assert frozen.value == trial.loss + trial.penalty
                seen["infeasible"] += not trial.feasible
                assert (max(frozen.system_attrs["constraints"]) > 0) != trial.feasible
            assert frozen.user_attrs["cell"] == trial.cell.text
            assert list(frozen.params.values()) == [
                part.partition("~")[0]
                for part in (
                    trial.cell.text.replace("+", "")
                    .replace("||", "|")
                    .strip("|")
                    .split("|")
                )
            ]
            assert frozen.duration is not None and frozen.datetime_start is not None
            assert frozen.duration.total_seconds() == pytest.approx(
                trial.finished - trial.started, abs=1e-5
            )
        assert study.best_value == made.score(run) == study.user_attrs["score"]
    assert min(seen["PRUNED"], seen["COMPLETE"], seen["infeasible"]) > 0


def test_of_several_objectives_the_studies_have_their_front(front, tmp_path):
    (file,) = EXPORTS["optuna"].write(front, tmp_path / "optuna.log")
    made = read_comparison(front)
    for run in made.runs:
        study = studies_of(file)[f"{run.strategy} / run {run.run}"]
        assert study.metric_names == ["valid_error[5]", "params"]
        from surrogate_nas.runs.scale import nondominated, vectors_of

        ours = vectors_of(run.contenders())

        assert sorted(set(map(tuple, nondominated(ours).tolist()))) == sorted(
            {tuple(trial.values) for trial in study.best_trials}
        )


def rows_of(text):
    body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
    lines = [
        line.removesuffix(r" \\").split(" & ") for line in body.strip().splitlines()
    ]
    return {line[0]: line[1:] for line in lines}


def test_latex_prints_the_numbers_of_the_json_with_the_best_in_bold(made, written):
    files = {file.name: file.read_text() for file in written("latex")}
    assert files.keys() == {"summary.tex"}
    text = files["summary.tex"]
    assert balanced(text) and r"\toprule" in text
    told = made.to_json()["strategies"]
    rows = rows_of(text)
    assert list(rows) == [escaped(entry["name"]) for entry in told]
    assert (
        r"successive\_halving" in rows
        and r"latency@cpu $\leq$ 0.55 on fashion, 24 evaluations a run, 3 runs" in text
    )
    best = min(told, key=lambda entry: entry["score"]["mean"])["name"]
    for entry in told:
        runs, score, std, iqm, ends, regret = rows[escaped(entry["name"])]
        assert runs == "3"
        numbers = [
            float(number)
            for number in re.findall(
                r"\d+\.\d+", f"{score} {std} {iqm} {ends} {regret}"
            )
        ]
        wanted = [entry["score"][key] for key in ("mean", "std", "iqm")] + [
            *entry["score"]["ci95"]
        ]
        decimals = len(re.findall(r"\.(\d+)", score)[0])
        last = round(entry["normalised_regret"]["mean"], 3)
        assert numbers == [*(round(value, decimals) for value in wanted), last]
        assert score.startswith(r"\textbf") == (entry["name"] == best)


def test_latex_marks_what_is_significantly_worse(made, tmp_path):
    """Eight runs of which the second strategy loses every one: p is .008."""
    from dataclasses import replace

    answer = made.runs_of("random")[0].answer
    space = made.objective.benchmark.space
    # of equal function none
    cells = list({space.identity(cell): cell for cell in space[:500]}.values())
    runs = [
        replace(
            made.runs_of("random")[0],
            strategy=name,
            run=number,
            trials=[
                replace(
                    answer,
                    index=0,
                    cell=cells[8 * i + number],
                    score=base + number / 1000,
                    feasible=True,
                    started=0.0,
                )
            ],
        )
        for i, (name, base) in enumerate((("a_b", 0.25), ("[x]", 0.5)))
        for number in range(8)
    ]
    told = made.description | {"strategies": ["a_b", "[x]"], "runs": 8}
    write_latex(Comparison(made.objective, told, runs), tmp_path)
    text = (tmp_path / "summary.tex").read_text()
    rows = rows_of(text)
    assert r"\dagger" not in rows[r"a\_b"][1] and r"\dagger" in rows["{[}x{]}"][1]
    assert rows[r"a\_b"][1].startswith(r"\textbf{0.2") and rows["{[}x{]}"][
        1
    ].startswith(r"\underline{0.5")
    assert balanced(text)


def test_figures_are_vectors_with_their_letters_and_captions(front, tmp_path):
    files = EXPORTS["figures"].write(front, tmp_path)
    stems = {file.stem for file in files} - {"captions"}
    assert {"fronts", "ranking", "score-by-cells"} <= stems
    captions = (tmp_path / "captions.txt").read_text()
    for stem in stems:
        svg = (tmp_path / f"{stem}.svg").read_text()
        pdf = (tmp_path / f"{stem}.pdf").read_bytes()
        assert "<svg" in svg and "<image" not in svg and "var(--" not in svg
        assert (
            pdf.startswith(b"%PDF")
            and b"/Subtype /Image" not in pdf
            and b"/CreationDate" not in pdf
        )
        assert pdf.count(b"/FontFile2") or b"/Type /Font" not in pdf
        assert f"{stem}: " in captions and (
            tmp_path / f"{stem}.png"
        ).read_bytes().startswith(b"\x89PNG")


def test_a_missing_library_is_named_with_its_extra(folder, snas, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    ended = snas("export", "optuna", folder, "--out", tmp_path / "out")
    assert ended.code == 2
    assert (
        ended.err
        == "snas: The format optuna needs optuna: pip install 'surrogate_nas[bridges]'.\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_suite_is_exported_by_problem_and_over_all(suite, snas):
    told = {
        name: snas("export", name, suite, "--json").json
        for name in ("csv", "latex", "optuna")
    }
    assert {
        (one["comparisons"], one["runs"], one["missing"], one["trials"])
        for one in told.values()
    } == {(2, 6, 0, 72)}
    out = suite / "export"
    trials = read_csv(out / "csv" / "trials.csv")
    assert trials.groupby("problem").size().to_dict() == {"late": 36, "plain": 36}
    assert "plain / evolution / run 0" in studies_of(out / "optuna.log")
    regret = (out / "latex" / "regret.tex").read_text()
    result = stored_suite(suite)
    assert balanced(regret)
    for problem in result.problems:
        shown = [
            float(re.findall(r"\d+\.\d+", cell)[0])
            for cell in rows_of(regret)[problem.name]
        ]
        assert shown == pytest.approx(
            [problem.at(name).mean() for name in result.strategies], abs=5e-4
        )


def test_a_path_over_lambda_is_read_again_and_exported(path, snas):
    again = read_lambda_path(path)
    assert [step.key for step in again.steps] == [0.05, 0.5]
    out = path / "export"
    assert snas("export", "csv", path).code == snas("export", "latex", path).code == 0
    trials = read_csv(out / "csv" / "trials.csv")
    assert trials.groupby("lambda").size().to_dict() == {0.05: 24, 0.5: 24}
    rows = rows_of((out / "latex" / "regret.tex").read_text())
    for step in again.steps:
        (cell,) = rows[f"{step.key:g}"]
        assert float(re.findall(r"\d+\.\d+", cell)[0]) == pytest.approx(
            step.normalised_regrets("random").mean(), abs=5e-4
        )


def test_what_is_unfinished_is_exported_and_counted(folder, suite, tmp_path, snas):
    import shutil

    torn = shutil.copytree(
        folder, tmp_path / "torn", ignore=shutil.ignore_patterns("export", "random-2*")
    )
    ended = snas("export", "csv", torn, "--json")
    assert ended.code == 0 and (ended.json["runs"], ended.json["missing"]) == (8, 1)
    assert "1 run is not finished and not exported" in ended.err
    half = shutil.copytree(
        suite, tmp_path / "half", ignore=shutil.ignore_patterns("export")
    )
    for file in (half / "problems" / "late" / "runs").glob("evolution*"):
        file.unlink()
    result = results_of(half)
    assert result.missing == 1
    assert [problem.name for problem in result.problems] == ["plain"]
    assert snas("export", "latex", half).code == 0
    shutil.rmtree(half / "problems" / "plain" / "runs")
    assert results_of(half).missing == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["excel", "."], f"Unknown format 'excel'. Known: {', '.join(EXPORTS)}."),
        (
            ["csv", "nowhere"],
            (
                "nowhere does not exist. Name the folder of a search, a comparison, a suite or a"
                " path over λ (folder=, --out)."
            ),
        ),
    ],
)
def test_bad_input_is_one_line(arguments, said, snas, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = snas("export", *arguments)
    assert (ended.code, ended.err) == (2, f"snas: {said}\n")
    assert not list(tmp_path.iterdir())
