"""The making of the tables that the project ships: trainings, a table of all cells, proxies."""
