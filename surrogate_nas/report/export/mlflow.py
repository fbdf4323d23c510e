"""An SQLite store that MLflow opens: an experiment a comparison, a run a run, its metrics by step.

Zaharia et al., "Accelerating the Machine Learning Lifecycle with MLflow", IEEE Data Engineering
Bulletin 2018. MLflow 3 refuses to write folders, so it is SQLite; mlflow-skinny writes it with
SQLAlchemy and Alembic beside it.
"""

import logging
import math
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from surrogate_nas.core import UserError
from surrogate_nas.files import replacing
from surrogate_nas.report.export import Format
from surrogate_nas.report.reading import (
    Comparison,
    Run,
    Source,
    StudyResult,
    clock,
    results_of,
    run_row,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

# characters that MLflow does not allow in names
_FORBIDDEN = re.compile(r"[^\w .:/-]+")
_LONGEST = 500
_NO_METRICS = {"run", "index", "finished", "lambda", "found/run"}
# The server that opens the store keeps artifacts, so that it has no path of this machine.
_ARTIFACTS = "mlflow-artifacts:/"
_NOTHING_SENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def write_mlflow(source: Source, out: str | Path) -> list[Path]:
    """Write every run into a new store; the file is whole or as it was before.

    Returns:
        The file, which ``mlflow ui --backend-store-uri sqlite:///FILE`` opens.

    Raises:
        UserError: There is nothing to export, MLflow is not installed, or the file cannot be
            written.

    Example:
        >>> import surrogate_nas as sn
        >>> made = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> write_mlflow(made, "mlflow.db")  # doctest: +SKIP
        [PosixPath('mlflow.db')]
    """
    result = results_of(source)
    out = Path(out)
    with (
        TemporaryDirectory(prefix="snas-mlflow-") as folder,
        replacing(out) as temporary,
    ):
        store = Path(folder) / "mlflow.db"
        _write(result, store)
        copyfile(store, temporary)
    return [out]


def _write(result: StudyResult, store: Path) -> None:
    """Write a new store; where it lies, its path is no address with other meanings."""
    from mlflow.exceptions import MlflowException

    points: list[dict[str, Any]] = []
    try:
        with _client(store) as client:
            for comparison in result.comparisons.values():
                name = f"{result.name} / {comparison.problem}"
                points += _add(
                    client, comparison, name if comparison.problem else result.name
                )
        _insert(store, points)
    except MlflowException as error:
        raise UserError(
            f"MLflow failed: {' '.join(str(error).split()):.300}"
        ) from error


@contextmanager
def _client(path: Path) -> "Iterator[MlflowClient]":
    os.environ.update(_NOTHING_SENT)
    logged = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        from mlflow.tracking import MlflowClient

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield MlflowClient(f"sqlite:///{path.absolute()}")
    finally:
        logging.disable(logged)


def _insert(store: Path, points: Sequence[dict[str, Any]]) -> None:
    """Write all points of all runs at once, into the tables of MLflow's own models."""
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric
    from sqlalchemy import create_engine, insert

    # the points of a run come by rising step, so that the last of a name stays
    latest = {(point["run_uuid"], point["key"]): point for point in points}
    engine = create_engine(f"sqlite:///{store.absolute()}")
    with engine.begin() as connection:
        if points:
            connection.execute(insert(SqlMetric), points)
            connection.execute(insert(SqlLatestMetric), [*latest.values()])
    engine.dispose()


def _add(
    client: "MlflowClient", comparison: Comparison, name: str
) -> Iterator[dict[str, Any]]:
    facts = comparison.objective.describe()
    keys = ("benchmark", "expression", "fingerprint")
    tags = {key: str(facts[key])[:_LONGEST] for key in keys}
    experiment = client.create_experiment(name, artifact_location=_ARTIFACTS, tags=tags)
    for run in comparison.ended_runs:
        yield from _add_run(client, experiment, comparison, run)


def _add_run(
    client: "MlflowClient", experiment: str, comparison: Comparison, run: Run
) -> Iterator[dict[str, Any]]:
    from mlflow.entities import Param

    description = comparison.description
    objective = comparison.objective
    tags = {
        "fingerprint": objective.fingerprint,
        "strategy": run.strategy,
        "failure": run.failure,
        **description["provenance"],
    }
    identity = client.create_run(
        experiment,
        start_time=_milliseconds(0.0),
        tags={
            _name(key): str(value)[:_LONGEST] for key, value in tags.items() if value
        },
        run_name=f"{run.strategy} / run {run.run}",
    ).info.run_id
    result = run_row(comparison, run)
    parameters = {
        "strategy": run.strategy,
        "run": run.run,
        "benchmark": objective.benchmark.name,
        "objective": str(objective),
        "budget_cells": description["budget"]["cells"],
        "budget_seconds": description["budget"]["seconds"],
        "seed": description["seed"],
        "first_cells": description["first_cells"],
        "cost_unit": objective.benchmark.cost_unit,
        "found_cell": result["cell"],
    }
    params = [
        Param(key, str(value)[:_LONGEST])
        for key, value in parameters.items()
        if value is not None
    ]
    client.log_batch(identity, params=params)
    best = run.anytime(comparison.frame).score.tolist() if run.trials else []
    rows = [
        run.row(trial, with_options=False) | {"best_score": score}
        for trial, score in zip(run.trials, best, strict=True)
    ]
    last = rows[-1]["finished"] if rows else 0.0
    end = {"index": len(rows), "finished": last}
    for row in [*rows, end | {f"found/{key}": value for key, value in result.items()}]:
        time = {"timestamp": _milliseconds(row["finished"]), "step": row["index"]}
        for key, value in row.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if is_number and math.isfinite(value) and key not in _NO_METRICS:
                metric = {"run_uuid": identity, "key": _name(key), "is_nan": False}
                yield metric | {"value": float(value)} | time
    status = "FAILED" if run.failure else "FINISHED"
    client.set_terminated(identity, status, end_time=_milliseconds(last))


def _name(name: str) -> str:
    """A name as MLflow allows it; what stands behind an @ or in brackets becomes a part of its own.

    Example:
        >>> _name("latency@cpu"), _name("valid_loss[5]")
        ('latency/cpu', 'valid_loss/5')
    """
    return _FORBIDDEN.sub(
        "-", name.replace("@", "/").replace("[", "/").replace("]", "")
    )


def _milliseconds(seconds: float) -> int:
    return round(1000 * clock(seconds).timestamp())


EXPORT = Format(
    write_mlflow,
    "mlflow.db",
    "Open it: mlflow ui --backend-store-uri sqlite:///{out}",
    "an SQLite store for `mlflow ui`",
    needs=("mlflow", "sqlalchemy", "alembic"),
)
