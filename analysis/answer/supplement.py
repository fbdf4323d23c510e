"""The supplement of the page: floors and ceilings, conditions, searches, controls, tasks."""

from __future__ import annotations

import pandas as pd

from analysis.answer.blocks import CONDITIONS, counts, listed
from analysis.answer.conditions import DELTA
from analysis.answer.contrasts import LENGTHS, TITLES, of_length
from analysis.answer.findings import Findings
from analysis.answer.orders import CEILING, PARAMS, RANDOM
from analysis.answer.regimes import BESIDES
from analysis.answer.searching import LAMBDAS, STRATEGIES
from analysis.answer.text import estimate, number
from surrogate_nas.report.markup import Paragraph, Section, Table, note


def sections(found: Findings) -> list[Section]:
    """All of them; none where there are too few sources for a contrast."""
    if found.contrasts.empty:
        return []
    makers = (
        _levels,
        _conditions,
        _differences,
        _variance,
        _losses,
        _controls,
        _tasks,
        _others,
    )
    return [made for make in makers if (made := make(found)) is not None]


_SHOWN = {
    "another seed of the goal": ("ceiling", CEILING, 100),
    "validation metric, end": ("valid", "measure", 100),
    "validation metric, 20 %": ("valid", "measure", 20),
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
    means = found.levels.groupby(keys)[["tau", "quarter", "corrected", "regret"]].mean()
    tau = means["tau"].unstack("goal")
    of_measure = means.xs("measure", level="goal")
    lines = []
    for title, key in _SHOWN.items():
        if key in of_measure.index:
            others = tau.loc[key].reindex(["loss", "ece", "robust_error"])
            lines.append({"signal": title, **of_measure.loc[key], **others})
    columns = """
        signal       | goal: metric |              |               |
        usual length | τ             | best quarter | without noise | regret
        signal       | tau 2         | quarter 2    | corrected 2   | regret 2
        goal: loss | calibration | under attack
        τ          | τ           | τ
        loss 2     | ece 2       | robust_error 2
    """
    text = (
        "First experiment, default length; the mean over sources. Without noise: τ corrected for"
        " the noise of seeds (Spearman 1904). Regret: in standard deviations of a training seed."
        " Calibration error and error under attack are of classifiers. data/levels.csv"
    )
    return Section(
        "Floors and ceilings", [listed(pd.DataFrame(lines), columns), note(text)]
    )


def _conditions(found: Findings) -> Section | None:
    """τ and regret of the main signals under every condition."""
    means = found.regimes("means")
    if means.empty:
        return None
    ends = means[(means["percent"] == 100) & (means["goal"] == "test_error")]
    told = pd.Series(
        [estimate(line, "mean") for _, line in ends.iterrows()],
        [ends["condition"].map(CONDITIONS), ends["signal"] + ends["of"]],
    ).unstack()
    told = told.reindex([own for own in CONDITIONS.values() if own in told.index])
    columns = """
        condition | training loss    | validation metric | its half
                  | τ                | τ                 | τ
        condition | train_losstau    | valid_errortau    | valid_half_errortau
        training loss    | validation metric
        regret           | regret
        train_lossregret | valid_errorregret
    """
    text = (
        "Second experiment, end of the run, goal: test metric; the mean over sources with its 95 %"
        " interval. Regret: in standard deviations of a training seed. Half: on every second"
        " validation example. data/regimes_means.csv, data/regimes_signals.csv"
    )
    frame = told.fillna("–").rename_axis("condition").reset_index()
    return Section(
        "Second experiment: signals by condition", [listed(frame, columns), note(text)]
    )


def _differences(found: Findings) -> Section | None:
    """Changes of δ that are not tested."""
    frame = found.regimes("besides")
    if frame.empty:
        return None
    some = frame[(frame["of"] == DELTA) & frame["contrast"].isin([*BESIDES])]
    columns = """
        change of δ | sources | mean   | new source | sources
                    |         | 95 %   | 95 %       | worse, same, better
        contrast    | sources | ± mean | [] new     | counts
    """
    text = "Not tested. The same of the other differences: data/regimes_besides.csv"
    blocks = [listed(some.assign(counts=counts(some)), columns), note(text)]
    return Section("Second experiment: further changes and interactions", blocks)


def _variance(found: Findings) -> Section | None:
    frame = found.variance
    if frame.empty:
        return None
    by = frame.set_index("component")["share"]
    signal, strategy = f"{by['signal']:.0%}", f"{by['strategy']:.0%}"
    title = f"Regret of a search: signal {signal}, strategy {strategy} of the variance"
    shares = ", ".join(f"{name} {share:.0%}" for name, share in by.items())
    blocks: list[str | Table] = [
        f"Share of the variance of regret in searches at equal seconds ({len(STRATEGIES)}"
        f" strategies, λ of {', '.join(f'{one:g}' for one in LAMBDAS)}), the mean over"
        f" {frame['sources'].iloc[0]} sources: {shares}; together: their combinations."
        " data/variance.csv"
    ]
    for _, line in found.gains.iterrows():
        blocks.append(
            f"By the {line['signal']} instead of the validation metric, with λ 0, a search ends"
            f" {estimate(line)} standard deviations of a seed further from the best"
            f" ({line['sources']} sources). data/gains.csv"
        )
    told = [
        f"{line['strategy'].replace('_', ' ')} {estimate(line)} (further in {line['worse']} of"
        f" {line['sources']} sources)"
        for _, line in found.switches.iterrows()
    ]
    if told:
        blocks.append(
            "Where the training loss ranks all runs that are shorter than the objective's, and the"
            " validation metric the others (drive=), a search over epochs ends so many standard"
            f" deviations of a seed further from the best than without: {'; '.join(told)}."
            " Exploratory. data/switches.csv"
        )
    return Section(title, blocks)


def _losses(found: Findings) -> Section:
    frame = found.losses
    if frame.empty:
        return Section("Losses that train", ["No other loss trained."])
    seen = frame[frame["holm"] < 0.05].sort_values("difference")
    worse, better = seen[seen["difference"] < 0], seen[seen["difference"] > 0]
    columns = """
        task | trained by | instead of | τ    | p
             |            |            | 95 % | Holm
        task | loss       | usual      | ±    | holm 3
    """
    text = (
        "τ of that loss's own validation value less τ of the usual loss's validation metric, both"
        " with the usual goal; at most five at each end are shown. data/losses.csv"
    )
    blocks = [
        listed(pd.concat([worse.head(5), better.tail(5)]), columns, 3),
        note(text),
    ]
    title = (
        f"Of {len(frame)} other losses that train, {len(better)} order better,"
        f" {len(worse)} worse"
    )
    return Section(title, blocks)


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
    return Section(title, [listed(told, columns), note(text)])


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
        task | source | metric    | classes | two seeds   |
             |        |           |         |             |
        task | source | measure   | classes | agreement 2 | contrasts
    """
    text = (
        "Contrasts at the lengths that the task has, of ×1, ×4 and ×8. data/signals.csv"
    )
    return Section("By task", [listed(pd.DataFrame(lines), columns, 3), note(text)])


def _others(found: Findings) -> Section:
    """Other versions of the means, short runs, another space, all classes."""
    blocks: list[str | Paragraph] = []
    every = found.besides
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
    files = ("besides", "short_runs", "second_space", "optima")
    blocks.append(note(", ".join(f"data/{name}.csv" for name in files)))
    return Section("Further figures of the first experiment", blocks)
