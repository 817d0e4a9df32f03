"""Intervals, curves, fronts and baselines: numbers in, numbers out."""
