"""A folder of files as trials see it, and one trial on it: what tests of tasks with targets of their own begin with."""

from benchmarks.alone import run_config
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.data.cohort.tumour_masks import with_tumour_masks


def cohort_with_targets(root, cache):
    """The cohort of a folder at 32 pixels, with its masks or maps."""
    return with_tumour_masks(open_cohort(root, CohortSettings(), 32, cache), root)


def run_one(config, cohort, root):
    """The run folder ``root`` of one finished trial."""
    folder = RunFolder(root)
    write_table(folder.cohort_csv, with_splits(cohort.table, 0))
    run_config(config, folder, cohort.images, masks_npy=cohort.masks)
    return folder
