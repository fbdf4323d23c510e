"""Every loss: values by formulas of papers, and what knowing nothing costs. `test_gradients` holds
values and gradients against PyTorch.
"""

import itertools
import math
from dataclasses import replace

import cloudpickle
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.losses import LOSSES, Loss, fitting, loss_named
from surrogate_nas.training.losses.sequences import aligned, needed

K = 2
BATCH = 3
CLASSES = 4


def randn(*shape, seed=0):
    return torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def numbers(*shape, most=CLASSES):
    return torch.randint(most, shape, generator=torch.Generator().manual_seed(1))


TEXTS = torch.tensor([[1, 1, 2, 0], [3, 1, 0, 0], [2, 0, 0, 0]])
"""The first needs four positions: a blank parts its equal neighbours."""
OUTPUTS = randn(K, BATCH, CLASSES, 6)


def test_an_image_without_objects_costs_objectness_alone():
    outputs = randn(K, BATCH, 1 + CLASSES + 4, 2, 3)
    empty = torch.tensor([-1.0, 0, 0, 0, 0]).expand(BATCH, 2, 5)
    for name in fitting("detection"):
        none = LOSSES[name].each(outputs, empty)
        torch.testing.assert_close(
            none, -F.logsigmoid(-outputs[:, :, 0]).flatten(2).mean(2) / 2
        )


def test_ctc_is_the_sum_over_all_paths():
    each = 6 * LOSSES["ctc"].each(OUTPUTS, TEXTS)
    p = OUTPUTS[0, 0].softmax(0).tolist()
    total = sum(
        math.prod(p[c][t] for t, c in enumerate(path))
        for path in itertools.product(range(CLASSES), repeat=6)
        if decode(path) == [1, 1, 2]
    )
    assert each[0, 0].item() == pytest.approx(-math.log(total))


def decode(path):
    return [c for c, _ in itertools.groupby(path) if c]


def test_the_one_alignment_is_one_of_ctcs_paths():
    written = torch.from_numpy(aligned(TEXTS.numpy(), 6))
    assert written.tolist() == [
        [1, 0, 1, 2, 0, 0],
        [3, 1, 0, 0, 0, 0],
        [2, 0, 0, 0, 0, 0],
    ]
    assert [decode(tuple(row)) for row in written.tolist()] == [[1, 1, 2], [3, 1], [2]]
    expected = (
        -OUTPUTS.log_softmax(2)
        .gather(2, written.expand(K, 1, BATCH, 6).movedim(1, 2))
        .mean(3)
        .squeeze(2)
    )
    one, all_paths = (
        LOSSES[name].each(OUTPUTS, TEXTS) for name in ("aligned_cross_entropy", "ctc")
    )
    torch.testing.assert_close(one, expected)
    assert (one > all_paths).all()


@pytest.mark.parametrize("name", fitting("sequence"))
@pytest.mark.parametrize("positions", [1, 3])
def test_a_target_that_does_not_fit_has_the_worst_loss(name, positions):
    assert needed(TEXTS.numpy()).tolist() == [4, 2, 1]
    outputs = randn(K, BATCH, CLASSES, positions).requires_grad_()
    each = LOSSES[name].each(outputs, TEXTS)
    fits = torch.tensor([n <= positions for n in (4, 2, 1)])
    assert (each[:, ~fits] == LOSSES[name].worst(CLASSES)).all()
    assert (each[:, fits] < 10).all() and each.isfinite().all()
    each.sum().backward()
    assert outputs.grad.isfinite().all()
    assert (outputs.grad.flatten(2).abs().sum(2) > 0).tolist() == [fits.tolist()] * K


def windows_ssim(x, y):
    """The published formula, window by window (Wang et al. 2004, equation 13)."""
    rows, columns = (min(7, side) for side in x.shape)
    values = []
    for i in range(x.shape[0] - rows + 1):
        for j in range(x.shape[1] - columns + 1):
            a, b = (image[i : i + rows, j : j + columns].ravel() for image in (x, y))
            (va, ab), (_, vb) = np.cov(a, b)
            quotients = (2 * a.mean() * b.mean() + 1e-4) / (
                a.mean() ** 2 + b.mean() ** 2 + 1e-4
            )
            values.append(quotients * (2 * ab + 9e-4) / (va + vb + 9e-4))
    return float(np.mean(values))


@pytest.mark.parametrize("sides", [(9, 8), (1, 12), (4, 4)])
def test_the_loss_of_similarity_follows_its_formula(sides):
    outputs = randn(K, BATCH, 1, *sides).sigmoid()
    targets = randn(BATCH, 1, *sides, seed=1).sigmoid()
    for k, b in itertools.product(range(K), range(BATCH)):
        expected = 1 - windows_ssim(outputs[k, b, 0].numpy(), targets[b, 0].numpy())
        assert LOSSES["ssim"].each(outputs, targets)[k, b].item() == pytest.approx(
            expected
        )


@pytest.mark.parametrize("name", fitting("classification"))
@pytest.mark.parametrize("classes", [2, 10, 50])
def test_chance_is_the_loss_of_uniform_answers(name, classes):
    each = LOSSES[name].each(torch.zeros(1, classes, classes), torch.arange(classes))
    assert each[0].tolist() == pytest.approx([LOSSES[name].chance(classes)] * classes)


@pytest.mark.parametrize("name", fitting("regression"))
def test_chance_is_the_loss_of_the_best_constant_answer_to_normal_targets(name):
    quantiles = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    targets = torch.distributions.Normal(0.0, 1.0).icdf(quantiles)
    answers = torch.linspace(-2, 2, 41, dtype=torch.float64)
    outputs = answers[:, None, None].expand(-1, len(targets), 1)
    assert LOSSES[name].each(outputs, targets).mean(1).min().item() == pytest.approx(
        LOSSES[name].chance(1), rel=2e-3
    )


@pytest.mark.parametrize("name", fitting("sequence"))
def test_uniform_answers_cost_chance_where_a_text_fills_all_positions_and_never_more(
    name,
):
    each = LOSSES[name].each(
        torch.zeros(1, 2, CLASSES, 3), torch.tensor([[1, 2, 3], [1, 2, 0]])
    )
    assert each[0, 0].item() == pytest.approx(LOSSES[name].chance(CLASSES))
    assert each[0, 1].item() <= LOSSES[name].chance(CLASSES) + 1e-6


@pytest.mark.parametrize("name", ["l1", "ssim"])
def test_chance_of_images_is_that_of_grey(name):
    targets = numbers(20, 1, 9, 9, most=2).float()
    each = LOSSES[name].each(torch.full((1, 20, 1, 9, 9), 0.5), targets)
    assert each.mean().item() == pytest.approx(LOSSES[name].chance(1), abs=0.15)


def test_every_loss_says_what_it_is():
    for name, loss in LOSSES.items():
        assert loss.name == name and loss.title and loss.unit
        assert 0 < loss.worst(CLASSES) == 10 * loss.chance(CLASSES) < math.inf
    units = {}
    for loss in LOSSES.values():
        units.setdefault(loss.comparable, set()).add(loss.unit)
    assert not {what: found for what, found in units.items() if len(found) > 1}


GOOD = """
from surrogate_nas.training.losses import Loss

MINE = Loss("mine", "a hinge", "margins", ("classification",), lambda o, t: o.sum(2), lambda classes: 1.0, "mine")
NUMBER = 3
"""  # noqa: E501


def test_a_loss_of_ones_own_is_found_in_its_file(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(GOOD)
    assert loss_named(f"{file}:MINE").name == "mine"
    for name, said in {
        "focl": "Did you mean 'focal'",
        f"{file}:NUMBER": "contains no loss NUMBER",
        f"{file}:OTHER": "defines no OTHER",
        f"{tmp_path / 'none.py'}:MINE": "no loss file",
    }.items():
        with pytest.raises(UserError, match=said):
            loss_named(name)


@pytest.mark.parametrize(
    ("each", "said"),
    [
        ("o.nothing()", "loss x failed: AttributeError"),
        (
            "o.sum()",
            r"each network and example, \(2, 3\), not torch.float64 of shape \(\)",
        ),
        ("o.argmax(2)", r"not torch.int64 of shape \(2, 3\)"),
        ("None", "not None"),
        ("o.detach().sum(2)", "has no gradient"),
    ],
)
def test_a_loss_of_ones_own_says_what_it_does_wrong(tmp_path, each, said):
    file = tmp_path / "own.py"
    file.write_text(GOOD.replace("o.sum(2)", each).replace('"mine"', '"x"'))
    outputs = randn(K, BATCH, CLASSES).requires_grad_()
    with pytest.raises(UserError, match=said):
        loss_named(f"{file}:MINE").each(outputs, numbers(BATCH))


@pytest.mark.parametrize("chance", [0.0, -1.0, math.nan, math.inf, None, "high"])
def test_the_loss_of_knowing_nothing_is_a_positive_number(chance):
    wrong = replace(LOSSES["focal"], chance=lambda _: chance)
    with pytest.raises(
        UserError, match="at chance level must be a finite number above 0"
    ):
        wrong.worst(10)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"unit": ""}, "unit of the loss x must be a text"),
        ({"fits": "classification"}, "fits of the loss x must be a tuple of kinds"),
        ({"each": None}, "each of the loss x must be a function"),
        ({"chance": 1.0}, "chance of the loss x must be a function"),
    ],
)
def test_a_wrong_loss_says_what_is_wrong(changed, said):
    each = LOSSES["focal"].each
    right = {
        "name": "x",
        "title": "x",
        "unit": "x",
        "fits": ("language",),
        "each": each,
        "chance": math.log,
    }
    with pytest.raises(UserError, match=said):
        Loss(**{**right, "comparable": "x", **changed})


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_goes_to_another_process(name):
    sent = cloudpickle.loads(cloudpickle.dumps(LOSSES[name]))
    assert sent.name == name and (sent.gradient is None) == (
        LOSSES[name].gradient is None
    )
