"""The explorer in a real browser: what it shows is what the results hold, and its views follow one another."""

from __future__ import annotations

import csv
import re
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from playwright.sync_api import Page as Tab

from surrogate_nas.comparison import Comparison, compare
from surrogate_nas.report import write_explorer, write_report, write_suite_explorer, write_suite_report
from surrogate_nas.report.explorer import MISSING, page
from surrogate_nas.report.explorer.cells import shown_cells
from surrogate_nas.report.explorer.problem import ProblemData
from surrogate_nas.space import SPACES, space_named
from surrogate_nas.space.sketch import POINTS_PER_INCH, Arrow, Box, Text
from surrogate_nas.strategies.random import RandomSearch
from surrogate_nas.suite import Entrant, Problem, Suite, run_suite
from tests.conftest import Snas

STRATEGIES = ["random", "evolution", "local_search"]
BUDGET = 25
EVIL = "</script><script>alert(1)</script>"
Evil = type(EVIL, (RandomSearch,), {})

POINTS = "() => document.getElementById('plane').data.map((trace) => [trace.name, trace.x.length])"
PLACE = """(name) => {
  const plane = document.getElementById("plane"), { xaxis, yaxis } = plane._fullLayout;
  const [width, height] = [xaxis._length, yaxis._length];
  const placed = (trace) => Array.from(trace.x, (x, i) => [xaxis.d2p(x), yaxis.d2p(trace.y[i])])
    .filter(([x, y]) => x > 9 && y > 9 && x < width - 9 && y < height - 9);
  const others = placed(plane.data.find((one) => one.name === "cells"));
  const room = ([x, y]) => Math.min(...others.map(([u, v]) => Math.hypot(x - u, y - v)).filter((far) => far > 1e-6));
  const [x, y] = placed(plane.data.find((one) => one.name === name)).sort((a, b) => room(b) - room(a))[0];
  const box = plane.getBoundingClientRect();
  return [box.left + xaxis._offset + x, box.top + yaxis._offset + y];
}"""
"""Where on the screen the point of a trace lies that is furthest from all other cells."""
MOVE = """(time) => {
  const slider = document.getElementById("time");
  slider.value = time;
  for (const kind of ["input", "change"]) slider.dispatchEvent(new Event(kind));
}"""
PANEL = """() => Object.fromEntries([...document.querySelectorAll("#cell dt")].map(
  (name) => [name.textContent, name.nextElementSibling.textContent]))"""
COLUMN = "(place) => [...document.querySelectorAll('#table tbody tr')].map((row) => row.cells[place].textContent)"


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    """A comparison on all cells of a table, with its explorer and its report."""
    folder = tmp_path_factory.mktemp("explored")
    comparison = compare("fashion", STRATEGIES, runs=2, budget=BUDGET, folder=folder)
    path = write_explorer(comparison, folder)
    assert path == folder / "explore.html"
    write_report(comparison, folder)
    return comparison, path


def opened(tab: Tab, path: Path) -> list[str]:
    """Open an explorer and wait until all is drawn; returns what the page requested."""
    requested: list[str] = []
    tab.on("request", lambda request: requested.append(request.url))
    tab.goto(path.as_uri())
    tab.wait_for_selector("body[data-ready=all]", state="attached")
    return requested


def points(tab: Tab) -> dict[str, int]:
    """How many points every trace of the plane has."""
    return dict(tab.evaluate(POINTS))


def met(comparison: Comparison, strategy: str, first: int = BUDGET) -> set[str]:
    """The cells that any run of a strategy evaluated in its first so many trials."""
    return {str(trial.cell) for run in comparison.runs_of(strategy) for trial in run.trials[:first]}


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", "").split()[0])


def test_the_page_is_small_and_asks_no_network(explored: tuple[Comparison, Path], tab: Tab) -> None:
    comparison, path = explored
    assert len(comparison.objective.benchmark.space) == 15625  # type: ignore[arg-type]
    assert path.stat().st_size < 6_000_000
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"'`)]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"""(?:src|href)=["'](?!data:|report\.html)""", text)
    assert opened(tab, path) == [path.as_uri()]
    assert points(tab)["cells"] == 15625
    assert "all 15,625 cells, 6 runs" in tab.inner_text("#counts")
    report = (path.parent / "report.html").as_uri()
    tab.click("text=Report")
    assert tab.url == report and tab.get_attribute("text=Explore every cell", "href") == path.name


def test_pointing_at_a_cell_draws_it_and_names_its_numbers(explored: tuple[Comparison, Path], tab: Tab) -> None:
    comparison, path = explored
    opened(tab, path)
    x, y = tab.evaluate(PLACE, "strategy 1")
    tab.mouse.move(x, y)
    tab.mouse.move(x + 1, y)
    tab.wait_for_selector("#cell svg[role=img]")
    space, benchmark = comparison.objective.benchmark.space, comparison.objective.benchmark
    cell = space.parse(str(tab.get_attribute("#cell", "data-cell")))
    trials = [t for name in STRATEGIES for run in comparison.runs_of(name) for t in run.trials if t.cell == cell]
    panel = tab.evaluate(PANEL)
    assert panel["score"] == f"{trials[0].score:.5f}"
    assert panel["L"] == f"{trials[0].loss:.5f} nats" and panel["λR"] == f"{trials[0].penalty:.5f}"
    assert panel["params"] == f"{trials[0].values['params']:,.0f} parameters"
    assert panel["test_error[5]"] == f"{float(benchmark.query(cell, 'test_error')):.2f} %"
    sketch = space.sketch(cell)
    assert sketch is not None
    drawn = tab.eval_on_selector_all("#cell svg[role=img] text", "all => all.map((text) => text.textContent)")
    assert drawn == [mark.text for mark in sketch.marks if isinstance(mark, Text)]
    tab.focus("#table tbody tr")
    best = min((told["best"] for told in comparison.to_json()["strategies"]), key=lambda one: one["score"])
    panel = tab.evaluate(PANEL)
    assert panel["score"] == f"{best['score']:.5f}"
    assert panel["test_error[5]"] == f"{best['final']['test_error']:.2f} %"
    tab.focus("#plane")
    tab.keyboard.press("ArrowDown")
    assert tab.get_attribute("#cell", "data-cell") == tab.get_attribute("tbody tr:nth-child(2) code", "title")


def test_strategies_runs_and_time_choose_the_points(explored: tuple[Comparison, Path], tab: Tab) -> None:
    comparison, path = explored
    opened(tab, path)
    whole = points(tab)
    assert [whole[f"strategy {i}"] for i in range(3)] == [len(met(comparison, name)) for name in STRATEGIES]
    everybody = {cell for name in STRATEGIES for cell in met(comparison, name)}
    assert tab.inner_text("#rows").startswith(f"{len(everybody)} cells")
    tab.uncheck("[data-strategy='0']")
    assert points(tab) == whole | {"strategy 0": 0, "best 0": 0}
    others = met(comparison, "evolution") | met(comparison, "local_search")
    assert tab.inner_text("#rows").startswith(f"{len(others)} cells")
    tab.evaluate(MOVE, 7)
    assert points(tab)["strategy 1"] == len(met(comparison, "evolution", 7)) < whole["strategy 1"]
    assert tab.inner_text("#now") == "after 7 evaluations"
    tab.select_option("#run", "1")
    run = comparison.runs_of("evolution")[1]
    assert points(tab)["strategy 1"] == len({trial.cell for trial in run.trials[:7]})
    tab.select_option("#unit", "cost")
    assert re.fullmatch(r"after [\d.]+ simulated \w+", tab.inner_text("#now"))
    tab.evaluate(MOVE, run.trials[2].finished + 1e-3)
    assert points(tab)["strategy 1"] == 3


def test_play_moves_the_clock_from_the_start(explored: tuple[Comparison, Path], tab: Tab) -> None:
    _, path = explored
    opened(tab, path)
    tab.click("#play")
    some = "document.getElementById('plane').data.find((trace) => trace.name === 'strategy 0').x.length"
    tab.wait_for_function(f"{some} > 0 && {some} < 12")
    assert tab.get_attribute("#play", "aria-pressed") == "true"
    early = points(tab)["strategy 0"]
    tab.wait_for_function(f"{some} > {early}")
    tab.click("#play")
    held = tab.input_value("#time")
    assert float(held) < BUDGET and tab.inner_text("#play") == "▶ Play"
    assert tab.inner_text("#rows").startswith(f"{len(set(tab.evaluate(COLUMN, 0)))} cells")


def test_the_table_sorts_by_every_column_and_is_downloaded(explored: tuple[Comparison, Path], tab: Tab) -> None:
    comparison, path = explored
    tab.goto(path.as_uri())
    tab.wait_for_selector("#table tbody tr")
    _csv_holds_the_numbers_of_the_results(comparison, tab)
    heads = tab.eval_on_selector_all("#table th button", "all => all.map((button) => button.dataset.key)")
    assert len(heads) >= 9
    for place, key in enumerate(heads):
        for direction in ("ascending", "descending"):
            tab.click(f"#table th button[data-key='{key}']")
            if tab.get_attribute(f"th:has(button[data-key='{key}'])", "aria-sort") != direction:
                tab.click(f"#table th button[data-key='{key}']")
            assert tab.eval_on_selector_all("th:not([aria-sort=none])", "all => all.length") == 1
            if place >= 2:
                told = [number(text) for text in tab.evaluate(COLUMN, place)]
                assert told == sorted(told, reverse=direction == "descending") and len(set(told)) > 1


def test_a_brush_selects_in_all_views_and_is_downloaded(explored: tuple[Comparison, Path], tab: Tab) -> None:
    comparison, path = explored
    opened(tab, path)
    tab.evaluate("document.getElementById('lines').scrollIntoView()")
    tab.wait_for_selector("#lines[data-cells]")
    box = tab.locator("#lines .axis-brush .background").nth(6).bounding_box()
    assert box is not None
    middle, bottom = box["x"] + box["width"] / 2, box["y"] + box["height"]
    tab.mouse.move(middle, bottom - 2)
    tab.mouse.down()
    tab.mouse.move(middle, bottom - 0.1 * box["height"], steps=4)
    tab.mouse.up()
    tab.wait_for_function("document.getElementById('selected').textContent !== ''")
    low, high = tab.evaluate("document.getElementById('lines').data[0].dimensions[6].constraintrange")
    trials = {str(t.cell): t for name in STRATEGIES for run in comparison.runs_of(name) for t in run.trials}
    inside = {cell for cell, trial in trials.items() if low <= trial.loss <= high}
    assert 0 < len(inside) < len(trials)
    assert tab.inner_text("#selected") == f"{len(inside)} cells selected"
    loss = comparison.objective.over_space().loss  # type: ignore[union-attr]
    selected = tab.evaluate("document.getElementById('plane').data[0].selectedpoints.length")
    assert selected == ((loss >= low) & (loss <= high)).sum()
    with tab.expect_download() as download:
        tab.click("#csv-selected")
    rows = list(csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines()))
    assert {row["cell"] for row in rows} == inside
    tab.click("#clear")
    assert tab.inner_text("#selected") == ""
    tab.select_option("#limit", label="0-1")
    tab.fill("#from", "nor_conv_3x3")
    tab.fill("#to", "nor_conv_3x3")
    tab.click("#apply")
    third = {cell for cell, trial in trials.items() if trial.cell.choices[0] == 3}
    assert tab.inner_text("#selected") == f"{len(third)} cells selected"


def _csv_holds_the_numbers_of_the_results(comparison: Comparison, tab: Tab) -> None:
    with tab.expect_download() as download:
        tab.click("#csv")
    rows = {row["cell"]: row for row in csv.DictReader(download.value.path().read_text("utf-8").splitlines())}
    trials = {str(t.cell): t for name in STRATEGIES for run in comparison.runs_of(name) for t in run.trials}
    assert rows.keys() == trials.keys()
    for cell, trial in trials.items():
        row = rows[cell]
        assert [float(row[name]) for name in ("score", "L (nats)", "λR")] == [trial.score, trial.loss, trial.penalty]
        assert float(row["latency@cpu (ms)"]) == trial.values["latency@cpu"]
        runs = [f"{name}: {n}" for name in STRATEGIES if (n := _runs_that_met(comparison, name, cell))]
        assert row["evaluated_by"] == "; ".join(runs)


def _runs_that_met(comparison: Comparison, strategy: str, cell: str) -> int:
    return sum(any(str(trial.cell) == cell for trial in run.trials) for run in comparison.runs_of(strategy))


def test_a_phone_in_the_dark_has_room_for_all(explored: tuple[Comparison, Path], tab: Tab) -> None:
    _, path = explored
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.emulate_media(color_scheme="dark")
    opened(tab, path)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 26)"
    assert tab.evaluate("document.getElementById('plane')._fullLayout.font.color") == "#d5dbe2"
    assert tab.evaluate("document.getElementById('plane').getBoundingClientRect().width") > 330


def suite_of(*problems: Problem) -> Suite:
    return Suite("tiny", "tiny", problems, [Entrant("random", 2), Entrant(Evil, 1)])


def test_a_suite_has_one_page_with_a_choice_of_its_problems(tab: Tab, tmp_path: Path) -> None:
    capped = Problem("capped", "fashion", "valid_error", "latency@cpu <= 0.4", cells=12)
    front = Problem("front", "analog-cifar10", "digital_error, params", cells=12)
    result = run_suite(suite_of(capped, front), tmp_path)
    path = write_suite_explorer(result, tmp_path)
    assert path is not None and path.stat().st_size < 6_000_000
    assert 'href="explore.html"' in write_suite_report(result, tmp_path).read_text(encoding="utf-8")
    opened(tab, path)
    assert "subject to latency@cpu[" not in tab.inner_text("#objective")
    assert "latency@cpu <= 0.4" in tab.inner_text("#objective") and points(tab)["infeasible"] > 1000
    assert tab.input_value("#across") == tab.evaluate(OPTION, ["#across", "latency@cpu"])
    assert EVIL in tab.inner_text("#strategies")
    tab.select_option("#problem", label="front")
    tab.wait_for_function("document.getElementById('objective').textContent.includes('digital_error')")
    assert tab.input_value("#across") == tab.evaluate(OPTION, ["#across", "objective 1 = digital_error"])
    told = points(tab)
    assert told["infeasible"] == 0 and told["best 0"] == 0 and told["front"] > 5


OPTION = "([id, text]) => [...document.querySelector(id).options].find((one) => one.text === text).value"


def test_what_has_no_table_shows_evaluated_cells(tab: Tab, tmp_path: Path) -> None:
    diverse = compare("fashion", ["random"], "valid_loss + 0.1*diversity", runs=1, budget=15)
    path = write_explorer(diverse, tmp_path)
    assert path is not None
    opened(tab, path)
    trials = diverse.runs_of("random")[0].trials
    assert points(tab) == {"cells": 15, "infeasible": 0, "front": 0, "strategy 0": 15, "best 0": 1, "optimum": 0}
    assert "15 evaluated cells, 1 runs" not in tab.inner_text("#counts")
    assert "15 evaluated cells, 1 run," in tab.inner_text("#counts")
    told = [number(text) for text in tab.evaluate(COLUMN, 5)]
    assert told == pytest.approx(sorted(trial.score for trial in trials), abs=1e-5)


def test_a_page_shows_what_it_has_room_for(explored: tuple[Comparison, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    comparison, path = explored
    packed = lru_cache(ProblemData(comparison, STRATEGIES, 2).packed)
    many = page.Page("many", problems=40)
    for number in range(40):
        many.add(f"problem {number}", packed)
    assert len(many.shown) == 40 and len(many.html()) < page.MOST_BYTES
    assert len(many.shown[0].block) < path.stat().st_size / 20
    monkeypatch.setattr(page, "MOST_BYTES", len(page.plotly()) + 160_000)
    full = page.Page("full", problems=3)
    for name in ("one", "two", "three"):
        full.add(name, packed)
    assert full.left_out and all(f"{name}" in full.html() for name in full.left_out)


def test_evaluated_cells_and_the_front_are_never_left_out(explored: tuple[Comparison, Path]) -> None:
    comparison, _ = explored
    runs = [run for name in STRATEGIES for run in comparison.runs_of(name)]
    shown = shown_cells(comparison, runs, 100)
    scores = comparison.objective.over_space()
    assert scores is not None and shown.places is not None
    assert {trial.cell for run in runs for trial in run.trials} <= set(shown.cells)
    assert scores.score.argmin() in shown.places and len(shown.cells) < 400
    assert list(shown.scores.loss) == list(scores.loss[shown.places])


def test_blocks_are_the_same_every_time(explored: tuple[Comparison, Path], tmp_path: Path) -> None:
    comparison, path = explored
    again = write_explorer(comparison, tmp_path)
    assert again is not None and again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", [name for name in SPACES if space_named(name).drawing_size is not None])
def test_sketches_stay_on_their_paper_and_are_what_files_show(name: str) -> None:
    space = space_named(name)
    assert space.drawing_size is not None
    for seed in range(20):
        cell = space.sample(np.random.default_rng(seed))
        sketch = space.sketch(cell)
        assert sketch is not None
        assert sketch.size == pytest.approx([POINTS_PER_INCH * side for side in space.drawing_size])
        for mark in sketch.marks:
            ends = mark.curve[::2] if isinstance(mark, Arrow) else [mark.centre if isinstance(mark, Box) else mark.at]
            assert all(0 <= x <= sketch.size[0] and 0 <= y <= sketch.size[1] for x, y in ends)
    figure = Figure(figsize=space.drawing_size)
    space.draw(figure, cell)
    texts = [mark.text for mark in sketch.marks if isinstance(mark, Text)]
    assert [text.get_text() for text in figure.axes[0].texts] == texts


def test_without_plotly_there_is_a_report_and_a_line(
    snas: Snas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = ("compare", "analog-cifar10", "--strategies", "random", "--runs", 1, "--budget", 12, "--out", tmp_path)
    assert f"Explorer: {tmp_path / 'explore.html'}" in " ".join(snas(*compared).err.split())
    (tmp_path / "explore.html").unlink()
    monkeypatch.setitem(sys.modules, "plotly", None)
    ended = snas("report", tmp_path)
    assert ended.code == 0 and MISSING in " ".join(ended.err.split())
    assert "explore.html" not in (tmp_path / "report.html").read_text(encoding="utf-8")
