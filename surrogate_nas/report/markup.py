"""What a page is made of: data that the templates in ``templates/`` set and escape; nothing here is HTML.

The templates are jinja2's with autoescape on, so a text that a user, a file or a strategy chose is text on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from surrogate_nas.report.look import Look


class Shown(NamedTuple):
    """A text that is set in its own way.

    Attributes:
        text: As it is; the template escapes it.
        kind: How it is set; a strategy's name stands beside its line.
        look: Of a strategy.
    """

    text: str
    kind: Literal["code", "strong", "strategy"]
    look: Look | None = None


Content = str | Shown
"""What a cell of a table holds."""


class Head(NamedTuple):
    """The head of a column.

    Attributes:
        text: What it holds.
        small: More of it, in small letters, or empty.
    """

    text: str
    small: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        heads: One per column.
        rows: The cells.
        texts: How many leading columns are text, and so are set to the left.
        facts: Whether its rows are names with values, without heads.
    """

    heads: Sequence[Head]
    rows: Sequence[Sequence[Content]]
    texts: int = 1
    facts: bool = False


def strategy(name: str, look: Look) -> Shown:
    """A strategy's name with the line that it has in figures.

    Args:
        name: The name.
        look: How it is drawn.
    """
    return Shown(name, "strategy", look)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("surrogate_nas.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def render(template: str, **content: Any) -> str:
    """Fill a template.

    Args:
        template: The name of a file in ``templates/``.
        content: What it shows.
    """
    return _environment().get_template(template).render(**content)
