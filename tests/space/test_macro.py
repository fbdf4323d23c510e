"""The macro space of convolution stacks: its cells, its exact sizes, its training, and every
strategy on it.
"""

import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.live import LiveBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.space import macro
from tests.networks import SMALL

SPACE = macro()
SPEC = f"{Path(__file__).parents[1].joinpath('tiny_task.py')}:TINY/macro"


def cell(layers, channels):
    return SPACE.parse(f"conv_stack(layers={layers}, channels={channels})")


def test_what_is_wrong_with_a_string_is_told():
    with pytest.raises(UserError, match=r"reads conv_stack\(layers=1, channels=4\)"):
        SPACE.parse("conv_stack(channels=16, layers=3)")
    with pytest.raises(
        UserError, match="layers of the space macro is one of 1, 2, 3, 4, 6, 8, not '5'"
    ):
        SPACE.parse("conv_stack(layers=5, channels=16)")
    with pytest.raises(
        UserError, match="channels of the space macro is .*32, not '016'"
    ):
        SPACE.parse("conv_stack(layers=3, channels=016)")


def test_the_image_is_halved_after_each_third_of_the_layers():
    places = {}
    for n in (1, 2, 3, 4, 6, 8):
        layers = SPACE.blueprint(cell(n, 4), SMALL).layers
        convolutions = [layer for layer in layers if layer.kind == "convolution"]
        places[n] = [
            i
            for i, one in enumerate(convolutions)
            if layers[one.sources[0]].kind == "average"
        ]
    assert places == {1: [], 2: [1], 3: [1, 2], 4: [2, 3], 6: [2, 4], 8: [3, 6]}


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    return load(f"live:{SPEC}")


def test_the_live_benchmark_is_of_this_space(bench, tmp_path):
    assert bench.name == f"live:{SPEC}" and bench.space is SPACE
    assert [m.name for m in bench.metrics if not m.epochs] == [
        "params",
        "macs",
        "layers",
        "channels",
    ]
    with pytest.raises(UserError, match="metric"):
        bench.query(SPACE[0], "depth")
    assert (
        bench.query(cell(3, 16), "params") == 5018
        and bench.query(cell(3, 16), "layers") == 3
    )
    assert bench.fingerprint != LiveBenchmark(SPEC.removesuffix("/macro")).fingerprint
    answer = bench.query(SPACE[3], "valid_loss")
    thawed = pickle.loads(pickle.dumps(bench))
    assert thawed.space is SPACE and thawed.query(SPACE[3], "valid_loss") == answer
    (file,) = (tmp_path / "live").iterdir()
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM answers").fetchone() == (1,)
