"""Trainings of a user that do what they should not, each in a search of others that go on."""

import ctypes
import errno
import os
import resource
import sys
import time
from contextlib import suppress

import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.training import Training
from surrogate_nas.space import ChoiceSpace

BAD = {
    "crashes": "SIGSEGV",
    "leaves": "exit code 7",
    "hangs": "no sign of life for 1 s",
    "prints": "RuntimeError: printed enough",
    "forks": "RuntimeError: report() must be called in the process",
    "leaks": "MemoryError",
    "nan": "valid_error = nan for epoch 1, not a finite number",
    "text": "valid_error = 'good' for epoch 1, not a number",
    "list": "valid_error = [1.0] for epoch 1, not a number",
    "backwards": "it reported epoch 1, but epoch 3 is next",
    "writes": "its worker sent what is no answer",
    "closes": "its worker ended with exit code 0",
    "lowers": "Too many open files",
    "full": "OSError: [Errno 28] No space left on device",
}
SPACE = ChoiceSpace("bad", {"what": (*BAD, "works"), "size": ("1", "2")})


def train(_, trial):  # noqa: C901 - a line or two for each
    what = trial.options["what"]
    match what:
        case "crashes":
            ctypes.string_at(0)
        case "leaves":
            ctypes.CDLL(None)._exit(7)
        case "hangs":
            time.sleep(600)
        case "prints":
            for _ in range(11):
                os.write(1, b"a line of output\n" * 60_000)
            raise RuntimeError("printed enough")
        case "forks":
            if os.fork() == 0:
                trial.report(1, valid_error=1.0)
            os.wait()
            raise RuntimeError(
                "report() must be called in the process in which the training began"
            )
        case "leaks":
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
            leaked = [bytes(1 << 28) for _ in range(64)]
            sys.stderr.write(str(len(leaked)))
        case "nan":
            trial.report(1, valid_error=float("nan"))
        case "text":
            trial.report(1, valid_error="good")
        case "list":
            trial.report(1, valid_error=[1.0])
        case "backwards":
            trial.report(1, valid_error=2.0)
            trial.report(2, valid_error=2.0)
            trial.report(1, valid_error=2.0)
        case "writes":
            for descriptor in range(3, 60):
                with suppress(OSError):
                    os.write(descriptor, b"a line of output, which is long enough\n")
        case "closes":
            os.closerange(0, 60)
        case "lowers":
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        case "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for epoch in range(trial.start + 1, trial.epochs + 1):
        trial.report(epoch, valid_error=50.0 / epoch + float(trial.options["size"]))


@pytest.mark.skipif(
    sys.platform != "linux", reason="it counts on signals and limits of Linux"
)
@pytest.mark.parametrize("what", BAD)
def test_a_bad_training_is_one_line_and_the_others_go_on(what, tmp_path, capfd):
    bench = Training(
        SPACE, train, metrics=["valid_error"], epochs=3, name=f"bad {what}", silence=1.0
    )
    cells = [
        SPACE.cell(f"bad(what={one}, size={size})")
        for one in ("works", what)
        for size in "12"
    ]
    run = sn.search(
        bench,
        "random",
        "valid_error",
        budget=3,
        resources=sn.Resources(parallel=2),
        first=[cells[0], cells[2], cells[1]],
        folder=tmp_path / "run",
    )
    found = {trial.cell.text: trial.failure for trial in run.trials}
    assert found[cells[0].text] == found[cells[1].text] == ""
    failure = found[cells[2].text]
    assert BAD[what] in failure
    assert "\n" not in failure and len(failure) < 500
    printed = "".join(capfd.readouterr())
    assert "Traceback" not in printed
    assert what == "writes" or "a line of output" not in printed
