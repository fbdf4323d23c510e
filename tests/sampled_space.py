"""A sample of a large space that needs no code to be opened."""

import numpy as np

from surrogate_nas.space import ChoiceSpace, Sampled

WIDE = ChoiceSpace("wide", {f"p{place}": range(4) for place in range(8)})


def sampled(n=60, seed=0):
    """A sample of a space of 65,536 cells that needs no code to be opened."""
    places = np.random.default_rng(seed).choice(4**8, n, replace=False)
    return Sampled(
        WIDE, np.stack(np.unravel_index(places, (4,) * 8), axis=1).astype(np.int8)
    )
