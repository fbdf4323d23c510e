"""A table of one's own: what is trained, the training, and the table that is assembled of it."""
