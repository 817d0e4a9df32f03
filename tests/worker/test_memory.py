"""A GPU as a trial finds it: errors that mean no memory is left, a trial's part of it, a GPU that torch cannot use."""

import dataclasses
import os

import pytest
import torch

from tiny import write_tiny
from tiny_space import WORK
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.training.out_of_memory import is_out_of_memory
from tune_ks.training.precision import scoring_device, set_precision
from tune_ks.worker import trial as worker
from tune_ks.worker.faults import is_lost_device, unusable_gpu
from tune_ks.worker.memory import CONTEXT_BYTES, limit_memory, memory_fraction
from tune_ks.worker.run_pack import splits_of

CONFIG = TrialConfig("GE", 0.25, temperature=1.0, image_size=64, width=0.05)


@pytest.mark.parametrize(
    ("error", "memory", "lost"),
    [
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True, False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True, False),
        (RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True, False),
        (RuntimeError("CUDA error: out of memory"), True, False),
        (RuntimeError("Storage size calculation overflowed with sizes=[32, 1, 1000000000, 1000000000]"), True, False),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), True, False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False, True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"), False, True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"), False, False),
        (ValueError("ALLOC_FAILED"), False, False),
    ],
    ids=lambda value: str(value)[:60],
)
def test_words_of_the_libraries(error, memory, lost):
    assert is_out_of_memory(error) is memory
    assert is_lost_device(error) is lost


def test_a_trial_that_shares_a_gpu_takes_its_part_of_the_memory(monkeypatch):
    total = 80 * 2**30
    assert 4 * (memory_fraction(0.25, total) * total + CONTEXT_BYTES) == pytest.approx(total)
    assert memory_fraction(0.25, 2 * 2**30) == 0.125  # a small GPU: never less than half of the share
    limits = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (total // 2, total))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", limits.append)
    limit_memory(0.25)
    limit_memory(1.0)  # the GPU is its own
    assert limits == [memory_fraction(0.25, total)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use the GPU of this machine")
def test_a_gpu_that_torch_cannot_use_is_named_and_nothing_is_packed_in_its_place(monkeypatch, capsys):
    shared = dataclasses.replace(WORK, gpus=0.25, together=16)
    monkeypatch.setattr(worker.ray, "get_gpu_ids", lambda: [0])
    assert worker.device_of(shared) == "cpu"
    said = capsys.readouterr().out
    assert f"Ray counts a GPU that torch {torch.__version__} cannot use" in said
    assert "This trial trains on the CPU." in said
    assert worker.most_together(CONFIG, shared, "cpu") == 1
    assert worker.most_together(CONFIG, dataclasses.replace(shared, gpus=0.0), "cpu") == 16


def test_a_gpu_that_torch_can_use_is_used_and_shared(monkeypatch, capsys):
    limits = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(worker, "limit_memory", limits.append)
    monkeypatch.setattr(worker.ray, "get_gpu_ids", lambda: [0])
    assert unusable_gpu() is None
    assert worker.device_of(dataclasses.replace(WORK, gpus=0.25)) == "cuda"
    assert limits == [0.25]
    monkeypatch.setattr(worker.ray, "get_gpu_ids", list)
    assert worker.device_of(WORK) == "cpu"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("set_it", [set_precision, scoring_device])
def test_the_precision_does_not_depend_on_who_set_it_before(set_it):
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = False
    set_it()
    assert torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_the_images_of_a_trial_are_opened_once_for_measuring_and_for_training(tmp_path):
    """A GPU keeps its copy in these objects; with a copy for each, every image would be sent twice."""
    cohort_csv, images = write_tiny(tmp_path, patients=6, per_patient=2)
    folder = RunFolder(tmp_path)
    opened = splits_of(CONFIG, folder, images, None)
    assert splits_of(dataclasses.replace(CONFIG, seed=1), folder, images, None) is opened
    assert splits_of(dataclasses.replace(CONFIG, vendor="SIEMENS"), folder, images, None) is not opened
    opened = splits_of(CONFIG, folder, images, None)
    os.utime(cohort_csv, ns=(0, 0))
    assert splits_of(CONFIG, folder, images, None) is not opened
