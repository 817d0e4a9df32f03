"""The parts of benchmarks/gpu.py: what ends them, and what they ask a GPU that is not here."""

import argparse
import math
import signal
import time
from contextlib import contextmanager

import pytest
import torch

from benchmarks import gpu
from benchmarks.launches import KINDS
from benchmarks.on_gpu import checkpoints, common, graphs, layers, speed, steps, whole
from benchmarks.on_gpu.left import Left, Over
from benchmarks.synthetic import synthetic
from simulated_gpu import simulated_gpu
from tune_ks.training import training as training_module
from tune_ks.training.noise import Noise

ARGS = argparse.Namespace(**gpu.TINY, device="cpu", minutes=8.0, side=64)
LONG = Left(time.monotonic() + 10_000)
OVER = Left(time.monotonic() - 1)


def test_a_part_is_ended_by_its_own_time_or_by_that_of_the_command():
    before = signal.getsignal(signal.SIGALRM)
    with LONG.at_most(2):
        assert 60 < signal.getitimer(signal.ITIMER_REAL)[0] <= 120
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    with Left(time.monotonic() + 60).at_most(2):
        assert signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    with pytest.raises(Over), LONG.at_most(2):
        signal.raise_signal(signal.SIGALRM)
    assert signal.getsignal(signal.SIGALRM) is before


def raising(error):
    def run(args):
        raise error

    return run


@pytest.mark.parametrize(
    ("run", "left", "end", "said"),
    [
        (lambda args: print("a row"), LONG, "done", "a row"),
        (raising(ValueError("a reason")), LONG, "failed", "ValueError: a reason"),
        (raising(Over()), LONG, "over", "what would follow is left out"),
        (lambda args: print("a row"), OVER, "over", "left out"),
    ],
)
def test_a_part_that_fails_or_takes_too_long_ends_and_the_next_one_runs(run, left, end, said, monkeypatch, capsys):
    monkeypatch.setitem(gpu.PARTS, "layer", gpu.Part("about", 1.0, run))
    assert gpu.run_part("layer", ARGS, left) == end
    printed = capsys.readouterr()
    assert said in printed.out + printed.err
    assert ("a row" in printed.out) == (end == "done")


def test_all_parts_but_the_whole_table_fit_into_the_default_minutes(monkeypatch):
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    args = gpu.arguments()
    assert "whole" not in args.parts
    assert len(args.parts) == len(gpu.PARTS) - 1
    assert sum(gpu.PARTS[name].minutes for name in args.parts) < args.minutes


@pytest.fixture(scope="module")
def images():
    return synthetic(16, 64)


def test_a_step_is_profiled_and_the_row_says_that_nothing_waits(images, capsys):
    assert steps.print_step("rate 1", [KINDS["rate 1"].config], False, images, ARGS) is None
    cells = capsys.readouterr().out.strip("| \n").split(" | ")
    assert cells[:2] == ["rate 1", "1"]
    assert float(cells[2]) > 50, "operations of a step"
    assert float(cells[4]) > 0
    assert cells[-2:] == ["-", "no"]


def test_a_wait_in_a_step_is_named_by_its_place_and_the_mode_is_set_back(images, monkeypatch):
    """Torch's own check raises where the host waits; a step on a CPU cannot, so it is raised here."""
    modes = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    one_step = steps.steps_of_trainings([KINDS["rate 1"].config], False, images, "cpu")
    assert steps.where_the_host_waits(one_step, "cuda") is None
    monkeypatch.setattr(steps, "WAITED", "the host waits")

    def wait(*given):
        raise RuntimeError("here the host waits")

    monkeypatch.setattr("tune_ks.training.train.step_together", wait)
    place = steps.where_the_host_waits(one_step, "cuda")
    assert place.startswith("training/train.py:")
    monkeypatch.setattr(steps, "WAITED", "something else")
    with pytest.raises(RuntimeError, match="here the host waits"):
        steps.where_the_host_waits(one_step, "cuda")
    assert modes == ["error", "default"] * 3


class Stream:
    """Of torch.cuda: which one waits for which."""

    def __init__(self, name, calls):
        self.name = name
        self.calls = calls

    def wait_stream(self, other):
        self.calls.append(f"{self.name} waits for {other.name}")


class Graph:
    def __init__(self, calls):
        self.calls = calls

    def replay(self):
        self.calls.append("replay")


@contextmanager
def noted(calls, name):
    calls.append(f"begin {name}")
    yield
    calls.append(f"end {name}")


def test_a_step_is_warmed_up_aside_recorded_once_and_replayed(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "Stream", lambda: Stream("aside", calls))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream("default", calls))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: noted(calls, stream.name))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Graph(calls))
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: noted(calls, f"recording {stream.name}"))
    replay = graphs.captured(lambda: calls.append("step"), graphs.CudaGraphs())
    before, after = ["aside waits for default", "begin aside"], ["end aside", "default waits for aside"]
    recording = ["begin recording aside", "step", "end recording aside"]
    assert calls == [*before, *["step"] * graphs.WARM_UP, *after, *before, *recording, *after]
    replay()
    replay()
    assert calls[-2:] == ["replay", "replay"]
    assert calls.count("step") == graphs.WARM_UP + 1
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="draws random numbers on the host"):
        graphs.captured(lambda: torch.rand(1), graphs.CudaGraphs())
    torch.set_rng_state(state)


@pytest.mark.parametrize("part", [graphs, checkpoints, speed, layers])
def test_a_part_brings_no_two_devices_together(part, monkeypatch, capsys):
    """On a simulated GPU, whose graphs, clock and allocator are nobody's."""
    monkeypatch.setattr(training_module, "Noise", lambda seed, device: Noise(seed))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(common, "STEPS", 1)
    monkeypatch.setattr(graphs, "CudaGraphs", graphs.Direct)
    args = argparse.Namespace(**{**gpu.TINY, "device": "cuda", "side": 64, "images": 8})
    with simulated_gpu(monkeypatch) as simulated:
        part.run(args)
    assert simulated.launches > 100
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(rows) >= 5
    assert not any(word in row for row in rows for word in ("not recorded", "Error"))


def test_images_on_the_host_are_those_of_the_splits_and_are_never_kept(images):
    args = argparse.Namespace(device="cuda")
    train = speed.on_the_host(images, args).train
    assert train.home("cuda") == torch.device("cpu")
    index = torch.tensor([3, 1])
    assert torch.equal(train.gather(index).image, images.train.gather(index).image)
    assert images.train._resident.keys() != {torch.device("cuda")}


def test_the_whole_table_ends_after_an_epoch_when_the_time_is_used_up():
    assert whole.Epochs(LONG).report(KINDS["rate 1"].config, {})
    epochs = whole.Epochs(OVER)
    assert not epochs.report(KINDS["rate 1"].config, {})
    assert epochs.done == 1
    args = argparse.Namespace(trials=20, epochs=30, images=10_000)
    assert math.isclose(whole.whole_minutes(args, 10_000.0), 10.0)
