"""One-shot strategies: train a supernet of all cells, and use it to choose the cells to
evaluate.
"""
