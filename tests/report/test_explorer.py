"""The explorer in a real browser: what it shows is what the results hold, and its views follow one another."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from surrogate_nas.report import write_explorer, write_report, write_suite_explorer, write_suite_report
from surrogate_nas.report.explorer import MISSING, page
from surrogate_nas.report.explorer.problem import ProblemData, shown_cells
from surrogate_nas.space import SPACES, space_named
from surrogate_nas.space.sketch import POINTS_PER_INCH, Arrow, Box, Text
from surrogate_nas.strategies.random import RandomSearch
from surrogate_nas.study.calls import compare, read_comparison, run_suite
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.problem import Entry, Problem, Suite
from tests.conftest import Snas

pytestmark = pytest.mark.slow  # browsers
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


@pytest.fixture(scope="module")
def requested() -> list[str]:
    """What the shared explorer has asked for."""
    return []


@pytest.fixture(scope="module")
def shared(explored: tuple[Comparison, Path], browser: Browser, requested: list[str]) -> Iterator[Tab]:
    """The explorer, opened once for all tests that only look at it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    opened(page, explored[1])
    yield page
    context.close()
    assert not errors


@pytest.fixture
def whole(shared: Tab) -> Tab:
    """The shared explorer as it was when it was opened."""
    times = int(shared.evaluate("document.body.dataset.opened"))
    shared.click("#reset")
    shared.wait_for_function(f"document.body.dataset.opened === '{times + 1}'")
    return shared


def opened(tab: Tab, path: Path) -> None:
    """Open an explorer and wait until all is drawn."""
    tab.goto(path.as_uri())
    tab.wait_for_selector("body[data-ready=all]", state="attached", timeout=120_000)


def points(tab: Tab) -> dict[str, int]:
    """How many points every trace of the plane has."""
    return dict(tab.evaluate(POINTS))


def met(comparison: Comparison, strategy: str, first: int = BUDGET) -> set[str]:
    """The cells that any run of a strategy evaluated in its first so many trials."""
    return {str(trial.cell) for run in comparison.runs_of(strategy) for trial in run.trials[:first]}


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", "").split()[0])


def test_the_page_is_small_and_asks_no_network(
    explored: tuple[Comparison, Path], whole: Tab, requested: list[str]
) -> None:
    comparison, path = explored
    assert len(comparison.objective.benchmark.space) == 15625  # type: ignore[arg-type]
    assert path.stat().st_size < 6_000_000
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"'`)]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"""(?:src|href)=["'](?!data:|report\.html)""", text)
    assert points(whole)["cells"] == 15625
    assert "all 15,625 cells, 6 runs" in whole.inner_text("#counts")
    assert set(requested) == {path.as_uri()}


def test_report_and_explorer_lead_to_each_other(explored: tuple[Comparison, Path], tab: Tab) -> None:
    _, path = explored
    report = (path.parent / "report.html").as_uri()
    tab.goto(report)
    assert tab.get_attribute("text=Explore the cells", "href") == path.name
    assert f'href="{Path(report).name}"' in path.read_text(encoding="utf-8")


def test_pointing_at_a_cell_draws_it_and_names_its_numbers(explored: tuple[Comparison, Path], whole: Tab) -> None:
    comparison, _ = explored
    x, y = whole.evaluate(PLACE, "strategy 1")
    whole.mouse.move(x, y)
    whole.mouse.move(x + 1, y)
    whole.wait_for_selector("#cell svg[role=img]")
    space, benchmark = comparison.objective.benchmark.space, comparison.objective.benchmark
    cell = space.parse(str(whole.get_attribute("#cell", "data-cell")))
    trials = [t for name in STRATEGIES for run in comparison.runs_of(name) for t in run.trials if t.cell == cell]
    panel = whole.evaluate(PANEL)
    assert panel["score"] == f"{trials[0].score:.5f}"
    assert panel["L"] == f"{trials[0].loss:.5f} nats" and panel["λR"] == f"{trials[0].penalty:.5f}"
    assert panel["params"] == f"{trials[0].values['params']:,.0f} parameters"
    assert panel["test_error[5]"] == f"{float(benchmark.query(cell, 'test_error')):.2f} %"
    assert whole.locator("#plane .annotation").count() == 1
    sketch = space.sketch(cell)
    assert sketch is not None
    drawn = whole.eval_on_selector_all("#cell svg[role=img] text", "all => all.map((text) => text.textContent)")
    assert drawn == [mark.text for mark in sketch.marks if isinstance(mark, Text)]
    whole.focus("#table tbody tr")
    best = min((told["best"] for told in comparison.to_json()["strategies"]), key=lambda one: one["score"])
    panel = whole.evaluate(PANEL)
    assert panel["score"] == f"{best['score']:.5f}"
    assert panel["test_error[5]"] == f"{best['final']['test_error']:.2f} %"
    whole.focus("#plane")
    whole.keyboard.press("ArrowDown")
    assert whole.get_attribute("#cell", "data-cell") == whole.get_attribute("tbody tr:nth-child(2) code", "title")


def test_strategies_runs_and_time_choose_the_points(explored: tuple[Comparison, Path], whole: Tab) -> None:
    comparison, _ = explored
    all_shown = points(whole)
    assert [all_shown[f"strategy {i}"] for i in range(3)] == [len(met(comparison, name)) for name in STRATEGIES]
    everybody = {cell for name in STRATEGIES for cell in met(comparison, name)}
    assert whole.inner_text("#rows").startswith(f"{len(everybody)} cells")
    whole.uncheck("[data-strategy='0']")
    assert points(whole) == all_shown | {"strategy 0": 0, "best 0": 0}
    others = met(comparison, "evolution") | met(comparison, "local_search")
    assert whole.inner_text("#rows").startswith(f"{len(others)} cells")
    whole.evaluate(MOVE, 7)
    assert points(whole)["strategy 1"] == len(met(comparison, "evolution", 7)) < all_shown["strategy 1"]
    assert whole.inner_text("#now") == "after 7 evaluations"
    whole.select_option("#run", "1")
    run = comparison.runs_of("evolution")[1]
    assert points(whole)["strategy 1"] == len({trial.cell for trial in run.trials[:7]})
    whole.select_option("#unit", "cost")
    assert re.fullmatch(r"after [\d.]+ simulated \w+", whole.inner_text("#now"))
    whole.evaluate(MOVE, run.trials[2].finished + 1e-3)
    assert points(whole)["strategy 1"] == 3


def test_play_moves_the_clock_from_the_start(whole: Tab) -> None:
    whole.click("#play")
    some = "document.getElementById('plane').data.find((trace) => trace.name === 'strategy 0').x.length"
    whole.wait_for_function(f"{some} > 0 && {some} < 12")
    assert whole.get_attribute("#play", "aria-pressed") == "true"
    early = points(whole)["strategy 0"]
    whole.wait_for_function(f"{some} > {early}")
    whole.click("#play")
    held = whole.input_value("#time")
    assert float(held) < BUDGET and whole.inner_text("#play") == "▶ Play"
    assert whole.inner_text("#rows").startswith(f"{len(set(whole.evaluate(COLUMN, 0)))} cells")


def test_the_table_sorts_by_every_column_and_is_downloaded(explored: tuple[Comparison, Path], whole: Tab) -> None:
    comparison, _ = explored
    _csv_holds_the_numbers_of_the_results(comparison, whole)
    heads = whole.eval_on_selector_all("#table th button", "all => all.map((button) => button.dataset.key)")
    assert len(heads) >= 9
    for place, key in enumerate(heads):
        for direction in ("ascending", "descending"):
            whole.click(f"#table th button[data-key='{key}']")
            if whole.get_attribute(f"th:has(button[data-key='{key}'])", "aria-sort") != direction:
                whole.click(f"#table th button[data-key='{key}']")
            assert whole.eval_on_selector_all("th:not([aria-sort=none])", "all => all.length") == 1
            if place >= 2:
                told = [number(text) for text in whole.evaluate(COLUMN, place)]
                assert told == sorted(told, reverse=direction == "descending") and len(set(told)) > 1


def test_a_brush_selects_in_all_views_and_is_downloaded(explored: tuple[Comparison, Path], whole: Tab) -> None:
    comparison, _ = explored
    whole.evaluate("document.getElementById('lines').scrollIntoView()")
    whole.wait_for_selector("#lines[data-cells]")
    box = whole.locator("#lines .axis-brush .background").nth(6).bounding_box()
    assert box is not None
    middle, bottom = box["x"] + box["width"] / 2, box["y"] + box["height"]
    whole.mouse.move(middle, bottom - 2)
    whole.mouse.down()
    whole.mouse.move(middle, bottom - 0.1 * box["height"], steps=4)
    whole.mouse.up()
    whole.wait_for_function("document.getElementById('selected').textContent !== ''")
    low, high = whole.evaluate("document.getElementById('lines').data[0].dimensions[6].constraintrange")
    trials = {str(t.cell): t for name in STRATEGIES for run in comparison.runs_of(name) for t in run.trials}
    inside = {cell for cell, trial in trials.items() if low <= trial.loss <= high}
    assert 0 < len(inside) < len(trials)
    assert whole.inner_text("#selected") == f"{len(inside)} cells selected"
    loss = comparison.objective.over_space().loss  # type: ignore[union-attr]
    selected = whole.evaluate("document.getElementById('plane').data[0].selectedpoints.length")
    assert selected == ((loss >= low) & (loss <= high)).sum()
    with whole.expect_download() as download:
        whole.click("#csv-selected")
    rows = list(csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines()))
    assert {row["cell"] for row in rows} == inside
    whole.click("#clear")
    assert whole.inner_text("#selected") == ""
    whole.select_option("#limit", label="0-1")
    whole.fill("#from", "nor_conv_3x3")
    whole.fill("#to", "nor_conv_3x3")
    whole.click("#apply")
    third = {cell for cell, trial in trials.items() if trial.cell.choices[0] == 3}
    assert whole.inner_text("#selected") == f"{len(third)} cells selected"


def _csv_holds_the_numbers_of_the_results(comparison: Comparison, whole: Tab) -> None:
    with whole.expect_download() as download:
        whole.click("#csv")
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


def test_a_phone_in_the_dark_has_room_for_all(whole: Tab) -> None:
    whole.set_viewport_size({"width": 390, "height": 844})
    whole.emulate_media(color_scheme="dark")
    whole.wait_for_function("document.getElementById('plane')._fullLayout.font.color === '#e4e8ec'")
    whole.wait_for_function("document.getElementById('plane')._fullLayout.width < 390")
    assert whole.evaluate("document.documentElement.scrollWidth") <= 390
    assert whole.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 27)"
    whole.set_viewport_size({"width": 1280, "height": 900})
    whole.emulate_media(color_scheme="light")


def test_a_suite_has_one_page_with_a_choice_of_its_problems(tab: Tab, tmp_path: Path) -> None:
    capped = Problem("capped", "fashion", "valid_error", "latency@cpu <= 0.4", cells=12)
    front = Problem("front", "analog-cifar10", "digital_error, params", cells=12)
    bare = Problem("bare", "fashion", "valid_loss + 0.1*diversity", cells=15)
    entries = [Entry("random", 2), Entry(Evil, 1)]
    result = run_suite(Suite("tiny", "tiny", [capped, front, bare], entries), tmp_path)
    path = write_suite_explorer(result, tmp_path)
    assert path is not None and path.stat().st_size < 6_000_000
    assert 'href="explore.html"' in write_suite_report(result, tmp_path).read_text(encoding="utf-8")
    opened(tab, path)
    assert "subject to latency@cpu <= 0.4" in tab.inner_text("#objective")
    assert points(tab)["infeasible"] > 1000 and chosen(tab, "#across") == "latency@cpu"
    scores = [number(text) if text != "–" else np.inf for text in tab.evaluate(COLUMN, 4)]
    assert scores == sorted(scores) and np.isinf(scores[-1]) and np.isfinite(scores[0])
    assert EVIL in tab.inner_text("#strategies")
    tab.select_option("#problem", label="front")
    tab.wait_for_selector("body[data-opened='2']")
    assert chosen(tab, "#across") == "objective 1 = digital_error" and chosen(tab, "#up") == "objective 2 = params"
    told = points(tab)
    assert told["infeasible"] == 0 and told["best 0"] == 0 and told["front"] > 5
    tab.select_option("#problem", label="bare")
    tab.wait_for_selector("body[data-opened='3']")
    _only_evaluated_cells_are_shown(tab, tmp_path / "problems" / "bare")


def _only_evaluated_cells_are_shown(tab: Tab, folder: Path) -> None:
    """Where scores depend on a run's history there is no table of them."""
    runs = [run for run in read_comparison(folder).runs if run.trials]
    best: dict[str, float] = {}
    for trial in (trial for run in runs for trial in run.trials):
        best[str(trial.cell)] = min(best.get(str(trial.cell), np.inf), trial.score)
    assert points(tab)["cells"] == len(best) and points(tab)["front"] == 0
    assert f"{len(best)} evaluated cells, 3 runs" in tab.inner_text("#counts")
    assert [number(text) for text in tab.evaluate(COLUMN, 5)] == pytest.approx(sorted(best.values()), abs=1e-5)


def chosen(tab: Tab, select: str) -> str:
    """The text of what a select box has chosen."""
    return str(tab.evaluate("(id) => document.querySelector(id).selectedOptions[0].text", select))


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
    monkeypatch.setitem(sys.modules, "plotly", None)
    ended = snas("compare", "analog-cifar10", "--strategies", "random", "--runs", 1, "--budget", 12, "--out", tmp_path)
    assert ended.code == 0 and MISSING in " ".join(ended.err.split())
    assert "explore.html" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "explore.html").exists()
