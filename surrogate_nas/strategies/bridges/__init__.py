"""Bridges: the searches of other libraries as strategies of ours.

Each file has one function ``bridge(name)``, which gives a class for an algorithm of its library by
that library's name for it, with its own plain keyword arguments as knobs.
`surrogate_nas.strategies.bridges.base` says what all share.
"""
