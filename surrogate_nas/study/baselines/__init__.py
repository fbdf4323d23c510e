"""Systems of others as a user would run them: the same data, splits and seconds, beside what our strategies found."""

from __future__ import annotations

from surrogate_nas.study.baselines.baseline import BASELINES, baseline
from surrogate_nas.study.baselines.record import Baseline, Found, read_baselines

__all__ = ["BASELINES", "Baseline", "Found", "baseline", "read_baselines"]
