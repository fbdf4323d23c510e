"""The engine room: every job once, a lost worker costs its job only, and nothing outlives what
asked.
"""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import wait
from pathlib import Path
from threading import Event, Thread

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.engines import Jobs, raise_lost, run_jobs
from surrogate_nas.runtime.worker import NOT_WANTED, Task, code_of, started
from tests.jobs import fail, fallen, sleep


def square(shared, number):
    """A job: its answer, its process and its threads."""
    print("a job may print", number)  # noqa: T201
    return (
        shared + number * number,
        os.getpid(),
        int(os.environ.get("OMP_NUM_THREADS", 0)),
    )


def test_every_job_is_done_once_by_workers_of_one_thread(capfd):
    outcomes = list(run_jobs(partial(square, 100), range(20), workers=2))
    assert sorted(o.job for o in outcomes) == [*range(20)]
    for job, (squared, process, threads) in ((o.job, o.result) for o in outcomes):
        assert squared == 100 + job * job and process != os.getpid() and threads == 1
    printed = capfd.readouterr()
    assert printed.out == "" and "a job may print 3" in printed.err


@pytest.mark.parametrize(("jobs", "workers"), [([4, 5], 1), ([4], 2), ([], 2)])
def test_one_worker_or_one_job_stays_in_this_process(jobs, workers):
    outcomes = list(run_jobs(partial(square, 0), jobs, workers=workers))
    assert [o.job for o in outcomes] == jobs
    assert all(o.result[1] == os.getpid() for o in outcomes)


def test_a_lost_worker_costs_its_job_and_nothing_else():
    outcomes = fallen("processes")
    with pytest.raises(
        UserError, match=r"^Its worker was killed by SIGKILL \(9\)\. Repeat the"
    ):
        assert outcomes[3].result
    with pytest.raises(
        UserError, match="1 job was lost: its worker ended with exit code 7"
    ):
        raise_lost([outcomes[5]])
    raise_lost([])


def test_an_exit_code_is_not_lost_to_a_start_that_reads_it_at_the_same_time(
    monkeypatch,
):
    usual, is_read = forkserver.read_signed, Event()

    def read(stream):
        code = usual(stream)
        is_read.set()
        time.sleep(0.2)
        return code

    process = started(os._exit, 7)
    wait([process.sentinel])
    monkeypatch.setattr(forkserver, "read_signed", read)
    start = Thread(target=started, args=(os._exit, 0))
    start.start()
    assert is_read.wait(60)
    assert code_of(process) == 7
    start.join()


def test_an_exception_of_a_job_is_raised_here_with_its_own_traceback():
    with pytest.raises(UserError, match="no two") as caught:
        list(run_jobs(fail, range(4), workers=2))
    assert any("in fail" in line for line in caught.value.__notes__)


MAIN = """
from surrogate_nas.runtime.engines import run_jobs
class Own:
    def __init__(self, n): self.n = n
jobs = run_jobs(lambda own: Own(own.n + 1), [Own(1), Own(2)], workers=2)
print(sum(outcome.result.n for outcome in jobs))
"""


def test_what_was_defined_in_the_main_program_travels():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", MAIN], capture_output=True, text=True, env=environment
    )
    assert (done.stdout, done.stderr) == ("5\n", "")


def test_workers_share_a_library_that_the_server_has_imported(
    tmp_path,
):
    pytest.importorskip("torch")
    noted = tmp_path / "imported"
    (tmp_path / "once_imported.py").write_text(
        f"import os, torch\nopen({str(noted)!r}, 'a').write(f'{{os.getpid()}} ')\n"
    )
    shared = tuple(
        ("importlib:import_module", name) for name in ("torch", "once_imported")
    )
    words = [sys.executable, "-c", SHARED, str(noted), repr(shared)]
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.stderr == ""
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    imported, threads, drawn, processes = zip(*answers, strict=True)
    assert len({*processes}) == len({*drawn}) == 3 and {*threads} == {2}
    assert all(who == imported[0] and len(who) == 1 for who in imported)
    assert imported[0][0] not in processes


SHARED = """
import ast, json, pickle, sys
from surrogate_nas.runtime.worker import Task, answer, do
from tests.jobs import of_library
task = Task.of(of_library, threads=2, shared=ast.literal_eval(sys.argv[2]))
job = pickle.dumps(sys.argv[1])
for device in ("0", "1", "2"):  # none takes the worker of another
    print(json.dumps(answer(do(task, job, device))))
"""


def test_no_worker_is_one_line():
    with pytest.raises(UserError, match="at least 1"):
        list(run_jobs(fail, [1], workers=0))


def begun(folder, count):
    """The workers of a number of begun jobs; waits for them."""
    while len(found := list(folder.iterdir())) < count:
        time.sleep(0.01)
    return [int(path.name.partition("-")[2]) for path in found]


def gone(process):
    """Whether a process has ended; a zombie has."""
    try:
        return (
            Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
            in "ZX"
        )
    except OSError:
        return True


def test_leaving_the_loop_ends_the_workers(tmp_path):
    jobs = run_jobs(partial(sleep_but_first, tmp_path), range(3), workers=2)
    assert next(iter(jobs)).job == 0
    workers = begun(tmp_path, 2)
    jobs.close()
    assert all(gone(worker) for worker in workers)


def sleep_but_first(folder, number):
    if number:
        sleep(folder, number)


ORPHANS = """
import sys
from functools import partial
from pathlib import Path
from surrogate_nas.runtime.engines import run_jobs
from tests.jobs import sleep
list(run_jobs(partial(sleep, Path(sys.argv[1])), range(2), workers=2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for orphans in /proc")
def test_workers_end_with_their_parent(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHANS, str(tmp_path)], env=environment
    )
    workers = begun(tmp_path, 2)
    parent.kill()
    parent.wait()
    while not all(gone(worker) for worker in workers):  # for ever, if they outlive it
        time.sleep(0.01)


FIRST_JOB = """
import pickle
from surrogate_nas.runtime.worker import Task, do
print("ready", flush=True)
try:
    do(Task.of(len), pickle.dumps([1]))
except KeyboardInterrupt:
    pass
print(do(Task.of(len), pickle.dumps([1, 2]))[0])
"""


@pytest.mark.parametrize("moment", [0.03, 0.07, 0.11])
def test_ctrl_c_while_the_fork_server_starts_does_not_end_it(moment):
    words = [sys.executable, "-c", FIRST_JOB]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate()[0] == "done\n"


LATE = """
from concurrent.futures import Executor, Future

class Answer(Future):
    def result(self, timeout=None):
        raise TimeoutError("nobody is there who would answer")

class Late(Executor):
    def submit(self, *arguments, **named):
        self.answer = Answer()
        return self.answer

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.answer.set_result(None)

def late(address, workers):
    return Late()
"""


def test_what_ends_after_the_close_of_a_cluster_is_not_asked_for_its_answer(tmp_path):
    (tmp_path / "late.py").write_text(LATE)
    jobs = Jobs(f"{tmp_path / 'late.py'}:late")
    future = jobs.submit(Task.of(abs), -3)
    jobs.close()
    assert future.result(60) == NOT_WANTED
