"""What Ray runs imports the training in the worker, once."""

import gc

from tune_ks.worker import entry, trial


def test_a_worker_imports_its_training_once():
    entry._trial.cache_clear()
    assert entry._trial() is trial.trial
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
    assert entry._trial() is trial.trial
    assert gc.get_freeze_count() == 0  # what an earlier trial of the process left is collected
