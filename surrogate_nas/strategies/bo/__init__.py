"""Bayesian optimisation: the strategy, the Gaussian processes that it asks, and the points that
these are over.
"""
