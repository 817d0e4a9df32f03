"""One conditional training for all rates, beside searches that train each rate."""

from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.recorded import record_all
from benchmarks.replayed_searches import RATES, TRAININGS, hypervolumes, one_of_each
from search_spaces.one_training import CONDITIONAL as CONDITIONAL_TRAINING
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder

ONE_TRAINING = {**CONDITIONAL_TRAINING, "vendor": "GE", "rate_from": RATES[0]}
CONDITIONAL = {"rate not given": "alexnet", "rate given by FiLM": "alexnet_film"}


def conditional_records(classifier: str, folder: RunFolder, images: Path, workers: int) -> list[list[TrialRecord]]:
    """For each seed the records of its one training, at all rates."""
    configs = []
    for seed, rate in product(range(TRAININGS), RATES):
        values = {**ONE_TRAINING, "classifier": classifier, "seed": seed, "sampling_rate": rate}
        configs.append(TrialConfig.from_dict(values))
    records = record_all(configs, folder, images, workers)
    return [records[first : first + len(RATES)] for first in range(0, len(records), len(RATES))]


def one_training(
    records: list[list[TrialRecord]], trained: dict[str, list[TrialRecord]], searches: int, objectives: tuple[str, ...]
) -> np.ndarray:
    """(seeds, 1, 2) hypervolumes of conditional trainings, as shares of the whole table's mean over the searches."""
    tables = [list(one_of_each(trained, seed).values()) for seed in range(searches)]
    whole = np.mean([hypervolumes(table, objectives) for table in tables], axis=0)
    return np.array([[hypervolumes(rates, objectives) / whole] for rates in records])
