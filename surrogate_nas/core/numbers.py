"""Formatting of numbers with units and a suitable number of decimals, and tables for notebooks.

The module also defines the significance level and the numerical tolerance of this project.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import SupportsFloat

from markupsafe import Markup

LEVEL = 0.05
"""The significance level α of all tests."""
POWER = 0.8
"""The statistical power: the probability of finding a difference that is called detectable."""
ROUNDING = 1e-9
"""Numbers that differ by at most this share of their range are equal up to rounding of sums."""


NOTHING = "–"
"""The text for an undefined number."""

NO_CELL = "no feasible cell"
"""The text in place of a score if no cell met the constraints."""
MISSED = "The share of the front's hypervolume that is missed"
"""The description of a run's score under several objectives."""

_ROUNDING = 1e-12
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def decimals_for(values: Iterable[float]) -> int:
    """Return the number of decimals, from 3 to 6, that shows two significant digits of a range."""
    finite = [value for value in values if math.isfinite(value)]
    spread = max(finite) - min(finite) if finite else 0.0
    if spread <= _ROUNDING:
        return 4
    return min(max(2 - math.floor(math.log10(spread)), 3), 6)


def fixed(value: float | None, decimals: int) -> str:
    """Format a number with the given decimals.

    None and NaN become a dash, and zero has no minus sign.
    """
    if value is None or math.isnan(value):
        return NOTHING
    return f"{0.0 if abs(value) < _ROUNDING else value:,.{decimals}f}".replace("-", "−")


def share(value: SupportsFloat | None) -> str:
    """Format a share in whole per cent.

    Only exactly 1 is shown as 100 %, and only exactly 0 as 0 %.

    Example:
        >>> [share(value) for value in (0.0, 0.003, 0.5, 0.997, 1.0)]
        ['0 %', '< 1 %', '50 %', '> 99 %', '100 %']
    """
    if value is None or math.isnan(part := float(value)):
        return NOTHING
    whole = round(100 * part)
    if whole == 100 and part < 1:
        return "> 99 %"
    return "< 1 %" if whole == 0 and part > 0 else f"{whole} %"


def natural(value: float, unit: str) -> str:
    """Format a value of a metric with its unit."""
    if math.isnan(value):
        return NOTHING
    if unit == "parameters":
        return f"{value:,.0f}"
    digits = {"%": ".2f", "M": ".2f", "nats": ".4f"}.get(unit, ",.4g")
    return f"{value:{digits}} {unit}".rstrip()


def quantity(value: float) -> str:
    """Format a count or a duration of any size, without needless decimals."""
    if math.isnan(value):
        return NOTHING
    if value >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def scientific(value: float) -> str:
    """Format a number with four significant digits, and a power of ten if it is tiny or huge."""
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    power = f" × 10{str(int(exponent)).translate(_RAISED)}" if exponent else ""
    return mantissa.replace("-", "−") + power


def p_value(p: float) -> str:
    """Format a p-value with two significant digits, down to 0.001."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def clock(seconds: float) -> tuple[float, str]:
    """Choose a suitable unit for a duration. Return the unit's length in seconds and its name."""
    for divisor, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 3 * divisor:
            return divisor, unit
    return 1.0, "seconds"


def plural(n: int, noun: str) -> str:
    """Format a count with its noun, in the singular or plural."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def some_of(part: int, whole: int) -> str:
    """Format a part of a count, such as ``3 of 5``, or the count alone if the part is all of it."""
    return str(whole) if part == whole else f"{part} of {whole}"


def budget_in_words(budget: Mapping[str, float | None], cost: str) -> str:
    """Describe the budget of a run in words."""
    cells, seconds = budget["cells"], budget["seconds"]
    parts = [] if cells is None else [plural(int(cells), "evaluation")]
    if seconds is not None:
        unit = "queries" if cost == "queries" else "simulated seconds"
        parts.append(f"{seconds:,g} {unit}")
    return " and ".join(parts)


_MOST_ROWS = 60
_LONGEST = 300


def html_table(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    note: str = "",
) -> str:
    """Format a table as HTML for a notebook."""
    from pandas import DataFrame, option_context

    if len(rows) > _MOST_ROWS:
        note = f"{note} The first {_MOST_ROWS} of {len(rows):,} rows.".strip()
    frame = DataFrame(rows[:_MOST_ROWS], columns=[*heads], dtype=object)
    with option_context("display.max_colwidth", _LONGEST):
        table = frame.where(frame.notna(), NOTHING).to_html(
            index=False, float_format="{:.6g}".format, border=0
        )
    head = Markup("<p><strong>{}</strong><br><small>{}</small></p>").format(title, note)
    return f"{head}{table}"
