"""All numbers of the page, computed once, and written beside it as CSV files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from analysis.answer import contrasts as rules
from analysis.answer import regimes, replications
from analysis.answer.controls import REPEATS, controls
from analysis.answer.optima import optima
from analysis.answer.orders import Judged, judge
from analysis.answer.reading import (
    SOURCES,
    TESTED,
    Table,
    designed,
    places_in,
    read_tables,
    stored,
)
from analysis.answer.searching import read_searches
from analysis.answer.variance import gains, shares, switches
from surrogate_nas.core.errors import UserError
from surrogate_nas.tables import read_compact


@dataclass(frozen=True)
class Findings:
    """What the page says."""

    judged: Sequence[Judged]
    frames: dict[str, pd.DataFrame] = field(repr=False)  # By the name of its CSV file
    lacking: Sequence[str]  # Families of others' tables that are not here
    trainings: tuple[int, int]  # How many there are, and how many the design wants

    def __getattr__(self, name: str) -> pd.DataFrame:
        """One of the frames, by its name."""
        try:
            return self.__dict__["frames"][name]
        except KeyError:
            raise AttributeError(name) from None

    def regimes(self, name: str) -> pd.DataFrame:
        """A frame of the second experiment; empty where the page has none."""
        return self.frames.get(f"regimes_{name}", pd.DataFrame())

    def write(self, folder: Path) -> None:
        """Write every frame as ``data/NAME.csv``."""
        (folder / "data").mkdir(parents=True, exist_ok=True)
        for name, frame in self.frames.items():
            frame.to_csv(folder / "data" / f"{name}.csv", index=False)


def find(
    data: Path,
    workers: int = 2,
    repeats: int = REPEATS,
    wanted: Mapping[tuple[str, str], int] | None = None,
    experiment: tuple[Path, Path] | None = None,
) -> Findings:
    """Compute everything.

    Args:
        data: The folder of the tables.
        workers: How many processes.
        repeats: How many studies each negative control has.
        wanted: By table and loss, how many trainings there shall be; the protocol's if left out.
        experiment: The tables and the design of the second experiment.

    Raises:
        UserError: There is no table, or none has enough classes.
    """
    tables, n = read_tables(data), len(TESTED)
    if not tables:
        raise UserError(
            f"No table of {data} has ten of these classes that two seeds trained."
        )
    with ProcessPoolExecutor(max(workers, 1)) as pool:
        second = pool.submit(regimes.find, *experiment) if experiment else None
        exact = pool.submit(optima, data)
        judged = list(pool.map(partial(judge, n=n), tables))
        part = [one for one in judged if not one.is_noise]
        usual = rules.of_length(part, 1)
        controlled = controls(usual, n, repeats, pool.map)
    names = [one.name for one in tables if one.name == one.task]  # of usual length
    digests = {name: read_compact(data / f"{name}.h5").digest for name in names}
    searches = read_searches(stored(data, "searches"), digests)
    made = _trainings(tables, designed() if wanted is None else wanted)
    in_part = _in_part(made)
    signals = _signals(judged)
    outside = replications.read_replications(stored(data, "outside"))
    other_losses, by_loss = rules.reached(part)
    frames = {
        "contrasts": rules.contrasts(part, in_part),
        "besides": rules.besides(judged, in_part),
        "sources": rules.each_source(part),
        "signals": signals,
        "levels": _levels(
            signals[signals["table"].isin([one.table.name for one in usual])]
        ),
        "losses": rules.losses_that_train(judged),
        "moderator": rules.moderator(part),
        "left_out": rules.left_out(judged),
        "second_space": rules.second_space(judged),
        "optima": exact.result(),
        "short_runs": rules.short_runs(judged, n),
        "replications": outside,
        "variance": shares(searches),
        "gains": gains(searches),
        "switches": switches(searches),
        "reached": other_losses,
        "reached_sources": by_loss,
        **{
            f"regimes_{name}": one
            for name, one in (second.result() if second else {}).items()
        },
        "controls": controlled,
        "worth": rules.worth(part),
        "classes": pd.concat([_classes(table) for table in tables], ignore_index=True),
        "trainings": made,
    }
    inside = made[["here", "wanted"]].min(axis=1)
    counted = int(inside.sum()), int(made["wanted"].sum())
    lacking = replications.lacking(outside)
    return Findings(judged, frames, lacking, counted)


def _signals(judged: Sequence[Judged]) -> pd.DataFrame:
    """τ, regret and corrected τ of every signal of every table."""
    parts = []
    for one in judged:
        table = one.table
        about = {"table": table.name, "task": table.task, "source": table.source}
        about |= {"length": table.length, "space": table.space, "noise": one.is_noise}
        parts.append(one.signals.assign(**about, measure=table.measure))
    return pd.concat(parts, ignore_index=True)


def _levels(signals: pd.DataFrame) -> pd.DataFrame:
    """The same of some tables, measures by their role, the mean over a source."""
    every = signals.copy()
    for name in ("quantity", "goal"):
        every[name] = every[name].where(every[name] != every["measure"], "measure")
    keys = ["split", "quantity", "time", "goal", "source"]
    numbers = ["tau", "quarter", "corrected", "regret"]
    return every.groupby(keys, sort=False)[numbers].mean().reset_index()


def _classes(table: Table) -> pd.DataFrame:
    """The places of a table's classes, and their parameters, for who computes it again."""
    places = table.classes + places_in(table.space, TESTED).start
    columns = {
        "table": table.name,
        "place": places,
        "cell": table.cells,
        "params": table.params,
    }
    return pd.DataFrame(columns)


def _trainings(
    tables: Sequence[Table], wanted: Mapping[tuple[str, str], int]
) -> pd.DataFrame:
    """By table and loss how many trainings are here, and how many are wanted."""
    here = {(one.name, loss): n for one in tables for loss, n in one.trained.items()}
    keys = sorted({*here, *wanted})
    lines = [(*key, here.get(key, 0), wanted.get(key, 0)) for key in keys]
    return pd.DataFrame(lines, columns=["table", "loss", "here", "wanted"])


def _in_part(made: pd.DataFrame) -> set[int]:
    """The lengths of which trainings of the design are lacking, in the space of the design."""
    names = {
        f"{task}-x{n}".removesuffix("-x1"): n for task in SOURCES for n in rules.LENGTHS
    }
    lacking = made.loc[made["here"] < made["wanted"], "table"]
    return {names[name] for name in lacking if name in names}
