"""Faster ways to train networks than PyTorch's layers: compiled kernels on a CPU, a stack of many
networks on a GPU.
"""
