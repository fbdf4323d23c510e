"""Measuring on this machine: the protocol's counts and order, the device card, memory, energy, and
going on.
"""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import (
    ChoiceSpace,
    drawn_cells,
    macro,
    nb201,
)
from surrogate_nas.space.network import Network
from surrogate_nas.tables import TableFile, write_table
from surrogate_nas.training.hardware import (
    REFERENCE_EVERY,
    Protocol,
    device_card,
    device_model,
    drift_in_words,
    energy_mj,
    find_meter,
    measure,
    peak_memory_mb,
    rapl,
    time_inference,
    usable_cores,
)
from tests.pairs_space import Pairs

SMALL = Network(channels=2, cells_per_stage=1, image_size=4, input_channels=1)
PROTOCOL = Protocol(rounds=5, repeats=10, warm_up_seconds=0.0)
draw_cells = partial(drawn_cells, nb201())
N = 3


@pytest.fixture(scope="module")
def measured():
    return measure(draw_cells(N), SMALL, PROTOCOL)


class Counted(nn.Module):
    """Counts its calls, and notes how it was called."""

    calls = 0
    inference = True

    def forward(self, x):
        self.calls += 1
        self.inference = self.inference and torch.is_inference_mode_enabled()
        return x


@pytest.mark.parametrize(
    ("threads", "clock"), [(1, "processor"), (usable_cores(), "wall")]
)
def test_a_visit_warms_up_and_times_each_inference(threads, clock):
    if threads == 1 and clock == "wall":
        pytest.skip("one core: its processor clock is always read")
    protocol = Protocol(threads=threads, rounds=5, repeats=10, warm_up_seconds=0.0)
    model = Counted().eval()
    timings = time_inference(model, torch.zeros(1), protocol)
    assert protocol.clock == clock and model.calls == 20 and model.inference
    assert len(timings.wall) == 10 and len(timings.processor) == (
        10 if clock == "processor" else 0
    )
    assert all(wall > 0 for wall in timings.wall)


def test_the_warm_up_lasts_a_minimum_time():
    model = Counted().eval()
    time_inference(model, torch.zeros(1), Protocol(warm_up_seconds=0.02))
    assert model.calls > 15


def test_every_cell_is_visited_in_every_round_in_random_order(measured):
    cells = draw_cells(12)
    made = measure(cells, SMALL, PROTOCOL)
    names = [visit.cell for visit in made.visits]
    blocks = [names[i] for i in range(0, len(names), 14)]
    assert blocks == [""] * 6 and names[-1] == ""
    rounds = [[name for name in names[14 * r : 14 * r + 14] if name] for r in range(5)]
    assert all(sorted(order) == sorted(cell.text for cell in cells) for order in rounds)
    assert len({tuple(order) for order in rounds}) == 5
    places = [i for i, name in enumerate(names[:14]) if not name]
    assert places == [0, REFERENCE_EVERY + 1]
    assert made.timings().shape == (12, 50)
    again = measure(measured.cells, SMALL, PROTOCOL, seed=1)
    assert [visit.cell for visit in again.visits] != [
        visit.cell for visit in measured.visits
    ]


def test_the_drift_is_the_references_largest_deviation(measured):
    assert len(measured.reference) == 6
    middle = np.median(measured.reference)
    assert measured.drift == pytest.approx(
        max(abs(value / middle - 1) for value in measured.reference)
    )
    assert measured.summary()["reference"]["cell"] == str(nb201().reference)
    assert len(set(nb201().reference.choices)) == len(nb201().options[0])


def test_a_drift_is_told_in_words():
    assert drift_in_words(0.008) == "steady (0.8 %)"
    assert drift_in_words(0.05) == "steady (5.0 %)"
    assert drift_in_words(0.12) == "drifted by 12 %: other load changed; measure again"
    assert "drifted" in drift_in_words(float("nan"))


def test_drift_and_load_are_warned_of(measured):
    quiet = replace(
        measured,
        card=measured.card | {"cores": 2, "load_average": 0.5, "load_average_end": 1.0},
    )
    doubled = [
        replace(visit, processor=[], wall=[2.0]) if not visit.cell else visit
        for visit in quiet.visits
    ]
    places = [i for i, visit in enumerate(doubled) if not visit.cell]
    assert not replace(quiet, visits=doubled).warnings
    doubled[places[-1]] = replace(doubled[places[-1]], wall=[3.0])
    drifted = replace(quiet, visits=doubled)
    assert drifted.warnings == [
        "the reference cell drifted by 50 %: other load changed; measure again."
    ]
    busy = replace(drifted, card=quiet.card | {"load_average_end": 2.6})
    assert (
        busy.warnings[1]
        == "2.6 processes wanted 2 cores at a time; measure again when it is quiet."
    )


@pytest.mark.parametrize("space", [macro(), Pairs()], ids=["macro", "a user's"])
def test_cells_of_any_space_with_networks_are_measured(space, tmp_path):
    cells = drawn_cells(space, 3, 1)
    assert drawn_cells(space, 2, 1) == cells[:2]
    assert drawn_cells(space, len(space)) != list(space)
    made = measure(cells, SMALL, PROTOCOL, space=space, journal=tmp_path / "t.jsonl")
    table = made.table()
    assert table.space == space.definition == space.name
    values = table.columns["latency@local", None, "mean"]
    assert np.flatnonzero(np.isfinite(values)).tolist() == sorted(
        cell.index for cell in cells
    )
    assert made.summary()["reference"]["cell"] == str(space.reference)


def test_cells_that_cannot_be_measured_are_told(tmp_path):
    bare = ChoiceSpace("bare", {"a": range(3)})
    with pytest.raises(UserError, match="cannot be built"):
        measure(
            drawn_cells(bare, 2),
            SMALL,
            PROTOCOL,
            space=bare,
            journal=tmp_path / "t.jsonl",
        )
    with pytest.raises(UserError, match="is not a cell of the space macro"):
        measure([macro()[0], nb201()[0]], SMALL, PROTOCOL)
    assert not list(tmp_path.iterdir())


def test_the_metrics_are_statistics_of_the_timings(measured, tmp_path):
    write_table(measured.table(), tmp_path / "local.h5")
    file = TableFile(tmp_path / "local.h5")
    index = [cell.index for cell in measured.cells]
    found = {key.metric: file.column(key) for key in file.keys}
    names = "latency latency_p95 latency_iqr latency_wall memory energy"
    assert {*found} == {f"{name}@local" for name in names.split()}
    assert all(
        np.isfinite(column).sum() == N and np.isfinite(column[index]).all()
        for column in found.values()
    )
    for visit_cell, row in zip(measured.cells, measured.timings(), strict=True):
        own = [
            ms
            for visit in measured.visits
            if visit.cell == visit_cell.text
            for ms in visit.processor
        ]
        assert sorted(row) == sorted(own)
        assert found["latency@local"][visit_cell.index] == np.median(own)
        low, high, p95 = np.quantile(own, (0.25, 0.75, 0.95))
        assert found["latency_p95@local"][visit_cell.index] == p95
        assert found["latency_iqr@local"][visit_cell.index] == high - low
    assert (
        file.metrics["latency@local"].unit == "ms"
        and file.metrics["latency@local"].n_cells == N
    )
    assert (
        "median of 50 inferences, batch 1" in file.metrics["latency@local"].description
    )
    card = json.loads(file.card)
    assert (
        card["n"] == N
        and card["device_card"] == measured.card
        and card["drift"] == measured.drift
    )
    assert file.network == SMALL


def test_the_card_tells_machine_and_software():
    card = device_card(torch.device("cpu"), 1)
    assert (
        card["device"] == "cpu"
        and card["model"] == device_model(torch.device("cpu")) != ""
    )
    assert (
        card["torch"] == torch.__version__
        and card["threads"] == 1
        and card["cores"] == usable_cores() >= 1
    )
    others = "clock_mhz governor load_average memory_gb system python date"
    assert {*others.split()} <= {*card}
    json.dumps(card, allow_nan=False)


def test_peak_memory_counts_what_is_alive_at_once():
    class Chain(nn.Module):
        def forward(self, x):
            for _ in range(10):
                x = x + 1
            return x

    inputs = torch.zeros(1, 250_000)
    assert (
        peak_memory_mb(Chain(), inputs) == 3.0
    )  # the input, a sum and the next one, 1 MB each
    assert peak_memory_mb(nn.Identity(), inputs) == 1.0
    assert peak_memory_mb(nn.Linear(250_000, 1, bias=False), inputs) == pytest.approx(
        2.0, abs=1e-4
    )


def test_peak_memory_is_exact_and_grows_with_the_batch():
    space = nb201()
    full = nb201().build(space.reference, SMALL, seed=0).eval()
    sizes = [
        peak_memory_mb(full, torch.zeros(batch, 1, 4, 4)) for batch in (1, 1, 2, 3)
    ]
    assert sizes[0] == sizes[1]
    assert sizes[3] - sizes[2] == pytest.approx(sizes[2] - sizes[0])


def test_energy_is_an_estimate_that_says_so_where_no_counter_is():
    made = measure(draw_cells(1), SMALL, PROTOCOL, watts=7.0)
    if made.meter:
        pytest.skip("this machine has a readable counter")
    metric = made.table().metrics["energy@local"]
    (value,) = [
        v for k, v in made.table().columns.items() if k.metric == "energy@local"
    ]
    assert value[made.cells[0].index] == pytest.approx(7.0 * made.latency[0])
    assert (
        "estimate" in metric.source and "7 W" in metric.source and metric.unit == "mJ"
    )


def counters(folder, *packages):
    """Counters as Linux shows them, with a part of a package that must not count again."""
    for i, (used, top) in enumerate(packages):
        for name in (f"intel-rapl:{i}", f"intel-rapl:{i}:0"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / "energy_uj").write_text(f"{used}\n")
            (folder / name / "max_energy_range_uj").write_text(f"{top}\n")
    return folder


def test_rapl_adds_packages_and_passes_the_end_of_a_counter(tmp_path):
    meter = rapl(counters(tmp_path, (900_000, 999_999), (0, 999_999)))
    before = meter.read()
    counters(tmp_path, (100_000, 999_999), (500_000, 999_999))
    assert meter.since(before) == pytest.approx(0.2 + 0.5)
    with pytest.raises(OSError, match="no RAPL"):
        rapl(tmp_path / "none")


def test_energy_of_one_inference_is_the_meters_over_all_calls(tmp_path):
    meter = rapl(counters(tmp_path, (0, 10**9)))
    calls = []

    def infer():
        calls.append(0)
        counters(tmp_path, (3_000 * len(calls), 10**9))

    assert energy_mj(infer, meter, seconds=0.01) == pytest.approx(3.0)


def test_a_device_without_a_counter_has_none():
    assert find_meter(torch.device("mps")) is None
    assert find_meter(torch.device("cuda", 99)) is None


def test_more_cells_of_a_seed_begin_with_the_fewer():
    assert draw_cells(20)[:5] == draw_cells(5) != draw_cells(5, seed=1)
    assert len(set(draw_cells(15625))) == 15625
    for n in (0, -1, 15626):
        with pytest.raises(UserError, match="number of cells must be 1 to 15625"):
            draw_cells(n)
    with pytest.raises(UserError, match="at least 0"):
        draw_cells(1, seed=-1)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"threads": 0}, "threads must be a whole number from 1 to .*, not 0"),
        ({"threads": 10_000}, "not 10000"),
        (
            {"batch": 0},
            "batch must be a whole number from 1 to 1,000,000,000,000, not 0",
        ),
        ({"batch": 10**30}, "from 1 to 1,000,000,000,000"),
        ({"batch": 1.5}, "whole number"),
        ({"rounds": 4}, "50 timed repeats"),
        ({"warm_ups": 9}, "10 warm-ups"),
        ({"device": "quantum"}, "no device 'quantum'"),
        ({"device": "meta"}, "computes nothing"),
    ],
)
def test_a_protocol_that_breaks_the_rules_is_refused(settings, says):
    with pytest.raises(UserError, match=says):
        Protocol(**settings)


def test_odd_requests_are_refused(tmp_path):
    with pytest.raises(UserError, match="no cell twice"):
        measure(draw_cells(1) * 2, SMALL, PROTOCOL)
    with pytest.raises(UserError, match="at least one cell"):
        measure([], SMALL, PROTOCOL)
    for watts in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(UserError, match="watts above 0"):
            measure(draw_cells(1), SMALL, PROTOCOL, watts=watts)
    with pytest.raises(UserError, match="A smaller one may do"):
        measure(
            draw_cells(1),
            SMALL,
            Protocol(batch=10**12),
            journal=tmp_path / "t.jsonl",
        )
    assert not list(tmp_path.iterdir())


def test_a_measurement_goes_on_from_its_journal(tmp_path):
    journal = tmp_path / "folder" / "t.jsonl"
    cells = draw_cells(N)
    whole = measure(cells, SMALL, PROTOCOL, journal=journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + len(whole.visits) == 1 + 5 * (N + 1) + 1
    journal.write_bytes(b"".join(lines[:8]) + lines[8][:20])
    again = measure(cells, SMALL, PROTOCOL, journal=journal)
    assert again.visits[:7] == whole.visits[:7]
    assert [visit.cell for visit in again.visits] == [
        visit.cell for visit in whole.visits
    ]
    assert again.visits[7:] != whole.visits[7:]
    assert measure(cells, SMALL, PROTOCOL, journal=journal).visits == again.visits


def test_a_journal_of_another_measurement_is_refused(tmp_path):
    journal = tmp_path / "t.jsonl"
    cells = draw_cells(2)
    measure(cells, SMALL, PROTOCOL, journal=journal)
    kept = journal.read_bytes()
    with pytest.raises(UserError, match=r"other settings \(protocol\)"):
        measure(cells, SMALL, Protocol(rounds=6), journal=journal)
    with pytest.raises(UserError, match="other settings"):
        measure(cells, SMALL, PROTOCOL, seed=1, journal=journal)
    with pytest.raises(UserError, match="of other cells"):
        measure(draw_cells(2, seed=5), SMALL, PROTOCOL, journal=journal)
    assert journal.read_bytes() == kept
    lines = kept.splitlines(keepends=True)
    for damage in (b"{\n", b"3\n", b'{"cell": ""}\n'):
        journal.write_bytes(lines[0] + damage + b"".join(lines[2:]))
        with pytest.raises(UserError, match="damaged"):
            measure(cells, SMALL, PROTOCOL, journal=journal)


MEASURE = """
import sys
from dataclasses import replace
from functools import partial
from functools import partial
from pathlib import Path
from surrogate_nas.space import drawn_cells, nb201
from surrogate_nas.training.hardware import Protocol, measure
from surrogate_nas.space.network import Network
small = Network(channels=2, cells_per_stage=1, image_size=4, input_channels=1)

def tell(done, total):
    print(done, flush=True)
    if done == int(sys.argv[2]):
        sys.stdin.read()

cells = drawn_cells(nb201(), 8)
measure(cells, small, Protocol(rounds=5), journal=Path(sys.argv[1]), progress=tell)
"""
"""Tells of every visit; after some it waits to be killed."""


@pytest.mark.slow
def test_a_killed_measurement_goes_on(tmp_path):
    journal = tmp_path / "t.jsonl"
    command = [sys.executable, "-c", MEASURE, str(journal), "25"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for done in range(1, 16):
        assert int(process.stdout.readline()) == done
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    kept = journal.read_bytes()
    kept = kept[: kept.rfind(b"\n") + 1]
    made = measure(draw_cells(8), SMALL, Protocol(rounds=5), journal=journal)
    assert journal.read_bytes().startswith(kept)
    assert made.timings().shape == (8, 50)
