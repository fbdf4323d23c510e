"""The making of tables: plans, rounds, what a crash costs, and tables of whatever there is."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from analysis.answer.agreement import agreement
from analysis.answer.design import PROTOCOL, read_design
from analysis.answer.tables import (
    ROUND,
    Trained,
    batches,
    checkpoints,
    main,
    recorded_of,
    run_of,
    train_rounds,
    write_tables,
)
from analysis.building import fashion
from analysis.building.jobs import Job, Plan, class_order, weight_decays
from analysis.building.proxies import make_proxies
from surrogate_nas.benchmarks import load
from surrogate_nas.files import HOME_VARIABLE, Journal
from surrogate_nas.space import nb201
from surrogate_nas.tables import CLASS_METRIC, ColumnKey, read_compact, write_compact
from surrogate_nas.training import TASKS, task_named, train
from surrogate_nas.training.proxies.score import proxy_scores

TASK = f"{Path(__file__).parents[1].joinpath('tiny_task.py')}:TINY"
STEPS = f"""
[[steps]]
tasks = ["{TASK}"]
losses = "all"
classes = CLASSES
seeds = 3

[[steps]]
tasks = ["{TASK}"]
losses = "usual"
length = 6
classes = CLASSES
seeds = 2
"""


def design(folder, classes=2):
    path = folder / f"design-{classes}.toml"
    path.write_text(STEPS.replace("CLASSES", str(classes)))
    return path


def made(path, out, *more):
    return main(["--design", str(path), "--out", str(out), "--workers", "1", *more])


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder in which tables of two classes were made, with the home of their journals."""
    folder = tmp_path_factory.mktemp("design")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(folder / "home"))
        assert made(design(folder), folder / "out") == 0
        yield folder


def test_the_design_that_is_shipped_names_every_pair():
    pairs = list(read_design())
    assert len({pair.task.name for pair in pairs if pair.table == pair.task.name}) == 27
    assert ("segmentation", "dice") in {(pair.task.name, pair.loss) for pair in pairs}
    assert {pair.length for pair in pairs} == {0.2, 1, 4, 8}
    assert {pair.plan.first_class for pair in pairs if pair.plan.classes == 100} == {50}
    short = {pair.table: pair.plan.epochs for pair in pairs if pair.length < 1}
    assert short == {"rotation-x0.2": 2, "languages-x0.2": 5}
    assert "digits-macro" in {pair.table for pair in pairs}
    deep = [pair for pair in pairs if pair.plan.classes == 5044]
    assert {len(pair.plan.jobs()) for pair in deep} == {2 * 5044}


def test_a_plan_trains_a_cell_of_every_class_and_some_with_all_seeds():
    jobs = Plan("digits", 3).jobs()
    assert len(jobs) == len(set(jobs)) == 5044 + 2 * 500
    by_seed = [[job.cell for job in jobs if job.seed == seed] for seed in range(3)]
    assert by_seed[0] == list(class_order("nb201")) and by_seed[1] == by_seed[0][:500]
    assert len(set(nb201().classes[by_seed[0]])) == 5044
    part = Plan("digits", 1, 2, 100, 100, first_class=50).jobs()
    assert [job.cell for job in part if job.seed == 1] == by_seed[0][50:150]


def test_rounds_go_over_all_pairs_and_train_nothing_twice():
    wide, other, deep = (
        Plan("a", 3, 3, 60, 60),
        Plan("b", 3, 3, 60, 60),
        Plan("a", 3, 2, 110, 110),
    )
    one, two = run_of(wide), run_of(other)
    done = set(wide.jobs()[:1])
    found = batches([wide, other, deep], {(one, job) for job in done})
    place = {cell: i for i, cell in enumerate(class_order("nb201"))}
    steps = dict.fromkeys(
        (b.plan, place[job.cell] // ROUND) for b in found for job in b.jobs
    )
    assert list(steps) == [(one, 0), (two, 0), (one, 1), (two, 1), (one, 2)]
    jobs = [(batch.plan, job) for batch in found for job in batch.jobs]
    assert len(jobs) == len(set(jobs)) == 180 + 180 + 100 - 1
    assert {job for plan, job in jobs if plan == one} == {
        *wide.jobs(),
        *deep.jobs(),
    } - done


@given(st.integers(1, 2000))
def test_checkpoints(epochs):
    found = checkpoints(epochs)
    assert found == tuple(sorted(set(found))) and found[-1] == epochs and found[0] >= 1
    for percent in (10, 20, 50):
        (reached, *_) = [
            epoch for epoch in range(1, epochs + 1) if 100 * epoch >= percent * epochs
        ]
        assert reached in found


def test_the_late_mean_is_that_of_the_last_fifth():
    kept = {
        (one.metric.name, one.epochs): one for one in recorded_of(TASKS["digits"], 20)
    }
    entry = {"valid_loss": list(range(20)), "train_loss": [float(i) for i in range(20)]}
    late = kept["valid_loss_late", 20]
    assert late.read(entry) == np.mean([16, 17, 18, 19])
    assert "the last 4 of" in late.metric.description
    assert kept["train_loss_mean", 20].read(entry) == 9.5


def test_a_table_holds_what_training_gives(first):
    table = read_compact(first / "out" / "tiny-x6.h5")
    longer = list(read_design(design(first)))[-1]
    card = json.loads(table.card)
    assert (longer.plan.epochs, card["length"], card["task"]) == (6, 6, "tiny")
    space = nb201()
    cell = space.cell(str(table.cells[1]))
    (curve,) = train([cell], longer.trained, epochs=6, seed=1, space=space)

    def kept(name, epochs=6):
        return float(table.column(ColumnKey(f"{name}@cross_entropy", epochs, 1))[1])

    assert table.metrics["valid_loss@cross_entropy"].epochs == (1, 2, 3, 6)
    for epoch in (1, 2, 3, 6):
        value = curve.values["valid_loss"][epoch - 1]
        assert kept("valid_loss", epoch) == pytest.approx(value, rel=5e-4)
    assert kept("train_loss_mean") == pytest.approx(
        np.mean(curve.values["train_loss"]), rel=5e-4
    )
    assert kept("valid_error_late") == pytest.approx(
        curve.values["valid_error"][-1], rel=5e-4
    )
    assert kept("test_error") == pytest.approx(curve.finals["test_error"], rel=5e-4)
    assert kept("diverged") == 0


def test_a_larger_design_goes_on_and_a_smaller_table_is_not_written(
    first, tmp_path, capsys
):
    before = {path.name: path.read_bytes() for path in (first / "out").iterdir()}
    pairs = list(read_design(design(first)))
    entries = [dict(Trained([pair]).entries) for pair in pairs]
    assert made(design(first, 3), tmp_path) == 0
    for pair, own in zip(pairs, entries, strict=True):
        now = Trained([pair]).entries
        assert {job: now[job] for job in own} == own and len(now) > len(own)
    assert len(read_compact(tmp_path / "tiny.h5").cells) == 3
    run = run_of(pairs[0].plan)
    kept = Journal.read(run.journal(), run.settings())
    run.journal().unlink()
    larger = (tmp_path / "tiny.h5").read_bytes()
    assert write_tables(pairs, tmp_path).keys() == {"tiny", "tiny-x6"}
    assert (tmp_path / "tiny.h5").read_bytes() == larger
    table = read_compact(tmp_path / "tiny.h5").table
    table.card = table.card.replace('"settings": "', '"settings": "another')
    write_compact(table, tmp_path / "tiny.h5")
    assert write_tables(pairs, tmp_path).keys() == {"tiny-x6"}
    assert "tiny.h5 stays as it is" in capsys.readouterr().err
    with Journal(run.journal(), run.settings()) as journal:
        for entry in kept:
            journal.append(entry)
    assert before == {
        path.name: path.read_bytes() for path in (first / "out").iterdir()
    }


def test_a_pair_that_fails_ends_no_other(fresh_home):
    file = fresh_home / "broken.py"
    file.write_text(
        "from surrogate_nas.training.losses import Loss\n"
        "def fail(outputs, targets):\n    raise ArithmeticError('no such loss')\n"
        "BROKEN = Loss('broken', 't', 'u', ('classification',), fail, lambda n: 1.0, 'none')\n"
    )
    names = [f"{TASK}?loss={file}:BROKEN", f"{TASK}?loss=brier"]
    plans = [Plan(name, 1, seeds=1, noisy_classes=0, classes=2) for name in names]
    failures = train_rounds(plans)
    assert list(failures) == names[:1] and "no such loss" in failures[names[0]]
    assert [len(plan.entries()) for plan in plans] == [0, 2]


KILLED = """
import os, signal, sys
from analysis.answer import tables
tables.show_progress = lambda done, *_: done > 5 and os.kill(os.getpid(), signal.SIGKILL)
tables.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_killed_and_run_again_a_design_is_the_same(first, tmp_path, monkeypatch):
    pairs = list(read_design(design(first)))
    clocks = ("seconds", "made")

    def content():
        held = [Trained([pair]).entries for pair in pairs]
        return [
            {
                j: {k: v for k, v in e.items() if not k.endswith(clocks)}
                for j, e in own.items()
            }
            for own in held
        ]

    whole = content()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    options = ["--design", str(design(first)), "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", KILLED, *options]
    killed = subprocess.run(command, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert 0 < sum(map(len, content())) < sum(map(len, whole))
    assert made(design(first), tmp_path) == 0 and content() == whole


CONDITIONS = f"""
round = 2
[every]
tasks = ["digits", "{TASK}"]
losses = "usual"
first = 60
classes = 3
first_seed = 10
seeds = 2
shares = [0.2, 0.5]
[[steps]]
condition = "x1"
[[steps]]
condition = "noise-varied-x4"
length = 4
label_noise = 0.3
varied = true
"""


def test_conditions_go_on_from_their_tables_alone(fresh_home, tmp_path):
    path = tmp_path / "conditions.toml"
    path.write_text(CONDITIONS)
    pairs = list(read_design(path))
    found = batches([pair.plan for pair in pairs], set(), 2)
    steps = dict.fromkeys(
        (b.plan.trained.name, len({j.cell for j in b.jobs})) for b in found
    )
    noisy = "?label_noise=0.3"
    names = ["digits", "tiny", "digits" + noisy, "tiny" + noisy]
    assert list(steps) == [(name, n) for n in (2, 1) for name in names]
    options = ["--sources", "tiny", "--conditions", "noise-varied-x4"]
    assert made(path, tmp_path, *options) == 0
    table = read_compact(tmp_path / "tiny.h5")
    pair = pairs[-1]
    job = Job(class_order("nb201")[61], 11)
    entry = pair.plan.entries()[job]
    (cell,) = [i for i, c in enumerate(table.cells) if nb201().index(c) == job.cell]
    for name in ("valid_half_error_20", "train_loss_50", "test_loss", "weight_decay"):
        key = ColumnKey(f"{name}@noise-varied-x4", pair.plan.epochs, 11)
        assert table.column(key)[cell] == pytest.approx(entry[name], rel=5e-4)
    assert entry["weight_decay"] == weight_decays("nb201")[job.cell]
    before = (tmp_path / "tiny.h5").read_bytes(), (tmp_path / "tiny.json").read_bytes()
    pair.plan.journal().unlink()
    assert made(path, tmp_path, *options) == 0 and not pair.plan.entries()
    after = (tmp_path / "tiny.h5").read_bytes(), (tmp_path / "tiny.json").read_bytes()
    assert after == before
    assert made(path, tmp_path, "--sources", "tyni") == 2


def test_the_regimes_are_those_of_their_protocol():
    pairs = list(read_design(PROTOCOL.with_name("regimes.toml")))
    sizes = Counter(pair.loss for pair in pairs)
    assert len(sizes) == 11 and sizes.pop("x16") == 6 and set(sizes.values()) == {14}
    jobs = {tuple(pair.plan.jobs()) for pair in pairs}
    cells = [cell for cell in class_order("nb201")[150:210] for _ in range(3)]
    assert len(jobs) == 1 and sorted(job.cell for job in min(jobs)) == sorted(cells)
    decays = np.log10([*weight_decays("nb201").values()])
    assert -5 <= decays.min() < -4.99 and -1.71 < decays.max() <= np.log10(0.02)
    assert abs(decays.mean() - (-5 + np.log10(0.02)) / 2) < 0.05


def test_two_seeds_agree_as_scipy_says():
    rng = np.random.default_rng(3)
    one = rng.standard_normal(150).round(1)
    two = (one + rng.standard_normal(150)).round(1)
    found = agreement(one, two)
    assert found.tau == pytest.approx(kendalltau(one, two).statistic)
    assert found.low < found.tau < found.high and not found.is_noise
    assert agreement(one, rng.standard_normal(150)).is_noise
    assert agreement(one, np.zeros(150)).is_noise


def test_the_table_of_all_cells_has_curves_that_twins_share(fresh_home, tmp_path):
    plan = Plan(TASK, epochs=2, seeds=2, noisy_classes=2, classes=12)
    card = fashion.make(plan, tmp_path / "mine.h5", latencies=12)
    assert (card["trainings"], card["classes_of_several_seeds"], card["diverged"]) == (
        14,
        2,
        0,
    )
    assert card["latency"]["n"] == 12 and fresh_home.is_dir()
    bench = load(str(tmp_path / "mine.h5"))
    assert bench.name == "mine" and bench.column("latency_measured@cpu").sum() == 12
    space = nb201()
    first = bench.column(CLASS_METRIC).astype(int)
    for cell, seed in plan.jobs()[-3:]:
        (curve,) = train([space[cell]], task_named(TASK), epochs=2, seed=seed)
        twins = np.flatnonzero(space.classes == space.classes[cell])
        assert set(first[twins]) == {cell}
        for epoch in (1, 2):
            column = bench.column("valid_loss", epoch, seed)
            assert set(column[twins]) == {curve.values["valid_loss"][epoch - 1]}
    lines = plan.journal().read_text().splitlines(keepends=True)
    # a crash tore the fourth
    plan.journal().write_text("".join(lines[:4]) + lines[4][:20])
    assert fashion.make(plan, tmp_path / "again.h5", latencies=0)["trainings"] == 14
    assert plan.journal().read_text().splitlines()[:4] == [
        line.strip() for line in lines[:4]
    ]


@pytest.mark.usefixtures("fresh_home")
def test_proxies_of_every_class_make_a_table(tmp_path):
    out = tmp_path / "stacks.h5"
    card = make_proxies(Plan(TASK, 0, 1, space="macro"), out)
    bench = load(str(out))
    assert card["classes"] == len(bench.space) == 36
    cell = bench.space[5]
    value = proxy_scores(cell, bench.space, task_named(TASK), seed=0, batch=64)["snip"]
    assert bench.query(cell, "snip@tiny") == pytest.approx(value, rel=1e-6)
    joined = load(f"live:{TASK}/macro", with_=[out])
    assert bench.metric("snip@tiny").larger_is_better and joined.metric("snip@tiny")
