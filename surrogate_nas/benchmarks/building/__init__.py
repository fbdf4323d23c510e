"""A table of one's own: every functional class of a space is trained on a task.

Cells of one functional class compute the same family of functions, so one of them is trained (the
first of the class in the order of the space, live operations only) and all get its learning curve.
One seed trains every class; further seeds train a random part of the classes and show how noisy one
seed is.
"""
