"""Experiments: every strategy, the same objective, seeds and budget; charged, stored, resumed."""
