"""The experiments section of a paper in LaTeX: results, a data statement and BibTeX.

The LaTeX templates are in ``templates/paper/``. A template filter escapes all texts.
"""

import re
from collections.abc import Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from surrogate_nas.core import UserError
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
    Comparison,
    Source,
    SuiteResult,
    escaped,
    joined,
    results_of,
)
from surrogate_nas.report.sections.conventions import conventions
from surrogate_nas.tables.sources.base import declared, source_of
from surrogate_nas.tables.sources.fetching import repositories

_ADDRESS = re.compile(r"https?://[\w./~+-]*\w")
_MOST_FIGURES = 2  # of the first page; ``snas export figures`` draws all


def _latex(text: str) -> str:
    """Escape a text for LaTeX, and allow line breaks in its URLs."""
    parts = _ADDRESS.split(text)
    addresses = [rf"\url{{{address}}}" for address in _ADDRESS.findall(text)]
    return "".join(chain(*zip_longest(map(escaped, parts), addresses, fillvalue="")))


def write_paper(source: Source, out: str | Path) -> list[Path]:
    """Write ``results.tex``, ``data.tex``, ``paper.tex`` (which includes both), ``references.bib``,
    and the tables and figures.

    Each file is written atomically.

    Raises:
        UserError: There is nothing to export, or the folder is not writable.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> comparison = sn.compare(
        ...     "fashion", ["random"], "valid_loss", runs=2, budget=12
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     names = [file.name for file in write_paper(comparison, folder)]
        >>> names[-4:]
        ['references.bib', 'results.tex', 'data.tex', 'paper.tex']
    """
    result = results_of(source)
    out = Path(out)
    comparisons = [c for c in result.comparisons.values() if c.strategies]
    if not comparisons:
        raise UserError(
            "There is no finished run to report. Give the folder of the results."
        )
    written = write_latex(result, out / "tables")
    figures = [picture for _, picture in islice(pictures(result), _MOST_FIGURES)]
    for picture in figures:
        path = out / "figures" / f"{picture.name}.pdf"
        written.append(write_whole(path, rendered(picture)["pdf"]))
    tables = ["regret"]
    if not (isinstance(result, SuiteResult) and result.problems):
        tables = [
            f"{c.problem}/summary" if c.problem else "summary" for c in comparisons
        ]
    papers = Bibliography()
    content = {
        "sentences": result.sentences,
        "tables": tables,
        "settings": _settings(comparisons),
        "figures": figures,
        **_credits(comparisons, papers),
    }
    templates = Environment(
        loader=PackageLoader("surrogate_nas.report", "templates/paper"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["text"] = _latex
    written.append(
        write_whole(out / "references.bib", papers.bibtex(content["without"]))
    )
    for name in ("results.tex", "data.tex", "paper.tex"):
        filled = templates.get_template(name).render(**content)
        written.append(write_whole(out / name, filled))
    return written


def _credits(comparisons: Sequence[Comparison], papers: Bibliography) -> dict[str, Any]:
    strategies = {entry.label: entry for c in comparisons for entry in c.entries}
    own = {
        label: ", ".join(sorted(digests))
        for c in comparisons
        for label, digests in (c.description.get("sources") or {}).items()
        if label in strategies
    }
    cited = {
        name: papers.cite(paper)
        for name, paper in papers_of_strategies(strategies.values(), own).items()
    }
    data = []
    for name, comparison in {c.title: c for c in comparisons}.items():
        benchmark = comparison.objective.benchmark
        keys = [key for key in map(papers.cite, citations_of_data(comparison)) if key]
        addresses = _addresses(comparison)
        files = f" Files: {'; '.join(addresses)}." if addresses else ""
        text = (
            f"{name}: {benchmark.title}. Source: {benchmark.source}."
            f" Licence: {benchmark.licence or 'not recorded in this folder'}.{files}"
        )
        data.append((text, list(dict.fromkeys(keys))))
    described = [c.description for c in comparisons]
    entries = [
        entry
        for description in described
        for entry in (description, *description.get("extensions", ()))
    ]
    releases = dict.fromkeys(
        str((entry.get("provenance") or {}).get("surrogate_nas", "?"))
        for entry in entries
    )
    release = f"surrogate_nas {joined(list(releases))}"
    key = papers.cite(
        Paper(("surrogate_nas developers",), "surrogate_nas", release, "")
    )
    data.append((f"All runs were made by {release}, under the MIT licence.", [key]))
    return {
        "data": data,
        "strategies": {name: key for name, key in cited.items() if key},
        "without": [name for name, key in cited.items() if not key],
        "own": own,
    }


def _settings(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the settings that all numbers depend on. Settings of only some problems name these."""
    problems: dict[str, list[str]] = {}
    for comparison in comparisons:
        for sentence in _setting(comparison):
            problems.setdefault(sentence, []).append(comparison.problem)
    return [
        sentence
        if len(names) == len(comparisons)
        else f"{', '.join(names)}: {sentence}"
        for sentence, names in problems.items()
    ]


def _setting(comparison: Comparison) -> list[str]:
    description = comparison.description
    objective = comparison.objective
    constants = "; ".join(
        f"{term.name}: weight {term.weight:g}, divided by {term.divisor:,.6g}"
        f" ({term.divisor_meaning})"
        for term in objective.terms
    )
    return [
        f"Minimised: {objective} on {objective.benchmark.name}. Terms: {constants}.",
        f"Fingerprint of the objective: {objective.fingerprint}.",
        f"Root seed {description['seed']}.",
        *conventions(comparison),
    ]


def _addresses(comparison: Comparison) -> list[str]:
    benchmark = comparison.objective.benchmark
    source = source_of(benchmark.name)
    if source is None:
        return []
    sources = " ".join(
        [benchmark.source, *(metric.source for metric in benchmark.metrics)]
    )
    addresses = [f"Python package {name}" for name in declared(source).package[:1]]
    for entry in repositories(source):
        name, commit = entry["repository"], entry["commit"]
        if name not in sources:
            continue
        addresses.append(
            f"https://github.com/{name}, commit {commit[:12]}"
            if "/" in name
            else f"Python package {name} {commit}"
        )
    return list(dict.fromkeys(addresses))


EXPORT = Format(
    write_paper,
    "paper",
    "Compile {out}/paper.tex: pdflatex paper, bibtex paper, pdflatex paper twice.",
    "data statement, BibTeX, table and figures, in LaTeX ([how](referee.md))",
)
