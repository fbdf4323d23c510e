"""The page: its sentences follow from the numbers by rule, one for each outcome."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import fill

import pandas as pd

from analysis.answer.contrasts import LENGTHS, OF_INTEREST, TITLES, of_length, outcome
from analysis.answer.findings import Findings
from analysis.answer.orders import CEILING, KIND, PARAMS, RANDOM
from analysis.answer.pictures import bars, forest, kinds
from analysis.answer.reading import TESTED, WEAK
from analysis.answer.replications import FAMILIES, PLAIN, agrees
from analysis.answer.searching import LAMBDAS, STRATEGIES
from analysis.answer.text import (
    BIBTEX,
    DEVIATIONS,
    METHOD,
    NO_CURVES,
    NOT_SAID,
    PAPERS,
    estimate,
    interval,
    number,
    size,
)
from analysis.answer.tolerance import SHARES
from surrogate_nas.files import write_whole
from surrogate_nas.report.markup import (
    Block,
    Content,
    Figures,
    Notice,
    Paragraph,
    Section,
    Span,
    Table,
    note,
)
from surrogate_nas.report.page import Header, document

TITLE = "Which loss should drive an architecture search?"
SAID = {
    "for": "decided: better",
    "against": "decided: worse",
    "same": "no difference of interest",
    "open": "not told apart",
    "part": "not whole yet",
}
SHORT = {
    "valid_loss": ("validation loss", "end"),
    "train": ("training loss", "end"),
    "early": ("training loss", "20 %"),
    KIND: ("kind", "matched − other"),
}


def write_page(found: Findings, folder: Path) -> Path:
    """Write ``index.html``, ``data/*.csv`` and ``answer.bib`` into a folder."""
    found.write(folder)
    write_whole(folder / "answer.bib", BIBTEX)
    return write_whole(
        folder / "index.html", document(_header(found), _sections(found))
    )


def _line(found: Findings, contrast: str, length: float = 1) -> pd.Series | None:
    frame = found.contrasts
    if frame.empty:
        return None
    own = frame[(frame["contrast"] == contrast) & (frame["length"] == length)]
    return own.iloc[0] if len(own) else None


def clause(line: pd.Series) -> str:
    """What a contrast says of a signal beside the validation measure: the end of a sentence."""
    said = outcome(line)
    if said in ("for", "against"):
        better = "better" if said == "for" else "worse"
        little = ", less than is of interest" if line["negligible"] else ""
        return f"orders architectures {better} by {size(line, 'of τ')}{little}"
    if said == "same":
        return f"makes no difference of interest ({estimate(line)}, within ±{number(OF_INTEREST)})"
    if said == "part":
        return f"is not judged yet ({estimate(line)} by the trainings that there are)"
    seen = number(line["detectable"])
    return f"is not told apart from it ({estimate(line)}; {seen} would be seen)"


def sentences(found: Findings) -> list[Paragraph]:
    """The three sentences of the answer; fewer where there are too few sources for one."""
    lines = [_line(found, name) for name in (KIND, "train", "early")]
    if not any(line is not None for line in lines):
        return [Paragraph(["There are too few sources of data to answer by."])]
    made = zip((_of_kind, partial(_of_training, found), _of_early), lines, strict=True)
    return [Paragraph(say(line)) for say, line in made if line is not None]


def summary(found: Findings) -> str:
    """The sentences in Markdown, by the tables that are shipped."""
    made = []
    shipped = {**found.frames, "replications": found.replications[:0]}
    for one in sentences(replace(found, frames=shipped)):
        parts = [
            part if isinstance(part, str) else f"**{part.text}**" for part in one.parts
        ]
        made.append(
            fill("".join(parts), 118, initial_indent="- ", subsequent_indent="  ")
        )
    return "\n".join(made) + "\n"


def _of_training(found: Findings, line: pd.Series) -> list[Content]:
    longer = [one for n in LENGTHS[1:] if (one := _line(found, "train", n)) is not None]
    longer = [one for one in longer if one["whole"]]
    lead = _OF_TRAINING[outcome(line)]
    where = " at the usual length"
    if outcome(line) == "same" and any(outcome(one) != "same" for one in longer):
        lead, where = _AT_USUAL_LENGTH, ""
    text = f" against the validation measure it {clause(line)}{where}"
    for one in longer:
        text += f"; in runs {one['length']:g} times as long it {clause(one)}"
    fetched = [family for family, one in FAMILIES.items() if one.fetch]
    outside = found.replications
    outside = outside[
        (outside["contrast"] == "train") & outside["family"].isin(fetched)
    ]
    if len(outside):
        worse = int((outside["high"] < 0).sum())
        text += f"; in {worse} of {len(outside)} families of other people's tables it is worse"
    return [Span(lead, "strong"), f"{text}."]


def _of_early(line: pd.Series) -> list[Content]:
    more = "more" if line["regret"] >= 0 else "less"
    tested = "tested" if line["decided"] else "not tested"
    text = (
        f" its training loss {clause(line)}, and what it picks costs"
        f" {size(line, 'standard deviations', 'regret', 'regret_')} of a training seed {more}"
        f" ({tested})."
    )
    return [Span(_OF_EARLY[outcome(line)], "strong"), text]


_OF_TRAINING = {
    "for": "The training loss at the end is the better signal:",
    "against": "The training loss is no substitute for validation:",
    "same": "The training loss at the end will do:",
    "open": "The training loss at the end is not told apart from validation:",
    "part": "The training loss at the end is not judged yet:",
}
_AT_USUAL_LENGTH = "The training loss at the end will do at the usual length:"
_OF_EARLY = {
    "for": "A fifth of the run tells more than all of it:",
    "against": "A fifth of the run is not enough for the final order:",
    "same": "A fifth of the run is enough:",
    "open": "Whether a fifth of the run is enough is not told apart:",
    "part": "A fifth of the run is not judged yet:",
}


def _of_kind(line: pd.Series) -> list[Content]:
    seen = number(line["detectable"])
    lead, rest = {
        "for": (
            "Search on the kind of number you will be judged by:",
            "a validation signal of the goal's own kind orders architectures better by"
            f" {size(line, 'of τ')}.",
        ),
        "against": (
            "Do not search on the goal's own kind:",
            "a validation signal of the other kind orders architectures better by"
            f" {size(line, 'of τ')}.",
        ),
        "same": (
            "Loss or measure makes no difference of interest",
            f"on validation data, whichever of them judges ({estimate(line)}).",
        ),
        "open": (
            "Whether the goal's own kind is better is not told apart",
            f"({estimate(line)}); a difference of {seen} would be seen.",
        ),
        "part": ("The kinds of signal are not judged yet", f"({estimate(line)})."),
    }[outcome(line)]
    return [Span(lead, "strong"), f" {rest}"]


def _header(found: Findings) -> Header:
    usual = of_length(found.judged, 1)
    n_sources = len({one.table.source for one in usual})
    lengths = sorted({one.table.length for one in found.judged})
    seeds = max((len(one.table("test", "loss")) for one in usual), default=0)
    facts = [
        f"{len(usual)} tasks of {n_sources} sources of data",
        f"classes {_places(found.classes)} of cells × {seeds} seeds",
        f"lengths {', '.join(f'×{length:g}' for length in lengths)}",
        "protocol of 26 and 28 November 2026",
    ]
    line: list[Content] = [f"{' · '.join(facts)} · "]
    line += [Span("contrasts", "link", None, "data/contrasts.csv"), ", "]
    line += [Span("all signals", "link", None, "data/signals.csv"), " as CSV · "]
    line += [Span("BibTeX", "link", None, "answer.bib")]
    return Header(TITLE, TITLE, line, _boxes(found), sentences(found), _holds(found))


def _places(classes: range) -> str:
    return f"{classes.start} to {classes.stop - 1}"


def _boxes(found: Findings) -> list[Notice]:
    if found.classes != TESTED:
        text = (
            f"the protocol tests classes {_places(TESTED)}; these are classes"
            f" {_places(found.classes)}, so nothing here is a test, whatever its words."
        )
        return [Notice("Exploratory:", text)]
    here, wanted = found.trainings
    text = f"{here:,} of {wanted:,} trainings of the design on these classes are in the tables."
    box = Notice("Part of the design:", f"{text} data/trainings.csv", bad=False)
    return [box] if here < wanted else []


def _holds(found: Findings) -> Table | None:
    """What would change the answer."""
    if _line(found, "train") is None:
        return None
    frame = found.contrasts
    first = frame[frame["length"] == 1]
    said = {line["contrast"]: outcome(line) for _, line in first.iterrows()}

    def alike(other: pd.DataFrame) -> list[bool]:
        return [
            outcome(line) == said.get(line["contrast"]) for _, line in other.iterrows()
        ]

    decided = first[first["decided"]]
    weak = found.besides
    weak = weak[weak["which"].str.startswith("without") & (weak["length"] == 1)]
    clear = (decided["new_low"] > 0) | (decided["new_high"] < 0)
    same = "contrasts say the same"
    checks = [
        ("in longer runs?", alike(frame[(frame["length"] > 1) & frame["whole"]]), same),
        (
            "in a new source of data?",
            clear,
            "decided contrasts would keep their sign (95 %)",
        ),
        (
            "in regret?",
            decided["regret_decided"],
            "decided contrasts are decided in regret",
        ),
        (f"without {' and '.join(WEAK)}?", alike(weak), same),
    ]
    rows: list[list[Content]] = []
    for question, held, what in checks:
        n, total = sum(held), len(held)
        answer = (
            "Unknown" if not total else "Yes" if n == total else "Partly" if n else "No"
        )
        rows.append([question, Span(answer, "strong"), f"{n} of {total} {what}"])
    return Table(("Would it hold …", "", ""), rows, texts=3)


def _sections(found: Findings) -> list[Section]:
    words = [
        Section("Method", [Paragraph([text]) for text in METHOD], half=True),
        Section(
            "What this does not say",
            [Paragraph([text]) for text in NOT_SAID],
            half=True,
        ),
        Section("To cite it", [Block("command", BIBTEX)]),
    ]
    if _line(found, "train") is None:
        return [_deviations(found), *words]
    made = [
        _kinds(found),
        _forest(found),
        _table(found),
        _deviations(found),
        _variance(found),
    ]
    made += [_levels(found), _outside(found), _within(found), _tolerance(found)]
    made += [_losses(found), _controls(found), _tasks(found), _beside(found)]
    return [*made, *words]


def _listed(frame: pd.DataFrame, drawn: str, texts: int = 1) -> Table:
    """A line of a frame is a row.

    Columns are drawn, three lines high: head, second line of the head, content. A content is a
    number's name and digits (``holm 3``), an estimate's (``± regret``), an interval's (``[] hall``)
    or a text's name (in bold: ``* said``); ``contrasts`` is a column for each that the frame has.
    """
    lines = [line.split("|") for line in drawn.strip().splitlines()]
    columns: list[tuple[str, ...]] = []
    for start in range(0, len(lines), 3):
        for head, small, what in zip(*lines[start : start + 3], strict=True):
            if what.strip() == "contrasts":
                columns += [(*SHORT[name], name) for name in TITLES if name in frame]
            else:
                columns.append((head.strip(), small.strip(), what.strip()))
    rows = [
        [_cell(line, what) for _, _, what in columns] for _, line in frame.iterrows()
    ]
    return Table([(head, small) for head, small, _ in columns], rows, texts)


def _cell(line: pd.Series, what: str) -> Content:
    first, _, name = what.partition(" ")
    prefix = f"{name}_" if name else ""
    if first == "*":
        return Span(line[name], "strong")
    if first == "±":
        return estimate(line, name or "difference", f"{prefix}low", f"{prefix}high")
    if first == "[]":
        return interval(line[f"{prefix}low"], line[f"{prefix}high"])
    return number(line[first], int(name)) if name else str(line[what]).replace("_", " ")


def _kinds(found: Findings) -> Section:
    frame = found.kinds
    end = frame[(frame["split"] == "valid") & (frame["time"] == 100)]
    end = end[
        end["goal"].isin(["loss", "measure"])
        & end["quantity"].isin(["loss", "measure"])
    ]
    is_own = end["quantity"] == end["goal"]
    own, other = number(end[is_own]["tau"].mean()), number(end[~is_own]["tau"].mean())
    caption = (
        "Kendall's τ between a signal under one seed and the goal under the other seeds, by share"
        " of the run in per cent. Blue disc: the goal's own kind; orange triangle: the other kind."
        " Thin: a source of data; thick: the mean over sources. Dotted: what another seed of the"
        " goal (ceiling), and more parameters (floor), reach. data/kinds.csv"
    )
    title = f"At the end validation reaches τ {own} by the goal's own kind and {other} by the other"
    return Section(title, [Figures([kinds(frame, caption)])])


def _forest(found: Findings) -> Section:
    own = found.sources[found.sources["length"] == 1]
    first = found.contrasts[found.contrasts["length"] == 1]
    train = own[own["contrast"] == "train"]
    ahead = int((train["difference"] > 0).sum())
    caption = (
        "Difference of τ to the validation measure at the end, at the usual length, with 95 %"
        " intervals over classes of cells; the last column: matched less unmatched kind. Grey: too"
        " small to matter (±.05). Diamond: the mean and its interval; dashed: where a new source"
        " would lie. Rings: other tables, at the edge those beyond it. data/sources.csv"
    )
    title = (
        f"The training loss at the end is ahead of the validation measure in {ahead} of"
        f" {len(train)} sources"
    )
    return Section(title, [Figures([forest(own, first, found.replications, caption)])])


def _test_of_regret(line: pd.Series) -> str:
    if not line["decided"]:
        return "not tested"
    return "decided" if line["regret_decided"] else f"p {number(line['regret_p'], 3)}"


def _table(found: Findings) -> Section:
    frame, worth = found.contrasts.copy(), found.worth.iloc[0]
    lines = [line for _, line in frame.iterrows()]
    frame["title"] = frame["contrast"].map(TITLES)
    frame["runs"] = [f"×{line['length']:g}" for line in lines]
    frame["said"] = [SAID[outcome(line)] for line in lines]
    frame["numbers"] = [f"{line['sources']}, {line['tasks']}" for line in lines]
    frame["its_test"] = [_test_of_regret(line) for line in lines]
    columns = """
        contrast | length |              | sources | τ    | new source | p
                 |        | what it says | tasks   | 95 % | 95 %       | Holm
        title    | runs   | * said       | numbers | ±    | [] new     | holm 3
        Hall         | two-level    | seen         | regret      |
        Holm's level | bootstrap    | 80 %         | sd of seeds | its test
        [] hall      | [] two_level | detectable 2 | ± regret    | its_test
    """
    text = (
        "Decided: p after Holm's correction within a length below .05, and Hall's interval of the"
        " plain mean leaves 0 out. No difference of interest: the interval lies within ±.05."
        f" What .05 of τ is worth: {number(worth['points'])} points of error in the median of the"
        f" {worth['of_tasks']:g} tasks judged in per cent, {number(worth['seeds'])} standard"
        " deviations of a training seed in the median of all. data/contrasts.csv"
    )
    title = f"{int(frame['decided'].sum())} of {len(frame)} contrasts are decided"
    return Section(title, [_listed(frame, columns, 3), note(text)])


def _deviations(found: Findings) -> Section:
    items, out = list(DEVIATIONS), found.left_out
    noisy = [
        f"{line['table']} ({number(line['agreement'])})"
        for _, line in out[out["noise"]].iterrows()
    ]
    if noisy:
        items.append(
            f"Left out of the means as noise, by validation data: {', '.join(noisy)}."
        )
    if one := list(out[out["one"]]["table"]):
        items.append(
            "Loss and measure are one quantity, so not in the first and the fourth contrast:"
            f" {', '.join(one)}."
        )
    return Section("Deviations from the protocol", [Block("items", items)], half=True)


_SHOWN = {
    "another seed of the goal": ("ceiling", CEILING, 100),
    "validation measure, end": ("valid", "measure", 100),
    "validation measure, 20 %": ("valid", "measure", 20),
    "validation loss, end": ("valid", "loss", 100),
    "validation loss, last fifth": ("valid", "loss", "late"),
    "validation calibration error, end": ("valid", "ece", 100),
    "validation error under attack, end": ("valid", "robust_error", 100),
    "training loss, end": ("train", "loss", 100),
    "training loss, 20 %": ("train", "loss", 20),
    "training loss, mean of the run": ("train", "loss", "mean"),
    "−parameters": ("floor", PARAMS, 100),
    "a random signal": ("floor", RANDOM, 100),
}


def _levels(found: Findings) -> Section:
    keys = ["split", "quantity", "time", "goal"]
    means = found.kinds.groupby(keys)[["tau", "quarter", "corrected", "regret"]].mean()
    tau = means["tau"].unstack("goal")
    of_measure = means.xs("measure", level="goal")
    lines = []
    for title, key in _SHOWN.items():
        if key in of_measure.index:
            others = tau.loc[key].reindex(["loss", "ece", "robust_error"])
            lines.append({"signal": title, **of_measure.loc[key], **others})
    columns = """
        signal       | goal: measure |              |               |
        usual length | τ             | best quarter | without noise | regret
        signal       | tau 2         | quarter 2    | corrected 2   | regret 2
        goal: loss | calibration | under attack
        τ          | τ           | τ
        loss 2     | ece 2       | robust_error 2
    """
    text = (
        "The mean over sources. Without noise: τ corrected for that of seeds (Spearman 1904)."
        " Regret: in standard deviations of a training seed. Calibration error and error under"
        " attack are of classifiers. data/kinds.csv"
    )
    return Section(
        "Floors and ceilings", [_listed(pd.DataFrame(lines), columns), note(text)]
    )


def _variance(found: Findings) -> Section:
    frame = found.variance
    if frame.empty:
        text = (
            "No search on these tables is stored; python -m analysis.answer.searching makes them,"
            " which takes minutes."
        )
        return Section("What decides the regret of a search", [text], half=True)
    by = frame.set_index("component")["share"]
    signal, strategy = f"{by['signal']:.0%}", f"{by['strategy']:.0%}"
    ahead = "more than" if by["signal"] > by["strategy"] else "less than"
    title = f"The signal matters {ahead} the strategy: {signal} and {strategy}"
    if signal == strategy:
        title = (
            f"The signal matters as much as the strategy: {signal} of the variance each"
        )
    caption = (
        f"Share of the variance of regret in searches at equal seconds ({len(STRATEGIES)}"
        f" strategies, λ of {', '.join(f'{one:g}' for one in LAMBDAS)}), the mean over"
        f" {frame['sources'].iloc[0]} sources; together: combinations. data/variance.csv"
    )
    blocks: list[Figures | str] = [Figures([bars(frame, caption)])]
    for _, line in found.gains.iterrows():
        blocks.append(
            f"Driven by the {line['signal']} instead of the validation measure, λ 0, a search ends"
            f" {estimate(line)} standard deviations of a seed further from the best"
            f" ({line['sources']} sources)."
        )
    told = [
        f"{line['strategy'].replace('_', ' ')} {estimate(line)} (further in {line['worse']} of"
        f" {line['sources']} sources)"
        for _, line in found.switches.iterrows()
    ]
    if told:
        blocks.append(
            "Where the training loss ranks all runs that are shorter than the objective's, and the"
            " validation measure the others (drive= at its default, tuned on nothing), a search"
            " over epochs ends so many standard deviations of a seed further from the best than"
            f" without: {'; '.join(told)}. Exploratory. data/switches.csv"
        )
    return Section(title, blocks, half=True)


def _tolerance(found: Findings) -> Section:
    """How far apart the optima of two losses lie under one rule for λ."""
    frame = found.tolerance
    if frame.empty:
        return Section("λ by a tolerance", ["There are too few sources."], half=True)
    by = frame.set_index("rule")
    far = [number(by.loc[rule, "params"]) for rule in ("tolerance", "same λ")]
    title = f"By one tolerance two losses pick cells {far[0]} doublings apart, by one λ {far[1]}"
    columns = """
        one  | parameters      | goal
        rule | doublings apart | sd of seeds apart
        rule | ± params        | ± goal
    """
    text = (
        "Between the class that the validation measure picks and those that validation and training"
        f" loss pick, at the end of the run; the mean over {frame['sources'].iloc[0]} sources."
        " Tolerance: λ by what twice the median parameters are worth"
        f" ({', '.join(f'{one:g}' for one in SHARES)} interquartile ranges of the loss); λ: the"
        " measure's; limit: the parameters of the measure's pick; knee: of each loss's front. No"
        " table made the rule. Exploratory. data/tolerance.csv"
    )
    return Section(title, [_listed(frame, columns), note(text)], half=True)


def _outside(found: Findings) -> Section:
    lines = []
    differs = []
    for family, part in found.replications.groupby("family", sort=False):
        line = {"family": f"{family} ({part['sources'].max()})"}
        differs.append(f"{family}: {part['differs'].iloc[0]}")
        for _, one in part.iterrows():
            own = _line(found, one["contrast"])
            beside = (
                ""
                if own is None
                else agrees(own["difference"], one["low"], one["high"])
            )
            means = f"{estimate(one)}; plain {estimate(one, *PLAIN)}"
            line[one["contrast"]] = f"{means} {beside}".strip()
        lines.append(line | _by_kind(found.outside[found.outside["family"] == family]))
    frame = pd.DataFrame(lines).fillna("–")
    columns = """
        data            |           | goal: measure    | goal: loss
        sources at most |           | by measure, loss | by loss, measure
        family          | contrasts | measure          | loss
    """
    text = (
        "Difference of τ, its 95 % interval, and what it is beside ours; last, plain means of the"
        " τ of validation at the end. Sources combine by the random-effects model, whose weights"
        " favour those where signals agree; plain means weigh sources alike. Of fewer than three"
        f" the interval is over cells. What differs: {'; '.join(differs)}. Not here:"
        f" {'; '.join(found.lacking) or 'none'}. data/replications.csv, data/outside.csv"
    )
    return Section(
        "The same question in other tables", [_listed(frame, columns), note(text)]
    )


def _by_kind(outside: pd.DataFrame) -> dict[str, str]:
    """Validation's τ at the end by goal: of its own kind, and of the other."""
    valid = outside[(outside["split"] == "valid") & (outside["time"] == 100)]
    taus = valid.set_index(["quantity", "goal"])["plain"]
    told = {}
    for goal, other in (("measure", "loss"), ("loss", "measure")):
        if (other, goal) in taus.index:
            told[goal] = f"{number(taus[goal, goal])}, {number(taus[other, goal])}"
    return told


def _within(found: Findings) -> Section:
    """Which signal chooses an epoch of one run, and what other papers measured."""
    columns = """
        data   | epoch chosen by | lost         | 95 %  |        | unit
               |                 |              | from  | to     |
        family | chosen_by       | difference 4 | low 4 | high 4 | unit
    """
    text = (
        "Test measure at the chosen epoch of a run, less that at the run's best epoch"
        f" (exploratory). {NO_CURVES} data/epochs.csv"
    )
    blocks: list[Table | Paragraph | Block] = [note(text), Block("items", PAPERS)]
    if len(found.epochs):
        blocks.insert(0, _listed(found.epochs, columns, 2))
    return Section("Which epoch of a run, and other papers", blocks, half=True)


def _controls(found: Findings) -> Section:
    frame = found.controls
    if frame.empty:
        return Section("Negative controls", ["Too few sources for any."], half=True)
    told = frame.copy()
    for name in told.columns.drop(["control", "studies"]):
        told[name] = told[name].map("{:.1%}".format)
    columns = f"""
        studies that decide           |           | any
        of {frame["studies"].max()}   |           |
        control                       | contrasts | any
    """
    null = frame[~frame["control"].str.startswith("an effect")]["any"].max()
    title = f"Without an effect at most {null:.1%} of the studies decide anything"
    text = (
        "The last line: how often an effect of .05 in every contrast is decided."
        " data/controls.csv"
    )
    return Section(title, [_listed(told, columns), note(text)])


def _tasks(found: Findings) -> Section:
    every = [one for n in LENGTHS for one in of_length(found.judged, n)]
    lines = []
    for one in of_length(found.judged, 1):
        table = one.table
        same = [other.taus for other in every if other.table.task == table.task]
        line = {"task": table.task, "source": table.source, "measure": table.measure}
        line |= {"classes": len(table.classes), "agreement": one.agreement}
        for name in TITLES:
            line[name] = " ".join(
                number(o[name][0]) if name in o else "–" for o in same
            )
        lines.append(line)
    columns = """
        task | source | judged by | classes | two seeds   |
             |        |           |         |             |
        task | source | measure   | classes | agreement 2 | contrasts
    """
    text = (
        "Contrasts at the lengths that the task has, of ×1, ×4 and ×8. data/signals.csv"
    )
    return Section("By task", [_listed(pd.DataFrame(lines), columns, 3), note(text)])


def _losses(found: Findings) -> Section:
    frame = found.losses
    if frame.empty:
        return Section("Losses that train", ["No other loss trained."], half=True)
    seen = frame[frame["holm"] < 0.05].sort_values("difference")
    worse, better = seen[seen["difference"] < 0], seen[seen["difference"] > 0]
    columns = """
        task | trained by | instead of | τ    | p
             |            |            | 95 % | Holm
        task | loss       | usual      | ±    | holm 3
    """
    text = (
        "That loss's own validation value, less the usual loss's validation measure, both against"
        " the usual goal; at most five at each end are shown. data/losses.csv"
    )
    blocks = [
        _listed(pd.concat([worse.head(5), better.tail(5)]), columns, 3),
        note(text),
    ]
    title = (
        f"Of {len(frame)} other losses that train, {len(better)} order better,"
        f" {len(worse)} worse"
    )
    return Section(title, blocks, half=True)


def _beside(found: Findings) -> Section:
    """Moderator, other versions of the means, and the pilot."""
    blocks: list[str | Table | Paragraph] = []
    for _, line in found.moderator.iterrows():
        blocks.append(
            f"Gap of the losses with the contrast of the {TITLES[line['contrast']]}: Spearman's ρ"
            f" {number(line['over_all'])} over {line['points']} tasks × lengths,"
            f" {number(line['within'])} within lengths."
        )
    every = found.besides
    if len(found.pilot):
        every = pd.concat(
            [every, found.pilot.assign(which="classes 0 to 49, exploratory")]
        )
    every = every[every["length"] == 1]
    for name, title in TITLES.items():
        some = every[every["contrast"] == name]
        told = [f"{line['which']} {estimate(line)}" for _, line in some.iterrows()]
        blocks += [f"{title.capitalize()}: {'; '.join(told)}."] if told else []
    for _, line in found.short_runs.iterrows():
        name = (
            "training loss"
            if line["split"] == "train"
            else f"validation {line['quantity']}"
        )
        blocks.append(
            f"On {line['task']} the {name} of a run of its own of length ×{line['length']:g} has τ"
            f" {number(line['own'])}, the point at 20 % of the whole run {number(line['point'])}:"
            f" {estimate(line)}."
        )
    for (space, name), part in found.second_space.groupby(
        ["space", "contrast"], sort=False
    ):
        told = "; ".join(
            f"{line['task']} {estimate(line)}" for _, line in part.iterrows()
        )
        blocks.append(
            f"{TITLES[name].capitalize()} in the space {space} (exploratory): {told}."
        )
    for (task, n), part in found.optima.groupby(["task", "classes"], sort=False):
        told = [f"{line['signal']} {line['better']:.1%}" for _, line in part.iterrows()]
        blocks.append(
            f"Among all {n:,} classes of {task}, so many are better than the pick by another seed:"
            f" {'; '.join(told)} (split, quantity, per cent of the run)."
        )
    files = ("moderator", "besides", "pilot", "short_runs", "second_space", "optima")
    blocks.append(note(", ".join(f"data/{name}.csv" for name in files)))
    return Section("Told besides", blocks)
