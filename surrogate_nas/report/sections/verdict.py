"""What the verdict rests on, and what would change it: first on every page, after its sentences."""

from __future__ import annotations

from surrogate_nas.core.numbers import NOTHING, p_value
from surrogate_nas.report.markup import Block, Content, Head, Section, Shown, Table, note, section, strategy
from surrogate_nas.report.reading import Study


@section(2, "suite")
@section(2, "comparison")
def would_it_hold(study: Study) -> Section | None:
    """Whether it would hold if something else were asked, and why."""
    verdict = study.verdict
    if verdict is None or not verdict.holds:
        return None
    heads = [Head("with"), Head("answer"), Head("why")]
    rows: list[list[Content]] = [[holds.question, Shown(holds.answer, "strong"), holds.why] for holds in verdict.holds]
    told = verdict.sentences[verdict.leading :]
    return Section("Would it hold?", [Table(heads, rows, texts=3), *([Block("items", told)] if told else [])])


@section(4, "suite")
@section(4, "comparison")
def who_is_told_apart(study: Study) -> Section | None:
    """The leader beside every other strategy, by its end and by its speed."""
    verdict = study.verdict
    if verdict is None or verdict.end is None:
        return None
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
    return Section("Who is told apart", [Table(heads, rows), note(text)])
