"""The table of losses: the same classes of cells trained on every task with every loss that fits
it, in rounds.

A training is kept in the journal of its task and loss, as that of any table is; after every round
what was made is a table, and more classes come by going on.
"""
