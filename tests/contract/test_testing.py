"""The contracts as pytest classes: what keeps one passes, what breaks one fails and says why."""

import subprocess
import sys
from pathlib import Path

from surrogate_nas.contract.checks import TinySpace
from surrogate_nas.contract.spaces import SpaceContract
from surrogate_nas.contract.strategies import StrategyContract
from surrogate_nas.contract.surrogates import SurrogateContract
from surrogate_nas.surrogates.ridge import Ridge
from tests import broken_strategies


class TestGoodStrategy(StrategyContract):
    strategy = broken_strategies.Fine


class TestGoodSpace(SpaceContract):
    space = TinySpace()


class TestGoodSurrogate(SurrogateContract):
    surrogate = Ridge


BROKEN = """
from surrogate_nas.contract.strategies import StrategyContract
from tests.broken_strategies import Fine


class Foreign(Fine):
    def ask(self, n):
        return ["no cell"] * n


class TestForeign(StrategyContract):
    strategy = Foreign
"""


def test_a_broken_strategy_fails_with_the_promise_and_the_hint(tmp_path):
    path = tmp_path / "test_broken.py"
    path.write_text(BROKEN)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        f"--rootdir={tmp_path}",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        "-k",
        "asks_for_one",
        str(path),
    ]
    root = Path(__file__).parents[2]
    outcome = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert outcome.returncode == 1
    assert "which is not a cell of tiny. Get cells from self.space" in outcome.stdout
    assert "3 failed" in outcome.stdout


def test_nothing_else_imports_pytest():
    code = "import sys, surrogate_nas.contract, surrogate_nas.cli; print('pytest' in sys.modules)"
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert outcome.stdout.strip() == "False"
