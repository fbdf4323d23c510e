"""What every strategy can, by the flags of its class, and what a step of it costs: the table in the
README; and the table of exports in the guide.

    snas data fetch nb201 && python analysis/abilities.py    # times every strategy (a minute)
    python analysis/abilities.py --keep                      # times those that have no time yet

Both write the table in the guide; the times are in ``analysis/abilities.json``.

A step is asking for a cell and telling how it did: the mean processor time of 20 of them after 100
random cells, on NAS-Bench-201's CIFAR-10, in a second loop, so that what is made once a process is
not counted.
"""

import argparse
import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import torch
from marked import put
from marked import table as markdown

import surrogate_nas as sn
from surrogate_nas.core.extras import command
from surrogate_nas.core.process import one_thread
from surrogate_nas.report.export import EXPORTS
from surrogate_nas.strategies import ONE_SHOT, STRATEGIES, Strategy, resolve
from surrogate_nas.training.hardware import device_model

TOP = Path(__file__).parents[1]
FIGURES = TOP / "analysis" / "abilities.json"
GUIDE = TOP / "analysis" / "guide"
OBJECTIVE = "valid_error[200] + 0.02*params"
TOLD = 100
STEPS = 20
HEADS = ("strategy", "λR", "limits", "fronts", "epochs", "asks for", "ms a step")


def abilities(kind: type[Strategy]) -> tuple[str, ...]:
    """What a class declares, in the words of the table.

    Args:
        kind: A strategy.
    """
    if kind.needs_supernet:
        return "by its weights", "–", "–", "", str(kind.batch_size)
    knows = "known" if kind.uses_free else "observed"
    front = "whole" if kind.many_objectives else "scalarised"
    return (
        knows,
        knows,
        front,
        "yes" if kind.chooses_epochs else "",
        str(kind.batch_size),
    )


def table(cost: dict[str, float]) -> str:
    """The table in Markdown, a line a strategy; those that can and cost the same share one.

    Args:
        cost: Milliseconds a step by strategy.
    """
    lines: dict[tuple[str, ...], list[str]] = {}
    for name in (*STRATEGIES, *ONE_SHOT):
        step = shown(cost[name]) if name in cost else "–"
        lines.setdefault((*abilities(resolve(name)), step), []).append(f"`{name}`")
    return markdown(HEADS, [(", ".join(names), *can) for can, names in lines.items()])


def exports() -> str:
    """The table of exports in Markdown, by their declarations."""
    rows = []
    for name in EXPORTS.places:
        one = EXPORTS[name]
        extra = (
            command(one.needs[-1]).partition("[")[2].partition("]")[0]
            if one.needs
            else ""
        )
        rows.append((f"`{name}`", one.summary, f"`{extra}`" if extra else "–"))
    return markdown(("format", "what is written", "extra"), rows)


def shown(milliseconds: float) -> str:
    """A cost as the table prints it: whole milliseconds, and what is below one as just that.

    Args:
        milliseconds: Of a step.
    """
    return "< 1" if milliseconds < 1 else f"{milliseconds:.0f}"


def step(name: str, objective: sn.Objective) -> float:
    """The milliseconds of processor time that a step takes.

    Args:
        name: A strategy.
        objective: What is minimised.
    """
    for _ in range(2):
        loop = sn.AskTell(objective, name, n_random=TOLD)
        while len(loop.trials) < TOLD:
            loop.tell(loop.ask()[0])
        started = time.process_time()
        while len(loop.trials) < TOLD + STEPS:
            for cell in loop.ask(resolve(name).batch_size):
                loop.tell(cell)
        spent = time.process_time() - started
        steps = len(loop.trials) - TOLD
    return 1e3 * spent / steps


def timed(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures of exactly the strategies that there are; those without one are timed.

    Args:
        figures: What ``analysis/abilities.json`` holds.
    """
    before = figures["ms_a_step"]
    cost = {name: before[name] for name in STRATEGIES if name in before}
    made = {
        "date": date.today().isoformat(),
        "processor": device_model(torch.device("cpu")),
    }
    later = {
        name: when for name, when in figures.get("later", {}).items() if name in cost
    }
    for name in STRATEGIES:
        if name not in cost:
            objective = sn.Objective(OBJECTIVE, sn.load("nb201-cifar10"))
            with one_thread():
                cost[name] = round(step(name, objective), 3)
            print(f"{name:24s}{cost[name]:10.2f} ms", flush=True)
            if before:  # on another day, and maybe another machine, than the rest
                later[name] = made
    if not before:
        figures = {"command": "python analysis/abilities.py", **made}
    ordered = {name: cost[name] for name in STRATEGIES}
    kept = {name: value for name, value in figures.items() if name != "later"}
    return {**kept, "ms_a_step": ordered, **({"later": later} if later else {})}


def main() -> None:
    """Time the strategies, keep the figures, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--keep", action="store_true", help="Time only those that have no time."
    )
    keeps = parser.parse_args().keep
    before = (
        json.loads(FIGURES.read_text(encoding="utf-8")) if keeps else {"ms_a_step": {}}
    )
    figures = timed(before)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    put(GUIDE / "strategies.md", "analysis/abilities.py", table(figures["ms_a_step"]))
    put(GUIDE / "exports.md", "analysis/abilities.py", exports())


if __name__ == "__main__":
    main()
