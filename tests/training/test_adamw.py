"""The optimiser has the bits and the state of torch's fused AdamW, and does not import torch's compiler."""

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from devices import DEVICES
from tune_ks.training.adamw import AdamW, Update, step_together

ROOT = Path(__file__).parents[2]
SHAPES = [(8, 3, 3, 3), (8,), (5, 7), (1,), ()]
STEPS = 30
ONE_EPOCH = """
import sys
from pathlib import Path
from benchmarks.alone import finish, train
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import open_splits

splits = open_splits(*write_tiny(Path(sys.argv[1])), "GE")
asked = {"schedule": "cosine", "clip_norm": 1.0, "average": 0.9, "width": 0.05, "image_size": 64, "epochs": 1}
asked |= {"augment": "warp", "elastic": 0.1, "mixup": 0.2, "class_weights": "balanced", "test_time": "flips"}
config = TrialConfig("GE", 0.25, temperature=1.0, **asked)
(epoch,) = train(config, splits)
finish(config, splits, epoch.state)
print([name for name in ("torch.optim", "torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""


def parameters(device):
    generator = torch.Generator().manual_seed(1)
    values = [torch.randn(shape, generator=generator) for shape in SHAPES]
    values[0] = values[0].contiguous(memory_format=torch.channels_last)
    return [torch.nn.Parameter(value.to(device)) for value in values]


def groups_of(weights):
    """A group with the optimiser's own weight decay, one with another, and a slow one."""
    return [
        {"params": weights[:2], "lr": 1e-2},
        {"params": weights[2:4], "lr": 1e-1, "weight_decay": 0.0},
        {"params": weights[4:], "lr": 1e-4},
    ]


def set_gradients(weights, step):
    """The same random gradients for every optimiser; one parameter has none in the first ten steps."""
    generator = torch.Generator().manual_seed(100 + step)
    for position, weight in enumerate(weights):
        gradient = torch.randn(weight.shape, generator=generator).to(weight.device)
        late = position == 1 and step < 10
        weight.grad = None if late else torch.empty_like(weight).copy_(gradient)


def is_bad(step):
    return step % 7 == 3


def step_torch(optimizer, step, device):
    optimizer.found_inf = torch.tensor(float(is_bad(step)), device=device)
    optimizer.step()


def step_own(optimizer, step, device):
    optimizer.step(torch.tensor(float(is_bad(step)), device=device))


def same_states(state, other):
    assert state["param_groups"] == other["param_groups"]
    assert state["state"].keys() == other["state"].keys()
    for number, moments in state["state"].items():
        assert moments.keys() == other["state"][number].keys()
        for name, value in moments.items():
            assert torch.equal(value, other["state"][number][name]), (number, name)


@pytest.mark.parametrize("device", DEVICES)
def test_every_step_has_the_bits_of_torchs(device):
    theirs = parameters(device)
    ours = parameters(device)
    before = [weight.detach().clone() for weight in ours]
    reference = torch.optim.AdamW(groups_of(theirs), lr=1.0, weight_decay=0.1, fused=True)
    optimizer = AdamW(groups_of(ours), weight_decay=0.1)
    for step in range(STEPS):
        set_gradients(theirs, step)
        set_gradients(ours, step)
        last = [weight.detach().clone() for weight in ours]
        step_torch(reference, step, device)
        step_own(optimizer, step, device)
        assert all(torch.equal(*pair) for pair in zip(theirs, ours, strict=True)), step
        if is_bad(step):
            assert all(torch.equal(*pair) for pair in zip(last, ours, strict=True)), step
    assert not any(torch.equal(*pair) for pair in zip(before, ours, strict=True))
    same_states(optimizer.state_dict(), reference.state_dict())
    optimizer.zero_grad()
    assert all(weight.grad is None for weight in ours)


@pytest.mark.parametrize("device", DEVICES)
def test_a_state_of_torchs_is_resumed_to_the_same_bits(device):
    theirs = parameters(device)
    reference = torch.optim.AdamW(groups_of(theirs), lr=1.0, weight_decay=0.1, fused=True)
    ours = parameters(device)
    optimizer = AdamW(groups_of(ours), weight_decay=0.1)
    for step in range(STEPS):
        if step == STEPS // 2:
            saved = copy.deepcopy(reference.state_dict())
            optimizer.load_state_dict(saved)
            with torch.no_grad():
                for mine, other in zip(ours, theirs, strict=True):
                    mine.copy_(other)
            saved["state"][0]["exp_avg"].zero_()  # what was loaded is a copy
        set_gradients(theirs, step)
        step_torch(reference, step, device)
        if step >= STEPS // 2:
            set_gradients(ours, step)
            step_own(optimizer, step, device)
    assert all(torch.equal(*pair) for pair in zip(theirs, ours, strict=True))
    fresh = torch.optim.AdamW(groups_of(parameters(device)), lr=1.0, fused=True)
    fresh.load_state_dict(optimizer.state_dict())  # and the other way round
    same_states(fresh.state_dict(), optimizer.state_dict())


def test_a_state_of_other_groups_is_refused():
    optimizer = AdamW(groups_of(parameters("cpu")), weight_decay=0.1)
    other = AdamW([{"params": parameters("cpu"), "lr": 1.0}], weight_decay=0.1)
    with pytest.raises(ValueError, match=r"groups of \[2, 2, 1\] parameters, and its state of \[5\]"):
        optimizer.load_state_dict(other.state_dict())


def test_a_factor_is_multiplied_into_the_rate_of_its_group():
    scaled = parameters("cpu")
    plain = parameters("cpu")
    factors = [0.5, 0.25, 1.0]
    by_factor = AdamW(groups_of(scaled), weight_decay=0.1)
    slower = [{**group, "lr": group["lr"] * factor} for group, factor in zip(groups_of(plain), factors, strict=True)]
    by_rate = AdamW(slower, weight_decay=0.1)
    for step in range(10, 20):
        for weights in (scaled, plain):
            set_gradients(weights, step)
        by_factor.step(torch.tensor(0.0), factors)
        by_rate.step(torch.tensor(0.0))
    assert all(torch.equal(*pair) for pair in zip(scaled, plain, strict=True))
    assert by_factor.state_dict()["param_groups"][0]["lr"] == 1e-2  # the rate itself stays


@pytest.mark.parametrize("device", DEVICES)
def test_steps_taken_together_have_the_bits_of_one_after_another(device):
    """Three optimisers with their own rates, factors, and steps that they skip; one has a shared mean square."""
    weights = {way: [parameters(device) for _ in range(3)] for way in ("alone", "together")}
    optimizers = {}
    for way, of_way in weights.items():
        optimizers[way] = [AdamW(groups_of(values), weight_decay=0.1 * number) for number, values in enumerate(of_way)]
        optimizers[way][2].param_groups[1]["shared"] = True
    for step in range(STEPS):
        updates = []
        for number in range(3):
            for of_way in weights.values():
                set_gradients(of_way[number], step + 7 * number)
            skip = torch.tensor(float(is_bad(step + number)), device=device)
            factors = [0.9**step, 1.0, 1 / (1 + number)]
            optimizers["alone"][number].step(skip, factors)
            updates.append(Update(optimizers["together"][number], skip, factors))
        step_together(updates)
        for values, others in zip(*weights.values(), strict=True):
            assert all(torch.equal(*pair) for pair in zip(values, others, strict=True)), step
    for optimizer, other in zip(*optimizers.values(), strict=True):
        same_states(optimizer.state_dict(), other.state_dict())


def test_a_process_that_trains_does_not_import_the_compiler(tmp_path):
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1", "PATH": ""}
    command = [sys.executable, "-c", ONE_EPOCH, str(tmp_path)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "['torch.optim']\n"  # which it does import, so an import is seen


def test_a_shared_mean_square_moves_values_in_proportion_to_their_gradient():
    """Against the formula in numpy; a step that is skipped changes nothing, whatever its gradient holds."""
    rng = np.random.default_rng(0)
    start = rng.normal(size=8)
    parameter = torch.nn.Parameter(torch.tensor(start, dtype=torch.float32))
    optimizer = AdamW([{"params": [parameter], "lr": 0.1, "weight_decay": 0.0, "shared": True}], 0.0)
    value = start.copy()
    mean = np.zeros(8)
    square = 0.0
    for step in range(1, 6):
        gradient = rng.normal(size=8) * [10, 10, 1, 1, 0.1, 0.1, 0, 0]
        parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step(torch.zeros(()))
        parameter.grad = torch.full((8,), float("nan"))
        optimizer.step(torch.ones(()))
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * (gradient**2).mean()
        value -= 0.1 * (mean / (1 - 0.9**step)) / np.sqrt(square / (1 - 0.999**step))
        assert parameter.detach().numpy() == pytest.approx(value, rel=1e-4, abs=1e-5)
    moved = np.abs(value - start)
    assert (moved[6:] < 1e-6).all()
    assert moved[:2].min() > 10 * moved[4:6].max()
