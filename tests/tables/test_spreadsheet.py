"""A CSV or Parquet file of one's own becomes a benchmark; what is wrong is told row by row."""

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201, space_named
from surrogate_nas.tables.sources import spreadsheet

SPACE = nb201()
CELLS = [SPACE[i].text for i in range(4)]


def written(folder, text, name="mine.csv"):
    path = folder / name
    path.write_text(text)
    return path


def read(path, name, space=SPACE):
    return spreadsheet.read(path, name, frozenset(), space)


def test_columns_become_metrics_by_their_names(tmp_path):
    text = "cell,valid_error,valid_loss[12],latency@mine,test_error,channels,valid_accuracy\n"
    text += f"{CELLS[0]},10.5,.4,3,11,16,\n {CELLS[2]} ,9,,4.5,nan,32,91\n"
    table = read(written(tmp_path, text), "mine")
    found = {
        name: (m.unit, m.kind, m.quantity, m.epochs, m.n_cells)
        for name, m in table.metrics.items()
    }
    assert found == {
        "valid_error": ("%", "search", "error", (), 2),
        "valid_loss": ("", "search", "loss", (12,), 1),
        "latency@mine": ("ms", "search", "cost", (), 2),
        "test_error": ("%", "final", "error", (), 1),
        "channels": ("", "search", "undeclared", (), 2),
        "valid_accuracy": ("%", "search", "quality", (), 1),
    }
    assert table.objective == "valid_error" and table.cost == "queries"
    column = table.columns["valid_error", None, "mean"]
    assert column[0] == 10.5 and column[2] == 9 and np.isnan(column[1])


def imported(snas, path, *options):
    return snas("data", "import", "csv", path, *options)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("valid_error\n3\n", "needs a column 'cell'"),
        (f"cell\n{CELLS[0]}\n", "at least one metric"),
        (
            f"cell,valid_error\n{CELLS[0]},ten\n",
            "row 1: valid_error is 'ten', not a number",
        ),
        (
            f"cell,valid_error\n{CELLS[0]},inf\n",
            "row 1: valid_error is inf, not finite",
        ),
        (
            f"cell,valid_error\n{CELLS[0]},1\n{CELLS[0]},2\n",
            f"row 2: the cell of row 1 again, {CELLS[0]}",
        ),
        (f"cell,valid_error\n{CELLS[0]},1\n|none~0|,2\n", "row 2: Malformed cell"),
        (f"cell,valid error\n{CELLS[0]},1\n", "does not name a metric"),
        (f"cell,params\n{CELLS[0]},1\n", "is computed from the cell"),
        ("cell,valid_error\n" + "x,y\n" * 7, "14 wrong entries"),
        (f"cell,valid_error\n{CELLS[0]},y\n", "has 1 wrong entry: row 1"),
        ("", "needs a column 'cell'"),
        (
            f"cell,valid_error\n{CELLS[0]},1_0\n",
            "row 1: valid_error is '1_0', not a number",
        ),
        (
            f"cell,valid_error\n{CELLS[0]},1,2\n",
            "has 3 entries in row 1 and 2 in its header",
        ),
        (
            f"cell,valid_error\n{CELLS[0]}\n",
            "has 1 entries in row 1 and 2 in its header",
        ),
        (
            f"cell,valid_error,valid_error\n{CELLS[0]},1,2\n",
            "has the column valid_error twice",
        ),
        (f"cell,cell,valid_error\n{CELLS[0]},{CELLS[0]},2\n", "needs a column 'cell'"),
        (
            f"cell,a_loss[1] (nats),a_loss[2]\n{CELLS[0]},1,2\n",
            "gives a_loss in two units",
        ),
        (
            f"cell,valid_error (nats)\n{CELLS[0]},1\n",
            "nats, but an error or an accuracy must be in % or a fraction",
        ),
        (f"cell,a_loss (<b>)\n{CELLS[0]},1\n", "does not name a metric"),
        (f'cell,valid_error\n"{CELLS[0]},1\n', "Cannot read"),
        (
            "cell,valid_error\n" + f"{CELLS[0]},1\n" * 15626,
            "row 2: the cell of row 1 again",
        ),
        (
            f"cell,valid_error\n{CELLS[0]},140\n",
            "row 1: valid_error is 140, outside 0 to 100 %",
        ),
        (
            f"cell,valid_accuracy\n{CELLS[0]},-2\n",
            "valid_accuracy is -2, outside 0 to 100 %",
        ),
        (
            f"cell,e_error (fraction)\n{CELLS[0]},3\n",
            "e_error is 3, outside 0 to 1 (a fraction)",
        ),
        (
            f"cell,latency@mine\n{CELLS[0]},-3\n",
            "row 1: latency@mine is -3, below 0 ms",
        ),
        (
            f"cell,valid_error (%; max)\n{CELLS[0]},3\n",
            "valid_error implies that it is minimised",
        ),
        (
            f"cell,valid_error,test_error\n{CELLS[0]},.03,1\n{CELLS[1]},.14,.2\n",
            "No value of valid_error, test_error exceeds 1, so it may be a fraction or in %."
            " Declare its unit: --unit valid_error=fraction or --unit valid_error=%",
        ),
        ("cell," + ",".join(f"m{i}" for i in range(1001)) + "\n", "1,002 columns"),
        ("cell,valid_error\n" + "x" * 1_000_001, "field larger than field limit"),
    ],
)
def test_what_is_wrong_is_told(text, says, tmp_path, snas):
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read(path, "mine")
    assert says in str(caught.value)
    refused = imported(snas, path, "--name", "mine")
    assert (
        refused.code == 2
        and says in refused.err
        and len(refused.err.strip().splitlines()) == 1
    )
    of_the_space = "Malformed cell" in refused.err
    assert ("Use --space for another" in refused.err) == of_the_space
    named = imported(snas, path, "--name", "mine", "--space", "nb201")
    assert named.code == 2 and "--space" not in named.err


SMALL = """
import surrogate_nas as sn

SPACE = sn.ChoiceSpace("m", {"w": (1, 2, 3, 4)})
"""


def small(folder):
    """A space of four cells as an option, and its cells."""
    file = written(folder, SMALL, "small.py")
    return f"{file}:SPACE", [f"m(w={width})" for width in range(1, 5)]


def test_a_unit_is_declared_and_never_guessed(tmp_path, snas):
    space, cells = small(tmp_path)
    errors = [0.14, 0.1, 0.05, 0.03]
    rows = [
        f"{cell},{error},{9 * error}" for cell, error in zip(cells, errors, strict=True)
    ]
    plain = written(
        tmp_path, "\n".join(["cell,valid_error,latency@mine", *rows]), "a.csv"
    )
    header = "cell,valid_error (fraction),latency@mine"
    named = written(tmp_path, "\n".join([header, *rows]), "b.csv")
    made = "data", "import", "csv"
    for command in (made, ("data", "doctor")):
        refused = snas(*command, plain, "--space", space)
        assert refused.code == 2 and "--unit valid_error=fraction" in refused.err
        assert len(refused.err.strip().splitlines()) == 1
    unit = "--unit", "valid_error=fraction"
    assert snas("data", "doctor", plain, "--space", space, *unit).code == 0
    assert snas(*made, plain, "--space", space, *unit).code == 0
    assert snas(*made, named, "--space", space).code == 0
    for name in ("a", "b"):
        bench = sn.load(name)
        answer = bench.query(cells[0], "valid_error")
        assert (float(answer), answer.unit) == (0.14, "fraction")
        # the best cell, not the cheapest one with 14 % error
        run = sn.search(
            bench, "random_sampling", "valid_error + 0.01*latency@mine", budget=4
        )
        assert str(run.incumbent.cell) == cells[3]
        assert run.incumbent.loss == 0.03
    # a value of 0.03 % stays one where it is declared
    said = snas(
        *made, plain, "--name", "c", "--unit", "valid_error=%", "--space", space
    )
    assert said.code == 0 and "if the values are fractions" in " ".join(
        said.err.split()
    )
    assert sn.load("c").metric("valid_error").unit == "%"
    wrong = snas(*made, plain, "--unit", "valid_eror=fraction", "--space", space)
    assert wrong.code == 2 and "Did you mean 'valid_error'?" in wrong.err
    contrary = snas(
        *made, named, "--unit", "valid_error=%", "--name", "d", "--space", space
    )
    assert contrary.code == 2 and "in fraction, but --unit in %" in contrary.err


def test_a_column_without_a_direction_is_no_term(tmp_path, snas):
    space, cells = small(tmp_path)
    rows = [f"{cell},{9 - i},{90 + i}" for i, cell in enumerate(cells)]
    path = written(tmp_path, "\n".join(["cell,valid_error,val_acc", *rows]))
    for number, more in enumerate(
        ((), ("--unit", "val_acc=%", "--direction", "val_acc=max"))
    ):
        name = "--name", f"acc-{number}", "--space", space
        assert imported(snas, path, *name, *more).code == 0
    assert sn.load("acc-0").metric("val_acc").describe()["direction"] == "undeclared"
    refused = snas(
        "search", "acc-0", "--objective", "valid_error + 0.1*val_acc", "--budget", 3
    )
    assert refused.code == 2 and "--direction val_acc=max" in refused.err
    shown = [snas("benchmarks", f"acc-{number}").out for number in (0, 1)]
    lines = [
        next(line for line in text.splitlines() if "val_acc" in line) for text in shown
    ]
    assert "undeclared" in lines[0] and "larger" in lines[1] and "%" in lines[1]
    declared = sn.load("acc-1").metric("val_acc")
    assert (declared.unit, declared.quantity) == ("%", "quality")
    path.write_text(path.read_text().replace("val_acc", "val_acc (%; max)"))
    assert imported(snas, path, "--name", "acc-2", "--space", space).code == 0
    assert sn.load("acc-2").metric("val_acc") == declared.__class__(
        **{**vars(declared), "description": "column val_acc (%; max) of mine.csv"}
    )


def test_a_loss_has_the_unit_that_its_header_gives(tmp_path):
    text = (
        "cell,valid_loss[3] (nats),train_loss (squared error),other_loss,latency@x"
        f" (µs)\n{CELLS[0]},1,2,3,4\n"
    )
    table = read(written(tmp_path, text), "mine")
    units = {name: metric.unit for name, metric in table.metrics.items()}
    assert units == {
        "valid_loss": "nats",
        "train_loss": "squared error",
        "other_loss": "",
        "latency@x": "µs",
    }
    assert "in an unspecified unit" in table.metrics["other_loss"].description


SPACE_FILE = """
from surrogate_nas.space import ChoiceSpace
OPTIONS = {"width": ("16", "64"), "act": ("relu", "tanh")}
MLP = ChoiceSpace("mlp", OPTIONS, listed=True)
DRAWN = ChoiceSpace("drawn", OPTIONS)
"""


def test_a_column_for_every_choice_names_a_cell_as_well(snas, tmp_path):
    file = written(tmp_path, SPACE_FILE, "spaces.py")
    space = f"{file}:MLP"
    quoted = "".join(
        f'"mlp(width={w}, act={a})",{e}\n'
        for w, a, e in (("16", "relu", 4), ("64", "tanh", 2))
    )
    by_text = written(tmp_path, f"cell,valid_error\n{quoted}", "text.csv")
    by_choice = written(
        tmp_path, "act,valid_error,width\nrelu,4,16\n tanh,2,64.0\n", "choice.csv"
    )
    for name, path in (("text", by_text), ("choice", by_choice)):
        assert imported(snas, path, "--name", f"by-{name}", "--space", space).code == 0
    one, two = (
        sn.load(f"by-{name}").column("valid_error") for name in ("text", "choice")
    )
    assert np.array_equal(one, two, equal_nan=True) and sorted(
        one[np.isfinite(one)]
    ) == [
        2,
        4,
    ]
    assert snas("data", "doctor", by_choice, "--space", space).code == 0
    sampled = "--space", f"{file}:DRAWN"  # half of its cells are in the file
    drawn = imported(snas, by_choice, "--name", "drawn", *sampled)
    assert drawn.code == 0 and len(sn.load("drawn").space) == 2
    none = imported(snas, by_text, "--name", "none", *sampled)
    assert none.code == 2 and "contains no cell of the space drawn: " in none.err
    sized = written(
        tmp_path, "act,valid_error,width,params\nrelu,4,16,7\n", "sized.csv"
    )
    assert imported(snas, sized, "--name", "sized", "--space", space).code == 0
    assert sn.load("sized").query("mlp(width=16, act=relu)", "params") == 7, (
        "no formula gives it"
    )
    for text, says in (
        ("act,valid_error,width\nrelu,4,17\n", "row 1: width is 16, 64, not '17'"),
        (
            "act,valid_error\nrelu,4\n",
            "needs a column 'cell' of cells such as mlp(width=16, act=relu), or one for",
        ),
        (
            "act,valid_error,width\nrelu,4,16\nrelu,5,16.0\n",
            "row 2: the cell of row 1 again",
        ),
    ):
        refused = imported(snas, written(tmp_path, text), "--space", space)
        assert (
            refused.code == 2 and says in refused.err and refused.err.count("\n") == 1
        ), refused.err


@pytest.mark.parametrize(
    "text",
    [
        'cell,valid_error,params\n"mlp(width=16, act=relu)",4,1\n',
        'cell,params,valid_error\n"mlp(width=16, act=relu)",many,1\n',
        "width,act,params,valid_error\n16,relu,3,4\n",
    ],
)
def test_a_table_of_another_space_than_the_usual_one_says_so(snas, tmp_path, text):
    refused = imported(snas, written(tmp_path, text))
    assert refused.code == 2 and "omit or rename it" not in refused.err
    assert (
        "The cells were read as cells of nb201. Use --space for another space."
        in refused.err
    )


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "x" * 5000, "\udcff.csv"])
def test_a_name_that_no_file_has_is_one_line(snas, tmp_path, name):
    for kind in (("csv", "--name", "mine"), ("nats",), ("nb201-pth",)):
        ended = snas("data", "import", *kind, tmp_path / name)
        assert ended.code == 2 and "There is no" in ended.err
        assert len(ended.err.strip().splitlines()) == 1


MANY = """
import surrogate_nas as sn

OPTIONS = {f"b{place}": (0, 1) for place in range(20)}
LISTED = sn.ChoiceSpace("bits", OPTIONS, listed=True)
SAMPLED = sn.ChoiceSpace("bits-sampled", OPTIONS)
"""


def rows_of_bits(n, name="bits"):
    """A file with the first cells of a space of 2^20, as texts."""
    rows = (
        f'"{name}({", ".join(f"b{p}={i >> p & 1}" for p in range(20))})",{i % 97 + 1}\n'
        for i in range(n)
    )
    return "cell,valid_error\n" + "".join(rows)


def test_a_table_of_a_space_of_a_million_listed_cells_opens(tmp_path, snas):
    file = written(tmp_path, MANY, "many.py")
    path = written(tmp_path, rows_of_bits(3), "few.csv")
    assert imported(snas, path, "--space", f"{file}:LISTED").code == 0
    bench = sn.load("few")
    assert len(bench.space) == 2**20
    assert bench.query(bench.space.at([0, 1] + [0] * 18), "valid_error") == 3
    # those of many more refuse the file before it is read
    file.write_text(MANY.replace("(20)", "(24)").replace('"bits', '"wide'))
    refused = imported(snas, tmp_path / "few.csv", "--space", f"{file}:LISTED")
    assert refused.code == 2 and refused.err.count("\n") == 1
    assert "1.68e+07 combinations; at most 10,000,000 can be listed" in refused.err


def test_more_rows_than_a_table_can_have_are_refused(tmp_path, snas, monkeypatch):
    monkeypatch.setattr(spreadsheet, "MOST_CELLS", 3)
    space = f"{written(tmp_path, MANY, 'many.py')}:SAMPLED"
    text = rows_of_bits(4, "bits-sampled")
    refused = imported(snas, written(tmp_path, text, "four.csv"), "--space", space)
    assert refused.code == 2 and "has more than 3 rows" in refused.err
    three = written(tmp_path, text.rpartition('"bits')[0], "three.csv")
    assert imported(snas, three, "--space", space).code == 0
    assert len(sn.load("three").space) == 3


@pytest.mark.parametrize("name", ["nb101", "macro", "nats-size"])
def test_a_repeated_cell_is_named_in_every_space(name, tmp_path):
    space = space_named(name)
    rows = [f'"{space[place]}",3\n' for place in (2, 1, 2)]
    path = written(tmp_path, "cell,valid_error\n" + "".join(rows))
    with pytest.raises(UserError, match="row 3: the cell of row 1 again") as caught:
        read(path, "mine", space)
    assert str(space[2]) in str(caught.value)


def test_no_cell_is_made_for_a_row_that_is_right(tmp_path):
    """A million rows are a few arrays; a wrong row alone is read as a cell."""
    options = {f"b{place}": (0, 1) for place in range(20)}
    space = sn.ChoiceSpace("bits", options, listed=True)
    texts = rows_of_bits(9_000)
    assert read(written(tmp_path, texts), "mine", space).metrics
    assert not space._cells.by_text
    path = written(tmp_path, texts.replace("b19=0)", "b19=0 )", 1))
    assert len(read(path, "mine", space).columns) == 1
    assert len(space._cells.by_text) == 1
    again = f"{texts}{texts.splitlines()[5_000]}\n"
    with pytest.raises(UserError, match="row 9001: the cell of row 5000 again, bits"):
        read(written(tmp_path, again), "mine", space)


def test_paths_and_contents_of_other_bytes(snas, tmp_path):
    path = written(tmp_path, f"cell,valid_error\n{CELLS[0]},2\n", "\udcff.csv")
    assert imported(snas, path, "--name", "bytes").code == 0
    assert sn.load("bytes").source.endswith("\\udcff.csv")
    assert imported(snas, path, "--name", "x" * 300).code == 2
    content = tmp_path / "mine.csv"
    content.write_bytes(b"cell,valid_error\n\xff\xfe,1\n")
    for wrong, says in ((path, "benchmark's name"), (content, "Cannot read")):
        refused = imported(snas, wrong)
        assert (
            refused.code == 2 and says in refused.err and refused.err.count("\n") == 1
        )


def test_names_and_files_that_cannot_be(tmp_path, snas):
    path = written(tmp_path, f"cell,valid_error\n{CELLS[0]},1\n")
    for name, says in (
        ("nb201-cifar10", "the name of another benchmark"),
        ("../x", "letters, digits"),
    ):
        refused = imported(snas, path, "--name", name)
        assert refused.code == 2 and says in refused.err
    assert "There is no file" in imported(snas, tmp_path / "none.csv").err
    assert (
        "--name does not apply to nats"
        in snas("data", "import", "nats", tmp_path, "--name", "x").err
    )
