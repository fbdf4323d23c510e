"""The page of judged surrogates: what was found, then a section a table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.core.numbers import NOTHING, plural, quantity
from surrogate_nas.files import write_whole
from surrogate_nas.report.curves import Curve, Panel, chart
from surrogate_nas.report.markup import (
    Block,
    Content,
    Figures,
    Notice,
    Paragraph,
    Section,
    Span,
    Table,
    folded,
    note,
)
from surrogate_nas.report.page import Header, document
from surrogate_nas.report.picture import WIDE, Canvas, Picture
from surrogate_nas.report.style import styles
from surrogate_nas.results.columns import Rows
from surrogate_nas.results.surrogates import PARAMETERS, Mean, SurrogateResult

_MARGIN = 0.05  # of τ, below the lowest curve
_NOTE = (
    "τ: Kendall's, between predictions and the mean over training seeds, of cells that were not"
    " learned from; likewise over the best quarter of them. In brackets: 95 % intervals over the"
    " draws of training cells (Student's). All models learn from the same cells. A star: no better"
    f" than {PARAMETERS}. Fitting takes its calibration in."
)


def write_surrogates(result: SurrogateResult, folder: Path, *, command: str = "") -> Path:
    """Write ``report.html``, which is whole or as it was before.

    Raises:
        UserError: The folder cannot be written.
    """
    return write_whole(folder / "report.html", _html(result, command))


def _html(result: SurrogateResult, command: str) -> str:
    counts = (plural(len(result.models), "surrogate"), plural(len(result.tables), "table"))
    title = f"{counts[0]} judged on {counts[1]}"
    line: list[Content] = [
        f"{plural(result.draws, 'draw')} of training cells each · ",
        Span("Numbers as JSON", "link", None, "summary.json"),
    ]
    fits = {
        table["name"]: [fit for fit in result.fits if fit["table"] == table["name"]]
        for table in result.tables
    }
    unread = [
        f"{name}: {', '.join(absent)}"
        for name, own in fits.items()
        if (absent := sorted({*result.models} - {fit["model"] for fit in own}))
    ]
    boxes = (
        [Notice("Cannot be read, or too small:", items=unread, bad=False)] if unread else []
    )
    sentences = [Paragraph([sentence]) for sentence in result.sentences]
    top = Header(title, title, line, boxes, sentences, None)
    sections = [
        _section(result, t, fits[t["name"]]) for t in result.tables if fits[t["name"]]
    ]
    if result.spreads:
        origins = [f"of {model} from {spread}" for model, spread in result.spreads.items()]
        sections.append(Section("Spreads", [f"The spread comes {', '.join(origins)}."]))
    if command:
        sections.append(folded("How this was made", Block("command", command)))
    return document(top, sections)


def _section(result: SurrogateResult, table: dict[str, Any], fits: Rows) -> Section:
    name = table["name"]
    about = [
        f"{table['learned']} of {table['cells']:,} cells of {table['space']}, {table['split']}"
        " split."
    ]
    if table["seeds"]:
        about.append(f"Each draw learns one of {len(table['seeds'])} training seeds.")
    about.append(f"The 90 % interval is held against {table['coverage_against']}.")
    caption = f"τ on {name} by the number of training cells"
    if fits[0]["parameters"] is not None:
        caption = f"{caption}; the line is {PARAMETERS}"
    drawn = partial(_picture, fits, result.models)
    picture = Picture(f"surrogates-{name}", caption, drawn, WIDE)
    words = Paragraph([" ".join([*about, *table["notes"]])])
    return Section(name, [words, Figures([picture]), _numbers(fits), note(_NOTE)])


def _picture(fits: Rows, models: Sequence[str], width: float) -> Canvas:
    curves = {}
    for model in models:
        own = [fit for fit in fits if fit["model"] == model]
        if own:
            taus = [fit["kendall"] for fit in own]
            ends = [tau.ci95 or (tau.mean, tau.mean) for tau in taus]
            x = np.array([float(fit["n_train"]) for fit in own])
            low, high = np.array(ends).T
            curves[model] = Curve(x, np.array([tau.mean for tau in taus]), low, high)
    lowest = min(float(curve.middle.min()) for curve in curves.values())
    base = fits[-1]["parameters"]
    if base is not None:
        lowest = min(lowest, base.mean)
    panel = Panel(
        "cells",
        "Kendall's τ",
        root=False,
        reference=None if base is None else base.mean,
        rising=True,
        banded=(),
        ends=(lowest - _MARGIN, 1.0),
        steps=False,
    )
    return chart(curves, styles(models), panel, width)


def _numbers(fits: Rows) -> Table:
    heads = [
        "surrogate",
        "cells",
        ("τ", "unseen cells"),
        ("τ", "best quarter"),
        ("τ", f"minus that of {PARAMETERS}"),
        ("coverage", "of the 90 % interval"),
        ("seconds", "fit, ask 1,000"),
    ]
    rows: list[list[Content]] = []
    for n in dict.fromkeys(fit["n_train"] for fit in fits):
        own = [fit for fit in fits if fit["n_train"] == n]
        base = [own[0]["parameters"], own[0]["parameters_top_quarter"]]
        if base[0] is not None:
            empty: list[Content] = [NOTHING] * (len(heads) - 4)
            rows.append([PARAMETERS, f"{n:,}", *map(_text, base), *empty])
        for fit in own:
            weak = " *" if fit["better_than_parameters"] is False else ""
            row: list[Content] = [
                fit["model"],
                f"{n:,}",
                _text(fit["kendall"]),
                _text(fit["kendall_top_quarter"]),
                f"{_text(fit['gain'])}{weak}",
                _text(fit["coverage90"]),
                f"{quantity(fit['fit_seconds'])}, {quantity(fit['ask_seconds'])}",
            ]
            rows.append(row)
    return Table(heads, rows)


def _text(mean: Mean | None) -> str:
    return NOTHING if mean is None else str(mean)
