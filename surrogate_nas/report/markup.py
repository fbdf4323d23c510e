"""What a page is made of: data that the templates in ``templates/`` set and escape; nothing here is
HTML.

The templates are jinja2's with autoescape on, so a text that a user, a file or a strategy chose is
text on the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from surrogate_nas.report.picture import mark_svg
from surrogate_nas.report.style import PAINTS, SCHEMES, Look

if TYPE_CHECKING:
    from surrogate_nas.report.picture import Picture
    from surrogate_nas.report.reading import Kind, Study

_MOST_ITEMS = 20
"""Of a list in a box."""


class Shown(NamedTuple):
    """A text that is set in its own way: a strategy's name beside its mark, a link to a file of the
    folder.
    """

    text: str
    kind: Literal["code", "strong", "strategy", "link"]
    look: Look | None = None
    address: str = ""


Content = str | Shown
"""What a cell of a table holds."""


class Head(NamedTuple):
    """The head of a column, and more of it in small letters."""

    text: str
    small: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose first `texts` columns are set to the left; of facts, rows are names with
    values, without heads.
    """

    heads: Sequence[Head]
    rows: Sequence[Sequence[Content]]
    texts: int = 1
    facts: bool = False
    folded: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Words:
    """A paragraph; quiet and small as a note."""

    parts: Sequence[Content]
    note: bool = False
    kind: ClassVar[str] = "words"


@dataclass(frozen=True)
class Figures:
    """Pictures, each with its caption above it or below."""

    pictures: Sequence[Picture]
    below: bool = False
    kind: ClassVar[str] = "figures"


class Block(NamedTuple):
    """Anything else that stands in a section: sentences, a smaller heading, a command, or cards of
    cells.
    """

    kind: Literal["items", "heading", "command", "cards"]
    content: Any


@dataclass(frozen=True)
class Box:
    """What a reader must see first: in bold, then words, then a list that may be long."""

    strong: str
    rest: str = ""
    items: Sequence[str | Words] = ()
    bad: bool = True

    @property
    def shown(self) -> list[str | Words]:
        """The items that there is room for."""
        more = len(self.items) - _MOST_ITEMS
        return [*self.items[:_MOST_ITEMS], *([f"and {more} more"] if more > 0 else [])]


class Section(NamedTuple):
    """What a section says: its title, and words, pictures and tables; a text is a paragraph.

    Halves that follow one another stand side by side on a desk; what is folded opens by its title.
    """

    title: str
    blocks: Sequence[Table | Words | Figures | Block | str]
    half: bool = False
    folded: bool = False


class Listed(NamedTuple):
    """A function that makes a section, of which kinds of results, and where it stands on the
    page.
    """

    place: int
    kinds: tuple[Kind, ...]
    make: Callable[[Study], Section | None]


SECTIONS: list[Listed] = []
"""Every section of the modules in ``sections/`` that were imported."""


def section(
    place: int, *kinds: Kind
) -> Callable[[Callable[[Study], Section | None]], Callable[[Study], Section | None]]:
    """Put what a function says on the pages of kinds of results, by rising places; None where it
    says nothing.
    """

    def listed(make: Callable[[Study], Section | None]) -> Callable[[Study], Section | None]:
        SECTIONS.append(Listed(place, kinds, make))
        return make

    return listed


def note(text: str, *further: Content) -> Words:
    """Words in small letters."""
    return Words([text, *further], note=True)


def strategy(name: str, look: Look) -> Shown:
    """A strategy's name beside its mark."""
    return Shown(name, "strategy", look)


def with_marks(sentence: str, looks: Mapping[str, Look]) -> Words:
    """A sentence with every strategy's name in it beside its mark; a name of one letter may be a
    word.
    """
    names = sorted((name for name in looks if len(name) > 1), key=len, reverse=True)
    if not names:
        return Words([sentence])
    either = "|".join(map(re.escape, names))
    parts = re.split(rf"(?<![\w@.-])({either})(?![\w@(-])", sentence)
    return Words(
        [strategy(part, looks[part]) if i % 2 else part for i, part in enumerate(parts) if part]
    )


def files_of(table: str) -> list[Content]:
    """Links to a table's files in ``tables/``."""
    ends = {"CSV": "csv", "LaTeX": "tex"}
    first, second = (
        Shown(text, "link", None, f"tables/{table}.{end}") for text, end in ends.items()
    )
    return [first, ", ", second]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    loader = PackageLoader(__package__)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.globals.update(schemes=SCHEMES, paints=PAINTS, mark_svg=mark_svg)
    return made


def render(template: str, **content: Any) -> str:
    """Fill a template of ``templates/``."""
    return _environment().get_template(template).render(**content)
