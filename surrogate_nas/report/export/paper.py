"""The experiments of a paper: results, a data statement and BibTeX, as Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import write_whole
from surrogate_nas.report.bibliography import (
    Bibliography,
    Paper,
    citations_of_data,
    papers_of_strategies,
)
from surrogate_nas.report.export import Format
from surrogate_nas.report.export.figures import pictures, rendered
from surrogate_nas.report.export.latex import write_latex
from surrogate_nas.report.reading import (
    TABLES,
    Comparison,
    Rows,
    Source,
    StudyResult,
    SuiteResult,
    escaped,
    joined,
    results_of,
)
from surrogate_nas.report.sections.conventions import conventions
from surrogate_nas.tables.sources.base import declared, source_of
from surrogate_nas.tables.sources.fetching import repositories

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&@])")
_LIKE_A_LIST = re.compile(r"^(\d*)([-+.)])(?=\s|$)")
_ADDRESS = re.compile(r"https?://[\w./~+-]*\w")
_MOST_FIGURES = 2
"""Of the first page; ``snas export figures`` draws all."""
_MAIN = r"""% pdflatex paper, bibtex paper, pdflatex paper, pdflatex paper
\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp,booktabs,graphicx,xurl}
\sloppy % names of benchmarks and metrics have no place to break
\begin{document}
\input{results}
\input{data}
\bibliographystyle{plain}
\bibliography{references}
\end{document}
"""


def markdown(text: str) -> str:
    """A text as Markdown shows it, on one line: nothing in it is markup.

    Args:
        text: Of whatever origin.

    Example:
        >>> markdown("bo_epochs(n=5) | <b>")
        'bo\\\\_epochs(n=5) \\\\| \\\\<b\\\\>'
    """
    line = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _LIKE_A_LIST.sub(r"\1\\\2", line)


def _latex(text: str) -> str:
    """A text as LaTeX shows it; its addresses may break."""
    parts = _ADDRESS.split(text)
    addresses = [rf"\url{{{address}}}" for address in _ADDRESS.findall(text)]
    return "".join(chain(*zip_longest(map(escaped, parts), addresses, fillvalue="")))


class _Block(Protocol):
    """A part of a document, which has both forms."""

    def markdown(self) -> str:
        """As Markdown."""

    def latex(self) -> str:
        """As LaTeX."""


class _Heading(NamedTuple):
    """A heading."""

    text: str
    level: int = 1

    def markdown(self) -> str:
        return f"{'#' * self.level} {markdown(self.text)}"

    def latex(self) -> str:
        return rf"\{'sub' * (self.level - 1)}section*{{{escaped(self.text)}}}"


class _Text(NamedTuple):
    """A paragraph, with the keys of the papers that it cites."""

    text: str
    keys: Sequence[str] = ()

    def markdown(self) -> str:
        cited = f" [{'; '.join(f'@{key}' for key in self.keys)}]" if self.keys else ""
        return markdown(self.text) + cited

    def latex(self) -> str:
        cited = rf"~\cite{{{','.join(self.keys)}}}" if self.keys else ""
        return _latex(self.text) + cited


class _Bullets(NamedTuple):
    """A list."""

    texts: Sequence[_Text]

    def markdown(self) -> str:
        return "\n".join(f"- {text.markdown()}" for text in self.texts)

    def latex(self) -> str:
        items = [rf"\item {text.latex()}" for text in self.texts]
        return "\n".join([r"\begin{itemize}", *items, r"\end{itemize}"])


class _Table(NamedTuple):
    """Rows in Markdown; in LaTeX a file that has them."""

    rows: Rows
    file: str

    def markdown(self) -> str:
        heads = list(self.rows[0]) if self.rows else []
        lines = [[markdown(head) for head in heads], ["---"] * len(heads)]
        lines += [[markdown(_shown(value)) for value in row.values()] for row in self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def latex(self) -> str:
        return rf"\input{{tables/{self.file}.tex}}"


class _Figure(NamedTuple):
    """A picture in ``figures/``."""

    name: str
    caption: str

    def markdown(self) -> str:
        return f"![{markdown(self.caption)}](figures/{self.name}.svg)"

    def latex(self) -> str:
        return "\n".join(
            [
                r"\begin{figure}",
                r"\centering",
                rf"\includegraphics[width=\linewidth]{{figures/{self.name}.pdf}}",
                rf"\caption{{{escaped(self.caption)}}}",
                r"\end{figure}",
            ]
        )


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_paper(source: Source, out: str | Path) -> list[Path]:
    """Write ``results`` and ``data`` as ``.md`` and ``.tex``, ``paper.tex`` which includes both,
    ``references.bib``, and the tables and figures.

    Each file is replaced as a whole.

    Args:
        source: A results folder, or a comparison.
        out: The folder to write.

    Raises:
        UserError: There is nothing to export, or the folder cannot be written.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> made = sn.compare("fashion", ["random"], "valid_loss", runs=2, budget=12)
        >>> with TemporaryDirectory() as folder:
        ...     names = [file.name for file in write_paper(made, folder)]
        >>> "data.md" in names, "references.bib" in names, names[-1]
        (True, True, 'paper.tex')
    """
    result = results_of(source)
    out = Path(out)
    study = _Study(result)
    if not study.comparisons:
        raise UserError("There is no finished run to tell of; give the folder of the results.")
    written = write_latex(result, out / "tables")
    figures = []
    for _, picture in islice(pictures(result), _MOST_FIGURES):
        figures.append(_Figure(picture.name, picture.caption))
        files = rendered(picture)
        for suffix in ("pdf", "svg"):
            path = out / "figures" / f"{picture.name}.{suffix}"
            written.append(write_whole(path, files[suffix]))
    papers = Bibliography()
    without = [name for name, paper in study.papers.items() if not papers.cite(paper)]
    parts: dict[str, list[_Block]] = {
        "results": [*_results(study), *figures],
        "data": _data(study, papers),
    }
    for name, blocks in parts.items():
        text = "\n\n".join(block.markdown() for block in blocks)
        written.append(write_whole(out / f"{name}.md", f"{text}\n"))
        text = "\n\n".join(block.latex() for block in blocks)
        written.append(write_whole(out / f"{name}.tex", f"{text}\n"))
    written.append(write_whole(out / "references.bib", papers.bibtex(without)))
    return [*written, write_whole(out / "paper.tex", _MAIN)]


@dataclass(frozen=True)
class _Study:
    """A result, and the strategies of its finished runs."""

    result: StudyResult

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """The comparisons with a finished run."""
        return [
            comparison for comparison in self.result.comparisons.values() if comparison.strategies
        ]

    @cached_property
    def labels(self) -> list[str]:
        """Every strategy with a finished run."""
        names = (name for comparison in self.comparisons for name in comparison.strategies)
        return list(dict.fromkeys(names))

    @cached_property
    def own(self) -> dict[str, list[str]]:
        """The source files of the user's strategies, by label."""
        files: dict[str, list[str]] = {}
        for comparison in self.comparisons:
            for label, digests in (comparison.description.get("sources") or {}).items():
                if label in self.labels:
                    files[label] = sorted(digests)
        return files

    @property
    def papers(self) -> dict[str, str]:
        """The citation of each strategy; empty where it has none."""
        return papers_of_strategies(self.labels, self.own)

    @property
    def release(self) -> str:
        """The releases of this package that made the runs."""
        descriptions = [comparison.description for comparison in self.comparisons]
        entries = (
            entry
            for description in descriptions
            for entry in (description, *description.get("extensions", ()))
        )
        provenances = [entry.get("provenance") or {} for entry in entries]
        releases = dict.fromkeys(str(made.get("surrogate_nas", "?")) for made in provenances)
        return f"surrogate_nas {joined(list(releases))}"


def _results(study: _Study) -> list[_Block]:
    """The verdict, the main table, and what every number rests on."""
    result = study.result
    blocks: list[_Block] = [_Heading("Results")]
    if sentences := result.sentences:
        blocks.append(_Bullets([_Text(sentence) for sentence in sentences]))
    if isinstance(result, SuiteResult) and result.problems:
        blocks.append(_Table(TABLES["strategies"](result), "regret"))
    else:
        for comparison in study.comparisons:
            place = f"{comparison.problem}/" if comparison.problem else ""
            rows = [comparison.columns | row for row in comparison.summary_rows()]
            blocks.append(_Table(rows, f"{place}summary"))
    blocks += [_Heading("Setting", 2), _Bullets(_settings(study.comparisons))]
    return blocks


def _settings(comparisons: Sequence[Comparison]) -> list[_Text]:
    """What every number rests on; what is not so on all problems names those on which it is."""
    told: dict[str, list[str]] = {}
    for comparison in comparisons:
        for sentence in _setting(comparison):
            told.setdefault(sentence, []).append(comparison.problem)
    return [
        _Text(sentence if len(names) == len(comparisons) else f"{', '.join(names)}: {sentence}")
        for sentence, names in told.items()
    ]


def _setting(comparison: Comparison) -> list[str]:
    """What was minimised, and the conventions."""
    description = comparison.description
    objective = comparison.objective
    constants = "; ".join(
        f"{term.name}: weight {term.weight:g}, divided by {term.divisor:,.6g}"
        f" ({term.divisor_meaning})"
        for term in objective.terms
    )
    asked = f"Minimised: {objective} on {objective.benchmark.name}. Terms: {constants}."
    fingerprint = f"Fingerprint of the objective: {objective.fingerprint}."
    return [asked, fingerprint, f"Root seed {description['seed']}.", *conventions(comparison)]


def _data(study: _Study, papers: Bibliography) -> list[_Block]:
    """Where data and code come from, under which licences, and whom to cite."""
    blocks: list[_Block] = [_Heading("Data and code availability")]
    tables = {one.title: one for one in study.comparisons}
    for name, comparison in tables.items():
        benchmark = comparison.objective.benchmark
        keys = [key for key in map(papers.cite, citations_of_data(comparison)) if key]
        places = _addresses(comparison)
        blocks.append(
            _Text(
                f"{name}: {benchmark.title}. Source: {benchmark.source}."
                f" Licence: {benchmark.licence or 'not known from this folder'}."
                + (f" Files: {'; '.join(places)}." if places else ""),
                list(dict.fromkeys(keys)),
            )
        )
    release = papers.take(Paper(("surrogate_nas developers",), "surrogate_nas", study.release, ""))
    blocks.append(
        _Text(f"All runs were made by {study.release}, under the MIT licence.", [release])
    )
    cited = {name: papers.cite(paper) for name, paper in study.papers.items()}
    if known := [_Text(name, [key]) for name, key in cited.items() if key]:
        blocks.append(_Bullets(known))
    if without := [name for name, key in cited.items() if not key]:
        blocks.append(
            _Text(f"Strategies without a paper that is known here: {', '.join(without)}.")
        )
    for name, files in study.own.items():
        where = f"Its code ({', '.join(files)}) is in sources/ of the results"
        blocks.append(_Text(f"{name} is no strategy of this package. {where}."))
    return blocks


def _addresses(comparison: Comparison) -> list[str]:
    """Where the files of a table are to be had, with the versions that were read."""
    benchmark = comparison.objective.benchmark
    source = source_of(benchmark.name)
    if source is None:
        return []
    told = " ".join([benchmark.source, *(metric.source for metric in benchmark.metrics)])
    places = [f"Python package {name}" for name in declared(source).package[:1]]
    for entry in repositories(source):
        name, commit = entry["repository"], entry["commit"]
        if name not in told:
            continue
        is_public = "/" in name
        places.append(
            f"https://github.com/{name}, commit {commit[:12]}"
            if is_public
            else f"Python package {name} {commit}"
        )
    return list(dict.fromkeys(places))


EXPORT = Format(
    write_paper,
    "paper",
    "Compile {out}/paper.tex: pdflatex paper, bibtex paper, pdflatex paper twice.",
)
