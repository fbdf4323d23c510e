"""What `snas advise` would have said of sources that it had not seen, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.answer.contrasts import LEVEL, of_length
from analysis.answer.orders import Judged
from analysis.answer.tables import LATE, MEAN, Table
from surrogate_nas.study.advice import Score, Scored, scored
from surrogate_nas.study.orders import Signal, SignalTable, by_source
from surrogate_nas.study.pilot import reference_of

HEADS = [*Scored._fields, "at", "late", "low", "high", "hit"]


def advice(judged: Sequence[Judged]) -> pd.DataFrame:
    """A line a source: advised by the others, then with half of its classes as a pilot."""
    sources = by_source(signals_of(one.table) for one in of_length(judged, 1))
    lines = []
    for piloted in (False, True):
        for one in scored(sources, piloted=piloted):
            reach = stats.norm.ppf(1 - LEVEL / 2) * one.error
            told = {"low": one.gain - reach, "high": one.gain + reach}
            told["hit"] = one.is_hit if one.known else None
            lines.append(one._asdict() | one.signal._asdict() | told | {"signal": one.signal.what})
    return pd.DataFrame(lines, columns=HEADS)


def scores(frame: pd.DataFrame) -> list[Score]:
    """How good it was, without a pilot and with one."""
    found: dict[bool, list[Scored]] = {}
    for line in frame.to_dict("records"):
        known = {name: line[name] for name in Scored._fields}
        known["signal"] = Signal(line["signal"], line["at"], line["late"])
        found.setdefault(line["piloted"], []).append(Scored(**known))
    return [Score.of(some) for some in found.values()]


def signals_of(table: Table) -> SignalTable:
    """A table's signals of the usual loss as advice takes them."""
    signals = {}
    for split, quantity, time in table.signals():
        values = table(split, quantity, time)
        if quantity in ("loss", table.measure) and time != MEAN and np.isfinite(values).all():
            what = f"{split} {'loss' if quantity == 'loss' else 'measure'}"
            is_late = time == LATE
            signals[Signal(what, 1.0 if is_late else int(time) / 100, is_late)] = values
    return SignalTable(
        name=table.task,
        source=table.source,
        signals=signals,
        goal=table("test", table.measure),
        reference=reference_of("measure"),
        measure=table.measure,
        is_tested=True,
        cells=table.classes,
    )
