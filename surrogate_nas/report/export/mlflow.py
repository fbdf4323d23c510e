"""An SQLite store that MLflow opens: an experiment a comparison, a run a run, its metrics by step.

Zaharia et al., "Accelerating the Machine Learning Lifecycle with MLflow", IEEE Data Engineering
Bulletin 2018. MLflow 3 refuses to write folders, so it is SQLite; mlflow-skinny writes it with
SQLAlchemy and Alembic beside it.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import replacing
from surrogate_nas.report.export import Format
from surrogate_nas.report.exporting import TrackedRun, clock, named, tracked_runs
from surrogate_nas.report.reading import Comparison, Source, StudyResult, results_of

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_FORBIDDEN = re.compile(r"[^\w .:/-]+")
"""Characters that MLflow does not allow in names."""
_LONGEST = 500
_ARTIFACTS = "mlflow-artifacts:/"
"""The server that opens the store keeps artifacts, so that it has no path of this machine."""
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
        >>> from tempfile import TemporaryDirectory
        >>> made = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> with TemporaryDirectory() as folder:
        ...     write_mlflow(made, f"{folder}/mlflow.db")[0].stat().st_size > 0
        True
    """
    result = results_of(source)
    out = Path(out)
    with TemporaryDirectory(prefix="snas-mlflow-") as folder, replacing(out) as temporary:
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
                points += _add(client, comparison, named(result, comparison))
        _insert(store, points)
    except MlflowException as error:
        raise UserError(f"MLflow failed: {' '.join(str(error).split()):.300}") from error


@contextmanager
def _client(path: Path) -> Iterator[MlflowClient]:
    """A client of a new store, without log messages and telemetry."""
    before = {name: os.environ.get(name) for name in _NOTHING_SENT}
    os.environ.update(_NOTHING_SENT)
    logged = logging.root.manager.disable
    logging.disable(logging.WARNING)
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "connect", _hasty)
    try:
        from mlflow.tracking import MlflowClient

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield MlflowClient(f"sqlite:///{path.absolute()}")
    finally:
        event.remove(Engine, "connect", _hasty)
        logging.disable(logged)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _hasty(connection: Any, _: Any) -> None:
    """Do not wait for the disk at every write: the file takes its place only when it is whole and
    synchronised.
    """
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA journal_mode=MEMORY")


def _insert(store: Path, points: Sequence[dict[str, Any]]) -> None:
    """Write all points of all runs at once, into the tables of MLflow's own models.

    Its client writes each value as an object of SQLAlchemy, which takes ten times as long.
    """
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


def _add(client: MlflowClient, comparison: Comparison, name: str) -> Iterator[dict[str, Any]]:
    """Write the runs of a comparison, and yield their points."""
    facts = comparison.objective.describe()
    keys = ("benchmark", "expression", "fingerprint")
    tags = {key: str(facts[key])[:_LONGEST] for key in keys}
    experiment = client.create_experiment(name, artifact_location=_ARTIFACTS, tags=tags)
    for run in tracked_runs(comparison):
        yield from _add_run(client, experiment, run)


def _add_run(client: MlflowClient, experiment: str, run: TrackedRun) -> Iterator[dict[str, Any]]:
    from mlflow.entities import Param

    facts = {**run.facts, "strategy": run.strategy}
    tags = {_name(name): str(value)[:_LONGEST] for name, value in facts.items()}
    created = client.create_run(
        experiment,
        start_time=_milliseconds(0.0),
        tags=tags,
        run_name=run.name,
    )
    identity = created.info.run_id
    params = [Param(name, str(value)[:_LONGEST]) for name, value in run.parameters.items()]
    client.log_batch(identity, params=params)
    status = "FAILED" if run.failure else "FINISHED"
    client.set_terminated(identity, status, end_time=_milliseconds(run.seconds))
    for point in run.points:
        time = {"timestamp": _milliseconds(point.seconds), "step": point.step}
        for name, value in point.values.items():
            yield {"run_uuid": identity, "key": _name(name), "value": value, "is_nan": False} | time


def _name(name: str) -> str:
    """A name as MLflow allows it; what stands behind an @ or in brackets becomes a part of its own.

    Example:
        >>> _name("latency@cpu"), _name("valid_loss[5]")
        ('latency/cpu', 'valid_loss/5')
    """
    return _FORBIDDEN.sub("-", name.replace("@", "/").replace("[", "/").replace("]", ""))


def _milliseconds(seconds: float) -> int:
    return round(1000 * clock(seconds).timestamp())


EXPORT = Format(
    write_mlflow,
    "mlflow.db",
    "Open it: mlflow ui --backend-store-uri sqlite:///{out}",
    needs=("mlflow", "sqlalchemy", "alembic"),
)
