"""Strategies as a run sees them: how they are called, what they declare, and what they read."""
