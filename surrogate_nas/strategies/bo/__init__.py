"""Bayesian optimisation: the strategies and the encoded cells over which their models are
defined.
"""
