"""Bridges: search algorithms of other libraries as strategies.

Each module has one function ``bridge(name)``, which returns a strategy class for the algorithm with
that name in the library. The algorithm's plain keyword arguments become options. The common
behaviour is described in `surrogate_nas.strategies.bridges.base`.
"""
