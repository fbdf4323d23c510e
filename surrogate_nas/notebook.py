"""How results show themselves in a notebook: one small table, in which every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template

_PAGE = """<div><p><strong>{{ title }}</strong>{% if note %}<br><small>{{ note }}</small>{% endif %}</p>
<table><thead><tr>{% for head in heads %}<th style="text-align:left">{{ head }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr>{% for cell in row %}<td style="text-align:left">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>"""


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)


def html_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> str:
    """A table as HTML.

    Args:
        title: What it shows.
        heads: The headings.
        rows: The cells; numbers get six significant digits, None is a dash.
        note: A sentence below the title, or empty.

    Example:
        >>> page = html_table("Found", ("strategy", "error"), [("bo", 8.12345678), ("<mine>", None)])
        >>> ">8.12346</td>" in page, ">&lt;mine&gt;</td>" in page
        (True, True)
    """
    texts = [[_text(value) for value in row] for row in rows]
    return _template().render(title=title, heads=heads, rows=texts, note=note)


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
