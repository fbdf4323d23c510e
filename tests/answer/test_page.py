"""The page of a simulated folder: every number again by other means, its words, and its look."""

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

from analysis.answer import orders
from analysis.answer.findings import find
from analysis.answer.page import clause, sentences, summary, write_page
from analysis.answer.reading import stored
from analysis.answer.regimes import DESIGN
from analysis.answer.searching import (
    HEADS,
    LAMBDAS,
    SEEDS,
    SIGNALS,
    STRATEGIES,
    SWITCH,
    SWITCHED,
)
from analysis.marked import held
from surrogate_nas.tables import read_compact
from tests.answer.independent import differing, files, in_part, rows
from tests.answer.simulated import effects, write_simulated
from tests.answer.simulated_regimes import write_regimes
from tests.conftest import FULL

pytestmark = pytest.mark.slow
"""The page is built from a simulated folder of full size first."""
TASKS = ["digits", "rotation", "mnist1d", "text", "splice"]
README = Path(__file__).parents[2] / "README.md"
SHIPPED = README.parent / "data/losses"
FILES = set(
    """
    contrasts besides sources signals levels losses moderator left_out second_space optima
    short_runs variance gains switches worth reached reached_sources trainings
    """.split()
)
"""Of the page, whose numbers are computed again."""
RESAMPLES = 30
"""Of simulated tables; those of shipped tables are as many as the page has."""


def searches(folder):
    """Regrets that nobody searched, of two tasks."""
    rng = np.random.default_rng(6)
    with stored(folder, "searches").open("w", encoding="utf-8", newline="") as file:
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
                    regret = (
                        of_signal[signal] + of_strategy[strategy] + rng.exponential()
                    )
                    writer.writerow(
                        (digest, task, signal, strategy, weight, seed, regret)
                    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    usual = {"losses": ("cross_entropy",), "broken": False}
    write_simulated(folder, effects(TASKS), classes=range(30, 150))
    write_simulated(folder, effects(TASKS[:4]), lengths=(4,), broken=False)
    write_simulated(folder, effects(["rotation"]), lengths=(0.2,), broken=False)
    write_simulated(
        folder, effects(["text"]), classes=range(36), space="macro", **usual
    )
    searches(folder)
    write_regimes(folder / "regimes")
    return folder


def wanted(lacking):
    """What the tables hold, a training of each loss more of one, and a table that is not there."""
    more = {("digits-macro", "cross_entropy"): 120}
    for task in TASKS:
        more |= {
            (task, loss): 400 - (task == "digits")
            for loss in ("cross_entropy", "brier")
        }
        more[f"{task}-x4", "cross_entropy"] = 0 if task == TASKS[4] else 400
    return {key: n + (key[0] == lacking) for key, n in more.items()}


def found_in(data, lacking=""):
    """What few resamples say of a folder."""
    orders.draws.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "RESAMPLES", RESAMPLES)
        folder = data / "regimes"
        experiment = (folder, folder / "design.toml") if folder.is_dir() else None
        found = find(data, 1, 2, wanted(lacking), experiment)
    orders.draws.cache_clear()
    return found


@pytest.fixture(scope="module")
def found(data):
    return found_in(data)


@pytest.fixture(scope="module")
def page(found, tmp_path_factory):
    return write_page(found, tmp_path_factory.mktemp("page")).parent


@pytest.fixture(scope="module")
def again(data, page):
    return files(data, page, RESAMPLES)


def printed(value):
    text = f"{abs(value):.2f}"
    sign = "−" if value < 0 and float(text) > 0 else ""
    return sign + (text[1:] if text.startswith("0") else text)


def ends(own, prefix):
    return f"[{printed(own[f'{prefix}low'])}, {printed(own[f'{prefix}high'])}]"


def estimate(own, name="difference", prefix=None):
    before = {"difference": ""}.get(name, f"{name}_") if prefix is None else prefix
    return f"{printed(own[name])} {ends(own, before)}"


def words(page, name="index"):
    text = (page / f"{name}.html").read_text(encoding="utf-8")
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_number_is_recomputed(again, page, name):
    told = rows(page / "data" / f"{name}.csv")
    assert bool(told) == (name not in ("left_out", "optima"))
    assert differing(again[name], told) == []


def test_no_file_of_the_page_is_left_out(again, page):
    here = {path.stem for path in (page / "data").iterdir()}
    others = {name for name in here if name.startswith("regimes_")}
    assert others and not others & set(again)  # tests/answer/test_regimes.py
    assert (
        here - others - {"controls", "classes", "replications"} == set(again) == FILES
    )


def test_another_number_or_line_is_noticed(again, page):
    told = rows(page / "data/contrasts.csv")
    assert len(differing(again["contrasts"], told[1:])) == 1
    for column in ("difference", "decided", "regret_p", "tasks"):
        own = [dict(line) for line in again["contrasts"]]
        for line in own:
            line[column] = (
                not line[column] if column == "decided" else line[column] + 0.001
            )
        assert differing(own, told), column


def test_the_page_prints_what_is_recomputed(again, page):
    text = words(page)
    for own in again["contrasts"]:
        for name, prefix in (("difference", ""), ("regret", "regret_")):
            assert estimate(own, name, prefix) in text
        assert ends(own, "new_") in text
    for own in again["reached"]:
        assert estimate(own, "mean", "") in text
    text = words(page, "supplement")
    for own in again["switches"]:
        assert (
            f"{own['strategy'].replace('_', ' ')} {estimate(own)} (further in" in text
        )
    for own in again["gains"]:
        assert f"a search ends {estimate(own)} standard deviations of a seed" in text
    for own in again["variance"]:
        assert f"{own['share']:.0%}" in text


def line(difference, low, high, *, decided):
    inside = -0.05 < low and high < 0.05
    told = {"difference": difference, "low": low, "high": high, "decided": decided}
    counts = {"worse": 2, "same": 4, "better": 1, "sources": 7}
    return pd.Series({**told, **counts, "negligible": inside, "whole": True})


def test_each_outcome_has_its_words():
    counts = "7 sources: worse in 2, better in 1"
    better = clause(line(0.1, 0.06, 0.14, decided=True))
    assert better == f"is higher by .10 [.06, .14] ({counts})"
    worse = clause(line(-0.1, -0.14, -0.06, decided=True))
    assert worse == f"is lower by .10 [.06, .14] ({counts})"
    small = clause(line(0.02, 0.01, 0.03, decided=True))
    assert small.endswith(f", less than is of interest ({counts})")
    same = clause(line(0.0, -0.02, 0.03, decided=False))
    assert same == f"differs by .00 [−.02, .03], within ±.05 ({counts})"
    undecided = clause(line(-0.03, -0.09, 0.03, decided=False))
    assert undecided == f"differs by −.03 [−.09, .03], undecided ({counts})"


def said_by(found):
    return [
        "".join(part if isinstance(part, str) else part.text for part in one.parts)
        for one in sentences(found)
    ]


def test_three_sentences_follow_from_the_numbers(found):
    first, second, third = said_by(found)
    assert first.startswith("On correct labels, with one training recipe and at")
    assert second.startswith(
        "In longer runs, the training loss falls behind the validation metric with 30 %"
    )
    assert "four times the default length alone raises δ by" in second
    assert third.startswith(
        "A fifth of the run is too early for the final order: against"
    )


def test_where_no_condition_is_decided_the_sentence_names_none(found):
    undecided = found.regimes("contrasts").assign(decision="too small to tell")
    frames = {**found.frames, "regimes_contrasts": undecided}
    second = said_by(replace(found, frames=frames))[1]
    assert second.startswith(
        "No condition is shown to make the training loss fall behind validation:"
    )
    assert second.count("undecided") == 3


def test_without_the_second_experiment_the_page_does_not_mention_it(found, tmp_path):
    known = {k: v for k, v in found.frames.items() if not k.startswith("regimes_")}
    alone = replace(found, frames=known)
    first, second = said_by(alone)
    assert "label noise" not in first + second
    text = words(write_page(alone, tmp_path).parent)
    assert "changes are decided" not in text and "warning sign" not in text


def test_a_length_that_is_not_whole_is_told_and_not_decided(data, tmp_path):
    found = found_in(data, "text-x4")
    frame = found.contrasts.set_index("length")
    assert frame.loc[1, "whole"].all() and frame.loc[1, "decided"].any()
    longer = frame.loc[4]
    assert not longer[["whole", "decided", "regret_decided", "negligible"]].any(
        axis=None
    )
    text = words(write_page(found, tmp_path).parent)
    assert "not all trained yet" in text


def test_the_page_says_what_lacks(page, found):
    text = words(page)
    here, wanted = found.trainings
    assert here < wanted and f"{here:,} of {wanted:,} trainings of the first" in text
    assert set(found.lacking) >= {"LCDB", "TabM"}


def test_every_picture_has_its_data_beside_it(page):
    text = words(page)
    for name in (
        "sources",
        "contrasts",
        "reached",
        "reached_sources",
        "regimes_contrasts",
        "regimes_differences",
    ):
        assert f"data/{name}.csv" in text or f"{name}.csv" in text
        assert rows(page / "data" / f"{name}.csv"), name
    assert (page / "answer.bib").read_text(encoding="utf-8").startswith("@misc{")


def test_nothing_is_fetched_and_nothing_hangs_over(page, tab):
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    pages = {(page / f"{name}.html").as_uri() for name in ("index", "supplement")}
    for width, address in itertools.product((390, 800, 1300), pages):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.goto(address)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert set(asked) == pages


def test_it_prints_on_five_pages(page, tab, tmp_path):
    from pypdf import PdfReader

    tab.goto((page / "index.html").as_uri())
    tab.pdf(path=str(tmp_path / "page.pdf"), prefer_css_page_size=True)
    assert len(PdfReader(tmp_path / "page.pdf").pages) <= 5


def test_of_too_few_sources_the_page_says_so(tmp_path):
    write_simulated(
        tmp_path / "two", effects(["digits", "text"]), losses=("cross_entropy",)
    )
    made = write_page(found_in(tmp_path / "two"), tmp_path / "page").parent
    assert "There are too few sources of data to answer by." in words(made)


def test_bad_input_is_one_line(tmp_path):
    command = [
        sys.executable,
        "-m",
        "analysis.answer",
        "--data",
        str(tmp_path),
        "--out",
    ]
    done = subprocess.run(
        [*command, str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "There is no table in" in done.stderr and not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def shipped():
    experiment = SHIPPED.parent / "regimes", DESIGN
    return find(SHIPPED, workers=1, repeats=1, experiment=experiment)


def test_readme_says_what_the_shipped_tables_say(shipped):
    text = held(README, "python -m analysis.answer --readme")
    assert text == summary(shipped)


def test_numbers_of_every_file_of_the_shipped_tables_are_recomputed(shipped, tmp_path):
    page = write_page(shipped, tmp_path).parent
    found = in_part(SHIPPED, page)
    assert set(found) | {"worth"} == FILES
    for name, own in found.items():
        told = rows(page / "data" / f"{name}.csv")
        assert own, name
        assert differing(own, told, in_part=True) == [], name
    wrong = [line | {"tau": line["tau"] + 0.001} for line in found["signals"]]
    assert len(differing(wrong, rows(page / "data/signals.csv"), in_part=True)) == len(
        wrong
    )


@pytest.mark.skipif(not FULL, reason="takes minutes; SURROGATE_NAS_FULL=1 makes it")
def test_every_number_of_the_shipped_tables_is_recomputed(shipped, tmp_path):
    page = write_page(shipped, tmp_path).parent
    for name, own in files(SHIPPED, page).items():
        assert differing(own, rows(page / "data" / f"{name}.csv")) == [], name
