"""HW-GPT-Bench's tables hold what the published files say, repaired."""

import pickle

import numpy as np
import pytest

from surrogate_nas.space import space_named
from surrogate_nas.space.layered import GPT
from surrogate_nas.tables import ColumnKey
from surrogate_nas.tables.sources import fetching, hwgpt

pytestmark = pytest.mark.slow
HWGPT = "automl/HW-GPT-Bench/795cba8124826acc600df1bd2bb516b22f207671"
MEASURED = f"{HWGPT}/data_collection/raw_results_hw"


@pytest.fixture(scope="module")
def own_files(mirror, own_home):
    """A home with the fetched files."""
    assert mirror.is_dir()
    fetching.fetch("hwgpt")
    return own_home


@pytest.fixture(scope="module")
def folders(own_files):
    assert own_files.is_dir()
    found = {}
    for path in fetching.files("hwgpt"):
        found.setdefault(path.parent.name, []).append(path)
    return found


@pytest.fixture(scope="module")
def records(folders):
    """The records by folder, which are checked by sha256, read without the code under test;
    energies apart.
    """
    found = {}
    for folder, paths in folders.items():
        for path in paths:
            name = (
                f"{folder} tracker"
                if "tracker" in path.name and "energy" in path.name
                else folder
            )
            found.setdefault(name, []).extend(pickle.loads(path.read_bytes()))
    return found


def text(architecture):
    """What a cell's text must be, of the authors' record."""
    n = architecture["sample_n_layer"]
    width = architecture["sample_embed_dim"]
    scale = {192: "s", 384: "s", 768: "s", 256: "m", 512: "m", 1024: "m"}.get(
        width, "l"
    )
    lists = (
        "-".join(map(str, architecture[f"sample_{key}"][:n]))
        for key in ("n_head", "mlp_ratio")
    )
    heads, ratios = lists
    bias = architecture["sample_bias"]
    return (
        f"gpt-{scale}(embed_dim={width}, n_layer={n}, n_head={heads}, mlp_ratio={ratios},"
        f" bias={bias})"
    )


def test_sizes_are_the_recorded_ones_to_the_last_digit(records):
    """Of every seventh record."""
    checked = 0
    for folder, every in records.items():
        if not folder.startswith("latency") or "tracker" in folder:
            continue
        space = space_named("gpt-m" if folder.endswith("_m") else "gpt-s")
        assert isinstance(space, GPT)
        checked += sum(record["macs"] > 0 for record in every)
        held = every[::7]
        choices = np.array(
            [space.parse(text(record["arch"])).choices for record in held],
            dtype=np.int8,
        )
        assert space.parameters(choices, GPT.network).tolist() == [
            record["params"] for record in held
        ]
        macs = space.multiply_accumulates(choices, GPT.network) * (
            4 if folder.endswith("_m") else 8
        )
        assert all(
            record["macs"] in (0, expected)
            for record, expected in zip(held, macs, strict=True)
        )
    assert checked == 30_647, "others record none"


def test_a_further_device_is_read_where_its_files_are(
    own_files, mirror, tmp_path, monkeypatch
):
    """The mirror has three of fourteen devices, and the fetch does not fail for the others."""
    assert own_files.is_dir()
    (folder,) = [
        path for path in (mirror / MEASURED).iterdir() if path.name == "latency_h100"
    ]
    copied = tmp_path / "mirror"
    home = tmp_path / "home"
    for name in fetching.registry("hwgpt"):
        (copied / name).parent.mkdir(parents=True, exist_ok=True)
        (copied / name).symlink_to(mirror / name)
    theirs = copied / MEASURED / "latency_a100"
    theirs.mkdir()
    first = pickle.loads((folder / "efficiency_observations_0_2500.pkl").read_bytes())
    again = [{**first[0], "times_profiler_gpu": [1000.0] * 10}]
    (theirs / "efficiency_observations_0_2500.pkl").write_bytes(
        pickle.dumps(first + again)
    )
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, str(copied))
    monkeypatch.setenv("SURROGATE_NAS_HOME", str(home))
    seen = []
    paths = fetching.fetch("hwgpt", lambda done, total: seen.append((done, total)))
    assert len(paths) == len(fetching.registry("hwgpt")) + 1 and seen[-1] == (213, 213)
    assert not fetching.lacks("hwgpt") and len(fetching.optional("hwgpt")) == 1
    monkeypatch.setattr(fetching, "fetched", lambda _: paths[:-1])
    table = hwgpt.read("hwgpt-s")
    column = table.columns[ColumnKey("latency@a100", None, "mean")]
    own = table.columns[ColumnKey("latency@h100", None, "mean")]
    assert (
        np.isfinite(column).sum() == 2500
        and table.metrics["latency@a100"].n_cells == 2500
    )
    place = space_named(table.space).cell(text(first[0]["arch"])).index
    there = np.isfinite(column) & (np.arange(len(column)) != place)
    assert (column[there] == own[there]).all()
    assert column[place] == pytest.approx(
        np.median(first[0]["times_profiler_gpu"] + [1000.0] * 10)
    ), "one cell twice"
