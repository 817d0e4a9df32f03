"""The facts of a record that depend on the machine."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tune_ks.evaluation import write_record
from tune_ks.evaluation.write_record import peak_memory_mib


@pytest.mark.parametrize(("platform", "ru_maxrss"), [("linux", 300 * 1024), ("darwin", 300 * 2**20)])
def test_peak_memory_is_in_mib_whatever_the_system_counts_in(platform, ru_maxrss, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(write_record.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=ru_maxrss))
    assert peak_memory_mib() == 300


def test_peak_memory_of_this_process_holds_what_it_has_touched():
    before = peak_memory_mib()
    array = np.ones(2**20 * max(64, before), np.uint8)
    assert array.nbytes / 2**20 <= peak_memory_mib() < 64 * 1024
