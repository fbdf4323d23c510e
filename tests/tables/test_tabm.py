"""TabM's runs: every number as the reports have it, what is known of them, and altered ones
refused.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import table_path
from surrogate_nas.objective import Objective
from surrogate_nas.space import Sampled, space_named
from surrogate_nas.space.tabm import tabm as families
from surrogate_nas.tables import ColumnKey, Table, write_table
from surrogate_nas.tables.sources import fetching, tabm
from tests.archives import tarred

CELLS = {
    "mlp": "single, none, own",
    "mlp-piecewiselinear": "single, piecewise-linear, own",
    "mlp-periodic": "single, periodic, own",
    "mlp-periodiclite": "single, periodic-lite, own",
    "tabm-packed": "packed, none, own",
    "tabm": "full, none, own",
    "tabm-mini": "mini, none, own",
    "tabm-piecewiselinear": "full, piecewise-linear, own",
    "tabm-mini-piecewiselinear": "mini, piecewise-linear, own",
    "tabm-sharetrainingbatches": "full, none, shared",
    "tabm-sharetrainingbatches-mini": "mini, none, shared",
    "tabm-sharetrainingbatches-piecewiselinear": "full, piecewise-linear, shared",
    "tabm-sharetrainingbatches-mini-piecewiselinear": "mini, piecewise-linear, shared",
}
MERCEDES = "why/regression-cat-medium-0-Mercedes_Benz_Greener_Manufacturing"
Reports = dict[tuple[str, str, int], dict[str, Any]]
"""By model, data set and seed."""


def cell_of(model: str) -> str:
    ensemble, embeddings, batches = CELLS[model].split(", ")
    return f"tabm(ensemble={ensemble}, embeddings={embeddings}, batches={batches})"


@pytest.fixture(scope="module")
def archive(mirror: Path, own_home: Path) -> Path:
    """The tar of the reports, made of the mirror's archive."""
    assert own_home.is_dir()
    (entry,) = fetching.repositories("tabm")
    packed = mirror / entry["repository"] / entry["commit"] / entry["archive"]
    if not packed.is_file():
        pytest.skip(f"the mirror has no {packed.name}")
    (path,) = fetching.fetch("tabm")
    return path


@pytest.fixture(scope="module")
def reports(archive: Path) -> Reports:
    """The reports, read without the code under test."""
    found: Reports = {}
    with tarfile.open(archive) as packed:
        for member in packed:
            model, _, rest = member.name.removeprefix("paper/exp/").partition("/")
            data, _, end = rest.partition("/0-evaluation/")
            file = packed.extractfile(member)
            assert file is not None
            report = json.load(file)
            found[model, data, int(end.partition("/")[0])] = {
                key: report[key] for key in ("metrics", "n_parameters", "time", "best_step")
            }
    return found


@pytest.fixture(scope="module")
def tables(archive: Path) -> dict[str, Table]:
    assert archive.is_file()
    return {name: tabm.read(name) for name in tabm.NAMES}


def seeds(table: Table, metric: str) -> np.ndarray:
    """Shape ``(cells, seeds)``."""
    return np.array([table.columns[ColumnKey(metric, 1, seed)] for seed in range(15)]).T


def test_there_are_as_many_trainings_as_published(
    reports: Reports, tables: dict[str, Table]
) -> None:
    assert len(reports) == 16_620
    sets = {data for _, data, _ in reports}
    assert len(sets) == len(tables) == 86 and {tabm.named(data) for data in sets} == set(tables)
    assert len({tabm.data_set(name) for name in tables}) == 46
    sizes = {name: len(space_named(table.space)) for name, table in tables.items()}  # type: ignore[arg-type]
    small = {name for name, n in sizes.items() if n != 13}
    assert small == {f"tabm-mercedes-benz-greener-manufacturing-{split}" for split in range(5)}
    assert {sizes[name] for name in small} == {6}


def test_without_numbers_to_embed_the_families_with_embeddings_are_copies(reports: Reports) -> None:
    copies = {
        (model, seed)
        for model, data, seed in reports
        if data == MERCEDES and CELLS[model].split(", ")[1] != "none"
    }
    assert len(copies) == 5 * 15
    for model, seed in copies:
        plain, _, _ = model.rpartition("-")
        assert reports[model, MERCEDES, seed] == reports[plain, MERCEDES, seed]


def test_every_number_is_there(reports: Reports, tables: dict[str, Table]) -> None:
    fields = {
        "error": lambda m: 100.0 * (1.0 - m["accuracy"]),
        "loss": lambda m: m["cross-entropy"],
        "auc": lambda m: 100.0 * m["roc-auc"],
        "f1": lambda m: 100.0 * m["macro avg"]["f1-score"],
        "rmse": lambda m: m["rmse"],
        "mae": lambda m: m["mae"],
        "r2": lambda m: m["r2"],
    }
    columns = {
        (name, metric): seeds(table, metric)
        for name, table in tables.items()
        for metric in table.metrics
        if ColumnKey(metric, 1, 0) in table.columns
    }
    places = {
        (model, data): space_named(tables[tabm.named(data)].space).cell(cell_of(model)).index
        for model, data, _ in reports
        if "Mercedes" not in data or "none" in CELLS[model]
    }
    seen = 0
    for (model, data, seed), report in reports.items():
        if (model, data) not in places:
            continue
        name = tabm.named(data)
        table = tables[name]
        place = places[model, data]
        for split, own in (("train", "train"), ("val", "valid"), ("test", "test")):
            for field, of in fields.items():
                column = columns.get((name, f"{own}_{field}"))
                if column is None:
                    with pytest.raises(KeyError):
                        of(report["metrics"][split])
                else:
                    assert column[place, seed] == of(report["metrics"][split])
                    seen += 1
        params = table.columns[ColumnKey("params", None, "mean")]
        assert params[place] == report["n_parameters"] / 1e6
        minutes, seconds = report["time"].split(":")[1:]
        hours = int(report["time"].split(":")[0])
        spent = 3600 * hours + 60 * int(minutes) + float(seconds)
        assert columns[name, "train_seconds"][place, seed] == pytest.approx(spent, rel=1e-12)
    # of two classes, of several, and of a number; copies left out
    assert seen == 6_435 * 12 + 390 * 9 + (9_795 - 375) * 9


def test_means_are_of_all_seeds_and_only_tests_are_final(tables: dict[str, Table]) -> None:
    for table in tables.values():
        for metric in table.metrics.values():
            assert (metric.kind == "final") == metric.name.startswith("test_")
            if metric.epochs:
                mean = table.columns[ColumnKey(metric.name, 1, "mean")]
                assert mean == pytest.approx(seeds(table, metric.name).mean(axis=1), rel=1e-12)
                assert (table.n_seeds[metric.name, 1] == 15).all()
    larger = {
        metric.name.partition("_")[2]
        for table in tables.values()
        for metric in table.metrics.values()
        if metric.larger_is_better
    }
    assert larger == {"auc", "f1", "r2"}


def test_one_seed_agrees_with_the_others_as_is_known(tables: dict[str, Table]) -> None:
    """Kendall's τ of one seed with the mean of the others, splits of a data set counted as one."""
    known = {"test_error": (18, 0.64), "test_loss": (18, 0.69), "test_rmse": (28, 0.78)}
    for metric, (n_sets, expected) in known.items():
        by_set: dict[str, list[float]] = {}
        for name, table in tables.items():
            if metric in table.metrics:
                values = seeds(table, metric)
                taus = [
                    kendalltau(values[:, seed], np.delete(values, seed, axis=1).mean(axis=1))
                    for seed in range(15)
                ]
                mean = float(np.mean([tau.statistic for tau in taus]))
                by_set.setdefault(name.rstrip("0123456789"), []).append(mean)
        assert len(by_set) == n_sets
        found = np.mean([np.mean(of_set) for of_set in by_set.values()])
        assert found == pytest.approx(expected, abs=0.006)


def test_each_has_an_objective_of_its_own_and_says_what_it_is(
    tables: dict[str, Table], own_home: Path
) -> None:
    assert own_home.is_dir()
    chosen = {"tabm-adult": "error", "tabm-ecom-offers": "auc", "tabm-california": "r2"}
    for name, metric in chosen.items():
        write_table(tables[name], table_path(name))
        bench = TableBenchmark(table_path(name))
        assert bench.objective == f"valid_{metric} + 0.02*params" and bench.cost == "seconds"
        assert Objective(bench.objective, bench).benchmark is bench
        assert isinstance(bench.space, Sampled) and "13 architectures" in bench.banner
        assert bench.seeds(bench.question("valid_loss" if metric != "r2" else "valid_rmse")) == (
            *range(15),
        )
        assert "tuned for this data" in bench.banner and "whole training" in bench.banner


@pytest.mark.slow
def test_tables_are_verified(tables: dict[str, Table]) -> None:
    for name, table in tables.items():
        write_table(table, table_path(name))
    checks = list(tabm.verify())
    assert len(checks) >= 14 and not [check for check in checks if not check.passed]


# Reports that are not those


def _report(reports: list[tuple[str, bytes]], place: int = 0) -> dict[str, Any]:
    return dict(json.loads(reports[place][1]))


def _replace(reports: list[tuple[str, bytes]], report: dict[str, Any]) -> None:
    reports[0] = reports[0][0], json.dumps(report).encode()


def _of_another_seed(reports: list[tuple[str, bytes]]) -> None:
    report = _report(reports)
    report["config"]["seed"] += 1
    _replace(reports, report)


def _of_another_family(reports: list[tuple[str, bytes]]) -> None:
    report = _report(reports)
    report["config"]["model"]["arch_type"] = "tabm-packed"
    _replace(reports, report)


def _of_an_unknown_one(reports: list[tuple[str, bytes]]) -> None:
    report = _report(reports)
    report["config"]["model"]["arch_type"] = "forest"
    _replace(reports, report)


def _endless(reports: list[tuple[str, bytes]]) -> None:
    reports[0] = reports[0][0], b" " * 100_000


def _missing(reports: list[tuple[str, bytes]]) -> None:
    del reports[0]


def _not_a_number(reports: list[tuple[str, bytes]]) -> None:
    reports[0] = reports[0][0], reports[0][1].replace(b'"n_parameters": ', b'"n_parameters": NaN, ')


def _alone(reports: list[tuple[str, bytes]]) -> None:
    """As it is, but the other splits lack."""


@pytest.fixture(scope="module")
def of_one(archive: Path) -> list[tuple[str, bytes]]:
    """The reports of one family on one data set."""
    found = []
    with tarfile.open(archive) as packed:
        for seed in range(15):
            name = f"paper/exp/tabm/adult/0-evaluation/{seed}/report.json"
            file = packed.extractfile(name)
            assert file is not None
            found.append((name, file.read()))
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_of_another_seed, "0/report.json is of seed 1"),
        (_of_another_family, "the folder tabm has a configuration of tabm-packed"),
        (_of_an_unknown_one, "KeyError 'forest'"),
        (_endless, "unpacks to more than 64 kB"),
        (_missing, "tabm-adult is not trained with the seeds 0 to 14"),
        (_not_a_number, "NaN is no number"),
        (_alone, "its splits are not the published ones: tabm-ailerons-0"),
    ],
)
def test_altered_reports_are_refused(
    of_one: list[tuple[str, bytes]],
    tmp_path: Path,
    change: Callable[[list[tuple[str, bytes]]], None],
    message: str,
) -> None:
    altered = list(of_one)
    change(altered)
    with pytest.raises(UserError, match=message) as caught:
        tabm.read_reports(tarred(tmp_path / "reports.tar", altered))
    assert "is damaged, or no tar of TabM's reports" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_tar_and_half_a_tar_are_refused(of_one: list[tuple[str, bytes]], tmp_path: Path) -> None:
    path = tarred(tmp_path / "reports.tar", of_one)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="is damaged, or no tar"):
        tabm.read_reports(path)
    with pytest.raises(UserError, match="Run snas data fetch tabm"):
        tabm.read_reports(tmp_path / "none.tar")


@pytest.mark.parametrize(
    ("field", "value"),
    [("valid accuracy", 1.5), ("train cross-entropy", -1.0), ("test roc-auc", float("inf"))],
)
def test_a_number_that_cannot_be_is_refused(archive: Path, field: str, value: float) -> None:
    trainings = tabm.read_reports(archive)["tabm-adult"]
    cell = next(iter(trainings))
    spoilt = trainings | {cell: trainings[cell] | {3: trainings[cell][3] | {field: value}}}
    with pytest.raises(UserError, match=f"{field} is {value}, not a number in its range"):
        tabm.table_of("tabm-adult", spoilt)


# The space


def test_a_single_network_has_batches_of_its_own() -> None:
    space = families()
    assert len(space) == 28
    with pytest.raises(UserError):
        space.parse("tabm(ensemble=single, embeddings=none, batches=shared)")
    assert {str(space.cell(cell_of(model))) for model in CELLS} == set(map(cell_of, CELLS))
