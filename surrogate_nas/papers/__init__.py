"""Published comparisons, redone: our numbers beside the published ones, with a verdict and what differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.papers import (
    caps,
    landscape,
    latency,
    losses,
    oneshot,
    pareto,
    predictors,
    proxies,
    queries,
    search,
    transfer,
)  # fmt: skip
from surrogate_nas.papers.rows import PaperResult
from surrogate_nas.runtime.engines import check_engine
from surrogate_nas.study.store import Store

__all__ = ["PAPERS", "PaperResult", "reproduce"]


class Paper(Protocol):
    """Redoes one paper's comparison."""

    def __call__(
        self,
        *,
        runs: int | None,
        workers: int | None,
        engine: str,
        folder: Path,
        progress: Callable[[int, int], None] | None,
    ) -> PaperResult:
        """Make the rows, and draw the picture into `folder`."""


PAPERS: dict[str, Paper] = {
    "nb201": search.nb201,
    "nats": search.nats,
    "queries": queries.queries,
    "landscape": landscape.landscape,
    "losses": losses.losses,
    "predictors": predictors.predictors,
    "proxies": proxies.proxies,
    "latency": latency.latency,
    "caps": caps.caps,
    "oneshot": oneshot.oneshot,
    "pareto": pareto.pareto,
    "transfer": transfer.transfer,
}
"""Every paper by name."""


def reproduce(
    name: str,
    *,
    folder: Path,
    runs: int | None = None,
    workers: int | None = None,
    engine: str = "processes",
    progress: Callable[[int, int], None] | None = None,
) -> PaperResult:
    """Redo a published comparison and write ``rows.json``, ``table.md`` and a picture.

    Args:
        name: A key of `PAPERS`.
        folder: Where to write.
        runs: Runs per strategy; None for the paper's number.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: The name is unknown, its tables are not here, or the folder cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     try:
        ...         reproduce("nb202", folder=Path(folder))
        ...     except UserError as error:
        ...         print(str(error).partition(" Known")[0])
        Unknown paper 'nb202'. Did you mean 'nb201'?
    """
    if name not in PAPERS:
        raise unknown("paper", name, PAPERS)
    check_engine(engine, workers)
    if runs is not None and runs < 1:
        raise UserError(f"A comparison needs at least 1 run, not {runs}.")
    result = PAPERS[name](runs=runs, workers=workers, engine=engine, folder=folder, progress=progress)
    store = Store(folder)
    store.write_json("rows.json", result.to_json())
    store.write_text("table.md", result.to_markdown())
    return result
