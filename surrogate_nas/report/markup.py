"""The blocks of a page as data; the templates in ``templates/`` turn them into HTML.

The templates are jinja2's with autoescape on, so that texts of users, files and strategies stay
text.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from surrogate_nas.report.picture import mark_svg
from surrogate_nas.report.style import COLOURS, SCHEMES, Style

if TYPE_CHECKING:
    from surrogate_nas.report.picture import Picture
    from surrogate_nas.report.reading import Kind, Study


class Span(NamedTuple):
    """A text with a style of its own: code, a strategy's name with its mark, a link."""

    text: str
    kind: Literal["code", "strong", "strategy", "link"]
    style: Style | None = None
    address: str = ""


Content = str | Span
"""The content of a table cell."""


Head = Sequence[str]
"""The head of a column: a text, or two, of which the second is a second line in small letters."""


@dataclass(frozen=True)
class Table:
    """A table; its first `texts` columns are left-aligned. A table of facts has no heads."""

    heads: Sequence[Head]
    rows: Sequence[Sequence[Content]]
    texts: int = 1
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; notes are small and grey."""

    parts: Sequence[Content]
    note: bool = False
    kind: ClassVar[str] = "words"


@dataclass(frozen=True)
class Figures:
    """Pictures with their captions above or below, in their own width or as wide as the page."""

    pictures: "Sequence[Picture]"
    below: bool = False
    wide: bool = False
    kind: ClassVar[str] = "figures"


class Block(NamedTuple):
    """Another block of a section: sentences, a smaller heading, a command, or cards of cells."""

    kind: Literal["items", "heading", "command", "cards"]
    content: Any


@dataclass(frozen=True)
class Notice:
    """A notice: bold text, further words, and a list that may be long."""

    strong: str
    rest: str = ""
    items: Sequence[str | Paragraph] = ()
    bad: bool = True


class Section(NamedTuple):
    """A section: its title and its blocks; a text is a paragraph.

    Two successive halves share a row of a wide window; a folded section opens on a click.
    """

    title: str
    blocks: Sequence[Table | Paragraph | Figures | Block | str]
    half: bool = False
    folded: bool = False


if TYPE_CHECKING:
    Maker = Callable[[Study], Section | None]

SECTIONS: "list[tuple[int, tuple[Kind, ...], Maker]]" = []
"""All sections of the imported modules in ``sections/``: the place on the page, the kinds of
results that have it, and the function that makes it.
"""


def section(position: int, *kinds: "Kind") -> "Callable[[Maker], Maker]":
    """Register a section for some kinds of results; its function returns None to leave it out."""

    def register(make: "Maker") -> "Maker":
        SECTIONS.append((position, kinds, make))
        return make

    return register


def folded(title: str, *blocks: Any) -> Section:
    """A section that opens on a click."""
    return Section(title, blocks, folded=True)


def note(text: str, *further: Content) -> Paragraph:
    """A small, grey paragraph."""
    return Paragraph([text, *further], note=True)


def strategy(name: str, style: Style) -> Span:
    """A strategy's name with its mark."""
    return Span(name, "strategy", style)


def with_marks(sentence: str, styles: Mapping[str, Style]) -> Paragraph:
    """A sentence with a mark at every strategy's name, except names of one letter."""
    names = sorted((name for name in styles if len(name) > 1), key=len, reverse=True)
    if not names:
        return Paragraph([sentence])
    either = "|".join(map(re.escape, names))
    texts = re.split(rf"(?<![\w@.-])({either})(?![\w@(-])", sentence)
    parts: list[Content] = [*texts]
    parts[1::2] = [strategy(name, styles[name]) for name in texts[1::2]]
    return Paragraph(list(filter(None, parts)))


def files_of(table: str) -> list[Content]:
    """Links to the files of a table in ``tables/``."""
    csv, latex = (
        Span(text, "link", None, f"tables/{table}.{suffix}")
        for text, suffix in (("CSV", "csv"), ("LaTeX", "tex"))
    )
    return [csv, ", ", latex]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    loader = PackageLoader(__package__)
    options: dict[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True}
    environment = Environment(loader=loader, autoescape=True, **options)
    environment.globals.update(schemes=SCHEMES, paints=COLOURS, mark_svg=mark_svg)
    return environment


def render(template: str, **content: Any) -> str:
    """Fill a template of ``templates/``."""
    return _environment().get_template(template).render(**content)
