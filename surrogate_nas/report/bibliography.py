"""The papers of a study's tables, spaces and strategies, as BibTeX.

A citation in this project is one line, ``Authors, Title, Venue year``, with or without quotation
marks around the title. Authors are given by their family names only, also in the BibTeX entries.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain, count

from surrogate_nas.report.reading import Comparison, escaped
from surrogate_nas.strategies import StrategyEntry, described

_AUTHORS = re.compile(
    r"(?P<authors>[^,&:]+ et al\.|(?:[^,&:]+, )*[^,&:]+ & [^,&:]+), (?P<rest>.+)"
)
_QUOTED = re.compile(r'(?P<authors>[^"]+), "(?P<title>[^"]+)", (?P<venue>.+)')
_ARXIV = r"arXiv:[\d.]+, (?:19|20)\d\d"
_PLAIN = re.compile(rf"(?P<title>.+?), (?P<venue>{_ARXIV}|[^,]*\b(?:19|20)\d\d\b[^,]*)")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_NUMBER = re.compile(
    r"arXiv[ :](\d\d)\d\d"
)  # an arXiv number begins with the year and the month
_SMALL = {"a", "an", "the", "on", "is", "of"}


@dataclass(frozen=True)
class Paper:
    """The parts of a citation.

    Attributes:
        authors: The family names of the authors. If the citation says *et al.*, the last entry is
            ``others``.
        title: The title.
        venue: The venue without the year.
        year: The year as four digits, or an empty string.
    """

    authors: tuple[str, ...]
    title: str
    venue: str
    year: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """A key that is equal for all citations of a paper, even if the title or the list of
        authors is shortened.
        """
        first = self.authors[0] if self.authors else ""
        return first, self.year, self.title.partition(":")[0].casefold()

    @property
    def key(self) -> str:
        """The BibTeX key: first author, year and first word of the title, in ASCII."""
        first = self.authors[0].split()[-1] if self.authors else ""
        words = [
            word
            for word in re.split(r"[^\w-]+", self.title.lower())
            if word not in _SMALL
        ]
        return (
            "".join(map(_ascii, (first, self.year, words[0] if words else "")))
            or "paper"
        )

    def bibtex(self, key: str) -> str:
        """Return the BibTeX entry with the given key. All texts are escaped for LaTeX.

        Args:
            key: A key that is unique in the file.
        """
        fields = {
            "author": " and ".join(
                name if name == "others" else f"{{{escaped(name)}}}"
                for name in self.authors
            ),
            "title": f"{{{escaped(self.title)}}}",
            "howpublished": escaped(self.venue),
            "year": self.year,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@misc{{{key},", *lines, "}", ""])


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", plain.lower())


def paper_of(citation: str) -> Paper | None:
    """Parse a citation. Return None if the text is not a citation, such as ``the user's own``.

    Args:
        citation: One line, ``Authors, Title, Venue year``, as in the description of a table.

    Example:
        >>> paper = paper_of(
        ...     "Klein & Hutter, Tabular Benchmarks, arXiv:1905.04970, 2019"
        ... )
        >>> paper.authors, paper.title, paper.venue, paper.year
        (('Klein', 'Hutter'), 'Tabular Benchmarks', 'arXiv:1905.04970', '2019')
        >>> paper.key, paper_of("the user's own")
        ('klein2019tabular', None)
    """
    text = " ".join(citation.split()).rstrip(".")
    match = _QUOTED.fullmatch(text)
    if match is None:
        named = _AUTHORS.fullmatch(text)
        authors = named["authors"] if named else ""
        match = _PLAIN.fullmatch(named["rest"] if named else text)
    else:
        authors = match["authors"]
    if match is None:
        return None
    venue = match["venue"]
    years = _YEAR.findall(venue)
    number = _NUMBER.search(venue)
    year = years[-1] if years else f"20{number[1]}" if number else ""
    if years:
        venue = re.sub(rf",?\s*\b{year}\b", "", venue).strip(" ,")
    return Paper(_names(authors), match["title"], venue, year)


def _names(authors: str) -> tuple[str, ...]:
    if authors.endswith(" et al."):
        return authors.removesuffix(" et al."), "others"
    return tuple(name.strip() for name in re.split(r", | & ", authors) if name.strip())


def papers_of_strategies(
    entries: Iterable[StrategyEntry], own: Collection[str] = ()
) -> dict[str, str]:
    """Return a mapping from each strategy's label to its citation, or to an empty string if it has
    none.

    Args:
        entries: The strategies.
        own: The labels of user-defined strategies. A user-defined strategy has no citation, even if
            its name is that of a built-in strategy.
    """
    known = {entry["name"]: entry["paper"] for entry in described()}
    papers = {}
    for entry in entries:
        name = (
            f"{entry.name.partition(':')[0]}:…"
            if entry.origin == "bridge"
            else entry.name
        )
        papers[entry.label] = "" if entry.label in own else known.get(name, "")
    return papers


def citations_of_data(comparison: Comparison) -> list[str]:
    """Return the distinct citations of a comparison's table and space.

    Args:
        comparison: A comparison, with or without its table.
    """
    benchmark = comparison.objective.benchmark
    cited = [*benchmark.citation.split("; "), benchmark.space.citation]
    return list(dict.fromkeys(filter(None, cited)))


class Bibliography:
    """The papers of a BibTeX file by their keys. A paper that is cited several times is included
    once, even if its title is shortened.

    Example:
        >>> papers = Bibliography()
        >>> papers.cite("Dong et al., NATS-Bench, TPAMI 2021")
        'dong2021natsbench'
        >>> papers.cite('Dong et al., "NATS-Bench: Benchmarking NAS", TPAMI 2021')
        'dong2021natsbench'
        >>> papers.papers["dong2021natsbench"].title
        'NATS-Bench: Benchmarking NAS'
    """

    def __init__(self) -> None:
        self.papers: dict[str, Paper] = {}

    def cite(self, citation: str | Paper) -> str:
        """Return the key of a paper, and add the paper if it is new. Return an empty string if the
        text is not a citation.

        Args:
            citation: A citation as text (see `paper_of`), or as a `Paper`.
        """
        paper = paper_of(citation) if isinstance(citation, str) else citation
        if paper is None:
            return ""
        for key, known in self.papers.items():
            if known.identity == paper.identity:
                self.papers[key] = max(known, paper, key=_detail)
                return key
        keys = chain([paper.key], (f"{paper.key}-{number}" for number in count(2)))
        key = next(key for key in keys if key not in self.papers)
        self.papers[key] = paper
        return key

    def bibtex(self, without: Iterable[str] = ()) -> str:
        """Return the content of the BibTeX file.

        Args:
            without: The names of tables, spaces and strategies without a recorded paper. A comment
                in the file lists these names.
        """
        lines = ["% Entries contain only family names. Complete them before printing."]
        # outside of an entry BibTeX skips all but an @
        names = (" ".join(name.split()).replace("@", "(at)") for name in without)
        lines += [f"% No paper is recorded for {name}." for name in names]
        entries = [paper.bibtex(key) for key, paper in self.papers.items()]
        return "\n".join([*lines, "", *entries])


def _detail(paper: Paper) -> tuple[bool, int, int]:
    return "others" not in paper.authors, len(paper.title), len(paper.authors)
