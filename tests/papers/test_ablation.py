"""What each part of `bo` is worth: differences by hand, and the paper in small."""

import numpy as np
import pytest

import surrogate_nas as sn
from analysis.papers import ablation, reproduce


def test_differences_are_of_paired_runs_within_problems():
    base = [np.array([10.0, 20.0, 30.0]), np.array([100.0, 110.0, 120.0])]
    other = [
        each + more
        for each, more in zip(base, ([6.0, 6.0, 6.0], [-2.0, 0.0, 2.0]), strict=True)
    ]
    found = ablation.difference_of(other, base)
    assert found.mean == pytest.approx(3.0)
    assert found.half == pytest.approx(1.96 * np.sqrt(4 / 3) / 2), (
        "what problems differ by is no noise"
    )
    assert found.text == "+3.0 ± 1.1 cells from bo: needs more cells"
    assert (
        "no significant difference" in ablation.difference_of(other[1:], base[1:]).text
    )
    assert "needs fewer cells" in ablation.difference_of(base, other).text


@pytest.mark.parametrize(
    "name", [name for name in ablation.PARTS if name != ablation.HIDDEN]
)
def test_a_part_is_exchanged_after_the_first_cells(name):
    run, usual = (
        sn.search("fashion", ablation._strategy(one), budget=20, run=3)
        for one in (name, "bo")
    )
    cells, others = ([trial.cell for trial in made.trials] for made in (run, usual))
    assert run.strategy == name
    assert cells[:10] == others[:10] and cells != others and len(set(cells)) == 20


def test_the_parts_stand_beside_the_whole(tmp_path, monkeypatch):
    parts = {"bo(pool=neighbours)": "among neighbours", ablation.HIDDEN: "R not known"}
    monkeypatch.setattr(ablation, "PROBLEMS", ("fashion",))
    monkeypatch.setattr(ablation, "PARTS", parts)
    monkeypatch.setattr(ablation, "_CELLS", 40)
    result = reproduce("ablation", folder=tmp_path, runs=2)
    rows = {(row.method, row.dataset): row for row in result.rows}
    assert set(rows) == {
        (name, where) for name in ("bo", *parts) for where in ("fashion", "all")
    }
    optimum = ablation._objective("fashion").optimum()
    needed = []
    for run in range(2):
        scores = sn.search(
            "fashion", "bo", budget=40, seed=ablation._FIRST + run
        ).scores
        hits = np.flatnonzero(scores <= (optimum or 0) + 1e-9)
        needed.append(int(hits[0]) + 1 if len(hits) else 41)
    assert (
        rows["bo", "fashion"].ours == np.mean(needed)
        and rows["bo", "fashion"].runs == 2
    )
    assert rows["bo", "fashion"].verdict == (
        f"not found in {needed.count(41)} of 2" if 41 in needed else ""
    )
    assert "cells from bo" in rows["bo(pool=neighbours)", "all"].verdict
    assert (tmp_path / "ablation.png").stat().st_size > 10_000
    monkeypatch.setattr(
        ablation,
        "until_optimum",
        lambda _: pytest.fail("a finished run was made again"),
    )
    assert reproduce("ablation", folder=tmp_path, runs=2).rows == result.rows
