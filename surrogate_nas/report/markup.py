"""The blocks of an HTML page as data. The templates in ``templates/`` convert blocks to HTML.

The jinja2 templates escape automatically, so texts of users, files and strategies cannot contain
markup.
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
    """A text with its own style: code, a strategy's name with its mark, or a link."""

    text: str
    kind: Literal["code", "strong", "strategy", "link"]
    style: Style | None = None
    address: str = ""


Content = str | Span
"""The content of a table cell."""


Head = Sequence[str]
"""The heading of a column: a text, or two, the second of which is a second line in small
letters.
"""


@dataclass(frozen=True)
class Table:
    """A table. The first `texts` columns of the table are left-aligned. A table of facts has no
    headings.
    """

    heads: Sequence[Head]
    rows: Sequence[Sequence[Content]]
    texts: int = 1
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph. Notes are small and grey."""

    parts: Sequence[Content]
    note: bool = False
    kind: ClassVar[str] = "words"


@dataclass(frozen=True)
class Figures:
    """Pictures with captions above or below them, either in their own width or as wide as the
    page.
    """

    pictures: "Sequence[Picture]"
    below: bool = False
    wide: bool = False
    kind: ClassVar[str] = "figures"


class Block(NamedTuple):
    """A block of a section that is neither a table nor a paragraph nor pictures: a list of
    sentences, a subheading, a command, or cards of cells.
    """

    kind: Literal["items", "heading", "command", "cards"]
    content: Any


@dataclass(frozen=True)
class Notice:
    """A notice: bold text, normal text, and a list that may be long."""

    strong: str
    rest: str = ""
    items: Sequence[str | Paragraph] = ()
    bad: bool = True


class Section(NamedTuple):
    """A section of a page: its title and its blocks. A block that is a string is shown as a
    paragraph.

    Two consecutive half-width sections share a row of a wide window. A folded section opens when
    the reader clicks on it.
    """

    title: str
    blocks: Sequence[Table | Paragraph | Figures | Block | str]
    half: bool = False
    folded: bool = False


if TYPE_CHECKING:
    Maker = Callable[[Study], Section | None]

SECTIONS: "list[tuple[int, tuple[Kind, ...], Maker]]" = []
"""The registered sections: the position on the page, the types of results, and the function that
builds the section.
"""


def section(position: int, *kinds: "Kind") -> "Callable[[Maker], Maker]":
    """Register a function that builds a section for some types of results. The function returns
    None to omit the section.
    """

    def register(make: "Maker") -> "Maker":
        SECTIONS.append((position, kinds, make))
        return make

    return register


def folded(title: str, *blocks: Any) -> Section:
    """Build a section that opens when the reader clicks on it."""
    return Section(title, blocks, folded=True)


def note(text: str, *further: Content) -> Paragraph:
    """Build a small, grey paragraph."""
    return Paragraph([text, *further], note=True)


def strategy(name: str, style: Style) -> Span:
    """Build a text with a strategy's name and its mark."""
    return Span(name, "strategy", style)


def with_marks(sentence: str, styles: Mapping[str, Style]) -> Paragraph:
    """Build a paragraph in which every strategy's name has its mark, except names of one letter."""
    names = sorted((name for name in styles if len(name) > 1), key=len, reverse=True)
    if not names:
        return Paragraph([sentence])
    either = "|".join(map(re.escape, names))
    texts = re.split(rf"(?<![\w@.-])({either})(?![\w@(-])", sentence)
    parts: list[Content] = [*texts]
    parts[1::2] = [strategy(name, styles[name]) for name in texts[1::2]]
    return Paragraph(list(filter(None, parts)))


def files_of(table: str) -> list[Content]:
    """Build the links to a table's CSV and LaTeX files in ``tables/``."""
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
    """Fill a template from ``templates/`` with values."""
    return _environment().get_template(template).render(**content)
