"""What the verdict rests on: the leader beside every other strategy, and what else was found."""

from __future__ import annotations

from surrogate_nas.core.numbers import NOTHING, p_value
from surrogate_nas.report.markup import Block, Content, Head, Section, Table, note, section, strategy, with_marks
from surrogate_nas.report.reading import Study


@section(60, "suite", "comparison", "front")
def who_is_told_apart(study: Study) -> Section | None:
    """The leader beside every other strategy, by its end and by its speed."""
    verdict = study.verdict
    if verdict is None:
        return None
    more = [with_marks(said, study.looks) for said in verdict.sentences]
    said = [Block("items", more)] if more else []
    if verdict.end is None:
        return Section("What else was found", said, folded=True) if said else None
    end, speed = verdict.end, verdict.speed
    timed = {} if speed is None else {rival.name: rival for rival in speed.rivals}
    rows: list[list[Content]] = []
    for rival in end.rivals:
        fast = timed.get(rival.name)
        rows.append(
            [
                strategy(rival.name, study.looks[rival.name]),
                f"{rival.wins} / {rival.ties} / {rival.losses}",
                p_value(rival.p),
                "behind" if rival.apart else "not told apart",
                "practically the same" if rival.alike else "",
                NOTHING if fast is None else p_value(fast.p),
                NOTHING if fast is None else "behind" if fast.apart else "not told apart",
            ]
        )
    heads = [
        Head("strategy"), Head(f"{end.leader}", "better / equal / worse"), Head("end", "p"), Head("end", "verdict"),
        Head("end", "beside"), Head("speed", "p"), Head("speed", "verdict"),
    ]  # fmt: skip
    first = "" if speed is None or speed.leader == end.leader else f" First near the optimum is {speed.leader}."
    text = (
        f"Paired runs of {end.leader} and each other strategy, the closest rival first: exact p-values of signed "
        f"ranks under random signs, two-sided; a rival is behind if it, or a closer one, passes {end.level:.0%} for "
        f"all claims together.{first}"
    )
    return Section("Who is told apart, and what else was found", [*said, Table(heads, rows), note(text)], folded=True)
