"""A run and its file: what is read of it while it is made, and what its summary, frame and notebook
say.
"""

import math
from dataclasses import replace

import pytest
from msgspec import to_builtins

from surrogate_nas.core.errors import UserError
from surrogate_nas.files.journal import Chain
from surrogate_nas.runs.run import (
    EndLine,
    OtherHistoryError,
    Run,
    RunLog,
    RunWatch,
    read_run,
)
from surrogate_nas.space import ChoiceSpace
from surrogate_nas.space.trial import Trial

SPACE = ChoiceSpace("mlp", {"width": ("16", "64", "256"), "act": ("relu", "tanh")})
SCORES = (5.0, 3.0, 9.0, 3.0, 2.0, 1.0)
"""The third cell is infeasible; the last is trained for other epochs than the answer's."""
TRIALS = [
    Trial(
        i,
        SPACE[i],
        score,
        score - 0.5,
        0.5,
        i != 2,
        3 if i == 5 else 12,
        2.0 + i,
        {"valid_error": score},
        i,
        i + 2.0,
    )
    for i, score in enumerate(SCORES)
]
RUN = Run(
    "mine",
    4,
    TRIALS,
    1.5,
    0.25,
    epochs=12,
    budget_cells=6,
    diagnosis={"alpha": {"entropy": 0.5}},
)
END = EndLine.__struct_fields__[1:]
BEST = [5.0, 3.0, 3.0, 3.0, 2.0, 2.0]


def write(path, trials=TRIALS, run=RUN):
    log = RunLog(path, "root")
    log.append(trials)
    if run is not None:
        log.finish(run)
    log.close()
    return path.read_bytes()


def test_a_run_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "run.jsonl"
    write(path)
    assert read_run(path, "root", "mine", 4, SPACE.parse) == RUN
    assert read_run(tmp_path / "none.jsonl", "root", "mine", 4, SPACE.parse) is None
    write(tmp_path / "open.jsonl", run=None)
    assert read_run(tmp_path / "open.jsonl", "root", "mine", 4, SPACE.parse) is None, (
        "it has not ended"
    )
    with pytest.raises(UserError, match="is damaged or of another comparison"):
        read_run(path, "other", "mine", 4, SPACE.parse)
    with pytest.raises(UserError, match="Cannot read"):
        read_run(tmp_path, "root", "mine", 4, SPACE.parse)


def test_what_the_file_holds_is_compared_and_not_written_again(tmp_path):
    path = tmp_path / "run.jsonl"
    whole = write(path)
    log = RunLog(path, "root")
    assert len(log.known) == 6, "the mark that it has ended is dropped"
    log.append(TRIALS[:4])
    log.append(TRIALS[4:])
    log.finish(RUN)
    log.close()
    assert path.read_bytes() == whole
    longer = [*TRIALS, replace(TRIALS[0], index=6)]
    log = RunLog(path, "root")
    log.append(longer[3:])
    log.finish(replace(RUN, trials=longer, diagnosis={}))
    log.close()
    assert (
        len(path.read_bytes().splitlines()) == 8
        and read_run(path, "root", "mine", 4, SPACE.parse).trials == longer
    )
    log = RunLog(path, "root")
    with pytest.raises(OtherHistoryError, match="differs from this run"):
        log.append([replace(TRIALS[0], score=4.0)])
    with pytest.raises(OtherHistoryError):
        log.finish(RUN)
    log.close()


def test_a_run_is_followed_while_it_is_made(tmp_path):
    path = tmp_path / "run.jsonl"
    whole = write(path)
    lines = whole.splitlines(keepends=True)
    path.unlink()

    def watched(content=None):
        if content is not None:
            path.write_bytes(content)
        return RunWatch.of(path, "root", 12)

    assert not watched().trials and watched().end is None
    watch = watched(b"".join(lines[:3]) + lines[3][:20])
    assert watch.best == BEST[:3] and not watch.failed and watch.end is None
    assert watched() is watch
    assert watched(b"".join(lines[:5])).best == BEST[:5]
    watch = watched(whole)
    assert watch.best == BEST and watch.end is not None
    assert (watch.end.epochs, watch.end.diagnosis, watch.damage) == (
        12,
        RUN.diagnosis,
        "",
    )
    assert watched(whole + lines[0]).damage and not watched().trials
    assert watched(b"".join(lines[:2])).best == BEST[:2] and watched().end is None, (
        "begun anew"
    )


def test_nothing_feasible_is_no_best_score_and_no_number_is_damage(tmp_path):
    path = tmp_path / "run.jsonl"
    write(path, [replace(TRIALS[2], index=0), replace(TRIALS[5], index=1)], run=None)
    assert RunWatch.of(path, "root", 12).best == [math.inf, math.inf]
    for key in ("score", "finished"):
        other = tmp_path / f"{key}.jsonl"
        write(other, [replace(TRIALS[0], **{key: math.inf})], run=None)
        broken = RunWatch.of(other, "root", 12)
        assert broken.damage.startswith(f"{key}: ") and not broken.best
    ended = tmp_path / "ended.jsonl"
    chain = Chain(ended, "root")
    chain.append(
        *[to_builtins(EndLine(end=0, **{n: getattr(RUN, n) for n in END}))] * 2
    )
    chain.close()
    watch = RunWatch.of(ended, "root", 12)
    assert watch.damage == "its last line does not count 1 trials"
