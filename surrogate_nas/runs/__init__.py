"""Runs: every strategy with the same objective, seeds and budget; charged, stored, resumed."""
