"""The table format: what goes in comes out, what is damaged is refused, a failed write leaves the
old file.
"""

import hashlib
import json
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path

import h5py
import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import ChoiceSpace
from surrogate_nas.tables import UNKNOWN_SEEDS, ColumnKey, Table, TableFile, write_table
from surrogate_nas.tables.table import TEXTS
from tests.tiny_tables import N, small_table, tiny_table


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "folder" / "small.h5"
    write_table(small_table(), target)
    return target


def same(one, other):
    return bool(np.array_equal(one, other, equal_nan=True))


def test_round_trip(path):
    table = small_table()
    file = TableFile(path)
    for text in TEXTS:
        assert getattr(file, text) == getattr(table, text)
    assert file.network == table.network
    assert file.metrics == table.metrics
    assert file.keys == set(table.columns)
    assert file.digest == table.digest()
    for key, values in table.columns.items():
        assert same(file.column(key), values)
    for run, counts in table.n_seeds.items():
        assert same(file.n_seeds(*run), counts)
    assert file.sources["valid_error", 200] == "one file"
    assert file.metrics["valid_error"].epochs == (12, 200)
    assert file.metrics["latency@thing"].n_cells == 100
    assert file.n_seeds("latency@thing", None)[99] == UNKNOWN_SEEDS
    assert file.n_seeds("latency@thing", None)[100] == 0


def test_the_digest_follows_every_value():
    table = small_table()
    before = table.digest()
    assert before == small_table().digest()
    table.columns[ColumnKey("valid_error", 12, "mean")][3] += 1e-12
    assert table.digest() != before


def test_what_is_no_table_is_refused(path):
    with pytest.raises(UserError, match="no table at"):
        TableFile(path / "none.h5")
    whole = path.read_bytes()
    parts = [
        whole[: int(share * len(whole))]
        for share in (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999)
    ]
    for content in (*parts, b"cell,valid_error\n"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="damaged"):
            TableFile(path)
    with h5py.File(path, "w") as file:
        file["columns/valid_error/200/mean"] = np.zeros(N)
    with pytest.raises(UserError, match="is not a surrogate_nas table"):
        TableFile(path)


def test_another_version_is_refused_and_the_message_says_what_to_do(path):
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(UserError, match=r"version 99.*reads version 2.*pip install"):
        TableFile(path)
    with h5py.File(
        path, "w"
    ) as file:  # texts of variable length, which are not read any more
        file.attrs.update({"format": "surrogate_nas table", "version": 1})
    with pytest.raises(
        UserError, match=r"version 1; this release reads version 2.*snas data"
    ):
        TableFile(path)


def replaced(name, value, **how):
    """An edit that puts another dataset in the place of one."""

    def edit(file):
        del file[name]
        file.create_dataset(name, data=value, **how)

    return edit


def linked(name, link):
    def edit(file):
        del file[name]
        file[name] = link

    return edit


def attribute(item, name, value):
    return lambda file: file[item].attrs.__setitem__(name, value)


def around(file):
    del file["columns"]
    file["columns"] = file["/"]


def virtual(file):
    layout = h5py.VirtualLayout(shape=(N,), dtype="f8")
    layout[:] = h5py.VirtualSource("else.h5", "x", shape=(N,))
    del file[MEAN]
    file.create_virtual_dataset(MEAN, layout)


def one_value(file):
    file[MEAN][7] += 1e-9


MEAN = "columns/valid_error/200/mean"
BROKEN = {
    "no columns": lambda file: file.__delitem__("columns"),
    "no version": lambda file: file.attrs.__delitem__("version"),
    "no digest": lambda file: file.attrs.__delitem__("digest"),
    "no seal": lambda file: file.attrs.__delitem__("seal"),
    "columns that are none": replaced("columns", 3.0),
    "columns that go in a circle": around,
    "a metric that is no group": replaced("columns/valid_error", 3.0),
    "a run that is no group": replaced("columns/valid_error/200", 3.0),
    "a column that is a group": linked(MEAN, h5py.SoftLink("/columns")),
    "a column of another length": replaced(MEAN, np.zeros(N - 1)),
    "a column of two dimensions": replaced(MEAN, np.zeros((N, 1))),
    "a column of another type": replaced(MEAN, np.zeros(N, dtype=np.float32)),
    "a column of texts": replaced(MEAN, ["a"] * N),
    "a column of nothing": replaced(MEAN, h5py.Empty("f8")),
    "a column that is not stored": replaced(MEAN, None, shape=(N,), dtype="f8"),
    "a column with a value changed": one_value,
    "a column in chunks that are not stored": replaced(
        MEAN, None, shape=(N,), dtype="f8", chunks=(N,)
    ),
    "a column packed otherwise": replaced(
        MEAN, np.zeros(N), chunks=(N,), compression="lzf"
    ),
    "a column that is a virtual dataset": virtual,
    "a column that is a soft link": linked(
        MEAN, h5py.SoftLink("/columns/valid_error/12/mean")
    ),
    "a column that is a link to another file": linked(
        MEAN, h5py.ExternalLink("else.h5", "/x")
    ),
    "columns that are a link to another file": linked(
        "columns", h5py.ExternalLink("else.h5", "/columns")
    ),
    "another digest": attribute("/", "digest", np.bytes_(b"0" * 64)),
    "no index": lambda file: file.__delitem__("index"),
    "an index that is a group": lambda file: (
        file.__delitem__("index"),
        file.create_group("index"),
    ),
    "an index of one number": replaced("index", np.uint8(3)),
    "an index elsewhere": linked("index", h5py.ExternalLink("else.h5", "/index")),
}


@pytest.mark.parametrize("break_it", BROKEN.values(), ids=BROKEN)
def test_a_file_of_another_layout_is_refused(path, break_it):
    with h5py.File(path.with_name("else.h5"), "w") as file:
        file.update({"x": np.zeros(N), "index": np.zeros(9, dtype=np.uint8)})
    with h5py.File(path, "a") as file:
        break_it(file)
    with pytest.raises(UserError, match="damaged") as caught:
        TableFile(path).column(ColumnKey("valid_error", 200, "mean"))
    assert "\n" not in str(caught.value)


def sealed(path, keys, value):
    """Forge an entry of an index, which is sealed again."""
    with h5py.File(path, "a") as file:
        index = json.loads(file["index"][()].tobytes())
        reduce(getitem, keys[:-1], index)[keys[-1]] = value
        content = json.dumps(index).encode()
        del file["index"], file.attrs["seal"]
        file["index"] = np.frombuffer(content, dtype=np.uint8)
        file.attrs["seal"] = np.bytes_(hashlib.sha256(content).hexdigest())


OF_METRIC = ("metrics", "valid_error")
FORGED = {
    "no cells": (("cells",), 0),
    "a text for the cells": (("cells",), "many"),
    "a metric of a new kind": ((*OF_METRIC, "details", "kind"), "free"),
    "a metric without details": ((*OF_METRIC, "details"), {}),
    "a metric that is a list": (OF_METRIC, []),
    "a run that is no number": ((*OF_METRIC, "runs", "often"), {}),
    "a seed that is no number": ((*OF_METRIC, "runs", "12", "digests", "lucky"), "0"),
    "a network that is a list": (("network",), [3]),
    "a network with texts": (("network", "classes"), "ten"),
    "texts that are numbers": (("texts", "title"), 3),
    "a cost of a new kind": (("texts", "cost"), "euros"),
    "another unit": ((*OF_METRIC, "details", "unit"), "ms"),
    "another column's digest": (
        (*OF_METRIC, "runs", "12", "digests", "mean"),
        "0" * 64,
    ),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_an_index_that_says_something_else_is_refused(path, forge):
    sealed(path, *forge)
    with pytest.raises(UserError, match="damaged") as caught:
        TableFile(path)
    assert "\n" not in str(caught.value)


def test_one_flipped_bit_of_a_column_is_found(path):
    column = small_table().columns[ColumnKey("valid_error", 12, "mean")]
    whole = path.read_bytes()
    place = whole.index(column[7000:7002].tobytes())
    path.write_bytes(
        whole[: place + 6] + bytes([whole[place + 6] ^ 4]) + whole[place + 7 :]
    )
    file = TableFile(path)
    assert same(
        file.column(ColumnKey("valid_error", 200, "mean")),
        small_table().columns["valid_error", 200, "mean"],
    )
    with pytest.raises(UserError, match="has changed since it was written"):
        file.column(ColumnKey("valid_error", 12, "mean"))


def test_a_table_that_is_open_goes_on_being_read_as_it_was(path):
    key = ColumnKey("valid_error", 200, "mean")
    file = TableFile(path)
    wanted = TableFile(path).column(key)
    write_table(small_table(2.0), path)
    assert (
        file.column(key).tobytes()
        == wanted.tobytes()
        != TableFile(path).column(key).tobytes()
    )
    path.unlink()
    assert file.column(ColumnKey("latency@thing", None, "mean")).shape == wanted.shape


def test_threads_and_children_read_an_open_table_each_at_a_place_of_its_own(path):
    file = TableFile(path)
    keys = sorted(file.keys, key=str)
    wanted = [file.column(key).tobytes() for key in keys]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda key: file.column(key).tobytes(), keys * 20))
    assert found == wanted * 20
    child = os.fork()
    if not child:
        same = [file.column(key).tobytes() for key in keys * 20] == wanted * 20
        os._exit(0 if same else 1)
    assert [file.column(key).tobytes() for key in keys * 20] == wanted * 20
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_table_that_was_overwritten_in_place_is_refused(path):
    file = TableFile(path)
    content = path.read_bytes()
    write_table(small_table(2.0), path.with_name("other.h5"))
    with path.open("r+b") as raw:
        raw.write(path.with_name("other.h5").read_bytes()[: len(content)])
    with pytest.raises(UserError, match="damaged"):
        file.column(ColumnKey("valid_error", 200, "mean"))


def test_part_of_a_table_is_the_table_of_those_runs(path):
    whole = TableFile(path)
    few = small_table()
    for kept in (few.columns, few.n_seeds, few.sources):
        for key in [key for key in kept if key[1] == 12 or key[0] == "latency@thing"]:
            del kept[key]
    del few.metrics["latency@thing"]
    few.metrics["valid_error"] = replace(few.metrics["valid_error"], epochs=(200,))
    part = whole.only([("valid_error", 200), ("not_here", None)])
    assert part.digest == few.digest() and part.keys == few.columns.keys()
    assert part.metrics["valid_error"] == few.metrics["valid_error"]
    key = ColumnKey("valid_error", 200, 888)
    assert part.column(key).tobytes() == whole.column(key).tobytes()
    assert part.contents["valid_error"]["200"] == whole.contents["valid_error"]["200"]


def test_a_table_for_another_number_of_cells_is_refused(tmp_path):
    table = tiny_table()
    table.space = ChoiceSpace(
        "tiny", {"a": tuple("0123"), "b": tuple("0123")}
    ).definition
    write_table(table, tmp_path / "t.h5")
    with pytest.raises(UserError, match=r"for 64 cells, but its space tiny has 16"):
        TableFile(tmp_path / "t.h5")


@pytest.mark.parametrize(
    "space", ["macros", "{}", '{"name": "x", "listed": true, "options": 3}', "", "../x"]
)
def test_a_table_of_an_unknown_space_is_refused(tmp_path, space):
    table = tiny_table()
    table.space = space
    write_table(table, tmp_path / "t.h5")
    with pytest.raises(UserError) as caught:
        TableFile(tmp_path / "t.h5")
    assert "\n" not in str(caught.value)


def test_a_write_replaces_the_file_whole_or_not_at_all(path, monkeypatch):
    write_table(small_table(2.0), path)
    assert TableFile(path).digest == small_table(2.0).digest()
    before = path.read_bytes()
    with pytest.raises(UserError, match="Cannot write"):
        write_table(small_table(), path / "below" / "a" / "file.h5")
    monkeypatch.setattr(
        Table, "index", lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        write_table(small_table(3.0), path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["small.h5"]


WRITE_LARGER = textwrap.dedent(
    """
    import resource, signal, sys
    from pathlib import Path
    from surrogate_nas.core.errors import UserError
    from surrogate_nas.tables import write_table
    from tests.tiny_tables import small_table
    table = small_table(2.0)
    exec(sys.argv[2])
    try:
        write_table(table, Path(sys.argv[1]))
    except UserError as error:
        print(error)
        sys.exit(2)
    """
)


@pytest.mark.parametrize("limit", [0, 4096, 300_000])
def test_a_full_disk_leaves_the_file_as_it_was(path, limit):
    """The largest file that the process may write stands for the disk; the kernel refuses the
    rest.
    """
    before = path.read_bytes()
    limited = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limited += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    root = str(Path(__file__).parents[2])
    made = subprocess.run(
        [sys.executable, "-c", WRITE_LARGER, str(path), limited],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
        timeout=600,
        check=False,
    )
    assert made.returncode == 2 and "Traceback" not in made.stderr, made.stderr
    assert "It was not changed" in made.stdout
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
