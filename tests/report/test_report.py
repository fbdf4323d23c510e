"""The report: one self-contained page, honest in every corner case, whose curves agree with hand
computations.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.base import Measurement
from surrogate_nas.core.metrics import Metric
from surrogate_nas.core.numbers import decimals_for, fixed, natural, p_value
from surrogate_nas.report import write_report
from surrogate_nas.report.curves import curve_over_cells, curve_over_cost
from surrogate_nas.report.page import Page
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.reading import Study
from surrogate_nas.report.sections.anytime import test_curves as curves_of_test
from surrogate_nas.report.sections.conventions import citations
from surrogate_nas.report.sections.fronts import plane_of
from surrogate_nas.report.sections.tables import summary_table
from surrogate_nas.report.style import styles
from surrogate_nas.results.api import compare
from surrogate_nas.results.comparison import Comparison, best_cells
from surrogate_nas.runs.run import Run
from surrogate_nas.space.network import Network
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies.random import RandomSearch
from surrogate_nas.tables import Table, write_table
from tests.runs.delayed import Delayed

EVIL = "_evil$x_{<script>alert(1)</script>"


class Failing(RandomSearch):
    """Always fails when asked."""

    def ask(self, n):
        raise RuntimeError("<img src=x> & broke")


Evil = type(EVIL, (RandomSearch,), {})


class Resources(HTMLParser):
    """Collects what a page would load, its tags and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        named = [
            str(value)
            for name, value in attrs
            if name in ("src", "href", "srcset", "xlink:href", "data")
        ]
        self.loaded += [address for address in named if not address.startswith("#")]

    def handle_data(self, data):
        if self.tags[-1:] not in (["style"], ["script"]):
            self.text += data


def report(comparison, folder, **more):
    """Write a report and check what holds for every one."""
    path = write_report(comparison, folder, **more)
    assert path == folder / "report.html"
    assert not list(folder.rglob("*.part"))
    html = path.read_text(encoding="utf-8")
    page = Resources(html)
    assert (
        set(page.loaded) <= {"explore.html", "summary.json"} and len(html) < 1_000_000
    )
    assert (
        "link" not in page.tags
        and "img" not in page.tags
        and "@import" not in html
        and "url(" not in html
    )
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL)
    (allowed,) = re.findall(r"script-src 'sha256-([^']+)'", html)
    assert (
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() == allowed
    )
    assert "default-src 'none'" in html and not re.findall(r" on[a-z]+=", html)
    assert "nan" not in page.text.lower().split() and not re.findall(
        r'[ "(]-?(?:nan|inf)[ ")]', html
    )
    assert comparison.objective.fingerprint in page.text
    for name in comparison.description["strategies"]:
        assert name in page.text
    assert not (folder / "figures").exists(), "pictures are in the page"
    return page


def pictures(comparison):
    return {picture.name for picture in Page(Study(comparison)).pictures}


@pytest.fixture(scope="module")
def small():
    return compare("analog-cifar10", ["random", "evolution"], runs=3, budget=30)


def test_a_small_comparison(small, tmp_path):
    page = report(small, tmp_path, command="snas compare analog-cifar10 --runs <3>")
    assert small.objective.benchmark.banner in page.text
    assert "snas compare analog-cifar10 --runs <3>" in page.text
    assert "digital_error + 0.02*params" in page.text
    assert (
        "It is undecided which of 2 strategies is best" in page.text
        and "Would it hold …" in page.text
    )
    assert "has no final (test) metric" in page.text
    cells = {f"cell-{rank}" for rank in range(1, 5)}
    assert pictures(small) == {"score-by-cells", "ranking"} | cells


def test_reports_repeat(small, tmp_path):
    first = write_report(small, tmp_path / "a").read_bytes()
    assert write_report(small, tmp_path / "b").read_bytes() == first


def test_an_unwritable_folder_is_a_user_error(small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(sn.UserError, match="Cannot write"):
        write_report(small, tmp_path / "file")


@pytest.mark.parametrize("strategies", [["random"], ["random", "evolution"]])
def test_one_run_says_so(strategies, tmp_path):
    page = report(compare("analog-cifar10", strategies, runs=1, budget=3), tmp_path)
    assert "from one run" in page.text
    assert "Each number is from one run." in page.text
    assert "±" not in page.text.partition("Summary")[2].partition("What λ does")[
        0
    ].replace("mean ± std", "")


def test_diversity_leaves_regret_undefined(tmp_path):
    made = compare(
        "analog-cifar10",
        ["random", "evolution"],
        "digital_error + 0.05*diversity",
        runs=3,
        budget=20,
    )
    page = report(made, tmp_path)
    assert "undefined: scores depend on history" in page.text
    row = summary_table(made, styles(made.strategies)).rows[0]
    assert row.count("–") == 2


def test_without_a_regulariser_nothing_is_said_of_lambda(tmp_path):
    made = compare("analog-cifar10", ["random"], "digital_error", runs=2, budget=15)
    assert "What λ does" not in report(made, tmp_path).text


def test_constraints_that_few_cells_meet(tmp_path):
    made = compare(
        "analog-cifar10",
        ["random", "evolution"],
        subject_to="params <= 80000 and digital_error <= 40",
        runs=4,
        budget=25,
    )
    infeasible = sum(not run.incumbent.feasible for run in made.runs)
    assert 0 < infeasible < 8
    page = report(made, tmp_path)
    assert f"{infeasible} of 8 runs found no feasible cell" in page.text
    assert "of the cells meet the constraints" in page.text
    assert f"{infeasible} run" in page.text and "left out" in page.text
    bound = made.objective.bound
    assert all(score < bound for name in made.strategies for score in made.scores(name))
    assert sum(len(made.scores(name)) for name in made.strategies) == 8 - infeasible
    told = {s["name"]: s for s in made.to_json()["strategies"]}
    assert all(told[name]["feasible_runs"] == len(made.scores(name)) for name in told)


def test_constraints_that_no_cell_meets(tmp_path):
    made = compare(
        "analog-cifar10", ["random"], subject_to="params <= 10", runs=2, budget=12
    )
    page = report(made, tmp_path)
    assert "No feasible cell was found" in page.text
    assert (
        "2 of 2 runs found no feasible cell" in page.text
        and "no cell of the space is feasible" in page.text
    )
    assert pictures(made) == {f"cell-{rank}" for rank in range(1, 5)}
    assert page.text.count("no feasible cell") == 7 and not re.search(
        r"score [0-9]", page.text
    )
    (told,) = made.to_json()["strategies"]
    assert (
        set(told["score"].values()) == {None} == set(told["regret"].values())
        and made.optimum is None
    )
    assert (
        told["best"] == {"cell": None, "score": None, "final": {}}
        and told["feasible_runs"] == 0
    )


HOSTILE = """<script>alert(1)</script>"><img src=x onerror=alert(2)>$x_{$"""


def test_what_a_table_says_is_only_text(tmp_path):
    table = Table(
        "hostile",
        "nb201",
        HOSTILE,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        "valid_error",
        Network(),
        "queries",
        banner=HOSTILE,
    )
    fall = np.linspace(90.0, 10.0, 15625)
    table.add(
        Metric(
            "valid_error",
            HOSTILE,
            "search",
            "error",
            description=HOSTILE,
            source=HOSTILE,
        ),
        12,
        fall,
    )
    table.add(
        Metric("test_error", HOSTILE, "final", "error", split=HOSTILE), 12, fall + 1
    )
    table.add(
        Metric("odd", HOSTILE, "search", "structure", description=HOSTILE),
        None,
        fall + 2,
    )
    write_table(table, tmp_path / "hostile.h5")
    bench = sn.load(str(tmp_path / "hostile.h5"))
    made = compare(
        bench,
        ["random", "evolution", Failing, Evil],
        "valid_error + 0.1*odd",
        runs=2,
        budget=15,
    )
    path = write_report(made, tmp_path, command=f"snas compare {HOSTILE}\udcff")
    html = path.read_text(encoding="utf-8")
    assert (
        html.count("<script") == 1
        and "<script>alert" not in html
        and "<img src=x" not in html
        and html.count("&lt;script&gt;") > 10
    )
    assert set(Resources(html).tags) <= TAGS


TAGS = set(
    "html head meta title style body main header section h1 h2 h3 p code strong div span svg g path"
    " rect text table thead tbody tr th td small figure figcaption article dl dt dd ul li pre a"
    " details summary script".split()
)


def test_failures_are_prominent_and_escaped(tmp_path):
    page = report(
        compare("analog-cifar10", ["random", Failing], runs=2, budget=15), tmp_path
    )
    assert "2 runs failed" in page.text
    assert page.text.count("<img src=x> & broke") == 2
    assert page.text.index("failed") < page.text.index("Summary")


def test_when_everything_failed(tmp_path):
    made = compare("analog-cifar10", [Failing], runs=2, budget=15)
    assert (
        "No run has finished" in report(made, tmp_path).text and pictures(made) == set()
    )


def _run(number, scores, costs):
    cell = sn.nb201()[number]
    rows = enumerate(zip(scores, costs, np.cumsum(costs), strict=True))
    trials = [
        Trial(i, cell, s, s, 0.0, True, None, c, {}, end - c, end)
        for i, (s, c, end) in rows
    ]
    return Run("s", number, trials, 1.0, 0.5)


def test_curves_are_right_continuous_means():
    runs = [_run(0, [5.0, 7.0, 1.0], [2.0, 2.0, 2.0]), _run(1, [3.0, 2.0], [3.0, 3.0])]
    pairs = [(run.anytime(), run.anytime().score) for run in runs]
    over_cells = curve_over_cells(pairs)
    assert dict(zip(over_cells.x, over_cells.middle, strict=True)) == {
        1: 4.0,
        2: 3.5,
        3: 1.5,
    }
    over_cost = curve_over_cost(pairs, divisor=2.0)
    # before 3 s a run has finished nothing; at 6 s both end
    assert over_cost.x.tolist() == [1.5, 3.0]
    assert over_cost.middle.tolist() == [4.0, 1.5]
    assert (over_cost.low <= over_cost.middle).all() and (
        over_cost.middle <= over_cost.high
    ).all()


def test_best_cells_are_distinct_and_counted_by_run(small):
    found = best_cells(small, 5)
    everything = [trial for run in small.runs for trial in run.trials]
    identity = small.objective.benchmark.space.identity
    best = {}
    for trial in sorted(everything, key=lambda trial: (trial.score, trial.cell.index)):
        best.setdefault(identity(trial.cell), (trial.score, trial.cell.index))
    assert [(cell.trial.score, cell.trial.cell.index) for cell in found] == list(
        best.values()
    )[:5]
    for cell in found:
        for name in small.strategies:
            runs = [
                run
                for run in small.runs_of(name)
                if cell.trial.cell in {trial.cell for trial in run.trials}
            ]
            assert cell.found_by.get(name, 0) == len(runs)


def test_functional_twins_share_a_card(tmp_path):
    space = sn.nb201()
    strings = ("none", "skip_connect")  # a dead edge into node 2 that nothing leaves
    twins = [
        f"|nor_conv_3x3~0|+|{op}~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"
        for op in strings
    ]
    trials = [
        Trial(
            i,
            space.parse(text),
            0.1 + i,
            0.1,
            0.0,
            True,
            None,
            1.0,
            {"digital_error": 10.0},
        )
        for i, text in enumerate(twins)
    ]
    objective = sn.Objective("digital_error", sn.load("analog-cifar10"))
    description = {
        "strategies": ["s"],
        "runs": 1,
        "first_cells": 0,
        "seed": 0,
        "budget": {"cells": 2, "seconds": None},
        "hidden": False,
        "simulated_workers": 1,
    }
    made = Comparison(objective, description, [Run("s", 0, trials, 1.0, 0.5)])
    (found,) = best_cells(made, 5)
    assert (
        str(found.trial.cell) == twins[0]
        and [str(trial.cell) for trial in found.isomorphic] == twins[1:]
    )
    page = report(made, tmp_path)
    assert page.tags.count("article") == 1 and f"{twins[1]} (1.10000)" in page.text


def test_numbers():
    assert (
        fixed(-1e-17, 3) == "0.000"
        and fixed(None, 3) == "–"
        and fixed(-0.5, 1) == "−0.5"
    )
    assert (
        decimals_for([0.1, 0.1]) == 4
        and decimals_for([0.1, 0.102]) == 5
        and decimals_for([0, 7]) == 3
    )
    assert (
        natural(344346.0, "parameters") == "344,346" and natural(8.556, "%") == "8.56 %"
    )
    assert p_value(0.0001) == "< 0.001" and p_value(0.0234) == "0.023"


@pytest.mark.data
def test_the_test_curve_is_that_of_the_best_validated_cell(real, tmp_path):
    made = compare(
        real, ["random", "evolution"], "valid_error + 0.02*params", runs=3, budget=40
    )
    page = report(made, tmp_path)
    assert {"test-by-cells", "test-by-cost", "score-by-cost"} <= pictures(made)
    assert (
        "test_error[200]" in page.text and "not the best test_error so far" in page.text
    )
    study = Study(made)
    test = real.column("test_error", 200)

    drawn = curves_of_test(study)
    assert isinstance(drawn, Picture) and isinstance(drawn.draw, partial)
    curves, _, panel = drawn.draw.args
    for name in made.strategies:
        for cells, mean in zip(
            curves[name].x.astype(int), curves[name].middle, strict=True
        ):
            by_hand = []
            for run in made.runs_of(name):
                best = min(run.trials[:cells], key=lambda trial: trial.score)
                by_hand.append(test[best.cell.index])
            assert mean == pytest.approx(np.mean(by_hand))
    scores = made.objective.over_space()
    assert scores is not None and panel.reference == test[scores.score.argmin()]
    best_test = [
        min(test[t.cell.index] for t in run.trials) for run in made.runs_of("random")
    ]
    assert curves["random"].middle[-1] > np.mean(best_test)

    drawn = curves_of_test(study, "cost")
    assert isinstance(drawn, Picture) and isinstance(drawn.draw, partial)
    curves, _, panel = drawn.draw.args
    divisor = {"days": 86400.0, "hours": 3600.0}[panel.x_label]
    for name in made.strategies:
        for at, mean in zip(
            curves[name].x[::7] * divisor, curves[name].middle[::7], strict=True
        ):
            by_hand = []
            for run in made.runs_of(name):
                ends = np.cumsum([trial.cost for trial in run.trials])
                done = [
                    t
                    for t, end in zip(run.trials, ends, strict=True)
                    if end <= at * (1 + 1e-12)
                ]
                by_hand.append(
                    test[min(done, key=lambda trial: trial.score).cell.index]
                )
            assert mean == pytest.approx(np.mean(by_hand))


def test_the_test_curve_has_the_optimum_s_cell_and_no_band_of_noise():
    made = compare("fashion", ["random"], "valid_error", runs=2, budget=12)
    drawn = curves_of_test(Study(made))
    assert isinstance(drawn, Picture) and isinstance(drawn.draw, partial)
    panel = drawn.draw.args[2]
    assert panel.noise is None and panel.reference is not None and not panel.rising


def test_several_objectives_show_their_front(tmp_path):
    made = compare(
        "analog-cifar10",
        ["random", "evolution"],
        "digital_error, params",
        runs=2,
        budget=25,
    )
    page = report(made, tmp_path)
    assert "hypervolume that is missed" in page.text and "exact front" in page.text
    assert {"fronts", "ranking"} <= pictures(made)
    for senseless in (
        "What λ does",
        "Best cells",
        "Test metric of the best-scoring cell",
    ):
        assert senseless not in page.text
    scores = made.scores("random")
    assert ((0 < scores) & (scores < 1)).all()


def test_the_frame_holds_the_whole_front_or_says_what_it_leaves_out():
    made = compare(
        "fashion", ["random", "evolution"], "valid_error, params", runs=2, budget=25
    )
    plane = plane_of(Study(made))
    scores = made.objective.over_space()
    assert plane is not None and scores is not None
    whole = scores.vector[scores.feasible]
    whole = np.unique(whole, axis=0)  # by the first, then by the second
    whole = whole[whole[:, 1] < np.minimum.accumulate(np.r_[np.inf, whole[:-1, 1]])] / [
        plane.axes[0].unit,
        plane.axes[1].unit,
    ]
    inside = (whole[:, 0] <= plane.up[1]) & (whole[:, 1] <= plane.across[1])
    inside &= (whole[:, 0] >= plane.up[0]) & (whole[:, 1] >= plane.across[0])
    assert len(plane.front) + plane.beyond == len(whole) and inside.sum() == len(
        plane.front
    )
    caption = next(
        picture.caption
        for picture in Page(Study(made)).pictures
        if picture.name == "fronts"
    )
    assert f"the exact front, {len(plane.front)} points" in caption
    assert (
        (f"{plane.beyond} point" in caption)
        == (plane.beyond > 0)
        == ("outside the frame" in caption)
    )


def test_the_conventions_say_what_strategies_were_given_and_how_they_were_run(tmp_path):
    made = compare(
        "fashion",
        ["random"],
        "valid_loss + 0.1*params, latency@cpu",
        runs=1,
        budget=15,
        resources=sn.Resources(simulated_workers=3),
    )
    text = report(made, tmp_path).text
    assert (
        "random: made for one objective, run on several with random scalarisation"
        in text
    )
    assert (
        "declares to use them: params, latency@cpu" in text
        and "3 cells are evaluated in parallel" in text
    )
    hidden = compare(
        "fashion", ["random"], "valid_loss + 0.1*params", runs=1, budget=15, hidden=True
    )
    assert "(params) were hidden from all strategies" in report(hidden, tmp_path).text


def test_everything_that_was_used_is_cited_once(small):
    cited = citations(small)
    assert len(cited) == len(set(cited)) and all(cited)
    assert any("NAS-Bench-201" in paper for paper in cited), "the space"
    assert any("Real et al." in paper for paper in cited), "evolution"


class Several(Delayed):
    """Answers several cells one after another, as live training does."""

    def measure(self, cells, questions, training_seed="mean"):
        answers = [
            super(Several, self).measure([cell], questions, training_seed)
            for cell in cells
        ]
        values = np.concatenate([answer.values for answer in answers])
        return Measurement(values, np.concatenate([answer.cost for answer in answers]))


def test_failed_trainings_are_listed_with_their_reasons(tmp_path):
    objective = "valid_error + 0.1*params"
    first = sn.search("fashion", "random", objective, budget=1).trials[0].cell.text
    bench = Several("fashion", trouble={first: "broken"})
    strategies = ["random", "evolution"]
    compared = sn.compare(
        bench,
        strategies,
        objective,
        runs=1,
        budget=12,
        resources=sn.Resources(parallel=2),
        folder=tmp_path,
    )
    page = write_report(compared, tmp_path).read_text()
    failed = page[page.index("Failed trainings") :]
    assert "2 of 24 trainings failed" in failed
    assert failed.count("ValueError: no") == 2
