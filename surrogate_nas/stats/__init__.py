"""Statistics of paired runs: summaries, intervals, tests, and which strategy is best."""
