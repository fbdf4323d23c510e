"""The page: its sentences follow from the numbers by rule, one for each outcome."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import pandas as pd

from analysis.answer import supplement
from analysis.answer.blocks import CONDITIONS, counts, files, listed
from analysis.answer.conditions import DELTA, TWIN
from analysis.answer.contrasts import OF_INTEREST, TITLES, of_length, outcome
from analysis.answer.findings import Findings
from analysis.answer.orders import MATCHED
from analysis.answer.pictures import Axis, forest
from analysis.answer.reading import TESTED
from analysis.answer.replications import PLAIN
from analysis.answer.text import (
    BIBTEX,
    DEVIATIONS,
    METHOD,
    NOT_SAID,
    estimate,
    in_prose,
    number,
    size,
)
from surrogate_nas.files import write_whole
from surrogate_nas.report.markup import (
    Block,
    Content,
    Figures,
    Notice,
    Paragraph,
    Section,
    Span,
    note,
)
from surrogate_nas.report.page import Header, document
from surrogate_nas.report.picture import Picture
from surrogate_nas.results.verdict import joined

TITLE = "Which loss should drive an architecture search?"
SAID = {
    "for": "better",
    "against": "worse",
    "same": "no difference of interest",
    "open": "undecided",
    "part": "not all trained yet",
}
REGIMES = {
    "D1": "30 % label noise",
    "D2": "weight decay that varies between architectures",
    "D3": "four times the default length alone",
}
"""The cause whose effect a contrast of the second experiment measures."""
_DEFINED = {
    "D1": "D1: noise, ×4, less clean, ×4",
    "D2": "D2: weight decay varies, less fixed, ×4",
    "D3": "D3: ×4 less ×1",
}
_LOSSES = {
    "brier": "Brier score",
    "focal": "focal loss",
    "hinge": "hinge loss",
    "label_smoothing": "label smoothing",
}
_AXIS = Axis(
    "δ: Kendall's τ with the test metric, training loss less validation metric",
    "the validation metric orders architectures better",
    "the training loss does",
)
_AXIS_OF_LOSSES = Axis(
    "test metric against cross-entropy, in standard deviations of a training seed",
    "cross-entropy is better",
    "the other loss is better",
)


def write_page(found: Findings, folder: Path) -> Path:
    """Write the page, its supplement, ``data/*.csv`` and ``answer.bib`` into a folder."""
    found.write(folder)
    write_whole(folder / "answer.bib", BIBTEX)
    further = Header(
        "Supplement", f"Supplement: {TITLE}", [files("index.html")], [], [], None
    )
    text = document(further, supplement.sections(found))
    write_whole(folder / "supplement.html", text)
    return write_whole(
        folder / "index.html", document(_header(found), _sections(found))
    )


def _line(found: Findings, contrast: str, length: float = 1) -> pd.Series | None:
    frame = found.contrasts
    if frame.empty:
        return None
    own = frame[(frame["contrast"] == contrast) & (frame["length"] == length)]
    return own.iloc[0] if len(own) else None


def _regime(found: Findings, contrast: str, of: str = DELTA) -> pd.Series | None:
    """A line of the second experiment, tested or not."""
    for name in ("contrasts", "besides"):
        frame = found.regimes(name)
        if len(frame):
            own = frame[(frame["contrast"] == contrast) & (frame["of"] == of)]
            if len(own):
                return own.iloc[0]
    return None


def sentences(found: Findings) -> list[Paragraph]:
    """The three sentences of the answer; fewer where there are too few sources for one."""
    made = [
        None if (line := _line(found, "train")) is None else _of_training(line),
        _of_regimes(found),
        _of_early(found),
    ]
    told = [Paragraph(parts) for parts in made if parts]
    return told or [Paragraph(["There are too few sources of data to answer by."])]


def summary(found: Findings) -> str:
    """The lead of each sentence with its main number, as a list in Markdown.

    Numbers are differences in Kendall's τ with the test metric.
    """
    made = []
    if (line := _line(found, "train")) is not None:
        made.append((_lead_of_training(line), in_prose(line), line["sources"]))
    lines = _causes(found)
    if lines:
        numbers = "; ".join(
            f"{REGIMES[line['contrast']]}: {in_prose(line, 'mean')}" for line in lines
        )
        made.append((_lead_of_regimes(lines), numbers, lines[0]["sources"]))
    if (line := _line(found, "early")) is not None:
        made.append((_OF_EARLY[outcome(line)], in_prose(line), line["sources"]))
    texts = [
        f"**{lead.removesuffix(':')}** ({numbers}; {sources} sources)."
        for lead, numbers, sources in made
    ]
    return "".join(
        fill(text, 118, initial_indent="- ", subsequent_indent="  ") + "\n"
        for text in texts
    )


def clause(line: pd.Series) -> str:
    """What a contrast says of a signal's τ, against that of the validation metric."""
    said, counts = outcome(line), _counts(line)
    if said in ("for", "against"):
        side = "higher" if said == "for" else "lower"
        little = ", less than is of interest" if line["negligible"] else ""
        return f"is {side} by {size(line)}{little} ({counts})"
    if said == "same":
        return f"differs by {estimate(line)}, within ±{number(OF_INTEREST)} ({counts})"
    if said == "part":
        return f"differs by {estimate(line)}, with trainings that are still to be made"
    return f"differs by {estimate(line)}, undecided ({counts})"


def _counts(line: pd.Series) -> str:
    return f"{line['sources']} sources: worse in {line['worse']}, better in {line['better']}"


_OF_TRAINING = {
    "for": "the training loss orders architectures better than the validation metric does:",
    "against": "the training loss orders architectures worse than the validation metric does:",
    "same": "the training loss orders architectures as well as the validation metric does:",
    "open": "it is undecided whether the training loss orders architectures worse:",
    "part": "the training loss is not evaluated yet:",
}


def _of_training(line: pd.Series) -> list[Content]:
    text = (
        f" Kendall's τ with the test metric {clause(line)}. These are {line['tasks']} small tasks,"
        " and networks of NAS-Bench-201 cells that train in seconds."
    )
    return [Span(_lead_of_training(line), "strong"), text]


def _lead_of_training(line: pd.Series) -> str:
    where = "On correct labels, with one training recipe and at the default length"
    return f"{where}, {_OF_TRAINING[outcome(line)]}"


def _of_regimes(found: Findings) -> list[Content]:
    lines = _causes(found)
    if not lines:
        return []
    told = [f"{REGIMES[line['contrast']]} {_change(line)}" for line in lines]
    text = (
        f" {'; '.join(told)}. δ is τ of the training loss less τ of the validation metric"
        f" ({lines[0]['sources']} sources; noise and weight decay in runs of four times the"
        " default length)."
    )
    return [Span(_lead_of_regimes(lines), "strong"), text]


def _causes(found: Findings) -> list[pd.Series]:
    """The contrasts of the second experiment that are there, one per cause."""
    lines = (_regime(found, name) for name in REGIMES)
    return [line for line in lines if line is not None]


def _lead_of_regimes(lines: list[pd.Series]) -> str:
    worse = [REGIMES[line["contrast"]] for line in lines if line["decision"] == "lower"]
    if not worse:
        return "No condition is shown to make the training loss fall behind validation:"
    return (
        "In longer runs, the training loss falls behind the validation metric with"
        f" {joined(worse)}:"
    )


def _change(line: pd.Series) -> str:
    """What a contrast of the second experiment says."""
    if line["decision"] in ("lower", "higher"):
        verb = "lowers" if line["decision"] == "lower" else "raises"
        count = line["worse"] if verb == "lowers" else line["better"]
        return f"{verb} δ by {size(line, 'mean')}, significantly in {count} sources"
    if line["decision"] == "too small to tell":
        seen = number(line["detectable"])
        return (
            f"changes δ by {estimate(line, 'mean')}, undecided ({seen} is detectable)"
        )
    return f"changes δ by {estimate(line, 'mean')}, within ±{number(OF_INTEREST)}"


def _of_early(found: Findings) -> list[Content]:
    line, early = _line(found, "early"), _regime(found, "x1", "δ at 20 %")
    if line is None:
        return []
    lead, text = _OF_EARLY[outcome(line)], ""
    if early is not None:
        clear = not early["low"] <= 0 <= early["high"]
        side = "higher" if early["mean"] > 0 else "lower"
        size_of = size(early, "mean")
        how = (
            f"is {side} by {size_of}"
            if clear
            else f"differs by {estimate(early, 'mean')}"
        )
        text = (
            f" against the validation metric of that moment, τ of the training loss {how}"
            f" ({early['sources']} sources, not tested);"
        )
    text += f" against the validation metric of the whole run it {clause(line)}."
    return [Span(lead, "strong"), text]


_OF_EARLY = {
    "for": "A fifth of the run tells more than all of it:",
    "against": "A fifth of the run is too early for the final order:",
    "same": "A fifth of the run is enough:",
    "open": "Whether a fifth of the run is enough is undecided:",
    "part": "A fifth of the run is not evaluated yet:",
}


def _header(found: Findings) -> Header:
    usual = of_length(found.judged, 1)
    n_sources = len({one.table.source for one in usual})
    seeds = max((len(one.table("test", "loss")) for one in usual), default=0)
    facts = [
        f"first experiment: {len(usual)} tasks of {n_sources} sources,"
        f" {len(TESTED)} architectures × {seeds} seeds"
    ]
    pairs = found.regimes("differences")
    if len(pairs):
        number_of = (
            f"{pairs['task'].nunique()} sources × {pairs['condition'].nunique()}"
        )
        facts.append(f"second experiment: {number_of} conditions")
    line: list[Content] = [f"{' · '.join(facts)} · ", files("supplement.html"), ", "]
    line += [files("contrasts.csv"), ", ", files("regimes_contrasts.csv"), " · "]
    line += [Span("BibTeX", "link", None, "answer.bib")]
    return Header(TITLE, TITLE, line, _boxes(found), sentences(found), None)


def _boxes(found: Findings) -> list[Notice]:
    here, wanted = found.trainings
    text = f"{here:,} of {wanted:,} trainings of the first design are in the tables."
    box = Notice("Part of the design:", f"{text} data/trainings.csv", bad=False)
    told = [box] if here < wanted else []
    lacking = found.regimes("lacking")
    if len(lacking):
        title = "Part of the second experiment: its contrasts are not final."
        told.append(Notice(title, items=list(lacking["lacking"])))
    return told


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
        _forest(found),
        _second(found),
        _first(found),
        _early(found),
        _warning(found),
    ]
    made += [_reached(found), _outside(found), _deviations(found)]
    return [*filter(None, made), *words]


def answer_picture(found: Findings, caption: str = "") -> Picture:
    """δ under all conditions of both experiments."""
    frame = found.contrasts
    first = frame[frame["contrast"] == "train"]
    names = {1: "default length", 4: "4 × as long", 8: "8 × as long"}
    group = "First experiment: 100 architectures × 4 seeds"
    rows = [
        first.assign(
            label=first["length"].map(names), group=group, mean=first["difference"]
        )
    ]
    own = found.sources[found.sources["contrast"] == "train"]
    points = [own.assign(label=own["length"].map(names), group=group)]
    besides = found.regimes("besides")
    if len(besides):
        some = besides[
            (besides["of"] == DELTA) & besides["contrast"].isin([*CONDITIONS])
        ]
        group = "Second experiment: 60 architectures × 3 seeds"
        rows.append(some.assign(label=some["contrast"].map(CONDITIONS), group=group))
        own = found.regimes("differences")
        own = own[own["of"] == DELTA]
        points.append(own.assign(label=own["condition"].map(CONDITIONS), group=group))
    return forest(pd.concat(rows), pd.concat(points), _AXIS, "forest", caption)


def _forest(found: Findings) -> Section:
    caption = (
        "Points: sources of data. Diamond and line: mean and 95 % interval over sources. Pale bar:"
        " where a new source is expected (95 %). Grey: ±.05, too small to matter. Worse, same and"
        " better: sources after Holm's correction over the row. data/sources.csv,"
        " data/regimes_differences.csv"
    )
    picture = answer_picture(found, caption)
    return Section(
        "When can the training loss replace validation?", [Figures([picture])]
    )


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else number(value, 3)


def _second(found: Findings) -> Section | None:
    frame = found.regimes("contrasts")
    if frame.empty:
        return None
    frame = frame.assign(counts=counts(frame), title=frame["contrast"].map(_DEFINED))
    frame["said"] = frame["decision"].fillna("not tested")
    frame.loc[frame["of"] == TWIN, "title"] = (
        "its twin: training less validation metric"
    )
    for name in ("holm", "flip_holm", "hall_holm"):
        frame[name] = [_p(value) for value in frame[name]]
    columns = """
        change of δ | decision  | sources | mean   | new source | sources
                    |           |         | 95 %   | 95 %       | worse, same, better
        title       | * said    | sources | ± mean | [] new     | counts
        p             | p         | p         | detectable
        Hartung–Knapp | sign flip | Hall      | 80 %
        holm          | flip_holm | hall_holm | detectable 2
    """
    own = frame.loc[frame["of"] == DELTA, "protocol"].tolist()
    text = (
        "Three contrasts, tested: decided if all three p-values, after Holm's correction, are below"
        f" .025. The rule before the deviation of 1 December says: {', '.join(own)}. A twin is the"
        " same contrast of τ(training metric) − τ(validation metric), not tested."
        " data/regimes_contrasts.csv"
    )
    tested = frame[frame["of"] == DELTA]
    decided = int(tested["decision"].isin(["lower", "higher"]).sum())
    title = f"Second experiment: {decided} of {len(tested)} changes are decided"
    return Section(
        title,
        [
            listed(
                frame.sort_values(["contrast", "of"], ascending=[True, False]),
                columns,
                2,
            ),
            note(text),
        ],
    )


def _first(found: Findings) -> Section:
    frame, worth = found.contrasts.copy(), found.worth.iloc[0]
    lines = [line for _, line in frame.iterrows()]
    frame["title"] = frame["contrast"].map(TITLES)
    frame["runs"] = [f"×{line['length']:g}" for line in lines]
    frame["said"] = [SAID[outcome(line)] for line in lines]
    frame["counts"] = counts(frame)
    columns = """
        contrast | length |          | sources | τ    | new source | sources
                 |        | decision |         | 95 % | 95 %       | worse, same, better
        title    | runs   | * said   | sources | ±    | [] new     | counts
        p      | detectable   | regret
        Holm   | 80 %         | sd of seeds
        holm   | detectable 2 | ± regret
    """
    text = (
        "Against the validation metric at the end, goal: test metric; the last contrast: the"
        " validation signal of the goal's type against the other one. No difference of interest:"
        f" the interval lies within ±.05. What .05 of τ is worth: {number(worth['points'])} points"
        f" of error in the median of the {worth['of_tasks']:g} tasks measured in per cent,"
        f" {number(worth['seeds'])} standard deviations of a training seed in the median of all."
        " data/contrasts.csv"
    )
    frame["holm"] = [_p(value) for value in frame["holm"]]
    title = f"First experiment: {int(frame['decided'].sum())} of {len(frame)} contrasts are decided"
    return Section(title, [listed(frame, columns, 3), note(text)])


def _early(found: Findings) -> Section | None:
    """δ at shares of the run, both signals of the same moment."""
    besides = found.regimes("besides")
    if besides.empty:
        return None
    times = {"δ at 20 %": "20", "δ at 50 %": "50", DELTA: "100"}
    some = besides[
        besides["of"].isin([*times]) & besides["contrast"].isin([*CONDITIONS])
    ]
    told = pd.DataFrame(
        {
            "label": some["contrast"].map(CONDITIONS),
            "time": some["of"].map(times),
            "told": [estimate(line, "mean") for _, line in some.iterrows()],
        }
    )
    wide = told.pivot_table(
        index="label", columns="time", values="told", aggfunc="first", sort=False
    )
    columns = """
        condition | 20 % of the run | 50 % | 100 %
                  | δ, 95 %         | δ, 95 % | δ, 95 %
        label     | 20              | 50      | 100
    """
    text = (
        "Training loss less validation metric, both at the same moment of the same run (exact"
        " shares); goal: test metric at its end. Not tested. data/regimes_besides.csv"
    )
    title = "At the same moment, which signal orders architectures better?"
    return Section(title, [listed(wide.reset_index(), columns), note(text)])


def _warning(found: Findings) -> Section | None:
    frame = found.regimes("signs")
    if frame.empty:
        return None
    frame = frame.assign(title=frame["sign"].map(_SIGNS))
    frame["said"] = frame["accepted"].map({True: "accepted", False: "not accepted"})
    for name in ("true_warnings", "false_warnings"):
        frame[name] = frame[name].map("{:.0%}".format)
    columns = """
        sign  |        | area under the curve | warned where worse | warned elsewhere | cost
              |        | 95 %                 |                    |                  | sd of seeds
        title | * said | ± area               | true_warnings      | false_warnings   | cost 2
    """
    first = frame.iloc[0]
    text = (
        f"Of {first['pairs']} pairs of source and condition {first['worse']} have δ < −.05. Each"
        " sign is read from training and validation data of nine architectures and one seed; δ is"
        " that of the 51 others. Leaving one source out. Cost: what “use the training loss unless"
        " warned” costs against “always use the validation metric”. A sign is accepted if its area"
        " is at least .80, the lower end above .65, and the cost at most .17."
        " data/regimes_signs.csv, data/regimes_pairs.csv"
    )
    good = frame[frame["used"]]
    title = "No warning sign is accepted, so there is no rule"
    if len(good):
        title = f"One sign warns well enough: {_SIGNS[good.iloc[0]['sign']]}"
    return Section(title, [listed(frame, columns, 2), note(text)])


_INSTEAD = "Trained with this loss instead of cross-entropy"
_SIGNS = {
    "W1": "W1: gap of the losses, one architecture",
    "W2": "W2: rise of its validation metric above its best",
    "W3": "W3: its training loss still falls, validation has stalled",
    "W4": "W4: τ(training loss, validation metric), eight architectures",
    "W5": "W5: the training loss orders these eight by parameters",
}


def _reached(found: Findings) -> Section | None:
    frame = found.reached
    frame = frame[frame["loss"].isin([*_LOSSES])] if len(frame) else frame
    if frame.empty:
        return None
    rows = frame.assign(label=frame["loss"].map(_LOSSES), group=_INSTEAD)
    points = found.reached_sources
    points = points[points["loss"].isin([*_LOSSES])]
    points = points.assign(label=points["loss"].map(_LOSSES), group=_INSTEAD)
    caption = (
        "Points: sources, the mean over architectures and seeds. Learning rate, batch size and"
        " length are the task's, chosen with cross-entropy, for every loss. Dice loss trains three"
        " sources only. Exploratory. data/reached.csv, data/reached_sources.csv"
    )
    better = rows[rows["low"] > 0]["label"].tolist()
    worse = rows[rows["high"] < 0]["label"].tolist()
    title = "No loss generalises better than cross-entropy in the mean"
    if better:
        title = f"Generalises better than cross-entropy in the mean: {joined(better)}"
    if worse:
        title += f"; {joined(worse)} worse"
    picture = forest(rows, points, _AXIS_OF_LOSSES, "losses", caption)
    return Section(title, [Figures([picture])])


def _outside(found: Findings) -> Section | None:
    """The training loss in other people's tables, and the signal that matches the goal."""
    lines, differs = [], []
    if found.replications.empty:
        return None
    for family, part in found.replications.groupby("family", sort=False):
        by = part.set_index("contrast")
        line = {"family": family, "sources": part["sources"].max()}
        differs.append(f"{family}: {part['differs'].iloc[0]}.")
        for name in ("train", MATCHED):
            if name in by.index:
                one = by.loc[name]
                line |= {name: estimate(one), f"{name}_plain": estimate(one, *PLAIN)}
        lines.append(line)
    columns = """
        tables | sources | training loss  | training loss | matched signal | matched signal
               |         | weighted, 95 % | plain, 95 %   | weighted, 95 % | plain, 95 %
        family | sources | train          | train_plain   | matched        | matched_plain
    """
    text = (
        "Training loss: at the end, less the validation metric, goal: test metric. Matched signal:"
        " the validation signal of the goal's type less the other one, over both goals. Sources"
        " combine by the random-effects model (weighted) or alike (plain). In LCDB the classifiers"
        " differ, in TabM networks and recipes, so the causes are not separated there. Fewer than"
        f" three sources: intervals over cells. Not stored: {', '.join(found.lacking) or 'none'}."
        " data/replications.csv"
    )
    names = ["family", "sources", "train", "train_plain", MATCHED, f"{MATCHED}_plain"]
    frame = pd.DataFrame(lines, columns=names).fillna("–")
    return Section(
        "The same question in other people's tables",
        [listed(frame, columns), note(text), Block("items", differs)],
    )


def _deviations(found: Findings) -> Section:
    items, out = list(DEVIATIONS), found.left_out
    noisy = [
        f"{line['table']} ({number(line['agreement'])})"
        for _, line in out[out["noise"]].iterrows()
    ]
    if noisy:
        text = "tasks whose two seeds agree with τ < .3 in validation take no part in the means"
        items.append(f"First experiment: {text}: {', '.join(noisy)}.")
    if one := list(out[out["one"]]["table"]):
        text = (
            "loss and metric are one quantity, so these take no part in two contrasts"
        )
        items.append(f"First experiment: {text}: {', '.join(one)}.")
    for _, line in found.moderator[found.moderator["contrast"] == "train"].iterrows():
        items.append(
            "The moderator that the first protocol names, the gap between validation and training"
            " loss, does not behave as expected: the hypothesis wants a negative Spearman's ρ with"
            f" the contrast of the training loss. It is {number(line['over_all'])} over"
            f" {line['points']} tasks × lengths, {number(line['within'])} within lengths."
        )
    return Section("Deviations from the protocols", [Block("items", items)])
