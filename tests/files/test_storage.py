"""Model files: what was altered, forged or damaged is one line, never another prediction."""

import json

import h5py
import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import hdf5
from surrogate_nas.space import nb201
from surrogate_nas.space.network import Network
from surrogate_nas.surrogates import storage
from surrogate_nas.surrogates.base import make_model
from surrogate_nas.surrogates.storage import Card, is_surrogate, load, save


@pytest.fixture
def stored(tmp_path):
    cells = nb201()[:100]
    model = make_model("ridge").fit(cells, [sum(cell.choices) + 1.0 for cell in cells])
    metric = Metric("valid_error", "%", "search", "error", (12,))
    card = Card(
        "ridge",
        "b",
        "0",
        "nb201",
        metric,
        12,
        Network(),
        "random",
        0,
        100,
        10,
        {"mae": 1.0},
    )
    save(model, card, np.arange(100), tmp_path / "m.h5")
    return tmp_path / "m.h5"


def test_what_is_no_model_is_told_apart(stored, tmp_path):
    assert is_surrogate(stored)
    (tmp_path / "text.h5").write_text("no model")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = 3
    names = (
        tmp_path / name for name in ("text.h5", "other.h5", "absent.h5", "x" * 300, ".")
    )
    assert not any(is_surrogate(path) for path in names)


def test_a_model_of_the_first_version_is_told_how_to_be_made_anew(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs.update({"format": "surrogate_nas surrogate", "version": 1})
    with pytest.raises(
        UserError, match=r"version 1; this release reads version 2.*snas fit"
    ):
        load(tmp_path / "m.h5")


def test_a_name_that_no_file_has_is_one_line(tmp_path):
    for name in ("x" * 300, "a\0b", "\udcff"):
        with pytest.raises(UserError, match="There is no surrogate file"):
            load(tmp_path / name)


def forged(path, name, value):
    """A model file with one array replaced and the digest made anew, as somebody might who wants to
    do harm.
    """
    arrays = {}
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = (
            np.frombuffer(json.dumps(value).encode(), np.uint8)
            if isinstance(value, dict | list)
            else value
        )
        file.visititems(
            lambda at, item: (
                arrays.update({at: item[()]})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
        del file.attrs["digest"]
        hdf5.set_texts(
            file,
            {
                "digest": storage._digest(
                    {at: np.asarray(a) for at, a in arrays.items()}
                )
            },
        )


def described(stored, **change):
    """The stored card with some entries changed."""
    with h5py.File(stored) as file:
        return json.loads(file["card"][()].tobytes()) | change


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state/model/weights", np.zeros(3)),
        ("state/model/weights", np.zeros((2, 2, 2))),
        ("state/widening", np.zeros(4)),
        ("state/regions", np.zeros(2)),
        ("state/target", np.zeros(40)),
        ("state/space", np.frombuffer(b"nowhere", np.uint8)),
        ("train_cells", np.zeros((2, 2), np.int64)),
        ("train_cells", np.array([-1])),
        ("train_cells", np.array([99_999_999])),
        ("train_cells", np.zeros(3)),
        ("settings", {"mood": 3}),
        ("settings", [1, 2]),
        ("card", []),
        ("card", {"model": "ridge"}),
        ("n_train", "many"),
        ("model", 3),
        ("model", "file.py:Model"),
        ("network", None),
        ("metric", {}),
        ("epochs", "all"),
        ("scores", {"mae": "good"}),
        ("versions", {"python": 3}),
        ("benchmark", ["a"]),
        ("more", 1),
    ],
)
def test_what_does_not_fit_is_one_line(stored, name, value):
    """An array, the settings or the card, or one entry of the card, is another."""
    is_whole = name in ("train_cells", "settings", "card") or name.startswith("state/")
    if is_whole:
        forged(stored, name, value)
    else:
        forged(stored, "card", described(stored, **{name: value}))
    with pytest.raises(UserError) as caught:
        load(stored)
    assert "\n" not in str(caught.value) and (
        is_whole or "is damaged" in str(caught.value)
    )


def test_a_forged_card_that_is_as_it_was_is_read(stored):
    """Else the test above would prove nothing."""
    forged(stored, "card", described(stored))
    assert load(stored).card.model == "ridge"
