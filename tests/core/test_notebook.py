"""What public objects show of themselves: a line in a terminal, an escaped table in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter, preprocessors

import surrogate_nas as sn
from surrogate_nas.core.notebook import html_table
from surrogate_nas.space import SPACES, Cell, space_named
from surrogate_nas.strategies import resolve
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.options import Budget
from surrogate_nas.study.run import Run
from surrogate_nas.study.runner import Experiment

if TYPE_CHECKING:
    from playwright.sync_api import Page

TAGS = {"div", "p", "strong", "br", "small", "table", "thead", "tbody", "tr", "th", "td"}
DRAWN = {"div", "p", "code", "br", "small", "svg", "path", "rect", "text"}
MOST_BYTES = 30_000


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def made() -> Comparison:
    return sn.compare("analog-cifar10", ["random"], "digital_error + 0.1*params", runs=2, budget=15)


def test_reprs_say_what_it_is(made: Comparison) -> None:
    objective = made.objective
    run = made.runs[0]
    shown = {
        repr(
            made
        ): "<Comparison of 'digital_error + 0.1*params' on analog-cifar10: 2 runs of random>",
        repr(run): f"<Run 0 of random: 15 trials, best score {run.incumbent.score:.6g}>",
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
    assert repr(Run("s", 3, [], 1.0, 1.0, "it broke")) == "<Run 3 of s: failed: it broke>"
    assert "random" in repr(Experiment(objective, ["random"], 1, Budget(cells=5)))


def test_notebooks_show_tables(made: Comparison) -> None:
    objective = made.objective
    run = made.runs[0]
    for shown, says in (
        (made, "random"),
        (run, str(run.incumbent.cell)),
        (objective, "0.1"),
        (objective.benchmark, "digital_error"),
    ):
        html = shown._repr_html_()
        tags = Tags(html)
        assert tags.found <= TAGS and says in tags.text and len(html.encode()) < MOST_BYTES


def test_what_is_shown_is_what_was_computed(made: Comparison) -> None:
    best = made.runs[0].incumbent
    assert f"λR{best.index + 1}{best.cell}{best.score:.6g}" in Tags(
        made.runs[0]._repr_html_()
    ).text.replace("\n", "")
    text = Tags(made._repr_html_()).text
    (told,) = made.to_json()["strategies"]
    for number in (told["score"]["mean"], told["score"]["iqm"], told["regret"]["mean"]):
        assert f"{number:.6g}" in text
    assert "minimise digital_error + 0.1*params" in text and made.sentences[0] in text
    objective = sn.Objective(
        "digital_error + 0.1*params", made.objective.benchmark, subject_to="params <= 300000"
    )
    text = Tags(objective._repr_html_()).text
    assert objective.fingerprint in text and "params <= 300000limit" in text
    for term in objective.terms:
        assert (
            f"{term.name}{'L' if term.is_loss else 'R'}{term.weight:.6g}{term.divisor:,.6g}{term.unit}"  # noqa: E501
            in text
        )
    text = Tags(objective.benchmark._repr_html_()).text
    for says in (
        objective.benchmark.source,
        "none stated",
        objective.benchmark.citation,
        "15,625 cells",
    ):
        assert says in text
    assert all(metric.name in text for metric in objective.benchmark.metrics)
    assert (
        text.index("digital_error")
        < text.index("params")
        < text.index("depth")
        < text.index("synflow@")
    )


@pytest.mark.parametrize("name", SPACES)
def test_every_cell_is_drawn_or_tells_its_choices(name: str) -> None:
    space = space_named(name)
    cell = space.sample(np.random.default_rng(0))
    html = cell._repr_html_()
    shown = Tags(html)
    assert (
        cell.text in shown.text
        and f"of the space {name}" in shown.text
        and len(html.encode()) < MOST_BYTES
    )
    if space.sketch(cell) is None:
        assert shown.found <= TAGS and all(position in shown.text for position in space.positions)
    else:
        assert shown.found <= DRAWN and "svg" in shown.found
        ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])


def test_a_drawing_shows_its_operations_and_follows_the_page(tab: Page) -> None:
    cell = space_named("nb201").parse(
        "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    )
    html = cell._repr_html_()
    assert html.count("conv 3×3") == html.count("pool 3×3") == html.count("skip<") == 1
    ink = []
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.set_content(f"<style>:root {{ color-scheme: light dark }}</style>{html}")
        ink.append(
            tab.evaluate("getComputedStyle(document.querySelector('svg text:last-of-type')).fill")
        )
        ink.append(tab.evaluate("getComputedStyle(document.querySelector('rect')).fill"))
    assert ink == ["rgb(0, 0, 0)", "rgb(255, 255, 255)", "rgb(255, 255, 255)", "rgb(18, 18, 18)"]


def test_a_cell_of_no_space_is_text() -> None:
    shown = Tags(Cell((0,), "<b>mine</b>")._repr_html_())
    assert (
        shown.found <= DRAWN and "<b>mine</b>" in shown.text and "no registered space" in shown.text
    )


@pytest.mark.slow
def test_a_real_notebook_shows_them() -> None:
    lines = (
        "import surrogate_nas as sn; bench = sn.load('analog-cifar10')",
        "bench.space[11]",
        "bench",
        "objective = sn.Objective('digital_error + 0.1*params', bench); objective",
        "sn.compare(bench, ['random', 'evolution'], objective, runs=2, budget=15)",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(line) for line in lines])
    preprocessors.ExecutePreprocessor(timeout=120, kernel_name="python3").preprocess(notebook, {})
    shown = [cell.outputs[0]["data"]["text/html"] for cell in notebook.cells[1:]]
    for html, says in zip(
        shown, ("<svg", "digital_error", "median over the space", "evolution"), strict=True
    ):
        assert says in html
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert page.count('role="img"') == 1 and all(
        Tags(html).text.split()[0] in Tags(page).text for html in shown
    )


def test_a_run_without_a_feasible_cell_shows_no_score() -> None:
    run = sn.search("fashion", "random", "valid_loss", subject_to="params <= 1", budget=3)
    assert repr(run) == "<Run 0 of random: 3 trials, no feasible cell>"
    assert "no feasible cell" in run._repr_html_() and "<td" not in run._repr_html_()


def test_nothing_shown_is_markup() -> None:
    evil = '<script>"><img>'
    assert Tags(html_table(evil, [evil], [[evil], [None], [0.1234567]], evil)).found <= TAGS
    assert "0.123457" in html_table("t", ["h"], [[0.1234567]])
    many = html_table("t", ["h"], [[i] for i in range(99)])
    assert many.count("<td") == 60 and "The first 60 of 99 rows." in many
