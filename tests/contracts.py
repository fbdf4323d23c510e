"""The promises of the contract that a thing breaks, checked in this process."""

from __future__ import annotations

from typing import Any

from surrogate_nas.contract import Check
from surrogate_nas.contract.checking import contract_of, outcome
from surrogate_nas.space import Space


def checks_of(spec: Any, space: Space | None = None) -> list[Check]:
    """The outcomes of all checks."""
    return [Check(said, *outcome(make)) for said, make in contract_of(spec, space).checks()]


def broken(checks: list[Check]) -> list[str]:
    """A line for each that failed."""
    return [f"{check.name}: {check.detail}" for check in checks if not check.passed]
