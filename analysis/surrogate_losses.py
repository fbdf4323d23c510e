"""Does the loss of a predictor matter? The graph network with every loss, on NAS-Bench-201's CIFAR-10.

    make data && .venv/bin/python analysis/surrogate_losses.py --seeds 10 --workers 2

Learned: the validation error after 200 epochs of 156 and 469 random cells. Scored by the published protocol (the test
error of all 15,625 cells) and on the learned error of the unseen cells. Mean ± standard deviation over the seeds, then
each published effect: seen here or not. The same figures stand in ``snas paper predictors``; finished fits are kept in
results/surrogate-losses.
"""

import argparse
from pathlib import Path

from surrogate_nas.papers.common.paper import Work
from surrogate_nas.papers.predictors import DATA_SET, LOSS_SIZES, MODEL, Fit, findings, loss_fits, our_rows, scored

FOLDER = Path("results/surrogate-losses")


def main() -> None:
    """Print the table and the findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    fits = [Fit(DATA_SET, seed, n, MODEL) for seed in seeds for n in LOSS_SIZES] + loss_fits(seeds)
    FOLDER.mkdir(parents=True, exist_ok=True)
    scores = scored(fits, Work(FOLDER, workers=options.workers))
    lines: dict[str, dict[str, str]] = {}
    for row in our_rows(scores):
        lines.setdefault(row.metric, {})[row.method] = row.ours_text
    losses = list(next(iter(lines.values())))
    print(f"{'':36s}" + "".join(f"{loss.replace(' (ours)', ''):>18s}" for loss in losses))
    for metric, by_loss in lines.items():
        print(f"{metric:36s}" + "".join(f"{by_loss[loss]:>18s}" for loss in losses))
    print("\n".join(findings(scores)))


if __name__ == "__main__":
    main()
