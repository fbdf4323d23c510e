"""Multi-fidelity strategies: train many cells for few epochs, and only the best of them for
more.
"""
