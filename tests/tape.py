"""A CUDA graph without a GPU: the operations of one call on a tape, run again on the same memory and without Python.

As with a graph, recording changes nothing, a replay reads and writes the tensors that the recording met, and random
numbers continue from the generator's state at the replay. What a graph refuses is refused: the host may not read a
value. So a step that depends on anything that Python decides anew, or on a tensor that was put in place of another one,
gives other numbers than an ordinary step.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

READS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "equal", "bincount"}


class Tape:
    """A recorder for ``tune_ks.training.recorded``. ``recordings`` counts what was recorded."""

    def __init__(self) -> None:
        self.recordings = 0

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()

    def record(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        state = torch.get_rng_state()
        operations = _Operations()
        try:
            with operations:
                result = function()
        finally:
            torch.set_rng_state(state)
            operations.put_back()
        self.recordings += 1

        def replay() -> Tensor:
            operations.run()
            return result

        return replay


class _Operations(TorchDispatchMode):
    """Every operation with its arguments and results. The tensors are kept, so that no address is used twice."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple, dict, dict[int, Tensor]]] = []  # the last: fresh results by their position
        self.made: set[int] = set()  # storages
        self.outside: dict[int, tuple[Tensor, Tensor]] = {}  # a tensor that was there before, and its values then

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func._schema.name.removeprefix("aten::") in READS:
            raise RuntimeError(f"the host reads a value: {func}")
        given = [*tensors_in(args), *tensors_in(kwargs.values())]
        for tensor in given:
            if storage_of(tensor) not in self.made | self.outside.keys():
                whole = tensor.detach().as_strided((tensor.untyped_storage().nbytes() // tensor.itemsize,), (1,), 0)
                self.outside[storage_of(tensor)] = (whole, whole.clone())
        result = func(*args, **kwargs)
        met = {storage_of(tensor) for tensor in given}
        fresh = {at: tensor for at, tensor in enumerate(tensors_in([result])) if storage_of(tensor) not in met}
        self.made |= {storage_of(tensor) for tensor in fresh.values()}
        self.calls.append((func, args, kwargs, fresh))
        return result

    @torch.no_grad()
    def put_back(self) -> None:
        """Give what was there before the recording its values of then: nothing has been computed yet."""
        for tensor, values in self.outside.values():
            tensor.copy_(values)

    @torch.no_grad()
    def run(self) -> None:
        """On a simulated GPU nothing is watched here: all operations were when they were recorded."""
        with _disable_current_modes():
            for func, args, kwargs, fresh in self.calls:
                results = list(tensors_in([func(*args, **kwargs)]))
                for at, kept in fresh.items():
                    kept.copy_(results[at])


def storage_of(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def tensors_in(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors_in(value)
