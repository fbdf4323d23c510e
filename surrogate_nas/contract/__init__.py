"""The contracts of strategies, spaces and surrogates, as classes of checks.

``snas check`` runs the checks in another process, because the code under check may exit, hang or
print. To run the checks with pytest, inherit from a contract in the tests of your package:

    from surrogate_nas.contract.strategies import StrategyContract
    from mine import Mine


    class TestMine(StrategyContract):
        strategy = Mine

The other contracts are ``spaces.SpaceContract`` and ``surrogates.SurrogateContract``.
"""

import pickle
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from traceback import extract_tb
from typing import Any

from surrogate_nas.contract.checks import Check, Contract
from surrogate_nas.contract.spaces import SpaceContract
from surrogate_nas.contract.strategies import StrategyContract
from surrogate_nas.contract.surrogates import SurrogateContract
from surrogate_nas.core import UserError, one_line, shown, unknown
from surrogate_nas.runtime import worker
from surrogate_nas.runtime.user_code import as_strategy_error, lost_in, pack
from surrogate_nas.space import Space, space_named
from surrogate_nas.space.registry import known as known_spaces
from surrogate_nas.strategies import OURS, Strategy, strategy_entry
from surrogate_nas.strategies import known as known_strategies
from surrogate_nas.surrogates import MODELS, Model, model_class

__all__ = ["Check", "check"]

LIMIT_SECONDS = 120.0
"""The time limit of one check in seconds."""
_OURS = str(Path(__file__).parent)


def check(
    spec: object,
    space: Space | None = None,
    *,
    limit: float = LIMIT_SECONDS,
    progress: Callable[[int, int], object] | None = None,
) -> list[Check]:
    """Check a strategy, a space or a surrogate against its contract.

    Args:
        spec: The object to check: a registered name, ``file.py:NAME``, a class, or a space.
        space: The only space on which to check a strategy or a surrogate; None for the spaces of
            the contract.
        limit: The time limit of one check in seconds.
        progress: A function that is called after each check with the number of finished checks and
            the number of all checks.

    Returns:
        One outcome (a `Check`) for every check and space.

    Raises:
        UserError: The object does not exist, or is not a strategy, a space or a surrogate.

    Example:
        >>> import surrogate_nas as sn
        >>> outcomes = check(
        ...     sn.ChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        ... )
        >>> [outcome.name for outcome in outcomes if not outcome.passed]
        []
    """
    file = str(Path(str(spec).rpartition(":")[0]).absolute())
    names: list[str] = []
    outcomes: list[Check] = []

    def hear(message: Any) -> None:
        if not names:
            names.extend(message)
            return
        outcomes.append(Check(names[len(outcomes)], *message))
        if progress:
            progress(len(outcomes), len(names))

    task = worker.Task.of(_make_all, silence=limit)
    with closing(worker.Worker(task)) as process:
        reply = process.do(pickle.dumps((pack(spec, space), file)), hear)
    if not isinstance(reply, worker.Lost):
        worker.answer(reply)
        return outcomes
    lost = lost_in(reply, file=file)
    if not names:
        raise lost
    why = str(lost).rstrip(".")
    name, *missing = names[len(outcomes) :]
    skipped = [
        Check(promise, False, f"not checked, because of: {why}") for promise in missing
    ]
    return [*outcomes, Check(name, False, why), *skipped]


def _make_all(job: tuple[bytes, str]) -> None:
    packed, file = job
    checks = dict(contract_of(*pickle.loads(packed)).checks())
    worker.say(list(checks))
    for make in checks.values():
        worker.say(outcome(make, file))


def outcome(make: Callable[[], object], file: str = "") -> tuple[bool, str]:
    """Return whether a check passes, and the error if it fails. The argument `file` is the path of
    the code under check.
    """
    try:
        make()
    except BaseException as error:  # noqa: BLE001 - a user's code raises anything
        raised = extract_tb(error.__traceback__)[-1].filename
        if isinstance(error, AssertionError) and raised.startswith(_OURS):
            return False, one_line(str(error))
        return False, str(as_strategy_error(error, "was checked", file))
    return True, ""


def contract_of(spec: object, space: Space | None) -> Contract:
    """Return the contract of an object, with the object to check."""
    subject = _named(spec) if isinstance(spec, str) else spec
    if isinstance(subject, type) and issubclass(subject, Space):
        subject = subject()
    if isinstance(subject, Space):
        return SpaceContract.of(space=subject)
    if isinstance(subject, type) and issubclass(subject, Strategy):
        if subject.needs_supernet and subject.supernet_context is None:
            raise UserError(
                f"{subject.__name__} needs a supernet context, which checks do not provide."
            )
        return StrategyContract.of(strategy=subject, space=space, spec=spec)
    if isinstance(subject, type) and issubclass(subject, Model):
        return SurrogateContract.of(surrogate=subject, space=space)
    raise UserError(
        f"{shown(subject)} is not a subclass of surrogate_nas.Strategy, a Space or a"
        " surrogate_nas.surrogates.Model."
    )


def _named(spec: str) -> object:
    if spec in MODELS or spec.partition(":")[0] in MODELS.bridges:
        return model_class(spec)
    name = spec.removeprefix("space:")
    if name in known_spaces() and spec not in known_strategies():
        return space_named(name)
    entry = strategy_entry(spec)
    if entry.origin == "file" and not entry.options:
        path, _, name = spec.rpartition(":")
        return OURS.inside(Path(path), name)
    if entry.origin == "unknown":
        names = [*known_strategies(), *known_spaces(), *MODELS]
        raise unknown("strategy, space or surrogate", spec, names)
    return entry.load()
