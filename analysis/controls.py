"""How often does the verdict tell a program outside from controls that it does not beat, and how
often from one that it does?

Studies of a scripted program beside its controls, on the embedded table ``fashion``. The program
speaks the protocol of ``external`` within this process. One ignores what it is told: it must be
told apart from none of its controls in at least 95 % of studies. One is ageing evolution: it is
told apart from itself without history as often as the runs of other studies foretell. Finished
studies are stored in ``--out``, from where the same command goes on.

.venv/bin/python analysis/controls.py --out results/controls.jsonl [--studies 200] [--runs 10]
    [--budget 100] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import surrogate_nas as sn
from surrogate_nas.objective import Objective
from surrogate_nas.strategies import controls_of, external, label
from surrogate_nas.study.decision import MINOR_LEVEL
from surrogate_nas.study.verdict import ControlPair, controlled

EXPRESSION = "valid_error"
POPULATION = 10
TOURNAMENT = 3
_STUDIES_OF_POWER = 2000


class Program:
    """What a scripted program does, in the place of `surrogate_nas.runtime.command.Command`."""

    def __init__(self, command: str, _: str) -> None:
        self._learns = command == "learns"
        self._population: deque[Mapping[str, Any]] = deque(maxlen=POPULATION)
        self._said: Any = None

    def send(self, message: Mapping[str, Any], _: float) -> None:
        """Hear a line, and think of what to say next."""
        if "seed" in message:
            self._rng = random.Random(message["seed"])
        self._population.extend(message.get("tell", ()))
        if "ask" in message:
            self._said = self._question()
        elif "cells" in message:
            self._said = {"evaluate": [self._rng.choice(message["cells"])]}

    def _question(self) -> Mapping[str, Any]:
        """Ask for the neighbours of a parent, where it knows one and learns; else for any cell."""
        if not (self._learns and self._population):
            return {"sample": 1}
        rivals = self._rng.sample(list(self._population), min(TOURNAMENT, len(self._population)))
        return {"neighbours": min(rivals, key=lambda trial: trial["score"])["cell"]}

    def receive(self, _: float) -> Any:
        """Say it."""
        return self._said

    def end(self) -> None:
        """Nothing runs."""


def study(
    objective: Objective, how: str, runs: int, budget: int, seed: int
) -> tuple[list[ControlPair], dict[str, list[float]]]:
    """The program against each of its controls, and how all runs end."""
    name = label(f"external(command={how},protocol=2)")
    made = sn.compare(
        objective.benchmark,
        [name, *controls_of(name)],
        objective,
        runs=runs,
        budget=budget,
        seed=seed,
    )
    ends = {one: made.scores(one) for one in made.strategies}
    pairs = controlled({one: [scores] for one, scores in ends.items()})
    return pairs, {one: scores.tolist() for one, scores in ends.items()}


def foretold(made: Sequence[Mapping[str, Any]], control: str, runs: int, seed: int) -> float:
    """The power of so many runs against a control, in studies drawn from runs of other studies and
    judged by the same procedure.
    """
    names = list(made[0]["ends"])
    pool = np.array([[one["ends"][name] for name in names] for one in made])
    pool = pool.transpose(1, 0, 2).reshape(len(names), -1)
    rng = np.random.default_rng(seed)
    told = 0
    for _ in range(_STUDIES_OF_POWER):
        drawn = pool[:, rng.integers(pool.shape[1], size=runs)]
        pairs = controlled({name: [drawn[place]] for place, name in enumerate(names)})
        told += any(pair.control == control and pair.p <= MINOR_LEVEL for pair in pairs)
    return told / _STUDIES_OF_POWER


def stored(path: Path, key: str, make: Callable[[], Any]) -> Any:
    """What a file holds by a key, or what is made now and added to it."""
    lines = path.read_text().splitlines() if path.is_file() else []
    for line in map(json.loads, lines):
        if line["key"] == key:
            return line["value"]
    value = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"key": key, "value": value}) + "\n")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/controls.jsonl"))
    for option, usual in (("studies", 200), ("runs", 10), ("budget", 100), ("seed", 0)):
        parser.add_argument(f"--{option}", type=int, default=usual)
    asked = parser.parse_args()
    external.Command = Program  # type: ignore[assignment,misc]
    objective = Objective(EXPRESSION, sn.load("fashion"))
    found: dict[str, list[Any]] = {"ignores": [], "learns": []}
    for number in range(asked.studies):
        for how, made in found.items():

            def make(how: str = how, seed: int = asked.seed + number) -> Any:
                pairs, ends = study(objective, how, asked.runs, asked.budget, seed)
                return {"p": {one.control: one.p for one in pairs}, "ends": ends}

            key = f"{how} {asked.seed + number} {asked.runs} {asked.budget}"
            made.append(stored(asked.out, key, make))
    none = [min(one["p"].values()) > MINOR_LEVEL for one in found["ignores"]]
    print(f"ignores: told apart from no control in {np.mean(none):.1%} of {len(none)} studies")
    alone = label("external(command=learns,history=False,protocol=2)")
    half = len(found["learns"]) // 2
    told = [one["p"][alone] <= MINOR_LEVEL for one in found["learns"][half:]]
    power = foretold(found["learns"][:half], alone, asked.runs, asked.seed)
    print(
        f"learns: told apart from the best of N in {np.mean(told):.1%} of {len(told)} studies;"
        f" foretold by {half} others: {power:.1%}"
    )


if __name__ == "__main__":
    main()
