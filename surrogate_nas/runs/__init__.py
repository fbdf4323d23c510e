"""Runs: make, charge, store and resume searches, so that all strategies have equal objectives,
seeds and budgets.
"""
