"""NATS-Bench's size space: its cells, sizes and network against the official records, and the
import of these.
"""

import bz2
import pickle
import shutil

import pytest
import torch

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import cell_named, space_named
from surrogate_nas.space.network import Network
from surrogate_nas.tables.sources import nats

NATS_SIZE = space_named("nats-size")

FOLDER = "D-X-Y/NATS-Bench/1d4a304ad1906aa5866563438fcbf0d624b7eda2/fake_torch_dir/NATS-sss-v1_0-50262-simple"  # noqa: E501
HELD = (0, 11, 284)
NETWORKS = {
    "cifar10-valid": Network(classes=10),
    "cifar100": Network(classes=100),
    "ImageNet16-120": Network(classes=120, image_size=16),
}


@pytest.fixture(scope="module")
def records(mirror):
    """The records of the mirror, whose files are checked by sha256 elsewhere, read without the code
    under test.
    """
    return {
        i: pickle.loads(
            bz2.decompress((mirror / FOLDER / f"{i:06d}.pickle.pbz2").read_bytes())
        )
        for i in HELD
    }


@pytest.fixture(scope="module")
def tables(mirror):
    return {table.name: table for table in nats.read(mirror / FOLDER)}


@pytest.mark.parametrize(
    ("index", "text"),
    [(0, "8:8:8:8:8"), (11, "8:8:8:16:32"), (32767, "64:64:64:64:64")],
)
def test_cells_print_and_stand_as_the_benchmark_has_them(index, text):
    space = NATS_SIZE
    assert len(space) == 32768
    assert str(space[index]) == text and space.parse(f" {text} ").index == index
    assert cell_named(text) == (space, space[index])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8:8:8:8", "reads 64:64:64:64:64"),
        (
            "8:8:8:8:9",
            "channels5 of the space nats-size is one of 8, 16, .*, 64, not '9'",
        ),
        ("8:8:٨:8:8", "channels3 of the space"),
        ("08:8:8:8:8", "channels1 of the space"),
    ],
)
def test_what_is_no_cell_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        NATS_SIZE.parse(text)


def test_sizes_are_those_of_the_records(records, mirror):
    listed = pickle.loads(
        bz2.decompress((mirror / FOLDER / "meta.pickle.pbz2").read_bytes())
    )["meta_archs"]
    assert listed == [str(cell) for cell in NATS_SIZE]
    for index, record in records.items():
        for dataset, network in NETWORKS.items():
            trial = record["90"]["all_results"][dataset, 777]
            choices = NATS_SIZE.choices[[index]]
            (params,), (macs,) = (
                NATS_SIZE.analytic[name][1](choices, network)
                for name in ("params", "macs")
            )
            assert params == round(1e6 * trial["params"])
            assert macs == pytest.approx(trial["flop"], rel=1e-12)


@pytest.mark.parametrize(
    "network",
    [
        Network(classes=10),
        Network(classes=3, image_size=9, input_channels=1, residual=False),
        Network(classes=4, image_size=33, input_channels=2, dimensions=1),
        Network(classes=5, image_size=16, input_channels=6, dimensions=1, causal=True),
        Network(classes=3, image_size=9, input_channels=1, positions=True),
        Network(
            classes=2, image_size=7, input_channels=1, positions=True, strided=False
        ),
        Network(
            classes=4, image_size=9, input_channels=2, dimensions=1, positions=True
        ),
    ],
)
@pytest.mark.parametrize("text", ["16:16:16:16:16", "8:64:16:24:40"])
def test_the_network_has_the_parameters_and_learns(network, text):
    cell = NATS_SIZE.parse(text)
    made = NATS_SIZE.build(cell, network, seed=0)
    (params,) = NATS_SIZE.analytic["params"][1](
        NATS_SIZE.choices[[cell.index]], network
    )
    assert sum(p.numel() for p in made.parameters()) == params
    height = network.image_size if network.dimensions == 2 else 1
    answers = made(torch.randn(2, network.input_channels, height, network.image_size))
    places = (network.stages[-1][1],) * network.dimensions if network.positions else ()
    assert answers.shape == (2, network.classes, *places)
    answers.sum().backward()
    assert all(p.grad is not None for p in made.parameters())


def test_import_names_the_size_space(snas, mirror, tmp_path):
    imported = snas("data", "import", "nats", mirror / FOLDER, "--json").json
    assert imported["benchmarks"][0] == "nats-size-cifar10"
    shown = snas(
        "query", "nats-size-cifar10", "8:8:40:32:40", "--metric", "params", "--json"
    ).json
    assert shown[0]["value"] == 144834
    half = tmp_path / "NATS-sss-v1_0-50262-simple"
    shutil.copytree(mirror / FOLDER, half)
    torn = half / "000011.pickle.pbz2"
    torn.chmod(0o644)
    torn.write_bytes(torn.read_bytes()[:20_000])
    refused = snas("data", "import", "nats", half)
    assert (
        refused.code == 2
        and "000011.pickle.pbz2 is damaged: it is cut off" in refused.err
    )
    assert refused.err.count("\n") == 1 and not refused.out
