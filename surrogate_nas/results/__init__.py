"""Results: comparisons of runs, verdicts, and archives."""
