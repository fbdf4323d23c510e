"""The golden files under other kernels of OpenBLAS: they sum in other orders, so that numbers
differ in their last digits, and no choice may.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from surrogate_nas.core.process import VARIABLES

TOP = Path(__file__).parents[2]
GOLDEN = ("tests/strategies/test_golden.py", "tests/results/test_golden_studies.py")
WITHOUT = (
    "random or search or improvement or evolution or nsga2 or asha or hyperband or halving"
    " or one_epoch"
)
"""Strategies that sum nothing in OpenBLAS."""
CHILD = """
import sys
import numpy, pytest, scipy.linalg, threadpoolctl
kernel, *arguments = sys.argv[1:]
pools = [pool for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"]
architectures = {pool["architecture"] for pool in pools}
assert architectures == {kernel}
sys.exit(pytest.main(arguments))
"""


def runs(kernel):
    """Whether OpenBLAS computes here, and this processor can execute the kernel."""
    needed = {"SkylakeX": "avx512f", "Haswell": "avx2", "Nehalem": "sse4_2"}
    flags = Path("/proc/cpuinfo")
    return (
        bool(at_work())
        and flags.exists()
        and needed[kernel] in flags.read_text(encoding="utf-8").split()
    )


def at_work():
    """The kernels of this process, under which the golden files are tested anyway."""
    pools = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    return {pool["architecture"] for pool in pools}


@pytest.mark.slow
# Zen has Haswell's
@pytest.mark.parametrize("kernel", ["Haswell", "SkylakeX", "Nehalem"])
def test_golden_files_hold_under_other_kernels(kernel):
    if at_work() == {kernel}:
        pytest.skip("the tests of golden files have these kernels themselves")
    if not runs(kernel):
        pytest.skip(f"OpenBLAS or this processor lacks {kernel}")
    quick = [
        "-q",
        "-m",
        "not slow",
        "-k",
        f"study or (golden_cells and not ({WITHOUT}))",
        "-p",
        "no:cacheprovider",
    ]
    started = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    child = subprocess.run(
        [sys.executable, "-c", CHILD, kernel, *quick, *GOLDEN],
        cwd=TOP,
        env=started | VARIABLES | {"OPENBLAS_CORETYPE": kernel},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stdout + child.stderr
