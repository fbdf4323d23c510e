"""Comparisons: the runs of an experiment, and the numbers that a report needs of them."""

from surrogate_nas.study.comparison.calls import bind, compare, read_comparison, search
from surrogate_nas.study.comparison.comparison import Comparison, final_metrics

__all__ = ["Comparison", "bind", "compare", "final_metrics", "read_comparison", "search"]
