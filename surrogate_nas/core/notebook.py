"""How things show themselves in a notebook: a small table in the notebook's colours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template

_PAGE = """<div style="overflow-wrap:break-word"><p><strong>{{ title }}</strong>
{%- if note %}<br><small>{{ note }}</small>{% endif %}</p>
<table><thead><tr>{% for head in heads %}<th style="text-align:left">{{ head }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr>{% for cell in row %}<td style="text-align:left">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>"""  # noqa: E501
_MOST_ROWS = 60
_LONGEST = 300


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)


def html_table(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    note: str = "",
) -> str:
    """A table as HTML."""
    texts = [map(_text, row) for row in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        note = f"{note} The first {_MOST_ROWS} of {len(rows):,} rows.".strip()
    return _template().render(title=title, heads=heads, rows=texts, note=note)


def _text(value: object) -> str:
    if value is None:
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
