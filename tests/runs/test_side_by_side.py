"""Several trainings of one run at once: the simulator equals life, one record for any slots, failed
trainings told apart, and a record that replays.
"""

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.runs.search import Follower
from surrogate_nas.runs.store import Store
from surrogate_nas.runtime.worker import Task, Worker
from tests.runs.delayed import Delayed

TABLE = "fashion"
OBJECTIVE = "valid_error + 0.1*params"
JITTER = 0.004
STRATEGIES = ("evolution", "asha", "bo", "local_search", "hyperband")


FIELDS = "index cell epochs score cost started finished failure".split()


def history(trials):
    return [tuple(getattr(trial, name) for name in FIELDS) for trial in trials]


def search(bench, strategy="evolution", **options):
    own = sn.Resources.out_of(options)
    return sn.search(bench, strategy, OBJECTIVE, resources=own, **options)


def compare(bench, strategies, **options):
    own = sn.Resources.out_of(options)
    return sn.compare(bench, strategies, OBJECTIVE, resources=own, **options)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_slots_make_the_trials_of_as_many_simulated_workers(strategy):
    simulated = sn.search(
        TABLE,
        strategy,
        OBJECTIVE,
        budget=24,
        resources=sn.Resources(simulated_workers=3),
        seed=4,
    )
    bench = Delayed(TABLE, jitter=JITTER)
    real = search(
        bench, strategy, budget=24, seed=4, parallel=2, in_flight=3, order="clock"
    )
    assert history(real.trials) == history(simulated.trials)
    assert len(real.trials) == 24


CLOCK = {"parallel": 2, "in_flight": 3, "order": "clock"}
BUSY = {"budget": 4, "parallel": 2}


@pytest.mark.parametrize("strategy", ["evolution", "asha"])
def test_one_seed_and_number_in_flight_give_one_run_on_any_slots(strategy):
    bench = Delayed(TABLE, jitter=JITTER, knows_costs=False)
    given = {"budget": 16, "seed": 2, "in_flight": 4, "order": "clock"}
    runs = [
        history(search(bench, strategy, parallel=n, **given).trials) for n in (1, 4)
    ]
    assert runs[0] == runs[1]


def test_a_run_made_apart_sends_its_task_once(monkeypatch):
    heard = []

    def hear(follower, content):
        heard.append(content)
        usual(follower, content)

    usual = Follower._heard
    monkeypatch.setattr(Follower, "_heard", hear)
    compare(
        Delayed(TABLE), ["random", "evolution"], budget=9, parallel=2, workers=2, runs=1
    )
    trainings = [content for content in heard if content[0] == "train"]
    tasks = [content for content in trainings if isinstance(content[3], Task)]
    assert (len(trainings), len(tasks)) == (18, 2)


class Stopped(Exception):
    pass


@pytest.mark.parametrize(
    ("strategy", "order"),
    [("evolution", "finished"), ("asha", "clock"), ("bo", "clock")],
)
def test_a_run_that_was_killed_goes_on_from_its_record(tmp_path, strategy, order):
    calls = tmp_path / "calls"
    calls.mkdir()
    bench = Delayed(TABLE, jitter=JITTER, folder=calls, knows_costs=False)
    given = {**CLOCK, "order": order, "budget": 14, "folder": tmp_path / "run"}
    path = Store(tmp_path / "run").path(strategy, 0)

    def stop(_):
        if len(seen := path.read_text().splitlines()) >= 6:
            raise Stopped(seen)

    with pytest.raises(Stopped):
        search(bench, strategy, callback=stop, **given)
    before = path.read_text()
    run = search(bench, strategy, **given)
    assert path.read_text().startswith(before)
    assert len(run.trials) == 14
    # what was in flight when it stopped is trained twice, at most
    assert len(list(calls.iterdir())) <= len(run.trials) + 3
    if order == "clock":
        again = Delayed(TABLE, knows_costs=False)
        alone = {**given, "parallel": 1, "folder": None}
        assert history(search(again, strategy, **alone).trials) == history(run.trials)


def first():
    """The first cell of run 0."""
    return sn.search(TABLE, "random", OBJECTIVE, budget=1).trials[0].cell.text


def failed_of(run):
    """The only trial that failed, which is that of the first cell."""
    (failed,) = [trial for trial in run.trials if trial.failure]
    assert (
        failed.cell.text == first()
        and not failed.feasible
        and not run.incumbent.failure
    )
    return failed


def test_a_slot_that_is_killed_costs_its_training_only_and_the_record_nothing(tmp_path):
    bench = Delayed(TABLE, folder=tmp_path, trouble={first(): "killed 2"})
    run, whole = (search(one, order="clock", **BUSY) for one in (bench, Delayed(TABLE)))
    assert [trial.failure for trial in run.trials] == [""] * 4
    assert len(list(tmp_path.iterdir())) == 6
    assert history(run.trials) == history(whole.trials)
    lost, none = (one.diagnosis["slots"] for one in (run, whole))
    assert (lost["attempts lost"], none["attempts lost"]) == (2, 0)
    assert lost["seconds lost with them"] > 0 == none["seconds lost with them"]


@pytest.fixture
def patient(tmp_path, monkeypatch):
    """Limits count once a training hangs: a busy machine may keep any other waiting as long."""
    over = Worker._over

    def of_what_hangs(worker, begun, last):
        if (tmp_path / f"hangs_{worker._process.pid}").exists():
            return over(worker, begun, last)
        time.sleep(0.01)
        return ""

    monkeypatch.setattr(Worker, "_over", of_what_hangs)


@pytest.mark.parametrize(
    ("trouble", "more", "order"),
    [
        ("memory 1", 1.0, "clock"),
        ("memory 1", 1.0, "finished"),
        ("hangs 1", 0.3, "clock"),
        ("killed 1", 0.0, "finished"),
    ],
)
@pytest.mark.usefixtures("patient")
def test_what_ends_well_at_last_is_charged_for_attempts_that_ended_by_its_own_fault(
    tmp_path, trouble, more, order
):
    cell = first()
    bench = Delayed(TABLE, folder=tmp_path, trouble={cell: trouble}, silence=0.3)
    (trial,) = [
        t for t in search(bench, order=order, **BUSY).trials if t.cell.text == cell
    ]
    (usual,) = sn.search(TABLE, "random", OBJECTIVE, budget=1).trials
    assert not trial.failure
    charged = trial.cost - usual.cost
    assert charged == pytest.approx(more) if more != 0.3 else charged >= more


@pytest.mark.parametrize(
    ("trouble", "limits", "reason", "cost", "attempts"),
    [
        ("memory", {}, "MemoryError", 2.0, 2),
        ("broken", {}, "ValueError: no", 1.0, 1),
        ("exit", {}, "its worker ended with exit code 3", None, 1),
        ("killed", {}, "lost 3 times: ", 0.0, 3),
        ("hangs", {"seconds": 0.3}, "it took over 0.3 s", None, 2),
        ("hangs", {"silence": 0.3}, "it gave no sign of life for 0.3 s", None, 2),
    ],
)
@pytest.mark.usefixtures("patient")
def test_a_failed_training_is_infeasible_with_its_reason(
    tmp_path, trouble, limits, reason, cost, attempts
):
    bench = Delayed(TABLE, folder=tmp_path, trouble={first(): trouble}, **limits)
    failed = failed_of(search(bench, **BUSY))
    assert failed.failure.startswith(reason)
    assert failed.cost > 0 if cost is None else failed.cost == cost
    assert failed.cost >= 2 * sum(limits.values())
    assert len(list(tmp_path.glob("*-*"))) == 3 + attempts


@pytest.mark.usefixtures("patient")
def test_what_ended_by_its_own_fault_costs_a_query_where_these_are_counted(tmp_path):
    bench = Delayed(TABLE, folder=tmp_path, trouble={first(): "hangs"}, silence=0.3)
    bench.cost_unit = "queries"
    assert failed_of(search(bench, **BUSY)).cost == 2.0


def test_nothing_that_a_killed_training_began_is_left(tmp_path):
    bench = Delayed(TABLE, folder=tmp_path, trouble={first(): "forks 1"})
    run = search(bench, budget=4, parallel=2)
    assert not any(trial.failure for trial in run.trials)
    until = time.monotonic() + 60
    while _sleepers() and time.monotonic() < until:
        time.sleep(0.05)
    assert not _sleepers()


def _sleepers():
    """The processes that a test's training has begun and left."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"3600.125" in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="no other system is watched")


@LINUX
@pytest.mark.parametrize(
    "trouble",
    [
        "grows",
        *(
            pytest.param(f"grows-{how}", marks=pytest.mark.slow)
            for how in ("and-tells", "in-a-child")
        ),
    ],
)
def test_a_training_over_its_memory_has_failed_and_the_others_go_on(tmp_path, trouble):
    bench = Delayed(TABLE, folder=tmp_path, trouble={first(): trouble})
    failed = failed_of(search(bench, order="clock", memory="600 MB", **BUSY))
    assert failed.failure == "it took over 0.6 GB of memory"
    assert failed.cost > 0
    # once more while nothing else ran
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.slow
@LINUX
def test_a_training_that_keeps_its_memory_ends_as_without_a_limit(tmp_path):
    bench = Delayed(TABLE, folder=tmp_path, trouble={first(): "grows"})
    run = search(bench, budget=3, parallel=2, order="clock", memory="3GB")
    assert history(run.trials) == history(
        search(Delayed(TABLE), budget=3, parallel=2, order="clock").trials
    )


@pytest.mark.parametrize("size", ["4", "many GB", "4GiB", ""])
def test_a_memory_that_is_no_size_is_refused(size):
    with pytest.raises(UserError, match=r"memory \(--memory\) must be a size such as"):
        search(Delayed(TABLE), budget=2, memory=size)


@LINUX
def test_results_of_two_limits_of_memory_are_never_mixed(tmp_path):
    given = {"budget": 2, "order": "clock", "folder": tmp_path}
    for same in ("4 gb", "4GB"):
        search(Delayed(TABLE), "random", memory=same, **given)
    for other in ("5GB", None):
        with pytest.raises(UserError, match=f"memory_each 4GB, now {other}"):
            search(Delayed(TABLE), "random", memory=other, **given)


def test_three_that_fail_alike_at_the_beginning_end_the_search_and_nothing_is_stored(
    tmp_path,
):
    bench = Delayed(TABLE, trouble={"": "broken"})
    with pytest.raises(
        UserError, match=r"^ValueError: no\. The first 3 trainings failed alike"
    ):
        search(bench, budget=14, parallel=2, folder=tmp_path)
    assert not Store(tmp_path).path("evolution", 0).read_text()


@pytest.mark.parametrize(("at_end", "trials"), [("finish", 5), ("stop", 3)])
def test_the_end_of_the_budget_finishes_or_stops_what_runs(at_end, trials):
    simulated = sn.search(
        TABLE,
        "random",
        OBJECTIVE,
        budget=12,
        resources=sn.Resources(simulated_workers=3),
    )
    seconds = simulated.trials[2].finished
    bench = Delayed(TABLE, jitter=JITTER)
    bench.knows_costs = False
    bench.predicted_cost = lambda cell, epochs: float(
        bench.table.measure([cell], [bench.table.question("valid_error", epochs)]).cost[
            0
        ]
    )
    run = search(bench, "random", budget_seconds=seconds, at_end=at_end, **CLOCK)
    assert history(run.trials[:3]) == history(simulated.trials[:3])
    assert len(run.trials) == trials


def test_a_target_that_is_reached_ends_or_finishes_what_runs():
    given = {"budget": 12, **CLOCK}
    target = search(Delayed(TABLE), "random", **given).trials[4].score
    early, stopped = (
        search(Delayed(TABLE), "random", target=target, at_end=at_end, **given)
        for at_end in ("finish", "stop")
    )
    assert stopped.trials[-1].score <= target
    assert history(early.trials[: len(stopped.trials)]) == history(stopped.trials)
    assert len(early.trials) == len(stopped.trials) + 2


def test_what_answers_at_once_is_not_trained_in_parallel():
    with pytest.raises(
        UserError, match=r"fashion trains no cells.*--simulated-workers"
    ):
        search(TABLE, parallel=2)
    with pytest.raises(UserError, match="simulated or real"):
        search(Delayed(TABLE), parallel=2, simulated_workers=2)


def test_a_comparison_trains_in_slots_and_says_so(tmp_path):
    bench = Delayed(TABLE, jitter=JITTER, knows_costs=False)
    compared = compare(
        bench,
        ["random", "evolution"],
        runs=1,
        budget=8,
        parallel=2,
        folder=tmp_path,
    )
    assert compared.description["in_flight"] == 3
    assert compared.description["order"] == "clock"
    again = compare(
        bench,
        ["random", "evolution"],
        runs=1,
        budget=8,
        parallel=3,
        in_flight=3,
    )
    for one, other in zip(compared.runs, again.runs, strict=True):
        assert history(one.trials) == history(other.trials)
    with pytest.raises(UserError, match="in_flight 3, now 5"):
        compare(bench, ["random"], runs=1, budget=12, parallel=3, folder=tmp_path)


class Counting(Delayed):
    """Notes which trainings run beside each one, and what each has of the machine."""

    def measure(self, cells, questions, training_seed="mean"):
        assert self.folder is not None
        running = self.folder.with_name("running")
        device = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
        mark = running / f"{device} {os.getpid()} {cells[0].index}"
        mark.touch()
        try:
            time.sleep(0.4 if cells[0].text in self.trouble else 0.03)
            beside = "; ".join(sorted(path.name for path in running.iterdir()))
            with self.folder.with_name("beside").open("a") as file:
                file.write(f"{beside}\n")
            return super().measure(cells, questions, training_seed)
        finally:
            mark.unlink()


@pytest.mark.parametrize(
    ("given", "slots"),
    [
        ({"parallel": 2}, 2),
        pytest.param({"parallel": 1}, 2, marks=pytest.mark.slow),
        pytest.param({"gpus": "0,1"}, 2, marks=pytest.mark.slow),
        pytest.param({"gpus": "0"}, 1, marks=pytest.mark.slow),
    ],
)
def test_runs_side_by_side_share_slots_and_the_record_is_the_same(
    tmp_path, given, slots
):
    for name in ("running", "made"):
        (tmp_path / name).mkdir()
    bench = Counting(TABLE, folder=tmp_path / "made", knows_costs=False)
    told = {"runs": 2, "budget": 8, "order": "clock", "in_flight": 3}
    strategies = ["random", "evolution"]
    shared = compare(bench, strategies, workers=2, **told, **given)
    seen = [line.split("; ") for line in (tmp_path / "beside").read_text().splitlines()]
    assert len(seen) == 32
    assert max(map(len, seen)) <= slots
    if "gpus" in given:
        for beside in seen:
            devices = [mark.split(" ")[0] for mark in beside]
            assert len(set(devices)) == len(devices)
    bench = Delayed(TABLE, knows_costs=False)
    alone = compare(bench, strategies, parallel=1, **told)
    for one, other in zip(shared.runs, alone.runs, strict=True):
        assert history(one.trials) == history(other.trials)


def test_a_training_is_alone_among_those_of_all_runs(tmp_path):
    for name in ("running", "made"):
        (tmp_path / name).mkdir()
    cell = sn.search(TABLE, "random", OBJECTIVE, budget=1).trials[0].cell
    bench = Counting(TABLE, folder=tmp_path / "made", trouble={cell.text: "memory"})
    compared = compare(
        bench,
        ["random", "evolution"],
        runs=2,
        budget=6,
        parallel=2,
        workers=2,
    )
    failed = [trial for run in compared.runs for trial in run.trials if trial.failure]
    assert {trial.cell.text for trial in failed} == {cell.text}
    seen = [line.split("; ") for line in (tmp_path / "beside").read_text().splitlines()]
    assert len(seen) == 24 + len(failed)
    own = [
        beside
        for beside in seen
        if any(mark.endswith(f" {cell.index}") for mark in beside)
    ]
    assert sum(len(beside) == 1 for beside in own) >= len(failed)


@contextmanager
def pressing(after):
    """A callback that presses Ctrl-C soon after results of some numbers, each once, while others
    are waited for.
    """
    left = list(after)
    timers = []

    def press(event):
        if left and event.trials and event.trials[-1].index >= left[0]:
            del left[0]
            timers.append(threading.Timer(0.04, os.kill, (os.getpid(), signal.SIGINT)))
            timers[-1].start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield press
    finally:
        for timer in timers:
            timer.join()
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_for_what_runs_and_keeps_it(tmp_path):
    bench = Delayed(TABLE, jitter=1.0, knows_costs=False)
    given = {"budget": 40, "parallel": 2, "order": "finished", "folder": tmp_path}
    told = []
    with pressing([2]) as press, pytest.raises(KeyboardInterrupt):
        search(
            bench,
            callback=lambda event: told.extend(event.trials) or press(event),
            **given,
        )
    lines = Store(tmp_path).path("evolution", 0).read_text().splitlines()
    assert 3 < len(lines) == len(told) < 40
    assert '"end"' not in lines[-1]


class Unequal(Delayed):
    """Trainings of unequal predicted costs."""

    def predicted_cost(self, cell, epochs):
        return 1.0 + cell.index % 7


@pytest.mark.parametrize("slots", [1, 4])
def test_a_run_by_the_clock_that_was_interrupted_ends_as_an_undisturbed_one(
    tmp_path, slots
):
    cells = {
        trial.cell.text
        for trial in sn.search(TABLE, "random", OBJECTIVE, budget=8).trials
    }
    trouble = dict.fromkeys(sorted(cells)[::3], "broken")
    given = {"budget": 16, "in_flight": 4, "order": "clock"}
    swift = Unequal(TABLE, trouble=trouble, knows_costs=False)
    undisturbed = history(search(swift, parallel=4 // slots, **given).trials)
    bench = Unequal(TABLE, jitter=0.2, trouble=trouble, knows_costs=False)
    given["parallel"] = slots
    assert sum(bool(failure) for *_, failure in undisturbed) >= 2
    for after in (3, 8):
        with pressing([after]) as press, pytest.raises(KeyboardInterrupt):
            search(bench, callback=press, folder=tmp_path, **given)
    assert history(search(bench, folder=tmp_path, **given).trials) == undisturbed


class Seen(Delayed):
    """Answers what a slot sees of the machine."""

    def measure(self, cells, questions, training_seed="mean"):
        time.sleep(0.05)
        assert self.folder is not None
        seen = [
            os.environ.get(name, "all")
            for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
        ]
        (self.folder / f"{os.getpid()} {' '.join(seen)}").touch()
        return self.table.measure(cells, questions, training_seed)


@pytest.mark.parametrize(
    ("given", "devices"),
    [
        ({"gpus": "0,2", "per_gpu": 2}, ["0", "0", "2", "2"]),
        ({"gpus": "0,2", "threads": 3}, ["0", "2"]),
        ({"parallel": 2}, ["all", "all"]),
    ],
)
def test_each_slot_sees_its_share_of_the_machine(tmp_path, given, devices, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    search(Seen(TABLE, folder=tmp_path), "random", budget=40, order="finished", **given)
    seen = [path.name.split(" ") for path in tmp_path.iterdir()]
    assert sorted(gpu for _, gpu, _ in seen) == devices
    assert {threads for *_, threads in seen} == {str(given.get("threads", 1))}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"gpus": "0,0"}, "each once"),
        ({"gpus": "first"}, "such as 0,2,3, not 'first'"),
        ({"gpus": "0,1", "engine": "dask"}, "the engine dask assigns GPUs itself"),
    ],
)
def test_gpus_that_cannot_be_shared_out_are_refused(given, line):
    with pytest.raises(UserError, match=line):
        search(Delayed(TABLE), budget=4, **given)


@pytest.mark.slow
def test_a_worker_that_joins_a_cluster_is_used_in_the_middle_of_a_run_and_may_leave(
    tmp_path,
):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        dashboard_address=":0",
        worker_dashboard_address=None,
    ) as cluster:
        told = []

        def grow(event):
            told.extend(event.trials)
            if len(told) == 5:
                cluster.scale(3)
            if len(told) == 30:
                cluster.scale(1)

        bench = Delayed(TABLE, jitter=0.4, folder=tmp_path, knows_costs=False)
        run = search(
            bench,
            "random",
            budget=45,
            parallel=3,
            order="finished",
            engine=f"dask:{cluster.scheduler_address}",
            callback=grow,
        )
    assert [trial.failure for trial in run.trials] == [""] * 45
    slots = {path.name.split("-")[1] for path in tmp_path.iterdir()}
    assert len(slots) >= 2
    # what a worker that left was doing is done again
    assert 45 <= len(list(tmp_path.iterdir())) <= 49


def test_a_benchmark_class_of_ones_own_in_a_file_reaches_the_slots(tmp_path, snas):
    file = tmp_path / "mine.py"
    file.write_text(
        "from tests.runs.delayed import Delayed\n"
        "class Mine(Delayed):\n"
        "    pass\n"
        f"MINE = Mine({TABLE!r}, jitter=0.01)\n"
    )
    found = snas(
        "search", f"{file}:MINE", "random", "--budget", 4, "--parallel", 2, "--json"
    )
    assert found.code == 0, found.err
    assert len(found.json["trials"]) == 4
