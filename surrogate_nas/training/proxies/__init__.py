"""Zero-cost proxies: scores of an untrained network, computed from one batch in a few passes.

The function `surrogate_nas.proxy_scores` computes all proxies in `PROXIES` for one cell. A larger
score predicts a better cell. A cell is built with only those operations on which its output
depends, so isomorphic cells have the same scores.
"""

PROXIES = {
    "synflow": (
        "log(1 + Σ|weight · gradient|) of positive weights on an input of ones (Tanaka et al.,"
        " NeurIPS 2020)"
    ),
    "jacob_cov": (
        "how little the input gradients of a batch's examples correlate (Mellor et al., arXiv"
        " 2006.04647v1)"
    ),
    "naswot": (
        "log determinant of how often two examples agree on which ReLUs are open (Mellor et al.,"
        " ICML 2021)"
    ),
    "grad_norm": "Σ of the norms of the weights' gradients (Abdelfattah et al., ICLR 2021)",
    "snip": "Σ|weight · gradient| of the loss (Lee et al., ICLR 2019)",
    "fisher": "½ Σ (activation · gradient)², by channel and example (Turner et al., ICLR 2020)",
    "grasp": "−Σ weight · Hessian · gradient of the loss (Wang et al., ICLR 2020)",
    "zen": (
        "log of how far a small change of a random input moves the features, scale restored (Lin et"
        " al., ICCV 2021)"
    ),
}
"""Every proxy by name, with its definition and paper."""


__all__ = ["PROXIES"]
