"""Bridges to other libraries, whose search algorithms can be used as strategies.

Each module has one function ``bridge(name)``, which returns a strategy class for the algorithm with
that name in the library. The algorithm's keyword arguments of plain types (numbers, texts and
booleans) become options. The behaviour common to all bridges is described in
`surrogate_nas.strategies.bridges.base`.
"""
