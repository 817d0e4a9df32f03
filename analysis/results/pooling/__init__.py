"""Scores of several images of one patient -> one score: every way by name."""

from analysis.results.pooling import maximum, noisy_or

POOLS = {"maximum": maximum.pool, "noisy_or": noisy_or.pool}
