"""What anybody's strategy, space and surrogate must keep, as checks that ``snas check`` and the project's tests run."""

from surrogate_nas.contract.checks import Check, rows, verdict
from surrogate_nas.contract.inspection import check

__all__ = ["Check", "check", "rows", "verdict"]
