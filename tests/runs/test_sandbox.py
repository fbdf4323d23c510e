"""A user's strategy harms nobody but itself: it runs in a process of its own, and what it did is
told in a line.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.process import VARIABLES
from surrogate_nas.objective import Objective
from surrogate_nas.results.api import compare
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.runner import Experiment
from surrogate_nas.runs.sandbox import (
    Flags,
    as_json,
    from_json,
    inspect_strategy,
    own_cells,
    sandboxed,
)
from surrogate_nas.runtime.user_code import StrategyError
from surrogate_nas.space import Cell
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import resolve, strategy_entry
from tests import hostile_strategies
from tests.hostile_strategies import HARMFUL, HARMLESS, PLACED

FILE = hostile_strategies.__file__
EPOCHS = (12, 200)
LINES = Path(FILE).read_text().splitlines()


@pytest.fixture(scope="module")
def objective(analog):
    return Objective("digital_error + 0.02*params", analog)


def run_of(strategy, objective, budget=14, limit=60.0):
    return Experiment(
        objective, [strategy], 1, Budget(budget), call_limit=limit
    ).execute()[0]


def told(run):
    return [(trial.cell.text, trial.score) for trial in run.trials]


SHARING = '''"""A strategy that refuses to compute the points of its space."""

from surrogate_nas.strategies.bo.pool import whole
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation


class Sharing(BayesianOptimisation):
    def __init__(self, space, *, seed):
        misses = whole.cache_info().misses
        super().__init__(space, seed=seed)
        assert whole.cache_info().misses == misses
'''


def test_runs_of_a_users_bo_share_the_points_of_the_space(objective, tmp_path):
    (tmp_path / "mine.py").write_text(SHARING)
    run = run_of(f"{tmp_path}/mine.py:Sharing", objective)
    assert not run.failure and len(run.trials) == 14


@pytest.fixture(scope="module")
def alone(analog):
    """The trials of a strategy of ours that nobody stands beside."""
    return compare(analog, ["evolution"], runs=1, budget=14).runs[0].trials


@pytest.mark.parametrize("harmful", HARMFUL, ids=lambda harmful: harmful.__name__)
def test_what_a_strategy_does_to_its_process_is_its_own_failure(
    harmful, alone, analog, tmp_path, capfd
):
    name = harmful.__name__
    limit = 0.4 if "0.4 s" in HARMFUL[harmful] else 60.0
    made = compare(
        analog,
        [f"{FILE}:{name}", "evolution"],
        runs=1,
        budget=14,
        folder=tmp_path,
        resources=sn.Resources(call_limit=limit),
    )
    (failure,) = made.failures
    assert (
        failure.startswith(f"Strategy {name} failed in run 0: ")
        and HARMFUL[harmful] in failure
    )
    assert "\n" not in failure and len(failure) < 800
    assert len(made.runs[0].trials) == (0 if "created" in failure else 10), (
        "it was told the first cells"
    )
    assert made.runs[1].trials == alone
    assert not capfd.readouterr().out
    if name in PLACED:
        number = int(failure.rstrip(").").rpartition(":")[2])
        assert PLACED[name] in LINES[number - 1]
        assert f"line {number}" in (tmp_path / "failures" / f"{name}-0.txt").read_text()


@pytest.mark.parametrize("harmless", HARMLESS, ids=lambda harmless: harmless.__name__)
def test_what_else_a_strategy_does_changes_nothing(harmless, objective, capfd):
    folder = os.getcwd()
    environment = dict(os.environ)
    run = run_of(f"{FILE}:{harmless.__name__}", objective)
    assert not run.failure
    assert told(run) == told(run_of(f"{FILE}:Quiet", objective))
    assert (os.getcwd(), dict(os.environ)) == (folder, environment)
    assert not capfd.readouterr().out


@pytest.mark.parametrize("leaves", ["LeavesAProcess", "LeavesADetachedProcess"])
def test_a_process_that_a_strategy_leaves_ends_with_its_run(
    leaves, objective, tmp_path, monkeypatch
):
    monkeypatch.setenv("LEFT_BEHIND", str(tmp_path / "left"))
    assert not run_of(f"{FILE}:{leaves}", objective, 12).failure
    left = [int(line) for line in (tmp_path / "left").read_text().split()]
    assert left and not any(_runs(pid) for pid in left)


def _runs(pid):
    """Whether a process is there and no zombie, after a moment to end."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state in "ZX":
            return False
        time.sleep(0.01)
    return True


PARENT = """
import sys
import surrogate_nas as sn
sn.search("analog-cifar10", sys.argv[1], budget=12)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_outlives_a_parent_that_is_killed(tmp_path):
    """The strategy's process tells where it is, and hangs in C with the interpreter's lock."""
    file = tmp_path / "mine.py"
    mark = tmp_path / "mark"
    file.write_text(
        "import os, re\nimport surrogate_nas as sn\nclass Mine(sn.Strategy):\n    def ask(self,"
        " n):\n"
        f"        with open({str(mark)!r}, 'w') as file:\n            file.write(f'{{os.getpid()}}"
        " {os.getppid()} whole')\n        re.match('(x+x+)+y', 'x' * 100)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, f"{file}:Mine"], env=_environment()
    ) as parent:
        while not (mark.exists() and mark.read_text().endswith("whole")):
            assert parent.poll() is None
            time.sleep(0.01)
        parent.kill()
    assert not any(_runs(int(pid)) for pid in mark.read_text().split()[:2])


THREADED = """
import json, os, sys
import surrogate_nas as sn
from threadpoolctl import threadpool_info

class Mine(sn.Strategy):
    def ask(self, n):
        import scipy.linalg, torch
        held = {pool["num_threads"] for pool in threadpool_info()} | {torch.get_num_threads()}
        with open(os.environ["TOLD"], "a") as file:
            print(json.dumps([sorted(held), os.environ["OMP_NUM_THREADS"]]), file=file)
        return [self.space.sample(self.rng)]

if __name__ == "__main__":
    strategy = Mine if sys.argv[1] == "object" else sys.argv[1]
    workers = int(sys.argv[2])
    sn.compare("analog-cifar10", [strategy], runs=workers, budget=12,
               resources=sn.Resources(workers=workers))
"""


@pytest.mark.parametrize(
    ("named", "workers"),
    [
        ("threaded.py:Mine", 1),
        *(
            pytest.param(*more, marks=pytest.mark.slow)
            for more in (("threaded", 2), ("object", 1), ("object", 2))
        ),
    ],
)
def test_a_users_strategy_has_one_thread_whatever_the_machine_has(
    named, workers, tmp_path
):
    (tmp_path / "threaded.py").write_text(THREADED)
    metadata = tmp_path / "threaded-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: threaded\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[surrogate_nas.strategies]\nthreaded = threaded:Mine\n"
    )
    made = subprocess.run(
        [sys.executable, "threaded.py", named, str(workers)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={
            name: value
            for name, value in _environment().items()
            if name not in VARIABLES
        }
        | {"TOLD": str(tmp_path / "told")},
    )
    assert not made.returncode, made.stderr
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert told == [[[1], "1"]] * 2 * workers


def _environment():
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_strategy_detached_ends_with_a_parent_that_is_killed(tmp_path):
    left = tmp_path / "left"
    environment = _environment() | {"LEFT_BEHIND": str(left)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, f"{FILE}:LeavesADetachedProcess"],
        env=environment,
    ) as parent:
        while not (left.exists() and left.read_text().count("\n") >= 2):
            time.sleep(0.01)
        parent.kill()
    while any(
        _runs(int(pid)) for pid in left.read_text().split()
    ):  # for ever, if one outlives it
        time.sleep(0.01)


def test_a_file_that_exits_when_imported_is_refused_in_one_line(analog, tmp_path):
    file = tmp_path / "mine.py"
    for source, says in (
        ("import os; os._exit(5)", "exit code 5"),
        ("raise SystemExit", "SystemExit"),
        ("class Mine: pass", "not a subclass of surrogate_nas.Strategy"),
        ("Other = 3", "defines no Mine"),
        ("(", "SyntaxError"),
    ):
        file.write_text(source)
        with pytest.raises(UserError, match=says) as caught:
            compare(analog, ["random", f"{file}:Mine"], runs=1, budget=12)
        assert "\n" not in str(caught.value)


def test_a_users_file_is_never_imported_here(objective, tmp_path):
    file = tmp_path / "never_here.py"
    source = (
        "import surrogate_nas as sn\nclass Mine(sn.Strategy):\n    def ask(self, n):\n"
    )
    file.write_text(f"{source}        return [self.space.sample(self.rng)]\n")
    assert not run_of(f"{file}:Mine", objective).failure
    assert not [name for name in sys.modules if "never_here" in name]


def test_sandboxed_or_not_the_same_seed_asks_for_the_same_cells(space):
    class Ours(resolve("evolution")):
        pass

    for strategy in ("evolution", resolve("evolution")):
        assert strategy_entry(strategy).is_trusted
    for theirs in (Ours, f"{FILE}:Quiet"):
        assert not strategy_entry(theirs).is_trusted
    asked = []
    for strategy in ("evolution", Ours):
        made = sandboxed(strategy_entry(strategy), space, seed=5, limit=60)
        cells = []
        for index in range(40):
            cells += made.ask(1)
            cell = cells[-1]
            made.tell(
                [Trial(index, cell, float(cell.index), 0.0, 0.0, True, None, 1.0)]
            )
        asked.append(cells)
        assert made.seconds > 0
    assert asked[0] == asked[1]
    assert all(cell is space[cell.index] for cell in asked[1])


def test_a_class_of_a_function_or_a_script_is_sandboxed(objective, tmp_path):
    step = 3

    class Local(sn.Strategy):
        """Its code closes over a local name."""

        def ask(self, n):
            return [self.space.sample(self.rng) for _ in range(step)][:n]

    assert len(run_of(Local, objective).trials) == 14
    script = tmp_path / "script.py"
    script.write_text(
        "import surrogate_nas as sn\nclass Mine(sn.Strategy):\n    def ask(self, n):\n"
        "        return [self.space.sample(self.rng)]\n"
        "print(len(sn.search('analog-cifar10', Mine, budget=12).trials))\n"
    )
    made = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=600,
    )
    assert (made.stdout, made.returncode) == ("12\n", 0), made.stderr


def test_a_class_that_cannot_be_sent_says_so_in_one_line(objective):
    lock = threading.Lock()

    class Mine(sn.Strategy):
        held = lock

        def ask(self, n):
            return [self.space.sample(self.rng)][:n]

    failure = run_of(Mine, objective).failure
    assert (
        "Mine cannot be sent to a process of its own" in failure and "\n" not in failure
    )


def test_what_is_known_reaches_those_who_use_it(space):
    class Curious(sn.Strategy):
        uses_free = True
        batch_size = 3
        free: Any = None

        def ask(self, n):
            return [self.space.parse(self.free["cell"])] * n

    class Chooser(sn.Strategy):
        chooses_epochs = True

        def ask(self, n):
            return [Request(self.space.sample(self.rng), 12, ("train_loss",))] * min(
                n, 1
            )

    settings = {"free": {"cell": space[77].text}, "epochs": EPOCHS, "objectives": 2}
    made = sandboxed(
        strategy_entry(Curious), space, seed=0, limit=60, settings=settings
    )
    assert made.flags == Flags(3, uses_free=True) and made.flags.batch_size == 3
    assert made.ask(3) == [space[77]] * 3
    made = sandboxed(
        strategy_entry(Chooser), space, seed=0, limit=60, settings=settings
    )
    (request,) = made.ask(3)
    assert request == Request(space.cell(request.cell), 12, ("train_loss",))
    assert inspect_strategy(strategy_entry(Chooser)) == Flags(chooses_epochs=True)
    assert inspect_strategy(strategy_entry(f"{FILE}:Quiet")) == Flags()


@pytest.mark.parametrize(
    "sent", [None, 3, {"cell": 1}, [None], ["x", 12], "{0}~", ["{0}", "12", []]]
)
def test_what_a_file_of_answers_holds_is_believed_in_nothing(sent, space):
    content = json.loads(json.dumps(sent).replace("{0}", space[3].text))
    with pytest.raises((UserError, ValueError)):
        from_json(content, space)


def test_requests_survive_the_way(space):
    asked = [space[1], Request(space[2], 12, ("train_loss",))]
    sent = json.loads(json.dumps([*map(as_json, asked)]))
    read = [from_json(one, space) for one in sent]
    assert own_cells(read, 2, space, EPOCHS) == read == asked
    with pytest.raises(StrategyError, match="declare chooses_epochs"):
        own_cells(read, 2, space)
    with pytest.raises(StrategyError, match="not one of 12, 200"):
        own_cells([Request(space[2], "many")], 1, space, EPOCHS)


@pytest.mark.parametrize("index", [-1, 9930, 10**9])
def test_the_index_of_a_users_cell_is_never_believed(index, space):
    """Nor the choices, where they are those of another cell."""
    (found,) = own_cells([Cell(space[3].choices, space[3].text, index)], 1, space)
    assert found is space[3]
    with pytest.raises(StrategyError, match="not a cell of nb201"):
        own_cells([Cell(space[4].choices, space[3].text, index)], 1, space)


@pytest.mark.parametrize("limit", [math.nan, math.inf, 0, None])
def test_a_limit_that_is_none_is_refused_by_name(limit, analog):
    with pytest.raises(UserError, match="call_limit"):
        sn.Resources(call_limit=limit)
