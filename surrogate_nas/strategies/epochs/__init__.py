"""Strategies over epochs: many cells are looked at early, and only the best of them are trained
on.
"""
