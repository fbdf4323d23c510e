"""Analytic metrics: the published numbers exactly, and a count by hand of every convolution's
shape.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from surrogate_nas.space import nb201
from surrogate_nas.space.nb201 import (
    ANALYTIC,
    OPERATIONS,
    sizes,
)
from surrogate_nas.space.network import Network

SPACE = nb201()
NETWORKS = st.builds(
    Network,
    classes=st.integers(1, 200),
    channels=st.integers(1, 8).map(lambda half: 2 * half),
    cells_per_stage=st.integers(0, 5),
    image_size=st.integers(4, 40),
    input_channels=st.integers(1, 4),
)


def test_the_published_numbers_on_cifar10_and_cifar100():
    params, macs = sizes(SPACE.choices[[0, 11, 284]], Network())
    assert params.tolist() == [129306, 802426, 101306]
    assert (macs / 1e6).tolist() == [15.64737, 113.95137, 11.71521]
    assert sizes(SPACE.choices[[0]], Network(classes=100))[1][0] / 1e6 == 15.65322


def convolutions(operations, network):
    """Every convolution built, as (in, out, kernel, output side, has batch normalisation), read off
    the paper.
    """
    side = network.image_size
    width = network.channels
    built = [(network.input_channels, width, 3, side, True)]
    for stage in range(3):
        if stage:
            before = width
            width = 2 * width
            side = -(-side // 2)
            built += [
                (before, width, 3, side, True),
                (width, width, 3, side, True),
                (before, width, 1, side, False),
            ]
        for _ in range(network.cells_per_stage):
            for operation in operations:
                if operation.startswith("nor_conv"):
                    built.append((width, width, int(operation[-1]), side, True))
    return built


@given(st.integers(0, 15624), NETWORKS)
@settings(deadline=None)
def test_parameters_and_macs_are_a_count_of_convolution_shapes(index, network):
    operations = tuple(OPERATIONS[choice] for choice in SPACE[index].choices)
    built = convolutions(operations, network)
    last = 4 * network.channels
    linear = (last + 1) * network.classes
    expected = (
        sum(i * o * k * k + (2 * o if bn else 0) for i, o, k, _, bn in built)
        + 2 * last
        + linear
    )
    macs = sum(i * o * k * k * side * side for i, o, k, side, _ in built) + linear
    assert sizes(SPACE.choices[[index]], network)[0][0] == expected
    assert sizes(SPACE.choices[[index]], network)[1][0] == macs


def test_every_metric_names_its_unit_and_kind():
    for metric, function in ANALYTIC.values():
        assert metric.kind == "search"
        assert metric.description
        assert function(SPACE.choices[:7], Network()).shape == (7,)
        assert metric.epochs == ()
