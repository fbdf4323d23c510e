"""The redone papers on real data: their rows, their conventions and their verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surrogate_nas.papers import predictors, reproduce


def test_the_nas_bench_201_table_stands_beside_the_published_one(fetched: Path, tmp_path: Path) -> None:
    assert fetched
    result = reproduce("nb201", folder=tmp_path, runs=10)
    rows = {(row.method, row.dataset): row for row in result.rows}
    random = rows["random search", "CIFAR-10"]
    assert (random.published, random.published_std, random.runs) == (93.70, 0.36, 10)
    assert random.evaluations == pytest.approx(106, abs=3)
    assert random.ours == pytest.approx(93.75, abs=0.3)
    assert rows["DARTS V1/V2, ENAS (all-skip cell)", "CIFAR-100"].ours == pytest.approx(15.61, abs=0.01)
    assert rows["optimum", "ImageNet16-120"].ours == pytest.approx(47.3111, abs=1e-4)
    assert rows["BO (ours)", "CIFAR-10"].runs == 10
    assert rows["BOHB", "CIFAR-10"].ours is None and "not made" in rows["BOHB", "CIFAR-10"].verdict
    assert json.loads((tmp_path / "rows.json").read_text())["rows"][0]["metric"] == "test_accuracy"
    assert "| random search | CIFAR-10 |" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "curves.png").stat().st_size > 20_000


@pytest.mark.slow
def test_the_nats_bench_protocol_searches_on_each_data_set(fetched: Path, tmp_path: Path) -> None:
    assert fetched
    result = reproduce("nats", folder=tmp_path, runs=1)
    made = [row for row in result.rows if row.ours is not None]
    assert {(row.method, row.dataset) for row in made} >= {("REA", "CIFAR-100"), ("BO (ours)", "ImageNet16-120")}
    assert all(row.mark == "?" for row in result.rows if row.published is not None)
    cells = next(row.evaluations for row in made if row.method == "random search" and row.dataset == "CIFAR-10")
    assert cells == pytest.approx(20_000 / 112.84, rel=0.1)


def test_predictors_stand_beside_the_published_ones(
    fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetched
    monkeypatch.setattr(predictors, "SIZES", (78,))
    monkeypatch.setattr(predictors, "MODELS", ("ridge", "gp"))
    rows = {(r.method, r.dataset, r.metric): r for r in reproduce("predictors", folder=tmp_path, runs=2).rows}
    ours = rows["gp (ours)", "CIFAR-10", "kendall@78"]
    assert ours.runs == 2 and ours.evaluations == 78
    assert ours.ours is not None and 0.6 < ours.ours < 0.9 and "from PINAT" in ours.verdict
    assert rows["PINAT", "CIFAR-10", "kendall@1563"].published == 0.784
    assert rows["NAR-Former", "CIFAR-10", "kendall@1563"].mark == "?"
    ceiling = rows["valid_error as the mean of functional twins", "CIFAR-10", "kendall@15625"].ours
    assert ceiling == pytest.approx(0.90, abs=0.005)
    assert ("ridge (ours)", "ImageNet16-120", "kendall@78") in rows
    unseen = rows["gp (ours)", "CIFAR-10", "kendall_unseen@78"].ours
    assert unseen is not None and 0.6 < unseen < 0.9
    half = rows["gp (ours)", "CIFAR-10", "kendall_top_half@78"].ours
    assert half is not None and half < unseen
    assert (tmp_path / "predictors.png").stat().st_size > 20_000


def test_finished_fits_are_kept(fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetched
    monkeypatch.setattr(predictors, "SIZES", (78,))
    monkeypatch.setattr(predictors, "MODELS", ("ridge",))
    score, fitted = predictors._score, []

    def interrupted(fit: Any) -> Any:
        if len(fitted) == 4:
            raise KeyboardInterrupt
        fitted.append(fit)
        return score(fit)

    monkeypatch.setattr(predictors, "_score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reproduce("predictors", folder=tmp_path, runs=2)
    monkeypatch.setattr(predictors, "_score", lambda fit: fitted.append(fit) or score(fit))
    again = reproduce("predictors", folder=tmp_path, runs=2)
    assert len(fitted) == len(set(fitted)) == 6
    assert again.rows == reproduce("predictors", folder=tmp_path, runs=2).rows
    assert len(fitted) == 6
