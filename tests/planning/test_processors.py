"""A run folder says on which kind of processor it was started, and another one is warned of once."""

import json

import pytest
import torch

from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.planning.start_run import other_processor, processors


def run_of(folder, versions):
    run = RunFolder(folder)
    write_whole(run.search_json, json.dumps({"format": 1, "versions": versions}).encode())
    return run


def test_the_processor_is_named_as_torch_names_it():
    assert processors()["cpu"] == torch.backends.cpu.get_cpu_capability()
    assert ("gpu" in processors()) == torch.cuda.is_available()


@pytest.mark.parametrize(
    ("versions", "warned"),
    [
        ({"torch": "2.13.0", **processors()}, False),
        ({"torch": "2.13.0"}, False),  # of version 0.1.0, which did not say
        ({"cpu": "VSX"}, True),
        ({**processors(), "gpu": "A card that is not here"}, True),
    ],
)
def test_only_another_kind_is_warned_of(tmp_path, versions, warned):
    warning = other_processor(run_of(tmp_path, versions))
    assert (warning is not None) == warned
    if warned:
        assert "another kind of processor" in warning
        assert processors()["cpu"] in warning
