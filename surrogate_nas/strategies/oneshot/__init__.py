"""One-shot strategies: a supernet of all cells is trained, and what it taught says which cells are
evaluated.
"""
