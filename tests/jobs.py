"""Jobs for engines: one that ends its process, one that raises, one that never ends."""

import os
import signal
import time
from pathlib import Path

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.engines import run_jobs


def fall(number):
    """A job that ends its process if its number is 3 or 5."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        os._exit(7)
    return number


def of_library(path):
    """A job: who imported a library, the threads that it has, and what its worker draws."""
    import torch

    imported = [int(number) for number in Path(path).read_text().split()]
    return imported, torch.get_num_threads(), torch.rand(1).item(), os.getpid()


def fallen(engine):
    """The outcomes of eight such jobs on two workers: those that fall cost themselves alone."""
    outcomes = {o.job: o for o in run_jobs(fall, range(8), workers=2, engine=engine)}
    lost = {
        job: outcome.failure for job, outcome in outcomes.items() if outcome.failure
    }
    wanted = {
        3: "its worker was killed by SIGKILL (9)",
        5: "its worker ended with exit code 7",
    }
    assert lost == wanted, lost
    assert all(outcomes[job].result == job for job in {*range(8)} - {*lost})
    return outcomes


def fail(number):
    if number == 2:
        raise UserError("no two")
    return number


def sleep(folder, number):
    """A job that never ends, and says that it began."""
    (folder / f"{number}-{os.getpid()}").touch()
    while True:
        time.sleep(0.01)
