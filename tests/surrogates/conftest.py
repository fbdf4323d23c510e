"""What tests of surrogates share."""

from __future__ import annotations

from functools import lru_cache

import pytest


@pytest.fixture
def briefly_pretrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the usual pre-training of graph networks."""
    from surrogate_nas.surrogates import gnn

    monkeypatch.setattr(gnn, "_PRETRAINING_STEPS", 30)
    monkeypatch.setattr(gnn, "pretrained", lru_cache(gnn.pretrained.__wrapped__))
