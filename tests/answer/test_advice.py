"""Advice for sources that were not seen: its lines, their sum, and what the page says of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis.answer.advice import advice, scores, signals_of
from analysis.answer.page import _advice
from analysis.answer.tables import read_tables
from surrogate_nas.benchmarks.losses import LossesBenchmark
from surrogate_nas.study.advice import Score, scored
from surrogate_nas.study.orders import Signal, by_source
from surrogate_nas.study.pilot import of_benchmark
from surrogate_nas.study.signals import TRAIN_LOSS
from tests.answer.simulated import write_simulated

TASKS = ["digits", "rotation", "mnist1d", "text", "splice", "life"]


def test_every_source_is_advised_by_the_others_and_the_page_sums_up(tmp_path: Path) -> None:
    write_simulated(tmp_path, {task: (0.0, 0.5) for task in TASKS})
    tables = read_tables(tmp_path)
    found = advice([SimpleNamespace(table=one) for one in tables])  # type: ignore[misc]
    assert len(found) == 2 * 5 and set(found["piloted"]) == {False, True}
    sources = by_source(map(signals_of, tables))
    expected = [Score.of(scored(sources, piloted=piloted)) for piloted in (False, True)]
    assert scores(found) == expected and expected[0].sources == 5
    for _, line in found.iterrows():
        assert line["gain"] == pytest.approx(line["tau"] - line["reference"])
        assert line["low"] <= line["gain"] <= line["high"]
        assert line["hit"] == (line["gain"] >= 0) if line["known"] else line["hit"] is None
    section = _advice(SimpleNamespace(advice=found))  # type: ignore[arg-type]
    first, second, _ = map(str, section.blocks)
    assert f"{expected[0].known} of 5 sources" in first and "half of its own classes" in second


def test_page_and_command_read_the_same(tmp_path: Path) -> None:
    write_simulated(tmp_path, {"digits": (0.5, 0.1)})
    (one,) = read_tables(tmp_path)
    of_page = signals_of(one)
    of_command = of_benchmark(LossesBenchmark(tmp_path / "digits.h5"), name="digits")
    assert of_page.goal.shape == of_command.goal.shape == (4, 99), "one training is lacking"
    assert of_page.signals.keys() == of_command.signals.keys()
    for signal in of_page.signals:
        assert of_page.tau(signal) == pytest.approx(of_command.tau(signal)), signal
    assert Signal(TRAIN_LOSS, late=True) in of_page.signals and of_command.measure == "error"
