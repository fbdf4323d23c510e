"""A program for ``external``: it asks before it answers. It also has some bad ways.

python tests/examples_talker.py [HOW [FILE]]: what it hears goes into the file, a line each. Of a
bad way, the file gets the numbers of its process and of what it starts.
"""

import json
import os
import random
import subprocess
import sys
import time

BAD = ("garbled", "number", "ends", "hangs", "twice", "spawns", "detaches")


class Talker:
    """What it has heard so far, and its ways to answer."""

    def __init__(self, file):
        self.file = file
        self.rng = random.Random()
        self.trials = []
        self.rounds = 0

    def heard(self):
        """Every line, as it comes."""
        for line in sys.stdin:
            note(self.file, line)
            yield json.loads(line)

    def said(self, message):
        """Say something and hear the reply."""
        say(message)
        return next(self.heard())

    def draw(self):
        say({"evaluate": self.said({"sample": 1})["cells"]})

    def finish(self):
        if self.rounds == 4:
            say({"finish": True})
        else:
            self.draw()

    def ask_wrongly(self):
        for _ in range(10):
            self.said({"evaluate": ["no cell"]})

    def learn(self):
        """Choose a small neighbour of the best, after an answer that is none."""
        assert "error" in self.said({"evaluate": ["no cell"]})
        best = min(self.trials, key=lambda trial: trial["score"])
        near = self.said({"neighbours": best["cell"]})["cells"]
        known = self.said({"query": near})["cells"]
        small = sorted(known, key=lambda one: one["penalty"])[: len(near) // 2]
        cell = self.rng.choice(small)["cell"]
        say({"evaluate": [cell], "usage": {"tokens": 100, "requests": 1}})

    def look_early(self):
        (cell,) = self.said({"sample": 1})["cells"]
        say({"evaluate": [{"cell": cell, "epochs": 2}]})

    def garbled(self):
        sys.stdout.write("Sure! Here it is:\n")
        sys.stdout.flush()

    def number(self):
        for _ in range(10):
            self.said(7)

    def ends(self):
        sys.exit(3)

    def hangs(self):
        time.sleep(600)

    def twice(self):
        cells = self.said({"sample": 1})["cells"]
        say({"evaluate": cells}, "and another thing")  # at once, before the next ask

    spawns = detaches = draw


def say(*messages):
    sys.stdout.write("".join(json.dumps(message) + "\n" for message in messages))
    sys.stdout.flush()


def note(file, text):
    with open(file, "a") as notes:
        notes.write(text)


def main(how="draw", file=os.devnull):
    """Answer until the input ends."""
    if how in BAD:
        note(file, f"{os.getpid()}\n")
    if how in ("hangs", "spawns", "detaches"):
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        note(
            file,
            f"{subprocess.Popen(sleep, start_new_session=how == 'detaches').pid}\n",
        )
    if how in BAD:
        file = os.devnull
    talker = Talker(file)
    for message in talker.heard():
        if "protocol" in message:
            talker.rng = random.Random(message["seed"])
        talker.trials += message.get("tell", ())
        if "ask" in message:
            talker.rounds += 1
            getattr(talker, how)()


if __name__ == "__main__":
    main(*sys.argv[1:])
