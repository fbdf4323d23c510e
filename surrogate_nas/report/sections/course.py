"""Mean regret and average ranks of a suite's strategies along the budget."""

from __future__ import annotations

from functools import partial

import numpy as np

from surrogate_nas.core.numbers import plural
from surrogate_nas.report.curves import Curve, Panel, chart
from surrogate_nas.report.markup import Figures, Section, section
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.reading import Resampling, Study, ends

_STEPS = 100


@section(20, "suite")
def regret_along_the_budget(study: Study) -> Section | None:
    """The mean normalised regret over all problems after every share of the budget."""
    names = list(study.result.standings)
    problems = study.result.problems
    fractions = np.arange(1, _STEPS + 1) / _STEPS
    samples = [
        {name: p.regrets(name)[:, [p.place(fraction) for fraction in fractions]] for name in names}
        for p in problems
    ]
    banded = {names[0], "random"}
    curves = {}
    for name in names:
        mean = np.mean([by_name[name].mean(axis=0) for by_name in samples], axis=0)
        low = mean
        high = mean
        if name in banded:
            drawn = [
                Resampling(i).means({name: by_name[name]})[0] for i, by_name in enumerate(samples)
            ]
            low, high = ends(np.mean(drawn, axis=0))
        curves[name] = Curve(100 * fractions, mean, low, high)
    panel = Panel(
        "%",
        "regret",
        True,
        reference=1.0,
        banded=banded,
    )
    caption = (
        f"Mean normalised regret of the best cell so far over {plural(len(problems), 'problem')}"
        " after each share of the budget; square-root scale. Bands: 95 % of resampled runs, of the"
        " leader and of random search."
    )
    picture = Picture("regret-by-budget", caption, partial(chart, curves, study.styles, panel))
    return Section("Regret over the budget", [Figures([picture])], half=True)


@section(30, "suite")
def ranks_along_the_budget(study: Study) -> Section | None:
    """The average rank over all problems after every share of the budget."""
    ranks = study.suite.ranks
    by_name = dict(zip(study.suite.strategies, ranks.mean, strict=True))
    if len(by_name) < 2:
        return None
    curves = {
        name: Curve(100 * ranks.fractions, by_name[name], by_name[name], by_name[name])
        for name in study.result.standings
    }
    panel = Panel(
        "%",
        "rank",
        False,
        100 * float(ranks.fractions[0]),
        banded=(),
        ends=(0.9, len(by_name) + 0.1),
        falling=True,
    )
    n_problems = len(study.result.problems)
    caption = (
        f"Average rank of the mean regrets over {plural(n_problems, 'problem')} after each"
        " share of the budget; 1 is the best. Shaded: the first cells, the same for all."
        " Descriptive only; see the verdict for significance."
    )
    picture = Picture("ranks-by-budget", caption, partial(chart, curves, study.styles, panel))
    return Section("Average rank", [Figures([picture])], half=True)
