"""Cells of genotypes: DARTS's space of 10^18, and NASNet's, whose cells have a node more."""

from surrogate_nas.space.darts.nasnet import NASNet, nasnet
from surrogate_nas.space.darts.space import Darts, darts

__all__ = ["Darts", "NASNet", "darts", "nasnet"]
