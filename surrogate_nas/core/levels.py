"""Significance level and numerical tolerance, defined once."""

LEVEL = 0.05
"""How often a test may find a difference that is none, α."""
POWER = 0.8
"""With what probability a difference that is called detectable would be found."""
ROUNDING = 1e-9
"""Numbers that differ by this share of their range are equal: they are sums, which round."""
