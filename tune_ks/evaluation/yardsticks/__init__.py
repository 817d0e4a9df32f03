"""Every yardstick by its name in records: a classical method that a network has to beat."""

from tune_ks.evaluation.yardsticks import (
    fwhm,
    k_means,
    linear,
    nearest_neighbours,
    otsu,
    random_forest,
    region_growing,
    strm,
    svm,
    tkd,
)

YARDSTICKS = {
    "linear_on_35_numbers": linear.YARDSTICK,
    "svm": svm.YARDSTICK,
    "nearest_neighbours": nearest_neighbours.YARDSTICK,
    "random_forest": random_forest.YARDSTICK,
    "otsu": otsu.YARDSTICK,
    "k_means": k_means.YARDSTICK,
    "region_growing": region_growing.YARDSTICK,
    "fwhm": fwhm.YARDSTICK,
    "strm": strm.YARDSTICK,
    "tkd_0.2": tkd.YARDSTICK,
}
