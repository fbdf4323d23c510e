"""Bayesian optimisation: the strategy, its Gaussian processes, and the points that they are defined
over.
"""
