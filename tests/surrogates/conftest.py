"""What tests of surrogates share."""

from functools import lru_cache

import pytest


@pytest.fixture
def briefly_pretrained(monkeypatch):
    """A tenth of the usual pre-training of graph networks."""
    from surrogate_nas.surrogates import gnn

    monkeypatch.setattr(gnn, "_PRETRAINING_STEPS", 30)
    monkeypatch.setattr(gnn, "pretrained", lru_cache(gnn.pretrained.__wrapped__))
