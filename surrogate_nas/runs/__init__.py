"""Runs: make, charge, store and resume searches with the same objective, seeds and budget."""
