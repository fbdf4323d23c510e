"""The macro space of convolution stacks: its cells, its exact sizes, its training, and every
strategy on it.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import surrogate_nas as sn
from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.live import LiveBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.space import macro
from surrogate_nas.space.network import Network
from tests.networks import CAUSAL, SHAPES, SMALL, count_macs, inputs, size

SPACE = macro()
SPEC = f"{Path(__file__).parents[1].joinpath('tiny_task.py')}:TINY/macro"


def cell(layers: int, channels: int) -> sn.Cell:
    return SPACE.parse(f"conv_stack(layers={layers}, channels={channels})")


def test_the_cells_print_and_parse() -> None:
    assert len(SPACE) == 36 == len({str(c) for c in SPACE})
    assert str(SPACE[0]) == "conv_stack(layers=1, channels=4)"
    assert str(SPACE[-1]) == "conv_stack(layers=8, channels=32)"
    for i, own in enumerate(SPACE):
        assert (
            SPACE.parse(f" {own}\n") is own is SPACE.cell(own.choices) is SPACE[own.index]
            and own.index == i
        )
        assert SPACE.cell(pickle.loads(pickle.dumps(own))) is own


def test_neighbours_differ_in_one_choice_and_mutation_is_uniform_over_them() -> None:
    centre = cell(3, 16)
    around = SPACE.neighbours(centre)
    assert len(around) == len(set(around)) == 10
    assert all(
        sum(a != b for a, b in zip(centre.choices, c.choices, strict=True)) == 1 for c in around
    )
    rng = np.random.default_rng(5)
    counts = Counter(SPACE.mutate(centre, rng) for _ in range(4000))
    assert set(counts) == set(around) and chisquare(list(counts.values())).pvalue > 1e-3
    drawn = np.bincount([SPACE.sample(rng).index for _ in range(7200)], minlength=36)
    assert chisquare(drawn).pvalue > 1e-3


@given(
    st.one_of(
        st.text(max_size=40),
        st.builds("conv_stack(layers={}, channels={})".format, st.integers(), st.text()),
    )
)
@settings(max_examples=200, deadline=None)
def test_parsing_gives_a_cell_or_a_user_error_of_one_line(text: str) -> None:
    try:
        assert str(SPACE.parse(text)) == text.strip()
    except UserError as error:
        assert "\n" not in str(error)


def test_what_is_wrong_with_a_string_is_told() -> None:
    with pytest.raises(UserError, match=r"reads conv_stack\(layers=1, channels=4\)"):
        SPACE.parse("conv_stack(channels=16, layers=3)")
    with pytest.raises(UserError, match="layers of the space macro is 1, 2, 3, 4, 6, 8, not 5"):
        SPACE.parse("conv_stack(layers=5, channels=16)")
    with pytest.raises(UserError, match="channels of the space macro is .*32, not 016"):
        SPACE.parse("conv_stack(layers=3, channels=016)")


@pytest.mark.parametrize("network", [*SHAPES.values(), Network()], ids=[*SHAPES, "cifar"])
def test_sizes_of_built_networks_are_the_formulas(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {
        name: function(SPACE.choices, network) for name, (_, function) in SPACE.analytic.items()
    }
    for own in SPACE:
        model = SPACE.build(own, network, seed=0)
        assert size(model) == columns["params"][own.index]
        assert count_macs(model, monkeypatch) == round(1e6 * columns["macs"][own.index])
        weights = dict(model.named_parameters())
        assert sum(weight.dim() == 4 for weight in weights.values()) == columns["layers"][own.index]
        assert weights["head.weight"].shape[1] == columns["channels"][own.index]


def test_the_image_is_halved_after_each_third_of_the_layers() -> None:
    places = {}
    for n in (1, 2, 3, 4, 6, 8):
        layers = SPACE.blueprint(cell(n, 4), SMALL).layers
        convolutions = [layer for layer in layers if layer.kind == "convolution"]
        places[n] = [
            i for i, one in enumerate(convolutions) if layers[one.sources[0]].kind == "average"
        ]
    assert places == {1: [], 2: [1], 3: [1, 2], 4: [2, 3], 6: [2, 4], 8: [3, 6]}


def test_the_future_does_not_change_past_answers() -> None:
    model = SPACE.build(cell(3, 4), CAUSAL, seed=0).double().eval()
    x = inputs(CAUSAL)
    changed = x.clone()
    changed[..., 7:] += 1
    assert model(x)[..., :7].equal(model(changed)[..., :7]) and not model(x).equal(model(changed))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sn.Benchmark:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    return load(f"live:{SPEC}")


def test_the_live_benchmark_is_of_this_space(bench: sn.Benchmark, tmp_path: Path) -> None:
    assert bench.name == f"live:{SPEC}" and bench.space is SPACE
    assert [m.name for m in bench.metrics if not m.epochs] == [
        "params",
        "macs",
        "layers",
        "channels",
    ]
    with pytest.raises(UserError, match="metric"):
        bench.query(SPACE[0], "depth")
    assert bench.query(cell(3, 16), "params") == 5018 and bench.query(cell(3, 16), "layers") == 3
    assert bench.fingerprint != LiveBenchmark(SPEC.removesuffix("/macro")).fingerprint
    answer = bench.query(SPACE[3], "valid_loss")
    thawed = pickle.loads(pickle.dumps(bench))
    assert thawed.space is SPACE and thawed.query(SPACE[3], "valid_loss") == answer
    (file,) = (tmp_path / "live").iterdir()
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM answers").fetchone() == (1,)
