"""Two ways of training networks that are faster than PyTorch's layers: compiled kernels on a CPU,
and a stack of many networks on a GPU.
"""
