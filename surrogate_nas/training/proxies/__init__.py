"""Zero-cost proxies: scores of an untrained network, from one batch and a few passes, that promise how well it trains.

`score` gives all of `PROXIES` for one cell. For each of them a larger value promises more; how far the promise holds is
for `snas paper proxies` to say. Only live operations are built: a cell's functional twins have its scores.
"""

from __future__ import annotations

from surrogate_nas.training.proxies.catalogue import PROXIES

__all__ = ["PROXIES"]
