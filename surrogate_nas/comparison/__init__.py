"""Comparisons: the runs of an experiment, and the numbers that a report needs of them."""

from surrogate_nas.comparison.comparison import Comparison, bind, compare, final_metrics, read_comparison, search

__all__ = ["Comparison", "bind", "compare", "final_metrics", "read_comparison", "search"]
