"""Full sampling with several recipes."""

from analysis.read.load import Run
from analysis.read.trial_rows import config_fields
from docs.tables.table import Table


def recipes(run: Run) -> list[Table]:
    """recipe.md: full sampling with several recipes, by the validation AUC of the source vendor (space recipes).

    No test label is read.
    """
    settings = config_fields(run.trials)
    shown = [name for name in settings if name not in ("vendor", "seed") and run.trials[name].nunique() > 1]
    rows = []
    for _, part in run.trials.groupby(shown, dropna=False, sort=False):
        of_vendor = part.set_index("vendor")["val_in_domain"]
        values = [f"{value}" for value in part[shown].iloc[0]]
        rows.append([*values, *(f"{of_vendor[vendor]:.3f}" for vendor in sorted(of_vendor.index))])
    vendors = sorted(run.trials["vendor"].unique())
    return [Table([*shown, *(f"{vendor} validation AUC" for vendor in vendors)], rows)]
