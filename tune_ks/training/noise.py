"""Torch's random numbers as one training has them, whoever else draws in between."""

import torch


class Noise:
    """Within ``with noise:`` torch's global generators go on where this stream left off.

    Mask noise and dropout are drawn from the global generators by many modules, not all of them ours. So the stream
    changes hands, not the modules: each of several trainings in turn draws what it would have drawn alone.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        kinds = {"cpu", torch.device(device).type}
        self.states = {kind: torch.Generator(kind).manual_seed(seed).get_state() for kind in kinds}

    def __enter__(self) -> None:
        self.outside = self._exchange(self.states)

    def __exit__(self, *failure: object) -> None:
        self.states = self._exchange(self.outside)

    def _exchange(self, states: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        before = {kind: _global(kind).get_rng_state() for kind in states}
        for kind, state in states.items():
            _global(kind).set_rng_state(state)
        return before


def _global(kind: str):
    return torch.cuda if kind == "cuda" else torch
