"""A program for the second version of the protocol of ``external``: it asks before it answers.

python tests/examples_talker.py [HOW [FILE]]: what it hears goes into the file, a line each.
"""

import json
import os
import random
import sys


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
            with open(self.file, "a") as notes:
                notes.write(line)
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

    def write_code(self):
        width = self.rng.choice([16, 64])
        say({"evaluate": [{"code": f"width = {width}\ndepth = {1 + self.rounds % 3}"}]})


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main(how="draw", file=os.devnull):
    """Answer until the input ends."""
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
