"""The engine: the same curve stacked or alone, twice for a seed; finite when it diverges, smaller
without memory.
"""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import ChoiceSpace, macro, nb201
from surrogate_nas.space.nb201 import sizes
from surrogate_nas.space.network import Blueprint
from surrogate_nas.training import TASKS, train
from surrogate_nas.training.engine import TorchModel, _Run
from surrogate_nas.training.fast.network import CompiledModel
from surrogate_nas.training.machine import keep_memory
from surrogate_nas.training.trainers import Trainer
from tests.conftest import FULL
from tests.few_digits import TINY
from tests.pairs_space import Pairs

SPACE = nb201()
CELLS = [SPACE[i] for i in (11, 284, 5, 0, 6111, 777)]


def numbers(curve):
    return np.array([*np.concatenate([*curve.values.values()]), *curve.finals.values()])


def test_stacked_curves_are_those_of_training_alone():
    # Sums in another order differ by about 1e-7 in a step and grow as training amplifies them:
    # after 4 steps 1e-3 holds where two seeds differ by more than 1e-2. Equality of the mathematics
    # is tested in float64.
    alone = train(CELLS[:3], TINY, epochs=2, at_once=1)
    stacked = train(CELLS[:3], TINY, epochs=2, at_once=2)
    other = train(CELLS[:3], TINY, epochs=2, at_once=2, seed=1)
    for one, many, another in zip(alone, stacked, other, strict=True):
        assert one.cell == many.cell
        assert np.allclose(
            one.values["train_loss"], many.values["train_loss"], rtol=1e-3
        )
        assert np.allclose(
            one.values["valid_loss"], many.values["valid_loss"], rtol=1e-2
        )
        assert not np.allclose(
            one.values["train_loss"], another.values["train_loss"], rtol=1e-2
        )


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_seed_gives_the_same_curve_twice(at_once):
    first, second = (
        train(CELLS[:3], TINY, epochs=2, at_once=at_once, seed=7) for _ in range(2)
    )
    for one, two in zip(first, second, strict=True):
        assert np.array_equal(numbers(one), numbers(two))


def test_dead_operations_change_no_answer():
    cell = SPACE.parse(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|none~2|"
    )
    answers = []
    for only in (False, True):
        plan = SPACE.blueprint(cell, TINY.network(), live_only=only)
        assert plan is not None
        model = CompiledModel(plan, TINY, seed=0)
        trainer = Trainer(TINY, TINY.data, seed=0)
        for batch in trainer.batches(0, model.predict):
            model.step(*batch, trainer.loss_and_gradient, 0.1)
        answers.append(model.predict(TINY.data["valid"].inputs))
    assert np.array_equal(*answers)


def test_a_curve_carries_its_record():
    told = []
    curves = train(
        CELLS[:3],
        TINY,
        epochs=2,
        at_once=2,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(2, 3), (3, 3)]
    assert [curve.cell for curve in curves] == CELLS[:3]
    for curve in curves:
        choices = SPACE.choices[[curve.cell.index]]
        assert curve.parameters == sizes(choices, TINY.network())[0][0]
        assert curve.multiply_accumulates == sizes(choices, TINY.network())[1][0]
        assert (curve.task, curve.epochs, curve.seed, curve.device, curve.note) == (
            "tiny",
            2,
            0,
            "cpu",
            "",
        )
        assert len(curve.values["train_loss"]) == len(curve.values["valid_error"]) == 2
        assert curve.seconds > 0
        assert curve.metrics["test_loss"] == curve.finals["test_loss"] > 0
    assert math.isnan(
        train(CELLS[:1], TINY, epochs=1, test=False)[0].finals["test_loss"]
    )


@pytest.mark.parametrize("at_once", [1, 3])
def test_divergence_is_a_finite_worst_score_with_a_note(at_once):
    wild = replace(TINY, schedule=replace(TINY.schedule, learning_rate=1e30))
    for curve in train(CELLS[:3], wild, epochs=2, at_once=at_once):
        assert np.isfinite(numbers(curve)).all()
        assert curve.note.startswith("diverged in epoch 1")
        assert (
            curve.values["valid_loss"][-1]
            == wild.worst_loss
            == pytest.approx(10 * math.log(10))
        )


def test_memory_running_out_halves_the_stack(monkeypatch):
    tried = []
    call = _Run.__call__

    def limited(run, cells):
        tried.append(len(cells))
        if len(cells) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return call(run, cells)

    monkeypatch.setattr(_Run, "__call__", limited)
    curves = train(CELLS, TINY, epochs=1, at_once=6)
    assert tried == [6, 3, 2, 2, 2]
    assert [curve.cell for curve in curves] == CELLS


def test_one_cell_too_large_is_told(monkeypatch):
    def full(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(_Run, "__call__", full)
    with pytest.raises(UserError, match="Out of memory on cpu with a single cell"):
        train(CELLS, TINY, epochs=1, at_once=4)


def test_other_errors_are_not_swallowed(monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(_Run, "__call__", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(CELLS, TINY, epochs=1)


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "meta", "nonsense"])
def test_an_unknown_device_is_told(device):
    with pytest.raises(UserError, match="device"):
        train(CELLS, TINY, device=device)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"epochs": 0}, "epochs must be a whole number from 1 to 100,000, not 0"),
        ({"at_once": 0}, "at once must be a whole number of at least 1"),
        ({"threads": 0}, "threads must be a whole number of at least 1"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"epochs": 10**30}, "epochs must be a whole number from 1 to 100,000"),
        ({"epochs": "2"}, "epochs must be a whole number"),
        ({"seed": float("nan")}, "seed must be a whole number"),
    ],
)
def test_numbers_that_are_wrong_are_told(bad, says):
    with pytest.raises(UserError, match=says):
        train(CELLS, TINY, **bad)


def test_cells_of_a_space_that_is_given_need_no_registration():
    space = Pairs()
    cells = [*space][:2]
    curves = train(cells, TINY, epochs=1, space=space)
    assert [curve.parameters for curve in curves] == [640, 650]
    assert all(
        math.isnan(curve.multiply_accumulates) and 0 < curve.finals["test_loss"] < 10
        for curve in curves
    )
    with pytest.raises(UserError, match="not belong to a registered space"):
        train(cells, TINY, epochs=1)
    with pytest.raises(UserError, match="cannot be built and trained"):
        bare = ChoiceSpace("bare", {"a": range(3)})
        train([bare.at([0])], TINY, epochs=1, space=bare)


class Wide(ChoiceSpace):
    """A user's space with a blueprint, without formulas for sizes."""

    name = "wide"
    positions = ("channels",)
    options = (("2", "4"),)

    def blueprint(self, cell, network, **_):
        plan = Blueprint(network)
        channels = int(self.options[0][cell.choices[0]])
        plan.answer(plan.convolution_bn(plan.input(), "only", channels, 1, relu=False))
        return plan


def test_sizes_without_a_formula_are_counted_in_the_blueprint():
    space = Wide()
    (curve,) = train([space.at([0])], TINY, epochs=1, space=space)
    assert curve.parameters == 2 + 2 * 2 + 2 * 10 + 10
    assert curve.multiply_accumulates == 64 * 2 + 2 * 10 + 10


def test_cells_of_several_spaces_are_trained_together():
    cells = [SPACE[11], macro()[0]]
    together = train(cells, TINY, epochs=1)
    for cell, curve in zip(cells, together, strict=True):
        assert np.array_equal(numbers(curve), numbers(train([cell], TINY, epochs=1)[0]))


def test_threads_are_set_and_restored():
    before = torch.get_num_threads()
    during = []
    train(
        CELLS[:1],
        TINY,
        epochs=1,
        threads=2,
        progress=lambda *_: during.append(torch.get_num_threads()),
    )
    assert during == [2]
    assert torch.get_num_threads() == before
    assert keep_memory() in (True, False)


def test_pytorch_that_is_loaded_while_training_has_the_cores_of_the_training():
    code = """
import sys
from surrogate_nas.training.machine import cores, loaded
with cores(3):
    assert "torch" not in sys.modules
    import torch
    before = torch.get_num_threads()
    assert loaded() is torch and torch.get_num_threads() == 3
    with cores(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 3
print(before == torch.get_num_threads() != 3)
"""
    made = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert made.stdout.strip() == "True"


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_a_step_is_that_of_pytorchs_optimiser(momentum, decay):
    # in single precision the input of a ReLU can be so near to 0 that rounding decides its gradient
    networks = [
        SPACE.build(CELLS[1], TINY.network(), seed=0).double() for _ in range(2)
    ]
    schedule = replace(TINY.schedule, momentum=momentum, weight_decay=decay)
    model, (images, targets) = (
        TorchModel(networks[:1], replace(TINY, schedule=schedule), "cpu"),
        TINY.data["valid"],
    )
    inputs = images.astype(np.float64)
    optimiser = torch.optim.SGD(
        networks[1].parameters(),
        lr=0.1,
        momentum=momentum,
        weight_decay=decay,
        nesterov=momentum > 0,
    )
    for _ in range(3):
        losses, _ = model.step(inputs, targets, TINY.trained.loss_and_gradient, 0.1)
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            networks[1](torch.from_numpy(inputs)), torch.from_numpy(targets)
        )
        loss.backward()
        optimiser.step()
        assert losses.item() == pytest.approx(loss.item(), rel=1e-12)
    for ours, theirs in zip(
        *(network.parameters() for network in networks), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_cell_without_a_way_from_its_input_is_attacked_in_vain_by_pytorchs_engine_too() -> (
    None
):
    task = TASKS["digits"]
    built = SPACE.build(
        SPACE.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"),
        task.network(),
        seed=0,
    )
    inputs = task.data["valid"].inputs[:4]
    assert (
        not TorchModel([built], task, "cpu").input_gradient(inputs, np.ones_like).any()
    )


@pytest.mark.slow
def test_the_compiled_engine_is_no_better_and_no_worse_than_pytorchs(monkeypatch):
    rng = np.random.default_rng(7)
    cells = [
        SPACE[int(i)]
        for i in rng.choice(len(SPACE), 200 if FULL else 30, replace=False)
    ]

    def trained():
        return [
            train([cell], TASKS["digits"], epochs=3, seed=i)[0]
            for i, cell in enumerate(cells)
        ]

    def plain(run, cells):
        return TorchModel(
            [
                SPACE.build(cell, run.network, seed=run.seed, live_only=True)
                for cell in cells
            ],
            run.task,
            "cpu",
        )

    compiled = trained()
    monkeypatch.setattr(_Run, "_model", plain)
    reference = trained()
    for name in ("train_loss", "valid_loss", "valid_error", "test_loss"):
        ours, theirs = (
            np.array([curve.metrics[name] for curve in curves])
            for curves in (compiled, reference)
        )
        off = ours - theirs
        assert abs(off.mean()) < 4 * off.std(ddof=1) / np.sqrt(len(off)), name
        assert np.median(np.abs(off)) < 0.01 * np.median(theirs), name
        assert kendalltau(ours, theirs)[0] > 0.9, name


@pytest.mark.parametrize("at_once", [1, 2])
def test_points_within_an_epoch_change_no_other_number(at_once):
    space, task = nb201(), TASKS["digits"]
    cells = [space[11], space[1000]]
    plain = train(cells, task, epochs=2, at_once=at_once)
    curves = train(cells, task, epochs=2, at_once=at_once, shares=(0.25, 0.5, 1))
    for curve, other in zip(curves, plain, strict=True):
        assert curve.metrics == other.metrics and curve.values == other.values
        assert curve.points[0.5] == {
            **{name: values[0] for name, values in curve.values.items()},
            **{
                name: curve.points[0.5][name]
                for name in curve.points[0.5]
                if "test" in name
            },
        }
        assert curve.points[1]["test_error"] == curve.finals["test_error"]
        assert curve.points[0.25]["train_loss"] > curve.values["train_loss"][0]
    with pytest.raises(UserError, match="share of the run"):
        train(cells, task, shares=[0])


def test_a_cells_own_weight_decay_is_that_of_a_tasks_schedule():
    cells = [nb201()[11], nb201()[1000]]
    decays = dict(zip(cells, (0.0, 0.02), strict=True))
    curves = train(cells, TINY, at_once=2, weight_decay=decays.get)
    for cell, curve in zip(cells, curves, strict=True):
        schedule = replace(TINY.schedule, weight_decay=decays[cell])
        (alone,) = train([cell], replace(TINY, schedule=schedule))
        assert curve.metrics == alone.metrics
    assert curves[1].metrics != train(cells[1:], TINY)[0].metrics
    with pytest.raises(UserError, match="weight_decay .* at least 0, not -1"):
        train(cells, TINY, weight_decay=lambda _: -1)
