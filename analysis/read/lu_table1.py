"""Table 1 of the source study as a run folder: python -m analysis.read.lu_table1 [FOLDER], default examples/lu_table1.

Lu, "Learnable K-Sampling to Enhance Deep Learning Model Robustness and Generalizability", Table 1: image-level AUC of
one training per rate and source vendor. It gives test scores, one seed, the rate measured at the end of training, and
nothing else; so ``val`` is empty, there are no per-image scores, and every choice made here is an oracle's.
"""

import sys
from pathlib import Path

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder

NOMINAL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
TABLE = {  # source vendor -> (measured rate, AUC on the source vendor, AUC on the other one)
    "GE": (
        (0.148, 0.837, 0.689),
        (0.242, 0.878, 0.625),
        (0.355, 0.884, 0.621),
        (0.496, 0.882, 0.605),
        (0.601, 0.889, 0.605),
        (0.664, 0.898, 0.635),
        (0.710, 0.897, 0.594),
        (0.804, 0.902, 0.630),
        (0.886, 0.887, 0.609),
        (1.000, 0.890, 0.659),
    ),
    "SIEMENS": (
        (0.113, 0.822, 0.726),
        (0.222, 0.868, 0.714),
        (0.308, 0.859, 0.703),
        (0.464, 0.862, 0.731),
        (0.578, 0.879, 0.734),
        (0.674, 0.873, 0.748),
        (0.750, 0.855, 0.743),
        (0.781, 0.881, 0.743),
        (0.882, 0.854, 0.756),
        (1.000, 0.873, 0.750),
    ),
}
OTHER = {"GE": "SIEMENS", "SIEMENS": "GE"}


def records() -> list[TrialRecord]:
    """The twenty rows, in the table's order."""
    facts = {"source": "Lu, Table 1", "not stated there": "every setting but vendor, rate and lines of k-space"}
    rows_as_records = []
    for vendor, rows in TABLE.items():
        for nominal, (rate, source, other) in zip(NOMINAL, rows):
            config = TrialConfig(vendor=vendor, sampling_rate=nominal, budget="drift")
            test = {vendor: source, OTHER[vendor]: other}
            rows_as_records.append(TrialRecord(config, val={}, test=test, realised_rate=rate, facts=dict(facts)))
    return rows_as_records


def write(root: Path) -> None:
    """Write the records; the same bytes each time."""
    folder = RunFolder(root)
    for record in records():
        folder.write_config(record.config)
        folder.write_record(record)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "examples/lu_table1"))
