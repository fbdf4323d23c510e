"""Twenty misspellings, one a line, each an error of mypy and of pyright (`test_typing`)."""

import surrogate_nas as sn


def misspelt(bench: sn.Benchmark, found: sn.Comparison) -> None:
    from surrogate_nas import Optimiser  # noqa: F401

    sn.serach(bench)
    sn.search(bench, budgett=20)
    sn.search(bench, budget="20")
    sn.search(bench, subjectto="params <= 20000")
    sn.search(bench, resources=sn.Resources(parallel="two"))
    sn.search(bench, resources=sn.Resources(order="clok"))
    sn.compare(bench, ["random"], run=3)
    sn.compare(bench, 3)
    sn.run_suite("starter", foldr="results")
    sn.AskTell(found.objective, "bo", sed=1)
    sn.Objective("valid_loss", bench, subject="params <= 20000")
    sn.Metric(unti="%")
    sn.Metric(direction="up")
    sn.Computed(bench.space)
    sn.Training(bench.space, print, metrics=["valid_error"])
    bench.qurey(11, "valid_error")
    bench.column("valid_error", epoch=5)
    bench.query(11).unit.upper()
    found.verdict.winer.upper()
