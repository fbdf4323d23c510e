"""The page of a suite: what it must show, on results made by hand; its figures and its tables."""

from __future__ import annotations

import base64
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs

from surrogate_nas.report import write_suite_report
from surrogate_nas.report.look import looks
from surrogate_nas.report.sections.ranks import diagram
from surrogate_nas.study.statistics import critical_at
from surrogate_nas.study.suite import SuiteResult
from surrogate_nas.study.tables import TABLES, as_csv, as_latex
from tests.study.test_suite import made, steps

FIGURES = {"overview", "critical-25", "critical-50", "critical-100", "regret-iqm", "improvement", "regret-map"}
HEADS = [
    "Would it hold?", "Who is told apart", "Ranks and runtime profile", "Critical differences",
    "Regret over all problems",
    "Who ends better", "Problem by problem", "Strategies", "Problems", "Pairs", "Expected running time", "Accounts",
    "Conventions", "Provenance",
]  # fmt: skip
_VOID = {"meta", "img"}


class Balanced(HTMLParser):
    """Holds every tag against the one that closes it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.heads: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """It closes itself."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.heads.append(data)


def text_of(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r'src="data:[^"]+"', "", page)))


@pytest.fixture(scope="module")
def folder(result: SuiteResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    assert write_suite_report(result, folder, command="snas suite made --out <here>") == folder / "report.html"
    return folder


def test_the_page_shows_the_verdict_every_figure_and_every_table(result: SuiteResult, folder: Path) -> None:
    page = (folder / "report.html").read_text()
    parser = Balanced()
    parser.feed(page)
    assert not parser.open and parser.heads == HEADS
    text = text_of(page)
    assert all(sentence in text for sentence in result.verdict.sentences)
    assert "snas suite made --out <here>" in text and "4 strategies on 7 problems, 10 runs of each a problem" in text
    assert {file.stem for file in (folder / "figures").iterdir()} == FIGURES
    drawn = [base64.b64decode(data) for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)]
    assert len(drawn) == len(FIGURES) and all(svg.startswith(b"<svg") for svg in drawn)
    links = re.findall(r'href="([^"#][^"]*)"', page)
    assert set(links) == {f"tables/{name}.{suffix}" for name in TABLES for suffix in ("csv", "tex")}
    assert all((folder / link).is_file() for link in links)


def test_strategies_stand_in_the_order_of_their_ranks(result: SuiteResult, folder: Path) -> None:
    page = (folder / "report.html").read_text()
    table = page[page.index(">Strategies</h2>") : page.index(">Problems</h2>")]
    assert re.findall(r"</svg>(\w)</span>", table) == ["b", "a", "c", "d"]
    assert "1.00" in text_of(table) and "0%" in text_of(table)
    best = next(one for one in result.aggregates if one.strategy == "b")
    assert f"{best.low:.3f} – {best.high:.3f}" in text_of(table)


def test_numbers_of_the_tables_are_those_of_the_result(result: SuiteResult, folder: Path) -> None:
    text = text_of((folder / "report.html").read_text())
    pair = next(p for p in result.pairs if (p.test.first, p.test.second) == ("a", "b"))
    assert pair.detectable is not None and f"{pair.difference:.3f}" in text and f"{pair.detectable:.3f}" in text
    assert "0.1 never" in " ".join(text.split()), "no run of any strategy comes so near"
    assert "p0 table loss 4 cells mean 0 1 of the table 0.300 f" in " ".join(text.split())


def test_a_diagram_needs_three_strategies_and_two_problems(result: SuiteResult) -> None:
    drawn = diagram(result.critical[-1], result.strategies, looks(result.strategies))
    assert not isinstance(drawn, str)
    assert "the strategies differ (p < 0.001)" in drawn.caption and "100 % of the budget" in drawn.caption
    few = made({"p": {"a": steps(0.1, 0.2), "b": steps(0.3, 0.4)}})
    assert "at least three strategies" in str(diagram(few.critical[-1], few.strategies, looks(few.strategies)))


@pytest.mark.parametrize("runs", [{"a": steps(0.1)}, {"a": steps(0.1, 0.1), "b": steps(0.1, 0.1)}])
def test_the_least_suites_have_a_page(runs: dict[str, np.ndarray], tmp_path: Path) -> None:
    least = made({"p": runs})
    page = write_suite_report(least, tmp_path).read_text()
    assert least.verdict.sentences[0] in text_of(page) and "Made by this command" not in page
    assert ("Who ends better" in page) == (len(runs) > 1)


def test_what_a_strategy_is_called_is_only_text(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    page = write_suite_report(made({"p": {name: steps(0.1, 0.2), "b": steps(0.3, 0.4)}}), tmp_path).read_text()
    assert "<script" not in page and name in text_of(page)


def test_tables_are_written_as_pandas_writes_them(result: SuiteResult) -> None:
    for name, table in TABLES.items():
        rows = table(result)
        frame = pd.DataFrame(rows)
        assert as_csv(rows) == frame.to_csv(index=False), name
        assert as_latex(rows) == frame.to_latex(index=False, na_rep="–", float_format="%.4g".__mod__, escape=True), name


def test_nemenyi_is_the_one_of_scikit_posthocs(result: SuiteResult) -> None:
    theirs = np.asarray(scikit_posthocs.posthoc_nemenyi_friedman(result.means(1.0).round(12)))
    assert np.allclose(critical_at(1.0, result.strategies, result.means(1.0)).nemenyi, theirs, rtol=1e-12)
