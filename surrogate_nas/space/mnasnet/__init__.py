"""The MnasNet space of Accel-NASBench."""

from surrogate_nas.space.mnasnet.space import MnasNet, mnasnet

__all__ = ["MnasNet", "mnasnet"]
