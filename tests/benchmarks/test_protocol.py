"""The protocol of the table of losses: its design, the order of work, what is kept, and going on
where tables end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.building import losses as protocol
from surrogate_nas.benchmarks.building.losses import trainings
from surrogate_nas.benchmarks.building.losses.pairs import Pair, pairs_of, read_design
from surrogate_nas.benchmarks.building.losses.rounds import (
    ROUND,
    Known,
    fitting_in,
    rounds,
    run_of,
    train_rounds,
)
from surrogate_nas.benchmarks.building.losses.trainings import (
    checkpoints,
    in_journal,
    in_table,
    late_epochs,
    recorded_of,
    training_of,
    trainings_of,
)
from surrogate_nas.benchmarks.building.losses.write import seconds_in_tables, write_losses
from surrogate_nas.benchmarks.building.plan import Plan, representatives
from surrogate_nas.benchmarks.building.train import train_job
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import HOME_VARIABLE, shipped
from surrogate_nas.space import Sampled, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.tables import ColumnKey, Table, read_compact, write_compact
from surrogate_nas.tables.compact import rounded
from surrogate_nas.training import TASKS, train
from tests.conftest import Snas

TASK = f"{Path(__file__).parents[1].joinpath('tiny_task.py')}:TINY"
STEPS = f"""
[[steps]]
tasks = ["{TASK}"]
losses = ["usual", "brier"]
classes = CLASSES
seeds = 3

[[steps]]
tasks = ["{TASK}"]
losses = "usual"
length = 6
classes = CLASSES
seeds = 2
"""


def design(folder: Path, classes: int = 4, text: str = STEPS) -> Path:
    path = folder / "design.toml"
    path.write_text(text.replace("CLASSES", str(classes)))
    return path


def made(pairs: list[Pair], out: Path) -> list[str]:
    """Train and write, as the command does; what it said."""
    said: list[str] = []
    elsewhere = seconds_in_tables(pairs, out, note=said.append)
    assert train_rounds([pair.plan for pair in pairs], elsewhere=elsewhere, note=said.append) == {}
    write_losses(pairs, out, note=lambda line: said.append(line) if line not in said else None)
    return said


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which a home and tables of four classes were made."""
    before = os.environ.get(HOME_VARIABLE, "")
    folder = tmp_path_factory.mktemp("protocol")
    os.environ[HOME_VARIABLE] = str(folder / "home")
    made(read_design(str(design(folder))), folder / "out")
    yield folder
    os.environ[HOME_VARIABLE] = before


@pytest.fixture
def copied(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, whose home is the one in use."""
    shutil.copytree(first, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path


def test_the_design_that_is_shipped_names_every_pair() -> None:
    pairs = read_design("protocol")
    wide = {
        (pair.task.name, pair.loss)
        for pair in pairs
        if pair.length == 1 and pair.plan.classes == 100
    }
    step = tomllib.loads(files(protocol).joinpath("protocol.toml").read_text())["steps"][0]
    assert len(set(step["tasks"])) == 27
    here = {task for task in step["tasks"] if TASKS[task].is_here()}
    assert len(here) >= 10 and {task for task, _ in wide} == here
    assert ("segmentation", "dice") in wide and ("text", "focal") in wide
    assert {pair.plan.first_class for pair in pairs if pair.plan.classes == 100} == {50}
    longer = {(pair.task.name, pair.length) for pair in pairs if pair.length > 1}
    assert {length for _, length in longer} == {4, 8} and len({task for task, _ in longer}) >= 8
    deep = [pair for pair in pairs if pair.plan.classes is None]
    assert len({pair.task.name for pair in deep}) == 2
    short = {pair.table: pair.plan.epochs for pair in pairs if pair.length < 1}
    assert short == {"rotation-x0.2": 2, "languages-x0.2": 5}
    second = {pair.table for pair in pairs if pair.plan.space == "macro"}
    assert "digits-macro" in second and len(second) >= 3
    assert {len(pair.plan.jobs()) for pair in deep} == {2 * len(representatives(nb201()))}
    assert all(
        pair.plan.epochs == pair.length * TASKS[pair.task.name].schedule.epochs
        for pair in pairs
        if pair.length >= 1
    )


def test_a_part_of_the_classes_is_that_part_of_the_order() -> None:
    whole = [job.cell for job in Plan("digits", 1, 1).jobs()]
    part = Plan("digits", 1, 2, 100, 100, first_class=50).jobs()
    assert [job.cell for job in part if job.seed == 0] == whole[50:150]
    assert [job.cell for job in part if job.seed == 1] == whole[50:150]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[steps]]\ntasks = ["digts"]\nlosses = "all"', "Did you mean 'digits'"),
        ('[[steps]]\ntasks = ["digits"]\nlosses = ["focl"]', "Did you mean 'focal'"),
        (
            '[[steps]]\ntasks = ["digits"]\nlosses = ["hinge", "ctc"]',
            "the loss ctc fits none of the tasks",
        ),
        ('[[steps]]\ntasks = ["digits"]\nloses = "all"', "Did you mean 'steps[0].losses'"),
        ('[[steps]]\ntasks = ["digits"]', "steps[0].losses is missing"),
        (
            '[[steps]]\ntasks = "digits"\nlosses = "all"',
            'steps[0].tasks is a list of names, or "all"',
        ),
        ('[[steps]]\ntasks = []\nlosses = "all"', "steps[0].tasks is a list of names"),
        (
            '[[steps]]\ntasks = "all"\nlosses = "all"\nlength = 0',
            "steps[0].length must be a finite number above 0",
        ),
        (
            '[[steps]]\ntasks = "all"\nlosses = "all"\nseeds = "4"',
            "steps[0].seeds must be a whole number",
        ),
        (
            '[[steps]]\ntasks = "all"\nlosses = "all"\nclasses = true',
            ', unless "all", must be a whole number from 1 to 1,000,000',
        ),
        (
            '[[steps]]\ntasks = "all"\nlosses = "all"\nclasses = "every"',
            ', unless "all", must be a whole number from 1 to 1,000,000',
        ),
        ("steps = 3", "steps is a list"),
        ("steps = [3]", "steps[0] is a table, not 3"),
        ("title = 3", "title is a text"),
        ("title = 'none'", "steps is a list"),
        ("stepps = 3", "Did you mean 'steps'"),
        ("[[steps]\n", "is no TOML"),
        ("\0", "is no TOML"),
    ],
)
def test_a_wrong_design_is_one_line(
    snas: Snas,
    tmp_path: Path,
    text: str,
    says: str,
) -> None:
    told = snas("table-losses", "--design", design(tmp_path, text=text))
    assert told.code == 2 and says in told.err and len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--design", "protocl"], "Did you mean 'protocol'"),
        (["--design", "none.toml"], "Cannot read none.toml"),
        (
            ["--design", "protocol", "--tasks", "digits", "--classes", 3],
            "leave out --tasks, --classes",
        ),
        (["--hours", 0], "Hours must be a finite number above 0"),
        (["--hours", "nan"], "Hours must be a finite number above 0"),
    ],
)
def test_what_cannot_be_asked_for(snas: Snas, asked: list[object], says: str) -> None:
    told = snas("table-losses", *asked)
    assert told.code == 2 and says in told.err and len(told.err.splitlines()) == 1


def test_rounds_go_over_all_steps_and_train_nothing_twice() -> None:
    wide = Plan("a", 3, 3, 60, 60)
    other = Plan("b", 3, 3, 60, 60)
    deep = Plan("a", 3, 2, 110, 110)
    batches = list(rounds([wide, other, deep], lambda _: 64))
    order = {job.cell: place for place, job in enumerate(wide.jobs()) if job.seed == 0}
    order |= {job.cell: place for place, job in enumerate(deep.jobs()) if job.seed == 0}
    steps = dict.fromkeys(
        (batch.plan, order[job.cell] // ROUND) for batch in batches for job in batch.jobs
    )
    one = run_of(wide)
    two = run_of(other)
    assert list(steps) == [(one, 0), (two, 0), (one, 1), (two, 1), (one, 2)]
    jobs = [(batch.plan, job) for batch in batches for job in batch.jobs]
    assert len(jobs) == len(set(jobs)) == 180 + 180 + 100
    seeds: dict[int, list[int]] = {}
    for plan, job in jobs:
        if plan == one:
            seeds.setdefault(order[job.cell], []).append(job.seed)
    assert list(seeds) == list(range(110))
    assert all(own == ([0, 1, 2] if place < 60 else [0, 1]) for place, own in seeds.items())


def test_what_does_not_fit_into_the_hours_is_left_out_from_the_end() -> None:
    swift = Plan("a?loss=x", 4)
    slow = Plan("b?loss=x", 4)
    unknown = Plan("a?loss=y", 8)
    known = Known({swift: [90.0, 1.0, 1.0], slow: [10.0, 10.0]})
    # by what its task takes an epoch
    assert (known[swift], known[slow], known[unknown]) == (1.0, 10.0, 2.0)
    wanted = [(swift, 3600), (slow, 360), (unknown, 900)]
    assert fitting_in(3.0, 1800, wanted, known) == (3, 3.0)
    assert fitting_in(2.9, 1800, wanted, known) == (2, 3.0)
    assert fitting_in(1.0, 1800, wanted, known) == (0, 3.0)


def test_hours_are_told_in_a_line(copied: Path) -> None:
    pairs = read_design(str(design(copied, 12)))
    said = list[str]()
    assert train_rounds([pair.plan for pair in pairs], hours=1e-6, note=said.append) == {}
    assert len(said) == 1 and said[0].startswith(
        "All would take 0.00 processor hours, 1e-06 are given; left out: "
    )
    assert said[0].count("12 classes") == 3 and [len(in_journal(pair)) for pair in pairs] == [
        12,
        12,
        8,
    ]


@given(st.integers(1, 2000))
def test_checkpoints(epochs: int) -> None:
    found = checkpoints(epochs)
    assert found == tuple(sorted(set(found))) and found[-1] == epochs and found[0] >= 1
    for percent in (10, 20, 50):
        (reached, *_) = [epoch for epoch in range(1, epochs + 1) if 100 * epoch >= percent * epochs]
        assert reached in found
    assert 1 <= late_epochs(epochs) <= max(1, epochs / 5)


def test_what_is_kept_is_what_training_told(first: Path) -> None:
    space = nb201()
    pairs = read_design(str(design(first)))
    longer = pairs[-1]
    table = read_compact(first / "out" / "tiny-x6.h5")
    assert (
        longer.plan.epochs == 6
        and json.loads(table.card)["length"] == 6
        and json.loads(table.card)["task"] == "tiny"
    )
    cell = space.cell(str(table.cells[1]))
    (curve,) = train([cell], longer.trained, epochs=6, seed=1, space=space)

    def kept(name: str, epochs: int = 6) -> float:
        return float(table.column(ColumnKey(f"{name}@cross_entropy", epochs, 1))[1])

    assert table.metrics["valid_loss@cross_entropy"].epochs == (1, 2, 3, 6)
    for epoch in (1, 2, 3, 6):
        assert kept("valid_loss", epoch) == pytest.approx(
            curve.values["valid_loss"][epoch - 1], rel=5e-4
        )
    assert kept("train_loss_mean") == pytest.approx(np.mean(curve.values["train_loss"]), rel=5e-4)
    assert kept("valid_error_late") == pytest.approx(curve.values["valid_error"][-1], rel=5e-4)
    assert (
        kept("test_error") == pytest.approx(curve.finals["test_error"], rel=5e-4)
        and kept("diverged") == 0
    )
    assert (
        "mean over all epochs of one run of 6"
        in table.metrics["train_loss_mean@cross_entropy"].description
    )
    assert "the last epoch's" in table.metrics["valid_loss_late@cross_entropy"].description


def test_the_late_mean_is_that_of_the_last_fifth() -> None:
    task = TASKS["digits"]
    kept = {one.key: one for one in recorded_of(task, 20)}
    entry = {"valid_loss": list(range(20)), "train_loss": [float(i) for i in range(20)]}
    assert kept["valid_loss_late", 20].of(entry) == np.mean([16, 17, 18, 19])
    assert (
        kept["train_loss_mean", 20].of(entry) == 9.5
        and "the last 4 of" in kept["valid_loss_late", 20].metric.description
    )


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=20), st.integers(1, 4))
def test_rounding_twice_is_rounding_once(values: list[float], digits: int) -> None:
    once = rounded(np.array(values), digits)
    assert np.array_equal(rounded(once, digits), once)
    assert np.allclose(once, values, rtol=0.51 * 10.0 ** (1 - digits), atol=1e-280)


def test_both_benchmarks_of_a_length_open(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(first / "out", first / "home" / "losses", dirs_exist_ok=True)
    monkeypatch.setenv(HOME_VARIABLE, str(first / "home"))
    usual = load("losses-tiny/trained")
    longer = load("losses-tiny-x6/trained")
    assert usual.metric("train_loss@brier").epochs == (1,) and longer.metric(
        "test_error@cross_entropy"
    ).epochs == (6,)
    assert longer.name == "losses-tiny-x6/trained" and len(usual.space) == len(longer.space) == 4


@pytest.mark.parametrize("classes", [4, 6])
def test_a_machine_whose_home_is_empty_goes_on_where_the_tables_end(
    copied: Path,
    classes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = read_design(str(design(copied, classes)))
    shutil.copytree(copied / "out", copied / "before")
    monkeypatch.setenv(HOME_VARIABLE, str(copied / "empty"))
    assert made(pairs, copied / "out") == []
    assert [len(in_journal(pair)) for pair in pairs] == [
        3 * (classes - 4),
        3 * (classes - 4),
        2 * (classes - 4),
    ]
    for name in ("tiny.h5", "tiny-x6.h5"):
        old, new = (read_compact(copied / folder / name) for folder in ("before", "out"))
        assert old.keys == new.keys and len(new.cells) == classes
        for key in old.keys:
            assert np.array_equal(old.column(key), new.column(key)[:4], equal_nan=True)
        if classes == 4:
            assert (copied / "out" / name).read_bytes() == (copied / "before" / name).read_bytes()
    then, now = (
        json.loads((copied / at / "tiny.json").read_text())["losses"]["brier"]
        for at in ("before", "out")
    )
    assert (
        then["made"][0] == now["made"][0] <= then["made"][1] <= now["made"][1]
        and now["classes"]["2"] == classes
    )


def test_a_journal_alone_gives_what_a_table_and_the_rest_give(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same trainings: a table of four classes and a journal of two more, and a journal of
    all six.
    """
    pairs = read_design(str(design(copied, 6)))
    train_rounds([pair.plan for pair in pairs])
    write_losses(pairs, copied / "whole")
    write_losses(pairs, copied / "out")
    for name in ("tiny.h5", "tiny-x6.h5", "tiny.json", "tiny-x6.json"):
        assert (copied / "whole" / name).read_bytes() == (copied / "out" / name).read_bytes()
    together = trainings_of(pairs[:2], copied / "out" / "tiny.h5").of[pairs[1]].trainings
    entries = {
        job: training_of(recorded_of(pairs[1].trained, 1), entry)
        for job, entry in in_journal(pairs[1]).items()
    }
    assert {job: one.values for job, one in together.items()} == {
        job: one.values for job, one in entries.items()
    }
    monkeypatch.setenv(HOME_VARIABLE, str(copied / "empty"))
    alone = trainings_of(pairs[:2], copied / "out" / "tiny.h5").of[pairs[1]].trainings
    assert {job: one.values for job, one in alone.items()} == {
        job: one.values for job, one in entries.items()
    }


def test_a_loss_that_is_not_asked_for_stays_in_its_table(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = STEPS.partition("[[steps]]\ntasks")[0] + STEPS.split("\n\n")[0].replace(', "brier"', "")
    monkeypatch.setenv(HOME_VARIABLE, str(copied / "empty"))
    assert made(read_design(str(design(copied, 4, text))), copied / "out") == []
    card = json.loads((copied / "out" / "tiny.json").read_text())
    assert (
        set(card["losses"]) == {"cross_entropy", "brier"}
        and card["losses"]["brier"]["classes"]["2"] == 4
    )


@pytest.mark.parametrize("other", ["compiled 1", "compiled 3"])
def test_another_engines_table_is_not_mixed_in(
    copied: Path,
    monkeypatch: pytest.MonkeyPatch,
    other: str,
) -> None:
    told = trainings.settings_of
    monkeypatch.setattr(trainings, "settings_of", lambda pair: {**told(pair), "engine": other})
    monkeypatch.setenv(HOME_VARIABLE, str(copied / "empty"))
    before = (copied / "out" / "tiny.h5").read_bytes()
    few = read_design(str(design(copied, 2)))[:2]
    said = made(few, copied / "out")
    assert (
        "tiny.h5 is of another protocol or engine (engine): its 24 trainings are not mixed in"
        in said[0]
    )
    assert (
        "tiny.h5 stays as it is: it holds 24 trainings, a new one would 12." in said[1]
        and len(said) == 2
    )
    assert (copied / "out" / "tiny.h5").read_bytes() == before
    said = made(read_design(str(design(copied, 4)))[:2], copied / "out")
    assert len(said) == 1 and "is of another protocol" in said[0]
    assert len(in_journal(few[0])) == 12 and (copied / "out" / "tiny.h5").read_bytes() != before


def test_a_damaged_table_is_one_line_and_nothing_is_lost(snas: Snas, copied: Path) -> None:
    path = copied / "out" / "tiny.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for further in ([], ["--assemble"]):
        told = snas("table-losses", "--design", design(copied), "--out", copied / "out", *further)
        assert told.code == 2 and "is damaged" in told.err and len(told.err.splitlines()) == 1
    assert path.read_bytes() == bytes(content)


KILLED = """
import os, signal, sys
from surrogate_nas.benchmarks.building.losses.pairs import read_design
from surrogate_nas.benchmarks.building.losses.rounds import train_rounds
plans = [pair.plan for pair in read_design(sys.argv[1])]
train_rounds(plans, progress=lambda done, *_: done > 5 and os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.slow
def test_killed_and_run_again_a_design_is_the_same(
    first: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = read_design(str(design(first)))

    def content() -> list[dict[tuple[int, int], object]]:
        clocks = ("seconds", "made")
        return [
            {
                job: {k: v for k, v in entry.items() if not k.endswith(clocks)}
                for job, entry in sorted(held.items())
            }
            for held in map(in_journal, pairs)
        ]

    whole = content()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    asked = [sys.executable, "-c", KILLED, str(design(first))]
    assert subprocess.run(asked, env=environment, check=False).returncode == -9
    assert 5 < sum(map(len, content())) < 32
    assert train_rounds([pair.plan for pair in pairs]) == {} and content() == whole


def test_a_name_is_that_of_one_task(tmp_path: Path) -> None:
    file = tmp_path / "other.py"
    file.write_text("from tests.tiny_task import TINY\nOTHER = TINY\n")
    text = f'[[steps]]\ntasks = ["{TASK}", "{file}:OTHER"]\nlosses = "usual"'
    with pytest.raises(UserError, match="would be in one table"):
        write_losses(read_design(str(design(tmp_path, text=text))), tmp_path)


def exhaustive(folder: Path) -> Path:
    """A made-up table: every class by one loss, ten of them by another too."""
    rng = np.random.default_rng(2)
    space = nb201()
    cells = representatives(space)
    table = Table(
        "losses-all",
        Sampled(space, space.choices[cells]).definition,
        "t",
        "s",
        "l",
        "c",
        "valid_loss@one",
        Network(),
        epochs="curve",
    )
    for loss in ("one", "two"):
        held = np.arange(len(cells)) < (10 if loss == "two" else len(cells))
        for name, kind, split in (
            ("valid_loss", "search", "valid"),
            ("test_loss", "final", "test"),
        ):
            columns = {
                seed: np.where(held, rng.uniform(1, 2, len(cells)), np.nan) for seed in (0, 1)
            }
            metric = Metric(f"{name}@{loss}", "nats", kind, "loss", split=split)  # type: ignore[arg-type]
            table.add(metric, 3, columns[0], 1, columns)
        for split in ("train", "valid"):
            seconds = np.where(held, 1.0, np.nan)
            table.add(
                Metric(f"{split}_seconds@{loss}", "s", "record", "cost"),
                3,
                seconds,
                1,
                {0: seconds},
            )
    write_compact(table, folder / "losses" / "all.h5")
    return folder / "losses" / "all.h5"


def test_where_every_class_was_trained_the_table_holds_all_cells(fresh_home: Path) -> None:
    table = read_compact(exhaustive(fresh_home))
    whole = load("losses-all")
    space = nb201()
    assert (
        len(whole.space) == 15625
        and whole.banner == ""
        and whole.metric("valid_loss@one").n_cells == 15625
    )
    places = {class_: row for row, class_ in enumerate(space.classes[representatives(space)])}
    rows = np.array([places[class_] for class_ in space.classes])
    for loss in ("one", "two"):
        for seed in (0, 1):
            for name in ("valid_loss", "test_loss"):
                column = table.column(ColumnKey(f"{name}@{loss}", 3, seed))[rows]
                assert np.array_equal(
                    whole.column(f"{name}@{loss}", 3, seed), column, equal_nan=True
                )
    few = int((rows < 10).sum())
    assert [whole.metric(f"{name}@two").n_cells for name in ("valid_loss", "test_loss")] == [
        few,
        few,
    ]
    assert whole.seeds(whole.question("valid_loss@one")) == (0, 1)
    least = int(np.argmin(whole.column("valid_loss@one")))
    answer = whole.query(whole.space[least], "valid_loss@one")
    assert (
        answer.value == table.column(ColumnKey("valid_loss@one", 3, 0)).min()
        and answer.n_seeds == 1
    )
    assert (
        "predicted" not in answer.source
        and whole.final(whole.space[least])["test_loss@one"] is not None
    )
    with pytest.raises(UserError, match="has no valid_loss@two"):
        whole.query(whole.space[int(np.flatnonzero(rows >= 10)[0])], "valid_loss@two")


@pytest.mark.parametrize("name", ["digits", "rotation", "cartpole"])
def test_trainings_give_the_numbers_that_shipped_tables_have(name: str) -> None:
    """What `NUMBERS_SINCE` promises: where this fails, it is raised."""
    (pair,) = pairs_of([name], ["usual"])
    both = [in_table([pair], shipped(folder) / f"{name}.h5") for folder in ("protocol", "losses")]
    ((told, _),) = (
        held for found in both for held in found.values()
    )  # one is of the task as it is
    recorded = recorded_of(pair.trained, pair.plan.epochs)
    for job in list(told)[:2]:
        values = training_of(recorded, train_job(pair.plan, job)).values
        assert len(values) > 20
        for key, value in values.items():
            if not key[0].endswith("seconds"):
                assert value == told[job].values[key], key
