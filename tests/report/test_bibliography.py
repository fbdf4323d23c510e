"""The papers of what a study used: every citation has its parts, and each paper one key."""

import re

from surrogate_nas.report.bibliography import (
    Bibliography,
    paper_of,
    papers_of_strategies,
)
from surrogate_nas.space import SPACES
from surrogate_nas.strategies import described, strategy_entries
from surrogate_nas.tables.sources.base import sources
from surrogate_nas.tables.sources.fetching import citation
from tests.outcomes import balanced


def test_every_citation_of_the_registries_is_a_paper_with_a_key_of_its_own():
    cited = {entry["paper"] for entry in described()} - {""}
    for source in sources():
        cited |= {*citation(source).split("; ")} - {""}
    cited |= {SPACES[name].citation for name in SPACES} - {""}
    papers = Bibliography()
    for text in cited:
        paper = paper_of(text)
        assert (
            paper is not None
            and paper.title
            and re.fullmatch(r"(19|20)\d\d", paper.year)
        ), text
        assert paper.authors or text.startswith("AnalogNAS-Bench"), text
        assert re.fullmatch(r"[a-z0-9-]+", papers.cite(text)), text
    assert 40 < len(papers.papers) < len(cited), "some are told twice"
    assert balanced(papers.bibtex())


def test_papers_of_one_first_word_have_keys_of_their_own():
    papers = Bibliography()
    keys = [
        papers.cite(f"Li et al., Neural {name}, ICLR 2020") for name in ("A", "B", "C")
    ]
    assert keys == ["li2020neural", "li2020neural-2", "li2020neural-3"]


def test_strategies_are_cited_by_what_they_are():
    own = "evolution"
    labels = ["evolution(population=5)", "blind:bo", "optuna:TPESampler", "Mine", own]
    papers = papers_of_strategies(strategy_entries(labels), [own])
    assert "Real et al." in papers["evolution(population=5)"]
    assert "Jones" in papers["blind:bo"] and "Optuna" in papers["optuna:TPESampler"]
    assert papers["Mine"] == papers[own] == ""
