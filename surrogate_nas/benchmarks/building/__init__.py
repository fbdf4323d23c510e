"""A table of one's own: every functional class of a space trained on a task, learning curves kept.

Cells of one functional class compute the same family of functions, so one of them is trained (the
first of the class in the order of the space, live operations only) and its curve is spread to all.
One seed trains every class; further seeds train a random part of the classes and say how noisy one
seed is.
"""
