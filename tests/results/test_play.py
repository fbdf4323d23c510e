"""A run whose loop is held by somebody else: charged, limited, resumable, and never shown a test
result.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import locked
from surrogate_nas.results.api import read_comparison
from surrogate_nas.results.archive import create
from surrogate_nas.results.play import Play
from surrogate_nas.results.verification import _early, verify
from surrogate_nas.runs.options import Options

ASKED = "valid_loss + 0.1*params"


def agent(play, steps):
    """Evaluates a free neighbour of the best cell, a step at a time."""
    best = min(play.call({"history": True})["trials"], key=lambda trial: trial["score"])
    for step in range(steps):
        near = play.call({"neighbours": best["cell"]})["cells"]
        reply = play.call(
            {"evaluate": [near[step % len(near)]], "usage": {"tokens": 10}}
        )
        best = reply["best"]


def texts(run):
    return [trial.cell.text for trial in run.trials]


def test_a_played_run_is_one_like_any_other(tmp_path):
    with Play("fashion", ASKED, budget=20, run=1, folder=tmp_path) as play:
        agent(play, 10)
        assert play.is_over
    assert play.run is not None and len(play.run.trials) == 20
    random = sn.search("fashion", "random", ASKED, budget=20, run=1)
    assert texts(play.run)[:10] == texts(random)[:10]
    assert play.run.diagnosis["usage"] == {"tokens": 100.0}
    sn.compare("fashion", ["random"], ASKED, runs=2, budget=20, folder=tmp_path)
    together = read_comparison(tmp_path, verify=True)
    assert together.strategies == ["play", "random"]
    assert [one.get("usage") for one in together.to_json()["strategies"]] == [
        {"tokens": 100},
        None,
    ]
    page = sn.write_report(together, tmp_path).read_text()
    assert "<th>tokens" in page.replace(' scope="col"', "")


def test_it_is_charged_what_a_strategy_is():
    with Play("fashion", ASKED, budget=13) as play:
        cells = play.call({"sample": 3})["cells"]
        trials = play.call({"evaluate": cells})["trials"]
    bench = sn.load("fashion")
    look = sn.Objective(ASKED, bench).look_up(
        [bench.space.cell(cell) for cell in cells]
    )
    assert [trial["score"] for trial in trials] == look[1].score.tolist()
    assert [trial["cost"] for trial in trials] == look[2].tolist()


def test_nothing_past_the_budget_is_evaluated():
    with Play("fashion", ASKED, budget=12) as play:
        cells = play.call({"sample": 3})["cells"]
        assert "at most 2 cells here, not 3" in play.call({"evaluate": cells})["error"]
        reply = play.call({"evaluate": cells[:2]})
        assert len(reply["trials"]) == 2 and reply["left"] == {"cells": 0}
        assert "over after 12 evaluations" in reply["over"]
        for _ in range(2):
            more = {"usage": {"tokens": 1}, "evaluate": cells[:1]}
            assert "nothing more" in play.call(more)["error"]
        assert len(play.call({"history": True})["trials"]) == 12
        assert play.call({"finish": True})["evaluations"] == 12
    assert play.run is not None and len(play.run.trials) == 12


def test_seconds_end_it_too():
    with Play("fashion", ASKED, budget_seconds=15.0) as play:
        while "over" not in (
            reply := play.call({"evaluate": play.call({"sample": 1})["cells"]})
        ):
            assert reply["left"]["seconds"] > 0
    assert play.run is not None and play.run.cost <= 15.0


def test_what_is_wrong_is_one_line_and_changes_nothing():
    with Play("fashion", ASKED, budget=12) as play:
        before = play.call({"history": True})
        for message in (
            None,
            [],
            {},
            {"evaluate": ["|conv~0|"]},
            {"evaluate": ["x" * 10**6]},
            {"evaluate": [{"code": "x"}]},
            {"test": True},
        ):
            error = play.call(message)["error"]
            assert "\n" not in error and len(error) < 300
        assert play.call({"history": True}) == before


def test_a_run_that_was_left_goes_on(tmp_path):
    with Play("fashion", ASKED, budget=20, folder=tmp_path) as play:
        agent(play, 4)
    assert play.run is None and play.evaluations == 14
    with pytest.raises(UserError, match="contains no finished run"):
        read_comparison(tmp_path)
    with Play("fashion", ASKED, budget=20, folder=tmp_path) as play:
        assert len(play.call({"history": True})["trials"]) == 14
        assert play.call({"describe": True})["left"] == {"cells": 6}
        agent(play, 6)
    with Play("fashion", ASKED, budget=20) as whole:
        agent(whole, 4)
        agent(whole, 6)
    assert play.run is not None and whole.run is not None
    assert texts(play.run) == texts(whole.run)
    assert play.run.diagnosis == whole.run.diagnosis
    with Play("fashion", ASKED, budget=20, folder=tmp_path) as again:
        assert "over after 20" in again.call({"evaluate": ["x"]})["over"]


def test_a_run_that_is_finished_early_stays_so(tmp_path):
    with Play("fashion", ASKED, budget=50, folder=tmp_path) as play:
        agent(play, 1)
        assert play.call({"finish": True})["evaluations"] == 11
    with Play("fashion", ASKED, budget=50, folder=tmp_path) as play:
        assert "over after 11" in play.call({"describe": True})["over"]
    run = read_comparison(tmp_path).runs[0]
    assert len(run.trials) == run.diagnosis["ended early"]["trials"] == 11


def test_a_run_that_ended_early_by_its_player_alone_is_valid_in_an_archive(tmp_path):
    out = tmp_path / "out"
    with Play("fashion", ASKED, budget=50, folder=out) as play:
        agent(play, 1)
        play.call({"finish": True})
    create(out, tmp_path / "played.zip")
    assert verify(tmp_path / "played.zip").problems == []
    assert play.run is not None
    short = replace(play.run, strategy="random")
    part = SimpleNamespace(options=Options(), description={})
    assert not _early(short, part) and _early(play.run, part)


def test_a_second_player_is_told_of_the_first(tmp_path):
    with locked(tmp_path), pytest.raises(UserError, match="is writing .* already"):
        Play("fashion", ASKED, budget=20, folder=tmp_path)


@pytest.mark.parametrize("blind", [False, True])
def test_no_test_result_is_shown(blind):
    with Play("fashion", ASKED, budget=15, blind=blind) as play:
        cells = play.call({"sample": 4})["cells"]
        said = [
            play.call(message)
            for message in (
                {"describe": True},
                {"query": cells},
                {"neighbours": cells[0]},
                {"evaluate": cells},
                {"history": True},
                {"evaluate": cells[:1]},
                {"finish": True},
            )
        ]
    heard = json.dumps(said)
    assert "test_" not in heard
    if blind:
        words = "conv pool skip edge nb201 fashion valid_ params latency nats".split()
        assert [word for word in words if word in heard] == []
    assert play.run is not None and play.run.strategy == (
        "blind:play" if blind else "play"
    )


def test_a_benchmark_that_fails_is_one_line(tmp_path):
    space = sn.ChoiceSpace("mlp", {"width": tuple(range(20))})

    def broken(cell):
        raise ValueError(f"no\nroom for {cell}")

    bench = sn.Computed(space, {"valid_error": broken})
    with Play(bench, "valid_error", budget=8, n_random=0, folder=tmp_path) as play:
        replies = [play.call({"evaluate": [space[i].text]}) for i in range(4)]
    assert "The run failed" in replies[-1]["error"] and "\n" not in replies[-1]["error"]
    assert "no room" in play.failure


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "a b"}, "The name of an external optimiser has letters"),
        ({"name": "random"}, "random is a strategy"),
        ({"budget": 0}, "A budget in cells"),
        ({"objective": "test_error"}, "is a final metric"),
    ],
)
def test_bad_input_is_one_line(wrong, said):
    with pytest.raises(UserError, match=said):
        Play("fashion", **{"objective": ASKED, **wrong})


def train(cell, trial):
    """Each epoch halves an error that the width sets."""
    for epoch in range(trial.start + 1, trial.epochs + 1):
        trial.report(epoch, valid_error=float(90 / (1 + cell.choices[0]) / 2**epoch))


def test_cells_may_really_be_trained(tmp_path):
    space = sn.ChoiceSpace("wide", {"width": (1, 2, 4, 8), "depth": (1, 2, 3)})
    bench = sn.Training(space, train, metrics=["valid_error"], epochs=3)
    played = []
    for _ in range(2):
        with Play(bench, "valid_error", budget=5, folder=tmp_path) as play:
            cells = play.call({"sample": 2})["cells"]
            early = {"cell": cells[0], "epochs": 1}
            played.append(play.call({"evaluate": [early, cells[0]]}))
    first, second = played
    assert [trial["epochs"] for trial in first["trials"]] == [1, 3]
    assert first["left"] == {"cells": 3} and second["left"] == {"cells": 1}
