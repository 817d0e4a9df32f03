"""Classifiers minus AlexNet."""

from analysis.read.load import Run
from docs.tables.cells import cells_by_rate, mean_and_error, option, rate_name, with_hidden
from docs.tables.paired import by_pair
from docs.tables.table import Table


def classifiers(run: Run) -> list[Table]:
    """families_underfit.md: classifiers, and what they gain on AlexNet (spaces side_information, classifiers).

    Trainings are paired by rate and seed.
    """
    trials = run.trials.assign(loss=run.trials["test_in_domain"] - run.trials["test_cross_domain"])
    hidden = option(run, trials, "side_dropout")
    trials["network"] = [with_hidden(name, share) for name, share in zip(trials["classifier"], hidden)]
    every_rate, seeds, means = sorted(trials["sampling_rate"].unique()), [], []
    for vendor, of_vendor in trials.groupby("vendor"):
        tables = {network: by_pair(part) for network, part in of_vendor.groupby("network")}
        for network, table in tables.items():
            seeds.append([vendor, network, *cells_by_rate(table.reset_index(), every_rate)])
            gains = (table - tables["alexnet"]).dropna()
            gained = [mean_and_error(gains[column]) if network != "alexnet" else "" for column in gains]
            means.append([vendor, network, *(f"{mean:.3f}" for mean in table.mean()), *gained])
    names = ["in", "cross", "loss"]
    heads = ["trained on", "network", *names, *(f"{name} minus AlexNet's" for name in names)]
    return [Table(["trained on", "network", *map(rate_name, every_rate)], seeds), Table(heads, means)]
