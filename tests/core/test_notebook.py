"""What public objects show of themselves: a line in a terminal, an escaped table in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

import surrogate_nas as sn
from surrogate_nas.core.numbers import html_table
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.run import Run
from surrogate_nas.space import space_named
from surrogate_nas.strategies import resolve

TAGS = {
    "div",
    "p",
    "strong",
    "br",
    "small",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}
MOST_BYTES = 30_000


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def made():
    return sn.compare(
        "analog-cifar10", ["random"], "digital_error + 0.1*params", runs=2, budget=15
    )


def test_reprs_say_what_it_is(made):
    objective = made.objective
    run = made.runs[0]
    shown = {
        repr(
            made
        ): "<Comparison of 'digital_error + 0.1*params' on analog-cifar10: 2 runs of random>",
        repr(
            run
        ): f"<Run 0 of random: 15 trials, best score {run.incumbent.score:.6g}>",
        repr(objective): "<Objective 'digital_error + 0.1*params' on analog-cifar10>",
        repr(Budget(cells=5)): "Budget(cells=5, seconds=None)",
        repr(objective.benchmark.space): "<NB201 'nb201': 15,625 cells>",
    }
    assert list(shown) == list(shown.values())
    assert "analog-cifar10" in repr(objective.benchmark)
    assert (
        repr(resolve("random")(objective.benchmark.space, seed=0))
        == "<RandomSearch on <NB201 'nb201': 15,625 cells>>"
    )
    assert (
        repr(Run("s", 3, [], 1.0, 1.0, "it broke")) == "<Run 3 of s: failed: it broke>"
    )


def test_notebooks_show_tables(made):
    run = made.runs[0]
    for shown, says in ((made, "random"), (run, str(run.incumbent.cell))):
        html = shown._repr_html_()
        tags = Tags(html)
        assert (
            tags.found <= TAGS and says in tags.text and len(html.encode()) < MOST_BYTES
        )


def test_a_drawing_shows_its_operations_and_follows_the_page(tab):
    space = space_named("nb201")
    cell = space.parse(
        "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    )
    html = space.sketch(cell)._repr_html_()
    assert html.count("conv 3×3") == html.count("pool 3×3") == html.count("skip<") == 1
    ink = []
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.set_content(f"<style>:root {{ color-scheme: light dark }}</style>{html}")
        ink.append(
            tab.evaluate(
                "getComputedStyle(document.querySelector('svg text:last-of-type')).fill"
            )
        )
        ink.append(
            tab.evaluate("getComputedStyle(document.querySelector('rect')).fill")
        )
    assert ink == [
        "rgb(0, 0, 0)",
        "rgb(255, 255, 255)",
        "rgb(255, 255, 255)",
        "rgb(18, 18, 18)",
    ]


def test_a_run_without_a_feasible_cell_shows_no_score():
    run = sn.search(
        "fashion", "random", "valid_loss", subject_to="params <= 1", budget=3
    )
    assert repr(run) == "<Run 0 of random: 3 trials, no feasible cell>"
    assert "no feasible cell" in run._repr_html_() and "<td" not in run._repr_html_()


def test_nothing_shown_is_markup():
    evil = '<script>"><img>'
    assert (
        Tags(html_table(evil, [evil], [[evil], [None], [0.1234567]], evil)).found
        <= TAGS
    )
    assert "<td>–</td>" in html_table("t", ["h"], [[None]])
    assert "0.123457" in html_table("t", ["h"], [[0.1234567]])
    many = html_table("t", ["h"], [[i] for i in range(99)])
    assert many.count("<td") == 60 and "The first 60 of 99 rows." in many
