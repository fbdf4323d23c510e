"""Whether a search in the order of the clock is the same on any slots, and as its simulation.

    python analysis/same_twice.py                         # 3 engines, 60 searches
    python analysis/same_twice.py --engines processes --seeds 50 --no-kills   # 200 searches

Each search trains cells of a table behind random delays, with V trainings in flight on P slots of
an engine; in every fifth of them a slot is killed in the middle. Its trials, with their times, must
be those of V simulated workers on the table itself, to the last bit.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import product
from pathlib import Path

import surrogate_nas as sn
from surrogate_nas.space.trial import Trial
from tests.study.delayed import Delayed

TABLE = "fashion"
OBJECTIVE = "valid_error + 0.1*params"
CELLS = 20
STRATEGIES = ("evolution", "asha", "bo", "hyperband", "local_search")


def history(trials: list[Trial]) -> list[tuple[object, ...]]:
    """All that a record holds of trials."""
    return [(t.cell.text, t.epochs, t.score, t.cost_seconds, t.started, t.finished) for t in trials]


def is_same(strategy: str, flight: int, slots: int, engine: str, seed: int, kills: bool) -> bool:
    """Whether a search equals its simulation."""
    workers = max(flight, 2)  # one simulated worker asks for batches
    simulated = sn.search(
        TABLE, strategy, OBJECTIVE, budget=CELLS, simulated_workers=workers, seed=seed
    )
    with tempfile.TemporaryDirectory() as folder:
        trouble = {simulated.trials[CELLS // 2].cell.text: "killed 1"} if kills else None
        bench = Delayed(TABLE, jitter=0.01, folder=Path(folder), trouble=trouble)
        real = sn.search(
            bench,
            strategy,
            OBJECTIVE,
            budget=CELLS,
            seed=seed,
            parallel=slots,
            in_flight=workers if flight > 1 else 1,
            order="clock",
            engine=engine,
        )
        if flight == 1:  # held against itself on other slots
            bench = Delayed(TABLE, jitter=0.01)
            simulated = sn.search(
                bench, strategy, OBJECTIVE, budget=CELLS, seed=seed, in_flight=1, order="clock"
            )
    return history(real.trials) == history(simulated.trials)


def main() -> None:
    """Print how many are the same."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engines", nargs="+", default=["processes", "dask", "ray"])
    parser.add_argument("--flights", type=int, nargs="+", default=[1, 2, 4, 16])
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seeds", type=int, default=0, help="searches a pair; 0 for 60 in all")
    parser.add_argument("--no-kills", action="store_true")
    parser.add_argument("--first", type=int, default=0, help="the number of the first search")
    given = parser.parse_args()
    pairs = list(product(given.engines, given.flights, given.slots))
    count = given.seeds * len(pairs) // len(given.slots) or 60
    same = 0
    for number in range(given.first, given.first + count):
        engine, flight, slots = pairs[number % len(pairs)]
        strategy = STRATEGIES[number % len(STRATEGIES)]
        kills = number % 5 == 0 and not given.no_kills
        if is_same(strategy, flight, slots, engine, 100 + number, kills):
            same += 1
        else:
            print(f"differs: {strategy}, V {flight}, P {slots}, {engine}, seed {100 + number}")
        print(f"{number - given.first + 1} searches, {same} the same", flush=True)


if __name__ == "__main__":
    main()
