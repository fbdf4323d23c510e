"""The network: exact sizes, functionally equal cells, live-only twins, causality, and many stacked
as one.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from surrogate_nas.space import choices_of, drawn_cells, nb201, space_named
from surrogate_nas.space.network import Blueprint, Network
from surrogate_nas.space.network.module import BlueprintModule
from tests.networks import CAUSAL, SHAPES, SMALL, Published, count_macs, inputs, size

SPACE = nb201()
ALL_SHAPES = pytest.mark.parametrize("network", SHAPES.values(), ids=SHAPES)


BUILT = pytest.mark.parametrize(
    "name", ["nb201", "macro", "nats-size", "darts", "nasnet", "nb101"]
)


def some_cells(n, seed=0):
    rng = np.random.default_rng(seed)
    return [SPACE[int(i)] for i in rng.choice(len(SPACE), n, replace=False)]


@pytest.mark.parametrize(
    ("index", "params", "macs"),
    [(0, 129306, 15647370), (11, 802426, 113951370), (284, 101306, 11715210)],
)
def test_the_official_networks(index, params, macs, monkeypatch):
    model = nb201().build(SPACE[index], Network(), seed=0)
    assert size(model) == params
    assert count_macs(model, monkeypatch) == macs


@BUILT
@ALL_SHAPES
def test_sizes_of_built_networks_are_the_columns(name, network, monkeypatch):
    space = space_named(name)
    deeper = replace(network, cells_per_stage=2)
    cells = [
        space.reference,
        *drawn_cells(space, 2, seed=network.dimensions + network.causal),
    ]
    for cell, macro in zip(cells, (network, deeper, network), strict=True):
        model = space.build(cell, macro, seed=0)
        params, macs = (
            space.analytic[metric][1](choices_of([cell]), macro)[0]
            for metric in ("params", "macs")
        )
        assert size(model) == params
        with monkeypatch.context() as patched:
            assert count_macs(model, patched) == round(1e6 * macs)


@BUILT
def test_the_future_does_not_change_past_answers(name):
    space = space_named(name)
    x = inputs(CAUSAL)
    changed = x.clone()
    changed[..., 7:] += 1
    for cell in (space.reference, *drawn_cells(space, 5)):
        model = space.build(cell, CAUSAL, seed=0).double().eval()
        assert torch.equal(model(x)[..., :7], model(changed)[..., :7])
    model = space.build(space.reference, CAUSAL, seed=0).double().eval()
    assert not torch.equal(model(x)[..., 7:], model(changed)[..., 7:])


@ALL_SHAPES
@pytest.mark.parametrize("residual", [True, False])
def test_a_network_computes_and_learns_what_is_published(network, residual):
    network = replace(network, residual=residual, cells_per_stage=2)
    for cell in some_cells(2, seed=1):
        model = nb201().build(cell, network, seed=4).double()
        x = inputs(network)
        answers = model(x)
        reference = Published(
            SPACE.graph(cell), network, dict(model.named_parameters())
        )(x)
        torch.testing.assert_close(answers, reference)
        weights = list(model.parameters())
        gradients = [
            torch.autograd.grad(one.square().sum(), weights, materialize_grads=True)
            for one in (answers, reference)
        ]
        torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-8)


def pooled(shape, *, halved, causal=False):
    """A network of one pooling."""
    plan = Blueprint(
        replace(CAUSAL, causal=causal, dimensions=2 if shape[0] > 1 else 1)
    )
    x = plan.input((3, *shape))
    if halved:
        plan.halve(x)
    else:
        plan.pool(x)
    return BlueprintModule(plan, {})


@pytest.mark.parametrize("shape", [(14, 14), (7, 7), (4, 4), (3, 2), (1, 9), (1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pooling_is_pytorchs(shape, layout):
    x = (
        torch.randn(2, 3, *shape, dtype=torch.float64)
        .to(memory_format=layout)
        .requires_grad_()
    )
    kernel, pad, pair = (
        ((3, 3), (1, 1), (2, 2)) if shape[0] > 1 else ((1, 3), (0, 1), (1, 2))
    )
    for ours, theirs in [
        (
            pooled(shape, halved=False)(x),
            F.avg_pool2d(x, kernel, 1, pad, count_include_pad=False),
        ),
        (pooled(shape, halved=True)(x), F.avg_pool2d(x, pair, pair, ceil_mode=True)),
    ]:
        g = torch.randn_like(theirs)
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(
            torch.autograd.grad(ours, x, g), torch.autograd.grad(theirs, x, g)
        )


@ALL_SHAPES
def test_dead_operations_change_no_output(network):
    x = inputs(network, dtype=torch.float32)
    smaller = 0
    for cell in some_cells(15):
        full, live = (
            nb201().build(cell, network, seed=5, live_only=only)
            for only in (False, True)
        )
        smaller += size(live) < size(full)
        assert live.plan.graph == SPACE.graph(cell, live_only=True)
        assert torch.equal(full(x), live(x))
    assert smaller > 2


TWINS = [  # a skip contracted; a pooling of a sum as a sum of poolings
    (
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|",
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|avg_pool_3x3~1|none~2|",
    ),
    (
        "|nor_conv_3x3~0|+|skip_connect~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|",
        "|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|avg_pool_3x3~1|none~2|",
    ),
]


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_functionally_equal_cells_compute_the_same(one, other):
    cells = SPACE.parse(one), SPACE.parse(other)
    assert SPACE.classes[cells[0].index] == SPACE.classes[cells[1].index]
    a, b = (nb201().build(cell, SMALL, seed=1).double() for cell in cells)
    torch.testing.assert_close(a(inputs(SMALL)), b(inputs(SMALL)))


@pytest.mark.parametrize(
    "network", [*SHAPES.values(), replace(SMALL, positions=True, image_size=4)]
)
def test_answers_stand_at_the_positions_of_the_last_stage(network):
    answers = nb201().build(SPACE[11], network, seed=0).double()(inputs(network))
    size = (
        network.image_size
        if network.causal or not network.strided
        else -(-network.image_size // 4)
    )
    places = (size,) * network.dimensions if network.positions else ()
    assert answers.shape == (3, network.classes, *places)
    assert network.answers == answers[0, 0].numel()


def test_a_network_is_told_and_read_as_older_files_told_it():
    for network in SHAPES.values():
        assert Network.of(network.settings) == network
        assert set(network.settings) - set(CAUSAL.settings) == {
            name
            for name, changed in [
                ("positions", network.positions),
                ("strided", not network.strided),
            ]
            if changed and not network.causal
        }
    assert CAUSAL == replace(CAUSAL, positions=True, strided=False)
    for wrong in (
        [3],
        {"classes": 3},
        {**SMALL.settings, "strided": 1},
        {**SMALL.settings, "mood": 1},
    ):
        with pytest.raises(ValueError, match="network"):
            Network.of(wrong)


def test_seeds_and_names_give_the_initial_weights():
    one, same, other = (
        nb201().build(SPACE[11], SMALL, seed=seed) for seed in (0, 0, 1)
    )
    layers = [model.stem for model in (one, same, other)]
    assert torch.equal(layers[0].weight, layers[1].weight)
    assert not torch.equal(layers[0].weight, layers[2].weight)
    convolutions = [w for w in one.parameters() if w.dim() == 4]
    assert len({w.flatten()[0].item() for w in convolutions}) == len(convolutions)
    assert all(w.abs().max() <= w[0].numel() ** -0.5 for w in convolutions)
