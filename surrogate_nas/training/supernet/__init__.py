"""The supernet: all cells of a space in one network, for one-shot strategies."""

from surrogate_nas.training.supernet.choices import EdgeChoices, edge_choices, live_operations
from surrogate_nas.training.supernet.supernet import Goal, Supernet

__all__ = ["EdgeChoices", "Goal", "Supernet", "edge_choices", "live_operations"]
