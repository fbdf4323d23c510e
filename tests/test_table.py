"""The table format: what goes in comes out, what is damaged is refused, a failed write leaves the old file."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest

from surrogate_nas.errors import UserError
from surrogate_nas.metrics import Metric
from surrogate_nas.network import Network
from surrogate_nas.table import UNKNOWN_SEEDS, ColumnKey, Table, TableFile, write_table

N = 15625


def small_table(scale: float = 1.0) -> Table:
    """A table with every kind of column: per seed, mean only, without epochs, and with holes."""
    table = Table("small", "nb201", "A title", "a source", "MIT", "a paper", "valid_error", Network(classes=7))
    rng = np.random.default_rng(0)
    seeds = {777: scale * rng.random(N), 888: scale * rng.random(N)}
    seeds[888][5:50] = np.nan
    counts = np.where(np.isfinite(seeds[888]), 2, 1).astype(np.int16)
    valid = Metric("valid_error", "%", "search", "error", split="x-valid", description="é, a note", source="one file")
    table.add(valid, 200, np.nanmean(list(seeds.values()), axis=0), counts, seeds)
    table.add(valid, 12, scale * rng.random(N), 3)
    holes = scale * rng.random(N)
    holes[100:] = np.nan
    table.add(Metric("latency@thing", "ms", "search", "cost"), None, holes)
    return table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "folder" / "small.h5"
    write_table(small_table(), target)
    return target


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))


def test_round_trip(path: Path) -> None:
    table, file = small_table(), TableFile(path)
    for text in ("name", "space", "title", "source", "licence", "citation", "objective", "cost", "banner", "card"):
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


def test_the_digest_follows_every_value() -> None:
    table = small_table()
    before = table.digest()
    assert before == small_table().digest()
    table.columns[ColumnKey("valid_error", 12, "mean")][3] += 1e-12
    assert table.digest() != before


def test_a_missing_file_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no table at"):
        TableFile(tmp_path / "none.h5")


def test_a_file_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for share in (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UserError, match="damaged"):
            TableFile(path)


def test_a_foreign_file_is_refused(path: Path) -> None:
    path.write_text("cell,valid_error\n")
    with pytest.raises(UserError, match="damaged"):
        TableFile(path)
    with h5py.File(path, "w") as file:
        file["columns/valid_error/200/mean"] = np.zeros(N)
    with pytest.raises(UserError, match="is not a surrogate_nas table"):
        TableFile(path)


def test_another_version_is_refused_and_the_message_says_what_to_do(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(UserError, match=r"version 99.*reads version 1.*snas data"):
        TableFile(path)


@pytest.mark.parametrize("attribute", ["version", "name", "network", "digest", "cost"])
def test_a_file_without_an_attribute_is_refused(path: Path, attribute: str) -> None:
    with h5py.File(path, "a") as file:
        del file.attrs[attribute]
    with pytest.raises(UserError, match="damaged"):
        TableFile(path)


BROKEN = {
    "no columns": lambda file: file.__delitem__("columns"),
    "a metric that is no group": lambda file: file.__setitem__("columns/odd", 3.0),
    "a run that is no number": lambda file: file.__setitem__("columns/valid_error/often/mean", np.zeros(N)),
    "a seed that is no number": lambda file: file.__setitem__("columns/valid_error/12/lucky", np.zeros(N)),
    "a metric without a unit": lambda file: file["columns/valid_error"].attrs.__delitem__("unit"),
    "a network that is no JSON": lambda file: file.attrs.__setitem__("network", "{"),
    "a network with more": lambda file: file.attrs.__setitem__("network", '{"mood": 1}'),
    "a metric with more": lambda file: file["columns/valid_error"].attrs.__setitem__("mood", "good"),
}


@pytest.mark.parametrize("break_it", BROKEN.values(), ids=BROKEN)
def test_a_file_of_another_layout_is_refused(path: Path, break_it) -> None:  # type: ignore[no-untyped-def]
    with h5py.File(path, "a") as file:
        break_it(file)
    with pytest.raises(UserError, match="damaged"):
        TableFile(path)


def test_a_column_that_is_gone_later_is_a_user_error(path: Path) -> None:
    file = TableFile(path)
    path.unlink()
    with pytest.raises(UserError, match="no table"):
        file.column(ColumnKey("valid_error", 200, "mean"))


def test_rewriting_replaces_the_file_and_leaves_nothing_else(path: Path) -> None:
    write_table(small_table(2.0), path)
    assert TableFile(path).digest == small_table(2.0).digest()
    assert [p.name for p in path.parent.iterdir()] == ["small.h5"]


def test_an_interrupted_write_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    table = small_table(2.0)
    monkeypatch.setattr(Table, "digest", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_table(table, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["small.h5"]


def test_a_folder_that_cannot_be_made_is_a_user_error(path: Path) -> None:
    with pytest.raises(UserError, match="Cannot write"):
        write_table(small_table(), path / "below" / "a" / "file.h5")


WRITE_LARGER = textwrap.dedent(
    """
    import resource, signal, sys
    from pathlib import Path
    from surrogate_nas.errors import UserError
    from surrogate_nas.table import write_table
    from tests.test_table import small_table
    table = small_table(2.0)
    exec(sys.argv[2])
    try:
        write_table(table, Path(sys.argv[1]))
    except UserError as error:
        print(error)
        sys.exit(2)
    """
)


def write_in_a_process(path: Path, before: str, prefix: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[1])
    return subprocess.run(
        [*(prefix or []), sys.executable, "-c", WRITE_LARGER, str(path), before],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
        timeout=60,
        check=False,
    )


def assert_refused_and_unchanged(made: subprocess.CompletedProcess[str], path: Path, before: bytes) -> None:
    assert made.returncode == 2, made.stderr
    assert "Nothing was changed there" in made.stdout
    assert "Traceback" not in made.stderr
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("limit", [0, 4096, 300_000])
def test_a_full_disk_leaves_the_file_as_it_was(path: Path, limit: int) -> None:
    """The largest file that the process may write stands for the disk; the kernel refuses the rest."""
    before = path.read_bytes()
    limited = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limited += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    assert_refused_and_unchanged(write_in_a_process(path, limited), path, before)


@pytest.fixture
def tiny_disk(tmp_path: Path):  # type: ignore[no-untyped-def]
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    yield folder if made.returncode == 0 else None
    if made.returncode == 0:
        subprocess.run(["umount", folder], check=True)


def test_a_really_full_disk_leaves_the_file_as_it_was(tiny_disk: Path | None, path: Path) -> None:
    """Where this user may mount one: a disk with room for the first table and half a second one."""
    if tiny_disk is None:
        limited = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
        target = path
    else:
        limited, target = "", tiny_disk / "small.h5"
        write_table(small_table(), target)
    before = target.read_bytes()
    assert_refused_and_unchanged(write_in_a_process(target, limited), target, before)


def test_a_read_only_folder_is_a_user_error_and_unchanged(path: Path) -> None:
    """Root may write anywhere, so there the process first becomes nobody, who owns nothing here."""
    before = path.read_bytes()
    for folder in [path.parent, *path.parents[:4]]:
        if os.access(folder, os.X_OK) and folder != Path("/"):
            folder.chmod(0o555)
    drop = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)" if os.geteuid() == 0 else ""
    try:
        made = write_in_a_process(path, drop)
    finally:
        for folder in path.parents[:4]:
            folder.chmod(0o755)
    assert_refused_and_unchanged(made, path, before)
