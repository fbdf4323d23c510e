"""The evidence for the verdict: the leader compared with every other strategy, and further
findings.
"""

from collections.abc import Mapping

from surrogate_nas.core import NOTHING, fixed, p_value
from surrogate_nas.report.markup import (
    Block,
    Content,
    Section,
    Table,
    folded,
    note,
    section,
    strategy,
    with_marks,
)
from surrogate_nas.report.reading import Rival, Statement, Study

_STATEMENTS: Mapping[Statement, str] = {
    "decided": "significantly worse",
    "most runs": "worse in most runs, mean not decided",
    "split": "worse in most runs, better in the mean",
    "same": "practically the same",
    "equal": "equal, too few runs",
    "open": "not decided",
}


def _statement(rival: Rival) -> str:
    text = _STATEMENTS[rival.statement]
    return (
        f"{text}, practically the same"
        if rival.alike and rival.statement != "same"
        else text
    )


def _difference(rival: Rival) -> str:
    ends = (
        ""
        if rival.interval is None
        else " – ".join(fixed(end, 3) for end in rival.interval)
    )
    return fixed(rival.difference, 3) + (f" ({ends})" if ends else "")


@section(60, "suite", "comparison", "front")
def differences(study: Study) -> Section | None:
    """Build the section that compares the leader with every other strategy, by final regret and
    speed.
    """
    verdict = study.result.verdict
    if verdict is None:
        return None
    # the leading ones stand at the top of the page
    further = verdict.sentences[verdict.leading :]
    more = [with_marks(sentence, study.styles) for sentence in further]
    blocks = [Block("items", more)] if more else []
    if verdict.end is None:
        return folded("Further findings", *blocks) if blocks else None
    end = verdict.end
    speed = verdict.speed
    timed = {} if speed is None else {rival.name: rival for rival in speed.rivals}
    rows: list[list[Content]] = []
    for rival in end.rivals:
        fast = timed.get(rival.name)
        rows.append(
            [
                strategy(rival.name, study.styles[rival.name]),
                f"{rival.wins} / {rival.ties} / {rival.losses}",
                p_value(rival.p),
                _difference(rival),
                _statement(rival),
                NOTHING if fast is None else p_value(fast.p),
                (
                    NOTHING
                    if fast is None
                    else "significantly slower"
                    if fast.apart
                    else "not decided"
                ),
            ]
        )
    heads = [
        "strategy",
        (f"{end.leader}", "better / equal / worse"),
        ("end", "p"),
        ("end", "mean normalised regret above"),
        ("end", "verdict"),
        ("speed", "p"),
        ("speed", "verdict"),
    ]
    first = (
        ""
        if speed is None or speed.leader == end.leader
        else f" The first near the optimum is {speed.leader}."
    )
    text = (
        f"Paired runs of {end.leader} and each other strategy, the closest rival first: exact"
        " two-sided p-values of signed ranks under random signs, and the mean difference with its"
        " 95 % interval (Hall 1992), widened to contain 0 where nothing is claimed about means. A"
        " rival is significantly worse if ranks and mean show it for this rival or a closer one."
        " The mean counts as shown only if failures that could reverse it would have shown in so"
        " many runs. Any claim (end, speed, baselines, other problems, all rivals) is false in at"
        f" most {verdict.level:.0%} of studies.{first}"
    )
    return folded(
        "Which strategies differ, and further findings",
        *blocks,
        Table(heads, rows),
        note(text),
    )
