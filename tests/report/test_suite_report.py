"""The page of a suite: what it must show, on results made by hand; its figures and its tables."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from surrogate_nas.report import write_report
from surrogate_nas.report.page import Page
from surrogate_nas.report.reading import TARGET, Study
from surrogate_nas.report.sections.final_regret import ranking_of
from surrogate_nas.results.suite import TABLES, as_csv
from tests.outcomes import made, steps
from tests.pages import text_of

FIGURES = ["ranking", "regret-by-budget"]
HEADS = [
    "b ends best",
    "Regret over the budget",
    "Which strategies differ, and further findings",
    "Strategies",
    "Problem by problem",
    "Problems",
    "Expected running time",
    "Accounts",
    "Every pair",
    "Conventions",
    "Provenance",
]
_VOID = {"meta", "img"}


class Balanced(HTMLParser):
    """Holds every tag against the one that closes it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.heads: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """It closes itself."""

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.heads.append(data)


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    assert (
        write_report(result, folder, command="snas suite made --out <here>")
        == folder / "report.html"
    )
    return folder


def test_the_page_shows_the_verdict_every_figure_and_every_table(result, folder):
    page = (folder / "report.html").read_text()
    parser = Balanced()
    parser.feed(page)
    assert not parser.open and parser.heads == HEADS
    text = text_of(page)
    assert all(sentence in text for sentence in result.verdict.sentences)
    assert (
        "snas suite made --out <here>" in text
        and "4 strategies × 7 problems × 10 runs × 4 cells" in text
    )
    assert [picture.name for picture in Page(Study(result)).pictures] == FIGURES
    assert (
        page.count('<svg class="desk"')
        == page.count('<svg class="slim"')
        == len(FIGURES)
    )
    links = re.findall(r'href="([^"#][^"]*)"', page)
    assert set(links) == {
        f"tables/{name}.{suffix}" for name in TABLES for suffix in ("csv", "tex")
    }
    assert all((folder / link).is_file() for link in links)


def test_strategies_stand_in_the_order_of_their_ranks(result, folder):
    page = (folder / "report.html").read_text()
    table = page[page.index(">Strategies</h2>") : page.index(">Problems</h2>")]
    assert re.findall(r"</svg>(\w)</span>", table)[:4] == ["b", "a", "c", "d"]
    assert "1.00" in text_of(table) and "0 %" in text_of(table)
    best = result.aggregates[result.strategies.index("b")]
    assert "{:.3f} – {:.3f}".format(*best["regret_ci95"]) in text_of(table)


def test_numbers_of_the_tables_are_those_of_the_result(result, folder):
    text = text_of((folder / "report.html").read_text())
    pair = next(p for p in result.pairs if (p["first"], p["second"]) == ("a", "b"))
    assert f"{pair['difference']:.3f}" in text
    assert "0.1 never" in " ".join(text.split()), "no run of any strategy comes so near"
    assert "p0 table loss 4 cells mean 0 1 yes 0.300 f" in " ".join(text.split())


def test_the_picture_of_all_strategies_is_the_verdict_s(result):
    made = ranking_of(Study(result))
    assert (
        made is not None
        and result.verdict.end is not None
        and result.verdict.speed is not None
    )
    assert [*made.tied] == [*result.verdict.end.leaders]
    assert [entry.name for entry in made.entries] == ["b", "a", "c", "d"]
    for entry in made.entries:
        at = [problem.at(entry.name) for problem in result.problems]
        assert entry.over_all.mean == pytest.approx(
            np.mean([runs.mean() for runs in at])
        )
        assert entry.over_all.low <= entry.over_all.mean <= entry.over_all.high
        assert [spot.mean for spot in entry.on] == pytest.approx(
            [runs.mean() for runs in at]
        )
        spent = [
            p.runtimes(entry.name, TARGET) / p.checkpoints[-1] for p in result.problems
        ]
        assert entry.spent.tolist() == np.concatenate(spent).tolist()


def test_few_problems_have_no_table_of_pairs(result, tmp_path):
    few = made(
        {f"p{i}": {"a": steps(0.1, 0.2), "b": steps(0.3, 0.4)} for i in range(6)}
    )
    assert "Every pair" not in write_report(few, tmp_path).read_text()
    assert len(result.problems) > 6 and "Descriptive only; see the verdict" in " ".join(
        str(block)
        for section in Page(Study(result)).sections
        for block in section.blocks
    )


@pytest.mark.parametrize(
    "runs", [{"a": steps(0.1)}, {"a": steps(0.1, 0.1), "b": steps(0.1, 0.1)}]
)
def test_the_least_suites_have_a_page(runs, tmp_path):
    least = made({"p": runs})
    page = write_report(least, tmp_path).read_text()
    assert (
        least.verdict.sentences[0] in text_of(page)
        and "Made by this command" not in page
    )


def test_what_a_strategy_is_called_is_only_text(tmp_path):
    name = "<script>alert(1)</script>"
    page = write_report(
        made({"p": {name: steps(0.1, 0.2), "b": steps(0.3, 0.4)}}), tmp_path
    ).read_text()
    assert (
        page.count("<script") == 1
        and "<script>alert" not in page
        and name in text_of(page)
    )


def test_tables_are_written_as_pandas_writes_them(result):
    for name, table in TABLES.items():
        rows = table.rows(result)
        frame = pd.DataFrame(rows)
        assert as_csv(rows) == frame.to_csv(index=False), name
        plain = frame.to_latex(
            index=False, na_rep="–", float_format="%.4g".__mod__, escape=True
        ).splitlines()
        ours = re.sub(r"\\textbf{(.*?)}", r"\1", table.latex(result)).splitlines()
        assert (*ours[:2], *ours[3:]) == (*plain[:2], *plain[3:]), name
        heads = ours[2]
        assert "_" not in heads.replace(r"\_", "") and heads.count("&") == plain[
            2
        ].count("&")


def test_a_paper_s_table_has_words_for_heads_and_the_best_in_bold(result):
    rows = TABLES["strategies"].rows(result)
    text = TABLES["strategies"].latex(result)
    assert r"probability\_best" not in text and "probability best, here" in text
    first = text.splitlines()[4]
    assert (
        first.startswith(str(rows[0]["name"]))
        and rf"\textbf{{{rows[0]['rank_mean']:.4g}}}" in first
    )
    regrets = TABLES["regret"].rows(result)
    for i, row in enumerate(regrets):
        values = {name: value for name, value in row.items() if name != "problem"}
        bold = {name for line, name in TABLES["regret"].best(regrets) if line == i}
        assert (
            bold
            == {name for name, value in values.items() if value == min(values.values())}
            or not bold
        )
    shown = [{"problem": "p", "target": 0.1, "a": 1.0, "b": 0.5, "c": float("nan")}]
    assert TABLES["runtime"].best(shown) == {(0, "b")}
