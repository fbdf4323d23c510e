"""Zero-cost-guided search: evaluate the cells with the best zero-cost proxies first, then run bo
with the proxies among its inputs.

Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, choose by proxies which
cells are trained first. In RoBoT (He et al., "Robustifying and Boosting Training-Free Neural
Architecture Search", ICLR 2024), observed scores determine how proxies are combined. Departures
from both papers: The first proposals are the cells with the best unweighted mean of all proxies,
each proxy converted to normal scores of its ranks. After the first proposals, the expected
improvement follows from a Gaussian process over the proxies, together with the Gaussian processes
of `bo` over the cells. RoBoT instead learns a weighted sum of proxies and evaluates cells in the
order of that sum.

The proxies are those of `Strategy.free`, computed once for a whole space. If a space has no
proxies, as is the case for most spaces, or if free terms are withheld, the proposals are those of
`bo`.
"""

from functools import cached_property

import numpy as np

from surrogate_nas.core import arguments
from surrogate_nas.space import Cell, listed
from surrogate_nas.strategies.bo.pool import Points, whole
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation
from surrogate_nas.surrogates.gaussian import normal_scores


class ZeroCost(BayesianOptimisation):
    """Propose the cells with the best proxies first, then maximise the expected improvement over
    proxies and cells.

    Args:
        first_cells: Number of cells before the first model is fitted, at least 2: those with the
            best proxies, or random ones if there are no proxies.
        promising: Minimum number of cells with the best proxies to propose, even if cells were
            observed before.
        sees_cells: Whether the models use the encodings of cells in addition to the proxies.

    Example:
        >>> import surrogate_nas as sn
        >>> scores = sn.search("fashion", "zero_cost", "valid_error", budget=15).scores
        >>> bool(scores[10:].mean() < scores[:10].mean())  # the five that promise most
        True
    """

    sharpness = 0.15
    mildness = 0.5
    front_sharpness = 1.0
    promising: int = arguments.whole(5)
    sees_cells: bool = arguments.flag(True)
    _begun = 0
    _by_promise: list[int] | None = None

    @property
    def _guided(self) -> bool:
        return bool(self._listed and self.free is not None and self.free.proxies)

    @cached_property
    def _promised(self) -> Points:
        """Return the points of all cells in terms of their proxies: normal scores of the ranks,
        larger is better.
        """
        cells = listed(self.space)
        points = whole(cells, not self._all_known)
        firsts = np.unique(points.of_cell, return_index=True)[1].tolist()
        members = [cells[place] for place in firsts]
        scores = np.column_stack(
            [
                normal_scores(self.free.metric(name, members))
                for name in self.free.proxies
            ]
        )
        promise = scores / np.sqrt(2 * scores.shape[1])
        return Points((promise,), points.of_cell, (None,))

    def _next(self) -> Cell | None:
        if self._guided and self._begun < self.promising:
            return self._drawn()
        return super()._next()

    def _drawn(self) -> Cell | None:
        if not self._guided:
            return super()._drawn()
        cells = listed(self.space)
        if self._by_promise is None:
            self._by_promise = self._in_order()
        while self._by_promise:
            cell: Cell = cells[self._by_promise.pop()]
            if cell not in self._trials and cell not in self._pending:
                self._begun += 1
                return cell
        return super()._drawn()

    def _in_order(self) -> list[int]:
        """Return the cells whose free terms satisfy the constraints, in increasing order of their
        proxies; of isomorphic cells, only the one of least λR.
        """
        cells, ((view,), of_cell, _) = listed(self.space), self._promised
        promise = view.mean(axis=1)[of_cell]
        order = np.lexsort(
            (self.rng.random(len(cells)), self.free.penalty(cells), -promise)
        )
        order = order[self.free.feasible(cells)[order]]
        is_tied = np.concatenate([[False], np.diff(promise[order]) == 0])[: len(order)]
        return [int(place) for place in order[~is_tied][::-1]]

    def _points(self) -> Points:
        points = super()._points()
        if not self._guided:
            return points
        if not self.sees_cells:
            return self._promised
        views, groups = self._promised.views, self._promised.groups
        return points._replace(
            views=points.views + views, groups=points.groups + groups
        )
