"""What happens while runs are made reaches a callback, as events."""

from collections import deque

import pytest

import surrogate_nas as sn
from tests.runs.delayed import Delayed

TABLE = "fashion"
OBJECTIVE = "valid_error + 0.1*params"
TWO = sn.Resources(parallel=2, order="clock")


def first():
    """The first cell of run 0."""
    return sn.search(TABLE, "random", OBJECTIVE, budget=1).trials[0].cell.text


def test_what_runs_and_what_has_failed_is_an_event_at_once(tmp_path):
    cell = first()
    events = []
    bench = Delayed(TABLE, jitter=0.05, folder=tmp_path, trouble={cell: "memory"})
    run = sn.search(
        bench,
        "evolution",
        OBJECTIVE,
        budget=6,
        callback=events.append,
        resources=sn.Resources(parallel=2),
    )
    assert max(event.running for event in events) == 2
    assert [event.failed for event in events if event.failed] == [{cell: "MemoryError"}]
    assert [t for event in events for t in event.trials] == list(run.trials)
    assert {(e.strategy, e.run, e.done, e.total) for e in events} == {
        ("evolution", 0, 0, 0)
    }


def test_what_a_stored_run_knows_is_not_told_as_trained_again(tmp_path):
    bench = Delayed(TABLE, trouble={first(): "broken"})
    options = {"resources": TWO, "folder": tmp_path, "budget": 9}
    n_told = 0

    def stop(event):
        nonlocal n_told
        n_told += len(event.trials)
        if n_told >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sn.search(bench, "evolution", OBJECTIVE, callback=stop, **options)
    events = []
    sn.search(bench, "evolution", OBJECTIVE, callback=events.append, **options)
    assert any(event.running for event in events)
    assert not any(event.failed for event in events)


def compared(**options):
    """Two runs of two strategies on a table, and the events of them."""
    events = []
    names = ["random", "evolution"]
    sn.compare(TABLE, names, runs=2, budget=12, callback=events.append, **options)
    return events


def test_the_end_of_each_run_is_an_event_with_any_number_of_workers():
    one, two = compared(), compared(resources=sn.Resources(workers=2))
    ends = [
        sorted((e.strategy, e.run) for e in events if not e.trials)
        for events in (one, two)
    ]
    runs = [(name, n) for name in ("evolution", "random") for n in (0, 1)]
    assert ends == [[("", 0), *runs]] * 2
    for events in (one, two):
        counts = [(e.done, e.total) for e in events if not e.trials]
        assert counts == [(n, 4) for n in range(5)]
    trials = [trial for event in one for trial in event.trials]
    assert len(trials) == 48 and not any(event.trials for event in two)


def test_stop_ends_the_run_of_the_event_and_no_other():
    def stop(event):
        if event.strategy == "evolution" and event.run == 0:
            event.stop()

    found = sn.compare(TABLE, ["random", "evolution"], runs=2, budget=15, callback=stop)
    assert [len(run.trials) for run in found.runs] == [15, 15, 10, 15]


def test_callbacks_of_0_1_0_are_called_as_they_were_with_a_warning():
    calls = []

    def enough(strategy, run, trials):
        return strategy == "random" and trials[-1].index >= 11

    given = {"strategies": ["random"], "runs": 2, "budget": 15}
    with pytest.warns(DeprecationWarning, match="A callback of 3 values is now"):
        found = sn.compare(TABLE, **given, callback=enough)
    assert [len(run.trials) for run in found.runs] == [12, 12]
    with pytest.warns(DeprecationWarning) as told:
        sn.compare(TABLE, **given, progress=lambda a, b: calls.append((a, b)))
    assert calls == [(0, 2), (1, 2), (2, 2)]
    assert [str(warning.message)[:21] for warning in told] == [
        *("compare(progress=) is", "A callback of 2 value")
    ]


def test_a_callback_that_returns_true_ends_its_run_with_a_warning():
    with pytest.warns(DeprecationWarning, match=r"returns True is now event\.stop\(\)"):
        run = sn.search(TABLE, "random", budget=9, n_random=1, callback=lambda _: True)
    assert len(run.trials) == 1


def test_a_callback_may_be_a_method_or_built_in():
    counted = deque()
    sn.search(TABLE, "random", budget=3, callback=counted.append)
    assert [len(event.trials) for event in counted] == [3]


def test_a_callback_that_takes_something_else_is_told_what_it_gets():
    with pytest.raises(
        sn.UserError, match="must be a function of one surrogate_nas.Event"
    ):
        sn.search(TABLE, "random", budget=3, callback=lambda a, b, c, d: None)
    for former in (lambda trials: trials[-1], lambda trials: [*trials]):
        with pytest.raises(sn.UserError, match=r"the trials are event\.trials"):
            sn.search(TABLE, "random", budget=3, callback=former)
