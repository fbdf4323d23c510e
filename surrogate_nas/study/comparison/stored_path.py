"""A path over λ read from its folder, finished or not, without making a run."""

from __future__ import annotations

from pathlib import Path

from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import parse
from surrogate_nas.study.comparison.calls import read_comparison
from surrogate_nas.study.comparison.lambda_path import STEP, LambdaPath, Step, plane_of


def steps_in(folder: Path) -> dict[float, Path]:
    """The folders of a path's λ by rising λ; empty where the folder holds no path.

    Args:
        folder: Where `lambda_path` stored it.
    """
    found = {}
    for place in folder.glob(f"{STEP}*"):
        try:
            found[float(place.name.removeprefix(STEP))] = place
        except ValueError:  # somebody else's
            continue
    return {value: found[value] for value in sorted(found)}


def read_lambda_path(folder: str | Path, *, benchmark: str | None = None) -> LambdaPath:
    """Read a stored path as far as it was made; its expression is that of the largest λ.

    Args:
        folder: Where `lambda_path` stored it.
        benchmark: The benchmark's name again, where opening it runs a file of the user's.

    Raises:
        UserError: It holds no path, a damaged one, no finished run yet, or λ = 0 alone.
    """
    held = steps_in(Path(folder))
    read = {
        value: read_comparison(place, benchmark=benchmark, unfinished=True)
        for value, place in held.items()
        if any((place / "runs").glob("*.jsonl"))
    }
    steps = [Step(value, made) for value, made in read.items() if made.strategies]
    if not steps:
        raise UserError(f"{folder} holds no finished run of a path over λ yet.")
    largest = steps[-1].comparison.objective
    expression = parse(str(largest))
    return LambdaPath(str(expression), *plane_of(expression, largest.benchmark), steps)
