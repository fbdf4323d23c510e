"""NAS-Bench-MR's networks of several resolutions."""

from surrogate_nas.space.nbmr.space import NBMR, nbmr

__all__ = ["NBMR", "nbmr"]
