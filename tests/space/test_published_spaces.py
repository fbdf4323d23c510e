"""Spaces that are known by their published options alone: GraphGym, TabM, ScAn-Bench."""

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import space_named
from surrogate_nas.space.network import Network
from surrogate_nas.space.scan import Scale

GRAPHGYM = space_named("graphgym")
GRAPHGYM_WIDE = space_named("graphgym-wide")
SCAN_LLM = space_named("scan-llm")
TABM = space_named("tabm")


def test_layers_are_counted():
    cell = GRAPHGYM.parse(
        "graphgym(l_pre=2, l_mp=8, l_post=3, stage=skipsum, agg=mean)"
    )
    choices = np.array([cell.choices], dtype=np.int8)
    metric = {
        name: float(function(choices, Network())[0])
        for name, (_, function) in GRAPHGYM.analytic.items()
    }
    assert metric == {"layers": 13, "message_layers": 8}
    assert GRAPHGYM_WIDE.size == 314_928


def test_a_single_network_has_batches_of_its_own():
    assert len(TABM) == 28
    with pytest.raises(UserError):
        TABM.parse("tabm(ensemble=single, embeddings=none, batches=shared)")
    shared = "tabm(ensemble=mini, embeddings=piecewise-linear, batches=shared)"
    assert str(TABM.parse(shared)) == shared


def test_steps_are_next_to_their_values():
    scale = Scale(1e-4, 1e-2, log=True)
    assert [scale.step(value) for value in (1e-4, 1e-3, 1e-2)] == [0, 60, 120]
    assert [scale.step(float(option)) for option in scale.options] == list(range(121))
    for outside in (0.9e-4, 1.1e-2, float("nan")):
        with pytest.raises(ValueError, match="is outside"):
            scale.step(outside)


def test_heads_divide_the_width():
    space = SCAN_LLM
    rng = np.random.default_rng(0)
    for _ in range(50):
        chosen = dict(zip(space.positions, space.sample(rng).choices, strict=True))
        width, heads = (
            space.texts[0][chosen["d_model"]],
            space.texts[2][chosen["n_heads"]],
        )
        assert int(width) % int(heads) == 0
