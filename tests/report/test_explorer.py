"""The explorer in a real browser: what it shows is what the results hold, and its views follow one
another.
"""

import csv
import re
from functools import lru_cache

import numpy as np
import pytest
from matplotlib.figure import Figure

from surrogate_nas.report import (
    write_explorer,
    write_report,
)
from surrogate_nas.report.explorer import problem as page
from surrogate_nas.report.explorer.problem import ProblemData, select_cells
from surrogate_nas.report.reading import undominated
from surrogate_nas.results.api import compare, read_comparison, run_suite
from surrogate_nas.runs.problem import Entry, Problem, Suite
from surrogate_nas.space import NB201, SPACES, Space, space_named
from surrogate_nas.space.rendering import render
from surrogate_nas.space.sketch import Arrow, Box, Text
from surrogate_nas.strategies.random import RandomSearch

pytestmark = pytest.mark.slow  # browsers
STRATEGIES = ["random", "evolution", "local_search"]
BUDGET = 25
EVIL = "</script><script>alert(1)</script>"
Evil = type(EVIL, (RandomSearch,), {})

CELLS = """() => [...document.querySelectorAll("[data-layer=cells] [data-cells]")].reduce(
  (sum, one) => sum + Number(one.dataset.cells), 0)"""
"""How many cells the greys of the plane stand for."""
PATHS = """() => Object.fromEntries([...document.querySelectorAll("[data-path]")].map(
  (one) => [one.dataset.path, Number(one.dataset.points)]))"""
"""How many cells were the best so far of each strategy, after those with which both began."""
RING = """() => {
  const { left, top, width, height } = document.querySelector("#plane .ring").getBoundingClientRect();
  return [left + width / 2, top + height / 2];
}"""  # noqa: E501
SET = """([id, value]) => {
  const one = document.getElementById(id);
  if (one.type === "checkbox") one.checked = value; else one.value = value;
  one.dispatchEvent(new Event("change"));
}"""
MOVE = """(time) => {
  const slider = document.getElementById("time");
  slider.value = time;
  for (const kind of ["input", "change"]) slider.dispatchEvent(new Event(kind));
}"""
PANEL = """() => Object.fromEntries([...document.querySelectorAll("#cell dt")].map(
  (name) => [name.textContent, name.nextElementSibling.textContent]))"""
COLUMN = (
    "(place) => [...document.querySelectorAll('#table tbody tr')].map((row) =>"
    " row.cells[place].textContent)"
)


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """A comparison on all cells of a table, with its explorer and its report."""
    folder = tmp_path_factory.mktemp("explored")
    comparison = compare("fashion", STRATEGIES, runs=2, budget=BUDGET, folder=folder)
    path = write_explorer(comparison, folder)
    assert path == folder / "explore.html"
    write_report(comparison, folder)
    return comparison, path


@pytest.fixture(scope="module")
def requested():
    """What the shared explorer has asked for."""
    return []


@pytest.fixture(scope="module")
def shared(explored, browser, requested):
    """The explorer, opened once for all tests that only look at it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    opened(page, explored[1])
    yield page
    context.close()
    assert not errors


@pytest.fixture
def whole(shared):
    """The shared explorer as it was when it was opened."""
    times = int(shared.evaluate("document.body.dataset.opened"))
    shared.evaluate("document.getElementById('reset').click()")  # it is folded away
    shared.wait_for_function(f"document.body.dataset.opened === '{times + 1}'")
    return shared


def opened(tab, path):
    """Open an explorer and wait until all is drawn."""
    tab.goto(path.as_uri())
    tab.wait_for_selector("body[data-ready=all]", state="attached", timeout=120_000)


def the_two(tab):
    """The strategies that are compared."""
    return [chosen(tab, "#first"), chosen(tab, "#second")]


def compared(tab, first, second, run):
    """Choose two strategies and a run."""
    for select, label in (("#first", first), ("#second", second)):
        tab.select_option(select, label=label)
    tab.select_option("#run", value=str(run))


def after(tab, cells):
    """Put the clock to so many cells."""
    tab.evaluate(MOVE, cells)


def met(comparison, strategy, run, first=BUDGET):
    """The cells that a run of a strategy evaluated in its first so many trials."""
    return {
        str(trial.cell) for trial in comparison.runs_of(strategy)[run].trials[:first]
    }


def best_so_far(comparison, strategy, run, first=BUDGET):
    """The trials of a run that were its best so far, each with its number from 1."""
    found = []
    for place, trial in enumerate(comparison.runs_of(strategy)[run].trials[:first], 1):
        if trial.feasible and (not found or trial.score < found[-1][1].score):
            found.append((place, trial))
    return found


def number(text):
    return float(text.replace("−", "-").replace(",", "").split()[0])


def test_the_page_is_small_and_asks_no_network(explored, whole, requested):
    comparison, path = explored
    assert len(comparison.objective.benchmark.space) == 15625
    assert path.stat().st_size < 6_000_000
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"'`)]*", text)) == {
        "http://www.w3.org/2000/svg"
    }
    assert not re.findall(r"""(?:src|href)=["'](?!data:|report\.html)""", text)
    assert path.stat().st_size < 2_000_000  # nothing but the data and its own script
    assert "all 15,625 cells; all 6 runs of 3 strategies" in whole.inner_text("#counts")
    whole.evaluate(SET, ["frame", "all"])
    assert whole.evaluate(CELLS) == 15625
    assert set(requested) == {path.as_uri()}


def test_pointing_at_a_cell_draws_it_and_names_its_numbers(explored, whole):
    comparison, _ = explored
    space = comparison.objective.benchmark.space
    benchmark = comparison.objective.benchmark
    mark = whole.locator("[data-mark]").last.bounding_box()
    assert mark is not None
    whole.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    whole.wait_for_selector("#cell svg[role=img]")
    cell = space.parse(str(whole.get_attribute("#cell", "data-cell")))
    trials = [
        t
        for name in STRATEGIES
        for run in comparison.runs_of(name)
        for t in run.trials
        if t.cell == cell
    ]
    panel = whole.evaluate(PANEL)
    assert panel["score"] == f"{trials[0].score:.5f}"
    assert (
        panel["L"] == f"{trials[0].loss:.5f} nats"
        and panel["λR"] == f"{trials[0].penalty:.5f}"
    )
    assert panel["params"] == f"{trials[0].values['params']:,.0f} parameters"
    assert (
        panel["test_error[5]"] == f"{float(benchmark.query(cell, 'test_error')):.2f} %"
    )
    x, y = whole.evaluate(RING)
    assert (
        abs(x - mark["x"] - mark["width"] / 2) < 24
        and abs(y - mark["y"] - mark["height"] / 2) < 24
    )
    sketch = space.sketch(cell)
    assert sketch is not None
    drawn = whole.eval_on_selector_all(
        "#cell svg[role=img] text", "all => all.map((text) => text.textContent)"
    )
    assert drawn == [mark.text for mark in sketch.marks if isinstance(mark, Text)]
    whole.mouse.click(x, y)  # kept, however the pointer moves on
    kept = whole.get_attribute("#cell", "data-cell")
    whole.mouse.move(x + 150, y - 150)
    assert whole.get_attribute("#cell", "data-cell") == kept
    whole.evaluate(SET, ["rows-of", "all"])
    whole.focus("#table tbody tr")
    best = min(
        (told["best"] for told in comparison.to_json()["strategies"]),
        key=lambda one: one["score"],
    )
    panel = whole.evaluate(PANEL)
    assert panel["score"] == f"{best['score']:.5f}"
    assert panel["test_error[5]"] == f"{best['final']['test_error']:.2f} %"
    whole.focus("#plane")
    whole.keyboard.press("ArrowDown")
    assert whole.get_attribute("#cell", "data-cell") == whole.get_attribute(
        "tbody tr:nth-child(2) code", "title"
    )


@pytest.mark.parametrize("run", [0, 1])
def test_two_strategies_are_compared_in_one_run(explored, whole, run):
    comparison, _ = explored
    compared(whole, "evolution", "random", run)
    pair = ["evolution", "random"]
    shared = comparison.description["first_cells"]
    common = [str(t.cell) for t in comparison.runs_of("random")[run].trials[:shared]]
    assert common == [
        str(t.cell) for t in comparison.runs_of("evolution")[run].trials[:shared]
    ]
    assert f"dotted: the {shared} initial cells, the same for both" in whole.inner_text(
        "#caption"
    )
    for first in (BUDGET, shared + 4):
        after(whole, first)
        found = {name: best_so_far(comparison, name, run, first) for name in pair}
        own = {
            name: len([place for place, _ in found[name] if place > shared])
            for name in pair
        }
        assert whole.evaluate(PATHS) == {name: n for name, n in own.items() if n}
        for name in pair:
            place, trial = found[name][-1]
            card = whole.locator(f"[data-answer={name}]")
            assert (
                card.get_attribute("data-cell") == str(trial.cell)
                and card.locator("svg[role=img]").count() == 1
            )
            assert (
                f"score {trial.score:.4f} = loss {trial.loss:.4f}" in card.inner_text()
            )
            assert f"found at cell {place}" in card.inner_text()
        either = set().union(*(met(comparison, name, run, first) for name in pair))
        assert whole.inner_text("#rows").startswith(f"{len(either)} cells")
    finding = whole.inner_text("#finding")
    assert finding.startswith(f"After cell {shared + 4} of this run ")
    scores = sorted((found[name][-1][1].score, name) for name in pair)
    if scores[0][0] < scores[1][0]:
        assert (
            f"{scores[0][1]} is {scores[1][0] - scores[0][0]:.4f} below {scores[1][1]}"
            in finding
        )
    whole.select_option("#second", label="none")
    assert whole.locator(
        "[data-answer]"
    ).count() == 1 and "random" not in whole.inner_text("#finding")
    whole.evaluate(SET, ["tried", True])
    assert whole.locator("#plane .tried").count() > 5
    whole.evaluate(SET, ["tried", False])


def test_the_clock_counts_cells_or_seconds_and_runs_are_stepped_through(
    explored, whole
):
    comparison, _ = explored
    compared(whole, "evolution", "none", 0)
    assert chosen(whole, "#run") == "run 1 of 2" and whole.is_disabled("#before")
    whole.click("#after")
    assert chosen(whole, "#run") == "run 2 of 2" and whole.is_disabled("#after")
    after(whole, 7)
    assert whole.inner_text("#now") == "7 cells"
    whole.evaluate(SET, ["unit", "cost"])
    assert re.fullmatch(r"[\d.]+ simulated \w+", whole.inner_text("#now"))
    after(whole, comparison.runs_of("evolution")[1].trials[2].finished + 1e-3)
    assert whole.inner_text("#rows").startswith("3 cells")
    whole.evaluate(SET, ["rows-of", "all"])
    time = comparison.runs_of("evolution")[1].trials[2].finished + 1e-3
    until = {
        str(t.cell)
        for r in comparison.runs
        for t in r.trials
        if np.float32(t.finished) <= time
    }
    assert whole.inner_text("#rows").startswith(f"{len(until)} cells")


def test_front_and_equal_scores_are_what_the_table_says(explored, whole):
    comparison, _ = explored
    scores = comparison.objective.over_space()
    assert scores is not None
    front = undominated(np.column_stack([scores.penalty, scores.loss])[scores.feasible])
    assert whole.get_attribute("[data-front]", "data-front") == str(front.sum())
    levels = whole.eval_on_selector_all(
        "[data-score]", "all => all.map((one) => Number(one.dataset.score))"
    )
    assert (
        levels[0] == scores.score.min() and levels == sorted(levels) and len(levels) > 2
    )
    told = whole.inner_text("#caption")
    outside = re.search(r"([\d,]+) cells? of 15,625 lies? outside", told)
    assert outside is not None and 0 < number(outside[1]) < 15625 / 2
    assert (
        f"of the front's {front.sum()} cells" in told
        or f"the whole front, {front.sum()} cells" in told
    )
    whole.evaluate(SET, ["frame", "all"])
    assert (
        f"The frame contains the whole front, {front.sum()} cells."
        in whole.inner_text("#caption")
    )
    assert "outside" not in whole.inner_text("#caption")


def test_bars_are_shares_among_the_best_and_select(explored, whole):
    comparison, _ = explored
    scores = comparison.objective.over_space()
    space = comparison.objective.benchmark.space
    assert scores is not None and isinstance(space, NB201)
    best = scores.score.argsort(kind="stable")[:156]
    assert whole.inner_text("#made h2") == "What the best 1 % are made of"
    told = whole.eval_on_selector_all(
        "#panels [data-share]", "all => all.map((one) => Number(one.dataset.share))"
    )
    n = len(space.options[0])
    shares = [
        np.bincount(space.choices[best, p], minlength=n) / 156
        for p in range(len(space.positions))
    ]
    assert told == pytest.approx(np.concatenate(shares).tolist(), abs=1e-4)
    whole.click("#panels [data-position='0-1'] [data-option='3'] .hit")
    whole.click("#panels [data-position='0-1'] [data-option='4'] .hit")
    assert whole.inner_text("#selected").startswith(
        f"{2 * 15625 // 5:,} cells selected: 0-1 "
    )
    pair = [
        run
        for name in the_two(whole)
        for run in comparison.runs_of(name)
        if run.run == 0
    ]
    inside = {
        str(t.cell) for run in pair for t in run.trials if t.cell.choices[0] in (3, 4)
    }
    assert whole.inner_text("#rows").startswith(f"{len(inside)} cell")
    whole.focus("#panels [data-position='0-1'] [data-option='4']")
    whole.keyboard.press("Enter")
    assert whole.inner_text("#selected").startswith(f"{15625 // 5:,} cells selected")
    whole.click("#clear")
    assert whole.inner_text("#selected") == "" and not whole.is_visible("#clear")


def test_the_table_sorts_by_every_column_and_is_downloaded(explored, whole):
    comparison, _ = explored
    _csv_holds_the_numbers_of_the_results(comparison, whole)
    heads = whole.eval_on_selector_all(
        "#table th button", "all => all.map((button) => button.dataset.key)"
    )
    assert len(heads) >= 9
    for place, key in enumerate(heads):
        for direction in ("ascending", "descending"):
            whole.click(f"#table th button[data-key='{key}']")
            if (
                whole.get_attribute(f"th:has(button[data-key='{key}'])", "aria-sort")
                != direction
            ):
                whole.click(f"#table th button[data-key='{key}']")
            assert (
                whole.eval_on_selector_all(
                    "th:not([aria-sort=none])", "all => all.length"
                )
                == 1
            )
            if place >= 2:
                told = [number(text) for text in whole.evaluate(COLUMN, place)]
                assert (
                    told == sorted(told, reverse=direction == "descending")
                    and len(set(told)) > 1
                )


def test_a_brush_selects_in_all_views_and_is_downloaded(explored, whole):
    comparison, _ = explored
    whole.evaluate(SET, ["rows-of", "all"])
    whole.evaluate("document.getElementById('plane').scrollIntoView()")
    box = whole.locator("#plane").bounding_box()
    assert box is not None
    whole.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.3 * box["height"])
    whole.mouse.down()
    whole.mouse.move(
        box["x"] + 0.5 * box["width"], box["y"] + 0.85 * box["height"], steps=4
    )
    whole.mouse.up()
    whole.wait_for_function("document.getElementById('selected').textContent !== ''")
    words = whole.inner_text("#selected")
    limits = re.search(r"λR ([\d.]+) to ([\d.]+), L ([\d.]+) to ([\d.]+)\.", words)
    assert limits is not None
    left, right, low, high = map(float, limits.groups())
    trials = {
        str(t.cell): t
        for name in STRATEGIES
        for run in comparison.runs_of(name)
        for t in run.trials
    }
    inside = {
        cell
        for cell, t in trials.items()
        if low <= t.loss <= high and left <= t.penalty <= right
    }
    assert 0 < len(inside) < len(trials)
    told = comparison.objective.over_space()
    assert told is not None
    within = (
        (told.loss >= low)
        & (told.loss <= high)
        & (told.penalty >= left)
        & (told.penalty <= right)
    )
    # the limits are shown with five digits
    assert abs(number(words) - within.sum()) <= 2
    assert whole.evaluate(CELLS) == number(words)
    with whole.expect_download() as download:
        whole.click("#csv-selected")
    rows = list(
        csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines())
    )
    assert {row["cell"] for row in rows} == inside
    whole.click("#clear")
    assert whole.inner_text("#selected") == ""
    whole.click("#further summary")
    whole.select_option("#limit", label="0-1")
    whole.fill("#from", "nor_conv_3x3")
    whole.fill("#to", "nor_conv_3x3")
    whole.click("#apply")
    third = {cell for cell, trial in trials.items() if trial.cell.choices[0] == 3}
    assert whole.inner_text("#rows").startswith(f"{len(third)} cells of the selection")
    whole.click("#further summary")


def _csv_holds_the_numbers_of_the_results(comparison, whole):
    whole.evaluate(SET, ["rows-of", "all"])
    with whole.expect_download() as download:
        whole.click("#csv")
    rows = {
        row["cell"]: row
        for row in csv.DictReader(download.value.path().read_text("utf-8").splitlines())
    }
    trials = {
        str(t.cell): t
        for name in STRATEGIES
        for run in comparison.runs_of(name)
        for t in run.trials
    }
    assert rows.keys() == trials.keys()
    for cell, trial in trials.items():
        row = rows[cell]
        assert [float(row[name]) for name in ("score", "L (nats)", "λR")] == [
            trial.score,
            trial.loss,
            trial.penalty,
        ]
        assert float(row["latency@cpu (ms)"]) == trial.values["latency@cpu"]
        runs = [
            f"{name}: {n}"
            for name in STRATEGIES
            if (n := _runs_that_met(comparison, name, cell))
        ]
        assert row["evaluated_by"] == "; ".join(runs)


def _runs_that_met(comparison, strategy, cell):
    return sum(
        any(str(trial.cell) == cell for trial in run.trials)
        for run in comparison.runs_of(strategy)
    )


def test_a_phone_in_the_dark_has_room_for_all(whole):
    whole.set_viewport_size({"width": 390, "height": 844})
    whole.emulate_media(color_scheme="dark")
    whole.wait_for_function(
        "document.querySelector('#plane svg').viewBox.baseVal.width < 390"
    )
    assert whole.evaluate("document.documentElement.scrollWidth") <= 390
    for text in whole.locator("#plane text").all():
        box = text.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390, (
            text.text_content()
        )
    whole.click("#further summary")
    assert whole.evaluate("document.documentElement.scrollWidth") <= 390
    whole.click("#further summary")
    assert (
        whole.evaluate("getComputedStyle(document.body).backgroundColor")
        == "rgb(18, 22, 27)"
    )
    whole.set_viewport_size({"width": 1280, "height": 900})
    whole.emulate_media(color_scheme="light")


def test_a_suite_has_one_page_with_a_choice_of_its_problems(tab, tmp_path):
    capped = Problem(
        "fashion",
        "valid_error",
        name="capped",
        subject_to="latency@cpu <= 0.4",
        budget=12,
    )
    front = Problem("analog-cifar10", "digital_error, params", name="front", budget=12)
    bare = Problem("fashion", "valid_loss + 0.1*diversity", name="bare", budget=15)
    entries = [Entry("random", 2), Entry(Evil, 1)]
    result = run_suite(
        Suite("tiny", "tiny", [capped, front, bare], entries), folder=tmp_path
    )
    path = write_explorer(result, tmp_path)
    assert path is not None and path.stat().st_size < 6_000_000
    assert 'href="explore.html"' in write_report(result, tmp_path).read_text(
        encoding="utf-8"
    )
    opened(tab, path)
    assert "subject to latency@cpu <= 0.4" in tab.inner_text("#objective")
    assert chosen(tab, "#across") == "latency@cpu"
    assert "Outlined: cells that violate a constraint." in tab.inner_text("#caption")
    tab.evaluate(SET, ["frame", "all"])
    assert int(str(tab.get_attribute("[data-infeasible]", "data-infeasible"))) > 1000
    tab.evaluate(SET, ["rows-of", "all"])
    scores = [
        number(text) if text != "–" else np.inf for text in tab.evaluate(COLUMN, 4)
    ]
    assert scores == sorted(scores) and np.isinf(scores[-1]) and np.isfinite(scores[0])
    assert EVIL in the_two(tab)
    tab.select_option("#problem", label="front")
    tab.wait_for_selector("body[data-opened='2']")
    assert chosen(tab, "#across").startswith("objective 1 = digital_error")
    assert chosen(tab, "#up").startswith("objective 2 = params")
    front_of = read_comparison(tmp_path / "problems" / "front")
    scores_of = front_of.objective.over_space()
    assert scores_of is not None
    size = undominated(scores_of.vector[scores_of.feasible]).sum()
    assert (
        size > 5
        and f"The frame contains the whole front, {size} cells."
        in tab.inner_text("#caption")
    )
    assert f"of the {size} cells of the exact front" in tab.inner_text("#finding")
    assert (
        tab.locator("[data-path]").count()
        + tab.locator("#plane [data-layer=runs] path").count()
        > 2
    )
    assert tab.inner_text("#made h2") == "What the exact front is made of"
    tab.select_option("#problem", label="bare")
    tab.wait_for_selector("body[data-opened='3']")
    _only_evaluated_cells_are_shown(tab, tmp_path / "problems" / "bare")


def _only_evaluated_cells_are_shown(tab, folder):
    """Where scores depend on a run's history there is no table of them."""
    runs = [run for run in read_comparison(folder).runs if run.trials]
    best = {}
    for trial in (trial for run in runs for trial in run.trials):
        best[str(trial.cell)] = min(best.get(str(trial.cell), np.inf), trial.score)
    tab.evaluate(SET, ["rows-of", "all"])
    assert tab.evaluate(CELLS) == len(best) and tab.locator("[data-front]").count() == 0
    assert f"{len(best)} evaluated cells; all 3 runs of 2 strategies" in tab.inner_text(
        "#counts"
    )
    assert [number(text) for text in tab.evaluate(COLUMN, 5)] == pytest.approx(
        sorted(best.values()), abs=1e-5
    )


def chosen(tab, select):
    """The text of what a select box has chosen."""
    return str(
        tab.evaluate(
            "(id) => document.querySelector(id).selectedOptions[0].text", select
        )
    )


def test_a_page_shows_what_it_has_room_for(explored, monkeypatch):
    comparison, path = explored
    data = ProblemData(comparison, STRATEGIES, 2)
    made = lru_cache(data.packed)
    n_bytes = len(made(page._DETAILS[-1]))
    with monkeypatch.context() as patched:
        patched.setattr(page, "choices_of", None)
        assert not data.packed(page._DETAILS[-1], n_bytes / 100), "no cell is read"

    def packed(detail, most=n_bytes):
        return made(detail)

    many = page.Page("many", problems=40)
    for number in range(40):
        many.add(f"problem {number}", packed)
    assert len(many.included) == 40 and len(many.html()) < page.MOST_BYTES
    assert len(many.included[0]["block"]) < path.stat().st_size / 10
    assert ProblemData(comparison, STRATEGIES, 2).packed(page._DETAILS[0]) != packed(
        page._DETAILS[6]
    )
    monkeypatch.setattr(page, "MOST_BYTES", 160_000)
    full = page.Page("full", problems=3)
    for name in ("one", "two", "three"):
        full.add(name, packed)
    assert full.left_out and all(f"{name}" in full.html() for name in full.left_out)


def test_evaluated_cells_and_the_front_are_never_left_out(explored):
    comparison, _ = explored
    runs = [run for name in STRATEGIES for run in comparison.runs_of(name)]
    shown = select_cells(comparison, runs, 100)
    scores = comparison.objective.over_space()
    assert scores is not None and shown.places is not None
    assert {trial.cell for run in runs for trial in run.trials} <= set(shown.cells)
    assert scores.score.argmin() in shown.places and len(shown.cells) < 400
    assert list(shown.scores.loss) == list(scores.loss[shown.places])


def test_blocks_are_the_same_every_time(explored, tmp_path):
    comparison, path = explored
    again = write_explorer(comparison, tmp_path)
    assert again is not None and again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "name",
    [name for name in SPACES if type(space_named(name)).sketch is not Space.sketch],
)
def test_sketches_stay_on_their_paper_and_are_what_files_show(name):
    space = space_named(name)
    for seed in range(20):
        sketch = space.sketch(space.sample(np.random.default_rng(seed)))
        assert sketch is not None
        for mark in sketch.marks:
            ends = (
                mark.curve[::2]
                if isinstance(mark, Arrow)
                else [mark.centre if isinstance(mark, Box) else mark.at]
            )
            assert all(
                0 <= x <= sketch.size[0] and 0 <= y <= sketch.size[1] for x, y in ends
            )
    figure = Figure()
    render(figure, sketch)
    texts = [mark.text for mark in sketch.marks if isinstance(mark, Text)]
    assert [text.get_text() for text in figure.axes[0].texts] == texts
