"""A proposer for the strategy ``external``: a hill climber of the standard library only, and its
bad relatives.

python tests/examples_proposer.py [HOW [FILE]]: its process's number, and those of what it starts,
go into the file.
"""

import json
import os
import random
import subprocess
import sys
import time

SAYS = {
    "garbled": "Sure! Here it is:",
    "foreign": '{"cells": ["|conv~0|"]}',
    "empty": '{"cells": []}',
    "number": "7",
}


def main(how="", file=os.devnull):
    """Answer until the input ends."""
    best = None
    space = {}
    rng = random.Random()
    note(file, os.getpid())
    if how in ("hangs", "spawns", "detaches"):
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        note(file, subprocess.Popen(sleep, start_new_session=how == "detaches").pid)
    for line in sys.stdin:
        message = json.loads(line)
        if "space" in message:
            space = message["space"]
            rng = random.Random(message["seed"])
        elif "tell" in message:
            best = min(
                [*message["tell"], *([best] if best else [])], key=lambda trial: trial["score"]
            )
        elif how == "hangs":
            time.sleep(600)
        elif how == "ends":
            sys.exit(3)
        else:
            cells = [proposed(best, space, rng) for _ in range(message["ask"])]
            more = "and another thing\n" if how == "twice" else ""
            sys.stdout.write((SAYS.get(how) or json.dumps({"cells": cells})) + "\n" + more)


def note(file, pid):
    with open(file, "a") as pids:
        pids.write(f"{pid}\n")


def proposed(best, space, rng):
    """The best cell with the option of one position drawn anew: it must know how each space prints
    its cells.
    """
    text = best["cell"] if best else rng.choice(space["examples"])
    position, options = rng.choice(list(space["positions"].items()))
    place = list(space["positions"]).index(position)
    option = rng.choice(options)
    if "=" in text:  # name(position=option, …)
        old = text.partition(f"{position}=")[2].partition(",")[0].rstrip(")")
        return text.replace(f"{position}={old}", f"{position}={option}")
    if "~" not in text:  # left-blue-2
        parts = text.split("-")
        return "-".join([*parts[:place], option, *parts[place + 1 :]])
    edges = [part for part in text.replace("+", "").split("|") if part]
    edges[place] = f"{option}~{edges[place].partition('~')[2]}"
    return "+".join(f"|{'|'.join(node)}|" for node in (edges[:1], edges[1:3], edges[3:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
