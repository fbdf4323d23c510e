"""The report for help: what a maintainer needs, and nothing of the user's."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.report import for_help
from surrogate_nas.report.for_help import name_of, plain, write_for_help
from surrogate_nas.study.api import compare
from surrogate_nas.study.store import Store
from tests.conftest import Snas, assert_one_clear_line

TOKEN = "sk-live-9f8e7d6c5b4a"
SECRETS = ("zebulon", "acme", "dosage", "patients", "srv", "hunter", TOKEN.lower(), "48151623")
CODE = f"""
from surrogate_nas import Strategy

class AcmeError(Exception):
    pass

class ZebulonSearch(Strategy):
    def __init__(self, space, *, seed, acme_token="", place=""):
        super().__init__(space, seed=seed)

    def ask(self, n):
        return [self.space.sample(self.rng)]

    def tell(self, trials):
        said = "zebulon@acme-host: no file /srv/acme/patients.csv for hunter,"
        raise AcmeError(said + " token={TOKEN}, 48151623")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A strategy of a user's, in whose names, options, files and errors secrets are."""
    place = tmp_path_factory.mktemp("zebulon") / "acme-patients"
    place.mkdir()
    file = place / "zebulon.py"
    file.write_text(CODE)
    options = f"(acme_token='{TOKEN}', place='/srv/acme')"
    strategies = ["evolution(population=5)", f"{file}:ZebulonSearch{options}"]
    made = compare("fashion", strategies, "valid_loss", runs=1, budget=12, folder=place / "results")
    assert len(made.failures) == 1 and TOKEN in made.failures[0]
    return place / "results"


def told_of(folder: Path, out: Path) -> tuple[str, dict[str, Any]]:
    text = write_for_help(folder, out / "help.json").read_text(encoding="utf-8")
    return text, json.loads(text)


def assert_nothing_of_the_user(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text.lower()] == []
    assert "/tmp" not in text and "/home" not in text


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the user and the machine, and a token in the environment."""
    for name in ("USER", "LOGNAME", "HOSTNAME", "ACME_TOKEN", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"zebulon-{TOKEN}")


def test_it_tells_what_is_needed(folder: Path, tmp_path: Path) -> None:
    text, told = told_of(folder, tmp_path)
    assert_nothing_of_the_user(text)
    (part,) = told["parts"]
    assert (part["benchmark"], part["objective"]) == ("fashion", "valid_loss[5]")
    assert part["budget"] == {"cells": 12, "seconds": None} and part["seed"] == 0
    assert part["made_by"] == told["here"] and told["here"]["python"].startswith("3.")
    ours, own = part["strategies"]
    assert ours == {
        "name": "evolution(population=5)",
        "runs": 1,
        "ended": 1,
        "failed": 0,
        "damaged": 0,
        "trials": 12,
    }
    assert own["name"] == "the user's own" and own["failed"] == 1 and own["files"] == 1
    (failure,) = part["failures"]
    assert failure["strategy"] == 2 and "no file" in failure["failure"]
    assert failure["last_lines"][-1].endswith("no file … for …")
    assert "a file of the user's, line 16, in tell" in failure["last_lines"]
    assert told["sizes"]["runs"]["files"] == 2 and told["sizes"]["sources"]["files"] == 1
    assert told["reading"] == []


def test_it_is_sealed(folder: Path, tmp_path: Path) -> None:
    _, told = told_of(folder, tmp_path)
    digest = told.pop("digest")
    assert digest == sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    told["sizes"]["runs"]["files"] += 1
    assert digest != sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def test_names_in_the_description_do_not_pass(folder: Path, tmp_path: Path) -> None:
    """As of a user's own table, metrics and builds of libraries."""
    place = tmp_path / "zebulon"
    shutil.copytree(folder, place)
    store = Store(place)
    description = store.read()
    description["benchmark"] = description["address"] = "/srv/acme/patients.h5"
    description["with"] = ["/srv/acme/dosage.csv"]
    description["data"]["space"] = "acme_space"
    description["memory_each"] = "zebulon"
    description["engine"] = "compiled 2 on zebulon"
    description["objective"] |= {
        "expression": "valid_loss[5] + 0.1*acme_dosage@zebulon",
        "cost": "seconds",
    }
    description["provenance"] |= {
        "platform": "Linux-6.1.0-zebulon-x86_64-with-glibc2.41",
        "numpy": "2.4.6+zebulon",
        "hunter": TOKEN,
    }
    store._describe(description)
    (place / "plan-zebulon.json").write_text(TOKEN)
    text, told = told_of(place, tmp_path)
    assert_nothing_of_the_user(text)
    (part,) = told["parts"]
    assert part["benchmark"] == part["space"] == part["engine"] == "…"
    assert part["objective"] == "valid_loss[5] + 0.1*…" and part["joined"] == 1
    assert part["made_by"]["platform"] == "Linux-6.1.0 x86_64 glibc2.41"
    assert part["made_by"]["numpy"] == "2.4.6"
    assert told["reading"], "its table is not here"


def test_a_damaged_folder_is_told_too(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "acme"
    shutil.copytree(folder, place)
    (run,) = place.glob("runs/evolution*.jsonl")
    run.write_text(run.read_text().replace('"index": 3', '"index": 4'))
    text, told = told_of(place, tmp_path)
    assert_nothing_of_the_user(text)
    assert told["parts"][0]["strategies"][0]["damaged"] == 1
    (place / "experiment.json").write_text("acme")
    text, told = told_of(place, tmp_path)
    assert_nothing_of_the_user(text)
    assert "is damaged" in told["parts"][0]["damaged"] and "is damaged" in told["reading"][0]


def test_an_error_of_ours_is_told_with_its_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def results_of(*_: object, **__: object) -> None:
        raise KeyError("/srv/acme", TOKEN)

    monkeypatch.setattr(for_help, "results_of", results_of)
    text, told = told_of(folder, tmp_path)
    assert_nothing_of_the_user(text)
    assert told["reading"][-1] == "KeyError: …"
    assert any("surrogate_nas/report/for_help.py, line " in line for line in told["reading"])


@pytest.mark.parametrize(
    "text",
    [
        f"cannot open C:\\Users\\zebulon\\acme.h5 with {TOKEN}",
        f"Bearer {TOKEN}: 'zebulon' is no user of acme-host.example.org",
        "ACME_TOKEN=hunter2 ZEBULON=48151623 zebulon@acme.example",
        "no column dosage_mg in 'patients 2024.csv' (48151623 rows)",
        "Zebulon Acme’s patients",
    ],
)
def test_of_a_message_only_known_words_stay(text: str) -> None:
    assert_nothing_of_the_user(plain(text))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("nb201-cifar10", "nb201-cifar10"),
        ("live:digits/macro", "live:digits/macro"),
        ("losses-digits/trained", "losses-digits/trained"),
        ("live:/srv/acme", "…"),
        ("losses-zebulon", "…"),
        ("acme.py:Dosage", "…"),
    ],
)
def test_a_benchmark_is_named_where_it_is_ours(name: str, shown: str) -> None:
    assert for_help._benchmark(name) == shown


def test_messages_of_python_and_of_ours_stay_readable() -> None:
    said = "TypeError when it asked for cells: unsupported operand type(s) for +: 'int' and 'str'"
    assert plain(said).startswith("TypeError when it asked for cells: unsupported operand")
    ours = "Run the comparison again in another folder."
    assert plain(ours) == ours and name_of("nb201-cifar10") == "nb201-cifar10"


def test_the_users_name_is_hidden_even_if_it_is_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain("the budget is whole") == "the budget is whole"
    monkeypatch.setattr(for_help, "_personal", lambda: frozenset({"budget"}))
    assert plain("the budget is whole") == "the … is whole"


def test_the_command_writes_that_file_alone(snas: Snas, folder: Path, tmp_path: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    outcome = snas("report", folder, "--for-help", tmp_path / "help.json", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["bytes"] == (tmp_path / "help.json").stat().st_size
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before


def test_another_folder_is_refused(snas: Snas, tmp_path: Path) -> None:
    outcome = snas("report", tmp_path, "--for-help", tmp_path / "help.json")
    assert_one_clear_line(outcome, "holds no comparison, suite or path")
    with pytest.raises(UserError):
        write_for_help(tmp_path / "nowhere", tmp_path / "help.json")
    assert not list(tmp_path.iterdir())
