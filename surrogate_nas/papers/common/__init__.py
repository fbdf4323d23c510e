"""What the papers share: rows and the runner of their jobs, orders of cells, and searches within
simulated seconds.
"""
