"""A small run folder as the trials write it: finished, begun and failed ones, with all their files. No Ray."""

import contextlib
import json

from analysis import analyse
from benchmarks.alone import run_config
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.data.cohort.table import read_table, write_table
from tune_ks.planning.pretrained import bring_weights, named
from tune_ks.planning.start_run import note
from tune_ks.worker.attempts import start_attempt

SMALL = {"temperature": 1.0, "width": 0.05, "image_size": 64, "epochs": 2}


class Stopped(Exception):
    """Ends a trial after its first checkpoint."""


def make_run(place):
    """place/cohort.csv, place/images.npy and place/run with four records, a checkpoint and a failure; RunFolder."""
    table, images = write_tiny(place)
    folder = RunFolder(place / "run")
    write_table(folder.cohort_csv, read_table(table))
    write_whole(folder.skipped_csv, b"path,reason\na.dcm,truncated\n")
    cohort = {"fingerprint": "0123456789ab", "settings": {}, "synthetic": True, "counts": []}
    search = {"format": 1, "space": "grid", "split_seed": 0, "cohort": cohort, "versions": {}, "command": "python"}
    write_whole(folder.search_json, json.dumps(search).encode())

    def stop(*_):
        raise Stopped

    for vendor in ("GE", "SIEMENS"):
        for rate in (0.25, 1.0):
            config = TrialConfig(vendor, rate, **SMALL)
            start_attempt(folder, config.key(), "session", "node", ["node"])
            run_config(config, folder, images, "cpu", lambda *_: None)
    begun = TrialConfig("GE", 0.5, **SMALL)
    with contextlib.suppress(Stopped):
        run_config(begun, folder, images, "cpu", stop)
    init_from = named(folder, TrialConfig("GE", 1.0, **SMALL).key())
    bring_weights(folder, {init_from: folder})
    note(folder, "init_from", {"runs/pretrain": {begun.key(): init_from}})
    failed = TrialConfig("SIEMENS", 0.5, **SMALL)
    folder.write_config(failed)
    folder.write_failure(failed, "the loss became nan")
    analyse(folder.root, report=False)
    return folder
