"""The page of a simulated folder: every number again by other means, its words, and its look."""

from __future__ import annotations

import csv
import html
import itertools
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.answer.findings import Findings, find
from analysis.answer.page import clause, sentences, summary, write_page
from analysis.answer.searching import (
    HEADS,
    LAMBDAS,
    SEEDS,
    SIGNALS,
    STRATEGIES,
    SWITCH,
    SWITCHED,
    store_of,
)
from analysis.answer.tables import SOURCES
from analysis.marked import held
from surrogate_nas.tables import read_compact
from tests.answer.independent import NAMES, Study, components, rest, rows, sd_of_seeds, tau
from tests.answer.simulated import effects, write_simulated
from tests.browser import chromium

pytestmark = pytest.mark.slow
"""The page is built from a simulated folder of full size first."""
TASKS = ["digits", "rotation", "mnist1d", "text", "splice"]
README = Path(__file__).parents[2] / "README.md"


def searches(folder: Path) -> None:
    """Regrets that nobody searched, of two tasks."""
    rng = np.random.default_rng(6)
    with store_of(folder).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADS)
        for task in ("digits", "text", "splice"):
            digest = read_compact(folder / f"{task}.h5").digest
            of_signal = dict(zip(SIGNALS, rng.uniform(0, 1, 3), strict=True))
            of_strategy = dict(zip(STRATEGIES, rng.uniform(0, 2, 7), strict=True))
            ways = list(itertools.product(SIGNALS, STRATEGIES, LAMBDAS))
            ways += itertools.product([SWITCH], SWITCHED, LAMBDAS)
            of_signal[SWITCH] = 0.4
            for signal, strategy, weight in ways:
                for seed in range(SEEDS):
                    regret = of_signal[signal] + of_strategy[strategy] + rng.exponential()
                    writer.writerow((digest, task, signal, strategy, weight, seed, regret))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_simulated(folder, effects(TASKS), lengths=(1,))
    write_simulated(folder, effects(TASKS[:4]), lengths=(4,), broken=False)
    searches(folder)
    return folder


def wanted(lacking: str) -> dict[tuple[str, str], int]:
    """What the tables hold, a training of each loss more of one, and a table that is not there."""
    more = {("digits-macro", "cross_entropy"): 120}
    for task in TASKS:
        more |= {(task, loss): 400 - (task == "digits") for loss in ("cross_entropy", "brier")}
        more[f"{task}-x4", "cross_entropy"] = 0 if task == TASKS[4] else 400
    return {key: n + (key[0] == lacking) for key, n in more.items()}


@pytest.fixture(scope="module")
def found(data: Path) -> Findings:
    return find(data, workers=1, repeats=6, wanted=wanted(""))


@pytest.fixture(scope="module")
def page(found: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(found, tmp_path_factory.mktemp("page")).parent


@pytest.fixture(scope="module")
def again(data: Path, page: Path) -> Study:
    return Study(data, page, SOURCES)


def printed(value: float, digits: int = 2) -> str:
    text = f"{abs(value):.{digits}f}"
    sign = "−" if value < 0 and float(text) > 0 else ""
    return sign + (text[1:] if text.startswith("0") else text)


def words(page: Path) -> str:
    text = (page / "index.html").read_text(encoding="utf-8")
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


@pytest.mark.parametrize("length", [1, 4])
def test_every_contrast_is_recomputed(again: Study, page: Path, length: int) -> None:
    lines = [one for one in rows(page / "data/contrasts.csv") if float(one["length"]) == length]
    expected = again.contrasts(length)
    assert [one["contrast"] for one in lines] == [name for name in NAMES if name in expected]
    for line in lines:
        own = expected[line["contrast"]]
        for name, value in own.items():
            if isinstance(value, bool | np.bool_):
                assert (line[name] == "True") == value, name
            elif np.isnan(value):
                assert line[name] == ""
            else:
                assert float(line[name]) == pytest.approx(value, rel=2e-4, abs=2e-6), name


def test_the_page_prints_what_is_recomputed(again: Study, page: Path) -> None:
    text = words(page)
    for length in (1, 4):
        for own in again.contrasts(length).values():
            for value, low, high in (
                ("difference", "low", "high"),
                ("regret", "regret_low", "regret_high"),
            ):
                ends = f"[{printed(own[low])}, {printed(own[high])}]"
                assert f"{printed(own[value])} {ends}" in text
            for prefix in ("new_", "hall_", "two_level_"):
                low, high = own[f"{prefix}low"], own[f"{prefix}high"]
                assert f"[{printed(low)}, {printed(high)}]" in text


def test_every_tau_and_regret_is_recomputed(again: Study, page: Path) -> None:
    from tests.answer.independent import regret

    tables = {table.name: table for table in again.tables}
    n = 0
    for line in rows(page / "data/signals.csv"):
        table = tables[line["table"]]
        goal = table.get(f"test_{line['goal']}")
        if line["quantity"] == "random":
            continue
        if line["split"] == "ceiling":
            signal = goal
        elif line["split"] == "floor":
            params = [again.params[table.name, 50 + place] for place in table.places]
            signal = np.tile(-np.array(params), (len(goal), 1))
        else:
            time = int(line["time"]) if line["time"].isdecimal() else line["time"]
            signal = table.get(f"{line['split']}_{line['quantity']}", time)
        assert float(line["tau"]) == pytest.approx(tau(signal, goal), abs=1e-6)
        quarters = []
        for seen, wanted in zip(signal, rest(goal), strict=True):
            best = np.argsort(wanted, kind="stable")[: len(wanted) // 4]
            quarters.append(np.nan_to_num(stats.kendalltau(seen[best], wanted[best]).statistic))
        assert float(line["quarter"]) == pytest.approx(np.mean(quarters), abs=1e-6)
        if n % 7 == 0:
            own = regret(signal, goal, again.halves_of(table))
            assert float(line["regret_in_unit"]) == pytest.approx(own, abs=1e-9)
            assert float(line["regret"]) == pytest.approx(own / sd_of_seeds(goal))
        n += 1
    assert n > 500


def test_losses_that_train_are_recomputed(again: Study, page: Path) -> None:
    lines = rows(page / "data/losses.csv")
    tables = {table.task: table for table in again.tables if table.length == 1}
    p = []
    for line in lines:
        table = tables[line["task"]]
        own = table.get("valid_loss", loss=line["loss"])
        known = np.isfinite(own).all(axis=0)
        goal = rest(table.get(f"test_{table.measure}")[:, known])
        usual = table.get(f"valid_{table.measure}")[:, known]
        weights = again.weights[:, table.places[known]].astype(float)
        from tests.answer.independent import weighted_tau

        each = [
            weighted_tau(a, g, weights) - weighted_tau(b, g, weights)
            for a, b, g in zip(own[:, known], usual, goal, strict=True)
        ]
        values = np.mean(each, axis=0)
        assert float(line["difference"]) == pytest.approx(values[0], abs=1e-6)
        p.append(2 * stats.norm.sf(abs(values[0]) / values[1:].std(ddof=1)))
        assert float(line["p"]) == pytest.approx(p[-1], rel=1e-3)
    order = np.argsort(p)
    after = np.maximum.accumulate(np.minimum(np.sort(p) * np.arange(len(p), 0, -1), 1))
    told = np.array([float(line["holm"]) for line in lines])
    assert np.allclose(told[order], after, rtol=1e-3)


def test_shares_of_variance_are_recomputed(data: Path, page: Path) -> None:
    every = rows(store_of(data))
    # each task is a source of its own here
    tasks = {
        task: [line for line in every if line["task"] == task]
        for task in ("digits", "text", "splice")
    }
    each = [
        components([line for line in own if line["signal"] in SIGNALS]) for own in tasks.values()
    ]
    text = words(page)
    for line in rows(page / "data/variance.csv"):
        mean = np.mean([one[line["component"]] for one in each])
        assert float(line["share"]) == pytest.approx(mean)
        assert f"{mean:.0%}" in text


def test_what_the_switch_costs_is_recomputed(data: Path, page: Path) -> None:
    every = rows(store_of(data))
    text = words(page)
    lines = rows(page / "data/switches.csv")
    assert [line["strategy"] for line in lines] == list(SWITCHED)
    for line in lines:
        own = [one for one in every if one["strategy"] == line["strategy"]]
        lost = {
            task: np.mean(
                [
                    float(one["regret"]) * (1 if one["signal"] == SWITCH else -1) * 2
                    for one in own
                    if one["task"] == task and one["signal"] in (SWITCH, SIGNALS[0])
                ]
            )
            for task in ("digits", "text", "splice")
        }
        assert min(lost.values()) <= float(line["difference"]) <= max(lost.values())
        assert int(line["worse"]) == sum(value > 0 for value in lost.values())
        assert (
            f"{line['strategy'].replace('_', ' ')} {printed(float(line['difference']))} [" in text
        )


def line(difference: float, low: float, high: float, *, decided: bool) -> pd.Series:
    inside = -0.05 < low and high < 0.05
    told = {"difference": difference, "low": low, "high": high, "decided": decided}
    return pd.Series({**told, "negligible": inside, "detectable": 0.08, "whole": True})


def test_each_outcome_has_its_words() -> None:
    assert clause(line(0.1, 0.06, 0.14, decided=True)) == (
        "orders architectures better by .10 of τ [.06, .14]"
    )
    assert clause(line(-0.1, -0.14, -0.06, decided=True)) == (
        "orders architectures worse by .10 of τ [.06, .14]"
    )
    assert clause(line(0.02, 0.01, 0.03, decided=True)).endswith(", less than is of interest")
    assert clause(line(0.0, -0.02, 0.03, decided=False)) == (
        "makes no difference of interest (.00 [−.02, .03], within ±.05)"
    )
    assert clause(line(-0.03, -0.09, 0.03, decided=False)) == (
        "is not told apart from it (−.03 [−.09, .03]; .08 would be seen)"
    )


def test_three_sentences_follow_from_the_numbers(found: Findings) -> None:
    said = [
        "".join(p if isinstance(p, str) else p.text for p in one.parts) for one in sentences(found)
    ]
    assert len(said) == 3
    assert said[0].startswith("Search on the kind of number you will be judged by:")
    assert "in runs 4 times as long" in said[1]
    assert said[2].startswith("A fifth of the run is not enough")


def test_a_length_that_is_not_whole_is_told_and_not_decided(data: Path, tmp_path: Path) -> None:
    found = find(data, workers=1, repeats=2, wanted=wanted("text-x4"))
    frame = found.contrasts.set_index("length")
    assert frame.loc[1, "whole"].all() and frame.loc[1, "decided"].any()
    longer = frame.loc[4]
    assert not longer[["whole", "decided", "regret_decided", "negligible"]].any(axis=None)
    text = words(write_page(found, tmp_path).parent)
    assert "not whole yet" in text and "in runs 4 times as long" not in text


def test_the_sentence_of_the_training_loss_counts_other_peoples_tables(found: Findings) -> None:
    lines = [("LCDB", "train", -0.4), ("TabM", "train", -0.2), ("ScAn", "train", 0.1)]
    lines += [("ScAn", "early", -0.4), ("fashion", "train", -0.4)]
    told = pd.DataFrame(lines, columns=["family", "contrast", "high"])
    frames = {**found.frames, "replications": told}
    said = "".join(
        part if isinstance(part, str) else part.text
        for part in sentences(replace(found, frames=frames))[1].parts
    )
    assert said.endswith("; in 2 of 3 families of other people's tables it is worse.")
    assert "other people's tables" not in summary(replace(found, frames=frames))


def test_the_page_says_what_lacks(page: Path, found: Findings) -> None:
    text = words(page)
    here, wanted = found.trainings
    assert here < wanted and f"{here:,} of {wanted:,} trainings of the design" in text
    assert "LCDB (snas data fetch lcdb)" in text
    assert "τ of validation at the end" in text and "arXiv 2602.22107" in text


def test_every_picture_has_its_data_beside_it(page: Path) -> None:
    for name in (
        "kinds",
        "sources",
        "contrasts",
        "variance",
        "controls",
        "replications",
        "outside",
    ):
        assert rows(page / "data" / f"{name}.csv"), name
    assert (page / "answer.bib").read_text(encoding="utf-8").startswith("@misc{")


def test_nothing_is_fetched_and_nothing_hangs_over(page: Path) -> None:
    with chromium() as browser:
        asked: list[str] = []
        for width in (390, 800, 1300):
            window = browser.new_page(viewport={"width": width, "height": 900})
            window.on("request", lambda request: asked.append(request.url))
            window.goto((page / "index.html").as_uri())
            assert window.evaluate("document.documentElement.scrollWidth") <= width
        assert set(asked) == {(page / "index.html").as_uri()}


def test_it_prints_on_eight_pages(page: Path, tmp_path: Path) -> None:
    from pypdf import PdfReader

    with chromium() as browser:
        window = browser.new_page()
        window.goto((page / "index.html").as_uri())
        window.pdf(path=str(tmp_path / "page.pdf"), prefer_css_page_size=True)
    assert len(PdfReader(tmp_path / "page.pdf").pages) <= 8


def test_of_too_few_sources_the_page_says_so(tmp_path: Path) -> None:
    write_simulated(tmp_path / "two", effects(["digits", "text"]), losses=("cross_entropy",))
    made = write_page(find(tmp_path / "two", workers=1, repeats=2), tmp_path / "page").parent
    assert "There are too few sources of data to answer by." in words(made)


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "analysis.answer", "--data", str(tmp_path), "--out"]
    done = subprocess.run(
        [*command, str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "There is no table in" in done.stderr and not (tmp_path / "out").exists()


def test_readme_says_what_the_shipped_tables_say() -> None:
    text = held(README, "python -m analysis.answer --readme")
    assert text == summary(find(README.parent / "data/losses", workers=1, repeats=1))
