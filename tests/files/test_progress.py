"""Progress where there is no terminal."""

import threading

from surrogate_nas.files import ProgressLines


def test_a_line_says_how_far_and_how_long():
    lines = []
    now = 0.0
    progress = ProgressLines("runs", write=lines.append, clock=lambda: now)
    now = 40.4
    progress.say()
    progress(12, 50)
    now = 119.0
    progress.say()
    progress(12, 50, "evolution 3: 80/150")
    now = 600.0
    progress.say()
    progress(50, 50)
    now = 9000.0
    progress.say()
    assert lines == [
        "runs, 40 s",
        "runs 12/50, 119 s",
        "runs 12/50, evolution 3: 80/150, 10 min",
        "runs 50/50, 2 h 30 min",
    ]


def test_what_is_left_is_told_after_a_few():
    now = 0.0
    lines = []
    progress = ProgressLines("runs", write=lines.append, clock=lambda: now)
    for done in range(2, 11):  # two were there before
        progress(done, 52)
        now += 10
    progress.say()
    progress(1, 9)  # other work
    progress.say()
    assert lines == ["runs 10/52, 90 s, about 8 min left", "runs 1/9, 90 s"]


def test_it_speaks_unasked_while_nothing_is_finished_and_is_silent_afterwards():
    heard = threading.Event()
    lines = []

    def write(line):
        lines.append(line)
        heard.set()

    with ProgressLines("runs", every=0.001, write=write) as progress:
        progress(0, 3)
        heard.wait()
    said = len(lines)
    assert lines[-1].startswith("runs") and said >= 1
    assert len(lines) == said


def test_short_work_says_nothing(capsys):
    with ProgressLines("runs") as progress:
        progress(1, 1)
    assert capsys.readouterr().err == ""
