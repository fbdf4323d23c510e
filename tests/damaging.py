"""A training that continues from its checkpoint, and checkpoints with a flipped bit or cut."""

import io
import random
import shutil
from contextlib import redirect_stderr

import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.base import Question
from surrogate_nas.benchmarks.training import Training
from surrogate_nas.files import HOME_VARIABLE

SPACE = sn.ChoiceSpace("net", {"width": (8, 16), "depth": (1, 2)})
CELL = SPACE.at((0, 1))
LOSS = "valid_error"
WHOLE = [64.0 - epoch for epoch in range(1, 10)]
_MOST_SECONDS = 60.0


def train(_cell, trial):
    """Continue from what the checkpoint holds, so that another one gives another error."""
    (trial.folder / "more").mkdir(exist_ok=True)
    state = trial.folder / "more" / "state.txt"
    left = float(state.read_text()) if trial.start else 64.0
    for epoch in range(trial.start + 1, trial.epochs + 1):
        left -= 1
        state.write_text(str(left))
        (trial.folder / "log.txt").write_text("x" * epoch)
        trial.report(epoch, valid_error=left)


def training():
    return Training(SPACE, train, metrics=[LOSS], epochs=9)


def asked(*epochs):
    """The values of the cell after some epochs, and the charge."""
    values, cost = training().measure(
        [CELL], [Question(LOSS, length) for length in epochs]
    )
    return values[0].tolist(), float(cost[0])


def continued(home, *epochs):
    """As `asked`, with a data directory, and the lines on standard error."""
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stderr(io.StringIO()) as errors,
    ):
        patch.setenv(HOME_VARIABLE, str(home))
        values, cost = asked(*epochs)
    return values, cost, errors.getvalue().splitlines()


def flipped_and_cut(folder, n):
    """Flip a bit of a file of a training, or cut it, and continue the training; `n` times.

    Raises:
        AssertionError: A result or a charge is another one, or nothing is said of lost weights.
    """
    continued(folder / "part", 3)
    rng = random.Random(0)
    n_said = 0
    for number in range(n):
        home = shutil.copytree(folder / "part", folder / "damaged")
        files = [path for path in (home / "trainings").rglob("*") if path.is_file()]
        path = rng.choice(sorted(path for path in files if path.stat().st_size))
        content = bytearray(path.read_bytes())
        at = rng.randrange(len(content))
        content[at] ^= 1 << rng.randrange(8)
        path.write_bytes(content if number % 2 else content[:at])
        values, cost, lines = continued(home, *range(1, 10))
        what = (
            f"{path.relative_to(home)}, byte {at}, {'flipped' if number % 2 else 'cut'}"
        )
        assert values == WHOLE, f"{what}: {values}"
        assert 0 < cost < _MOST_SECONDS, f"{what}: {cost} seconds are charged"
        assert len(lines) == (path.name != "reports.jsonl"), f"{what}: {lines}"
        n_said += len(lines)
        shutil.rmtree(home)
    return f"{n} damages: {n_said} dropped with one line, {n - n_said} of reports alone"
