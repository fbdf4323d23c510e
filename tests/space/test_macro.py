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
from surrogate_nas.contract.trying import TinySpace
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.space import macro, nb201, space_named, space_of
from surrogate_nas.space.network import Network
from surrogate_nas.training import TASKS, train
from surrogate_nas.training.engine import Curve
from tests.conftest import SWIFT_STRATEGIES
from tests.networks import CAUSAL, SHAPES, SMALL, count_macs, inputs, size
from tests.tiny_task import TINY

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


def test_the_space_is_registered() -> None:
    assert space_named("macro") is SPACE is space_of(SPACE[7])
    assert space_of(nb201()[7]) is nb201()
    with pytest.raises(UserError, match="no registered space"):
        space_of(TinySpace()[0])
    with pytest.raises(UserError, match="not a cell of the space macro"):
        SPACE.cell(nb201()[0])


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


def curve_of(curve: Curve) -> list[float]:
    return [
        *(value for values in curve.values.values() for value in values),
        *curve.finals.values(),
    ]


def test_a_stack_trains_twice_alike_whatever_it_is_trained_with() -> None:
    cells = [cell(2, 8), nb201()[11], cell(1, 4)]
    together = train(cells, TINY, epochs=2, at_once=4)
    (alone,) = train([cells[2]], TINY, epochs=2)
    assert [curve.cell for curve in together] == cells
    assert curve_of(together[2]) == curve_of(alone)
    assert alone.values["train_loss"][1] < alone.values["train_loss"][0]
    assert (alone.parameters, alone.multiply_accumulates) == (94, 8 * 8 * 9 * 4 + 50)
    assert curve_of(train([cells[2]], TINY, epochs=2, seed=1)[0]) != curve_of(alone)
    with pytest.raises(UserError, match="no registered space"):
        train([TinySpace()[0]], TINY)


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


def test_its_name_follows_the_task() -> None:
    assert load("live:digits/macro").name == "live:digits/macro"
    assert load("live:digits/nb201") is load("live:digits")
    with pytest.raises(UserError, match="'digits/makro'"):
        load("live:digits/makro")
    assert TASKS["digits"].name == "digits"


def test_every_strategy_is_compared_on_it(bench: sn.Benchmark, tmp_path: Path) -> None:
    made = sn.compare(
        bench.name,
        SWIFT_STRATEGIES,
        objective="valid_loss + 0.1*params",
        subject_to="layers <= 4",
        runs=1,
        budget=14,
        folder=tmp_path / "out",
    )
    assert [len(run.trials) for run in made.runs] == [14] * len(SWIFT_STRATEGIES)
    from surrogate_nas.report import write_report

    assert "conv_stack(layers=" in write_report(made, tmp_path / "out").read_text()


def test_reinforce_learns_on_real_trainings(bench: sn.Benchmark) -> None:
    """Means over 150 cells of its policy's scores: the last third against the first, and against
    random cells.
    """
    objective = sn.Objective("valid_loss + 0.1*params", bench)

    def scores(strategy: str, seed: int) -> list[float]:
        return [
            trial.score
            for trial in sn.search(bench, strategy, objective, budget=150, seed=seed).trials
        ]

    learned, drawn = (
        np.array([scores(name, seed) for seed in range(3)]) for name in ("reinforce", "random")
    )
    last = learned[:, 100:].mean()
    clearly = 0.25 * drawn.std()
    assert last < learned[:, :50].mean() - clearly and last < drawn.mean() - clearly
