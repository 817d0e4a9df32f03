"""Swap torch's global random state for that of one training, and restore it on exit."""

from typing import Any

import torch


class Noise:
    """A random state. Inside ``with noise:`` torch's global generators continue from where this state stopped.

    It may be entered again inside: that changes nothing.

    Many modules, also those of libraries, draw mask noise and dropout from the global generators. Swapping the global
    state lets every training of a pack draw the same numbers as if it were trained alone, without changing the modules.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        kinds = {"cpu", torch.device(device).type}
        self.states = {kind: torch.Generator(kind).manual_seed(seed).get_state() for kind in kinds}
        self.depth = 0

    def __enter__(self) -> None:
        self.depth += 1
        if self.depth == 1:
            self.state_outside = self._exchange(self.states)

    def __exit__(self, *failure: object) -> None:
        self.depth -= 1
        if not self.depth:
            self.states = self._exchange(self.state_outside)

    def _exchange(self, states: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        before = {kind: _global(kind).get_rng_state() for kind in states}
        for kind, state in states.items():
            _global(kind).set_rng_state(state)
        return before


def _global(kind: str) -> Any:  # a module: torch has no common type of its two states
    return torch.cuda if kind == "cuda" else torch
