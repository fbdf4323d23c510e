"""Small files that would take gigabytes, or read other files: each is one line, within 500 MB, in
one process.
"""

import bz2
import json
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import hdf5
from surrogate_nas.space import ChoiceSpace, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.surrogates.base import make_model
from surrogate_nas.surrogates.storage import Card, save
from surrogate_nas.tables import Table, write_table
from tests.tiny_tables import tiny_table

LARGEST_MB = 500
BILLION = 1_000_000_000
COLUMN = "columns/valid_error/12/mean"
READ_ALL = """
import json, resource, sys, time
from pathlib import Path
from surrogate_nas.core.errors import UserError
from surrogate_nas.tables.sources import nats
from surrogate_nas.tables.sources.spreadsheet import read as read_rows
from surrogate_nas.space import nb201 as space
from surrogate_nas.surrogates.storage import is_surrogate, load
from surrogate_nas.tables import TableFile

def read_table(path):
    file = TableFile(path)
    return [file.column(key) for key in sorted(file.keys, key=str)]

readers = {
    "table": read_table, "model": lambda path: is_surrogate(path) and load(path),
    "record": lambda path: nats._load(path, {}),
    "rows": lambda path: read_rows(path, "mine", frozenset(), space()),
}
said, seconds = {}, {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    started = time.perf_counter()
    kind = path.name.partition("-")[0]
    try:
        readers[kind](path)
        said[path.name] = "answered"
    except UserError as error:
        said[path.name] = str(error)
try:  # the largest size of this program alone; a usage counts what the process was before it started the program
    status = Path("/proc/self/status").read_text().split()
    said["peak"] = int(status[status.index("VmHWM:") + 1]) / 1024
except (OSError, ValueError):
    said["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(said))
"""  # noqa: E501


def edited(path, edit):
    with h5py.File(path, "a", libver=hdf5.LIBVER) as file:
        edit(file)


def replaced(file, name, shape, **how):
    del file[name]
    return file.create_dataset(name, shape=shape, dtype="f8", **how)


def swollen(file, name):
    """A column in one packed chunk, which goes on for two billion zeros."""
    column = replaced(file, name, (64,), chunks=(64,), compression="gzip")
    packer = zlib.compressobj(9)
    head = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = head + 2000 * (
        packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    )
    column.id.write_direct_chunk((0,), packed)


def outside(file, name):
    replaced(file, name, (64,), external=[("/etc/passwd", 0, 512)])


def virtual(file, name):
    layout = h5py.VirtualLayout(shape=(64,), dtype="f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(64,))
    del file[name]
    file.create_virtual_dataset(name, layout)


def linked(file, name):
    del file[name]
    file[name] = h5py.ExternalLink("/etc/passwd", "/x")


EDITS = {
    "billions of values": lambda file, name: replaced(file, name, (BILLION * 1000,)),
    "billions of values in chunks": lambda file, name: replaced(
        file, name, (BILLION * 1000,), chunks=(1000,), compression="gzip"
    ),
    "a chunk that swells": swollen,
    "raw data elsewhere": outside,
    "virtual": virtual,
    "another file": linked,
}


def make_tables(folder):
    for name, edit in EDITS.items():
        path = folder / f"table-{name}.h5"
        write_table(tiny_table(), path)
        edited(path, lambda file, edit=edit: edit(file, COLUMN))
    huge = ChoiceSpace("huge", {f"p{i}": range(10) for i in range(12)}, listed=True)
    table = Table("huge", huge.definition, "t", "s", objective="a", cost="queries")
    table.add(Metric("a_error", "%", "search", "error"), 1, np.zeros(64))
    write_table(table, folder / "table-a space of 10^12 cells.h5")
    with h5py.File(
        folder / "table-behind a user block.h5", "w", userblock_size=512
    ) as file:
        file.attrs["format"] = "surrogate_nas table"


def make_models(folder):
    cells = nb201()[:40]
    model = make_model("ridge").fit(cells, [sum(cell.choices) + 1.0 for cell in cells])
    metric = Metric("valid_error", "%", "search", "error")
    card = Card(
        "ridge", "b", "0", "nb201", metric, None, Network(), "random", 0, 40, 10, {}
    )
    for name, edit in EDITS.items():
        path = folder / f"model-{name}.h5"
        save(model, card, np.arange(40), path)
        edited(path, lambda file, edit=edit: edit(file, "state/model/weights"))
    path = folder / "model-one array a thousand times.h5"
    save(model, card, np.arange(40), path)

    def repeat(file):
        file["state/large"] = np.zeros(1 << 20)
        for i in range(1000):
            file[f"state/large{i}"] = file["state/large"]

    edited(path, repeat)


def make_packed(folder):
    (folder / "record-100 MB of zeros.pickle.pbz2").write_bytes(
        bz2.compress(bytes(100_000_000))
    )
    whole = bz2.compress(pickle.dumps(list(range(1000))))
    (folder / "record-cut off.pickle.pbz2").write_bytes(whole[:-20])
    cell = str(nb201()[0])
    (folder / "rows-many.csv").write_text(
        "cell,valid_error\n" + f"{cell},1\n" * 400_000
    )
    (folder / "rows-wide.csv").write_text(
        "cell," + ",".join(f"m{i}" for i in range(200_000)) + "\n"
    )
    (folder / "rows-long.csv").write_text(
        f"cell,valid_error\n{cell}," + "1" * 20_000_000 + "\n"
    )


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What a fresh process says of every bomb."""
    folder = tmp_path_factory.mktemp("bombs")
    for make in (make_tables, make_models, make_packed):
        make(folder)
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return dict(json.loads(ended.stdout))


def test_each_is_refused_in_one_line(said):
    read = {name: text for name, text in said.items() if name != "peak"}
    assert len(read) > 18
    assert not [name for name, text in read.items() if text == "answered"]
    assert not [name for name, text in read.items() if "\n" in text or len(text) > 1000]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("table-a chunk that swells.h5", "decompresses to the wrong size"),
        ("table-billions of values.h5", "of shape (1000000000000,)"),
        ("table-raw data elsewhere.h5", "not stored in one piece in this file"),
        ("table-another file.h5", "a link to another place"),
        ("table-a space of 10^12 cells.h5", "a space of 1,000,000,000,000 cells"),
        ("record-100 MB of zeros.pickle.pbz2", "unpacks to more than 64 MB"),
        ("record-cut off.pickle.pbz2", "cut off"),
        ("rows-many.csv", "row 2: the cell of row 1 again"),
    ],
)
def test_the_line_says_what_is_wrong(said, name, says):
    assert says in said[name]


def test_they_take_no_memory(said):
    assert said["peak"] < LARGEST_MB
