"""Every yardstick by its name in records: a classical classifier that a network has to beat."""

from tune_ks.evaluation.yardsticks import linear

YARDSTICKS = {"linear_on_35_numbers": linear.YARDSTICK}
