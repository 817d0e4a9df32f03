"""A simulated GPU: tensors that say they lie on cuda:0 and are computed on the CPU.

Torch's FakeTensorMode cannot do this where torch is built for CPUs: autograd asks for the guard of the CUDA device, and
such a build has none: the process aborts at the first parameter on ``cuda``. So plain CPU tensors are labelled by their
storage. Two modes see every call: one answers questions about the device and moves tensors, the other sees every
operation, also those of backward passes. They

- raise DevicesMeet where an operation gets tensors of both devices that a GPU would refuse;
- note every wait: where the host reads a value of the GPU, or copies to it from memory that is not pinned;
- count the launches: operations on the GPU that are no views. A dropout is one, as a GPU has it.

Not simulated are the GPU's random generators (numbers come from the CPU's, so a simulated training can be compared with
one on the CPU), its fused kernels (the CPU's are called), bfloat16, memory, streams and speed.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional
from torch.nn.utils import clip_grad
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tune_ks.model.transforms import hadamard

GPU = torch.device("cuda", 0)
CPU = torch.device("cpu")
PACKAGE = str(Path(__file__).parents[1] / "tune_ks")
# operations whose result the host needs before it can go on
READS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "equal", "bincount"}


class DevicesMeet(RuntimeError):
    """An operation got a tensor on the CPU and one on the GPU."""


class SimulatedGPU:
    """What happened on the GPU since the last ``clear``: ``waits`` are (place in the package, what was waited for)."""

    def __init__(self) -> None:
        self.waits: list[tuple[str, str]] = []
        self.launched: list[tuple[str, str]] = []  # (place in the package, operation)
        self.autocast: list[bool] = []  # whether each call of torch.autocast asked for bfloat16
        self._storages: dict[int, StorageWeakRef] = {}  # of tensors on the GPU; a weak reference keeps the address
        self._pinned: dict[int, StorageWeakRef] = {}

    def clear(self) -> None:
        self.waits = []
        self.launched = []

    @property
    def launches(self) -> int:
        """How many operations were launched."""
        return len(self.launched)

    def has(self, tensor: Tensor) -> bool:
        """Whether a tensor lies on the GPU."""
        return tensor.untyped_storage()._cdata in self._storages

    def put(self, tensor: Tensor) -> None:
        """Say that a tensor lies on the GPU from now on."""
        storage = tensor.untyped_storage()
        self._storages[storage._cdata] = StorageWeakRef(storage)

    def take(self, tensor: Tensor) -> None:
        """Say that a tensor lies on the CPU from now on."""
        self._storages.pop(tensor.untyped_storage()._cdata, None)

    def pin(self, tensor: Tensor) -> Tensor:
        pinned = tensor.clone()
        storage = pinned.untyped_storage()
        self._pinned[storage._cdata] = StorageWeakRef(storage)
        return pinned

    def is_pinned(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._pinned

    def wait(self, reason: str) -> None:
        self.waits.append((_place(), reason))

    def moved(self, tensor: Tensor, to_gpu: bool, is_patient: bool) -> None:
        """Note a copy between the devices. ``is_patient``: the call does not ask for the copy to be finished."""
        if to_gpu and is_patient and self.is_pinned(tensor):
            return
        self.wait("copy to the GPU" if to_gpu else "copy to the host")

    def __enter__(self) -> "SimulatedGPU":
        self._modes = [_Operations(self), _Calls(self)]
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*failure)


def _place() -> str:
    """file:function of the innermost frame in the package."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(PACKAGE):
            return f"{name[len(PACKAGE) + 1 :]}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "outside the package"


def _is_gpu(device: Any) -> bool:
    return isinstance(device, (str, torch.device)) and torch.device(device).type == "cuda"


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


@functools.cache
def _name_of(func: Any) -> tuple[str, bool]:
    """The name of an operation, and whether it changes a tensor that it is given."""
    return func._schema.name.removeprefix("aten::"), func._schema.is_mutable


class _Operations(TorchDispatchMode):
    """Every operation: are its tensors on one device, does the host wait, and where does the result lie?"""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here; torch's own answer imports its compiler, which takes seconds."""
        return False

    def __init__(self, gpu: SimulatedGPU) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        with torch._C.DisableTorchFunction():
            return self._run(func, args, dict(kwargs or {}))

    def _run(self, func: Any, args: tuple, kwargs: dict) -> Any:
        given = [*_tensors(args), *_tensors(kwargs.values())]
        # also of new_zeros, to which autograd's own code gives the device that it believes in
        if not any(self.gpu.has(tensor) for tensor in given):
            return func(*args, **kwargs)
        name, is_mutable = _name_of(func)
        self._check(func, name, args, given)
        before = {tensor.untyped_storage()._cdata for tensor in given}
        result = func(*args, **kwargs)
        fresh = [tensor for tensor in _tensors([result]) if tensor.untyped_storage()._cdata not in before]
        for tensor in fresh:
            self.gpu.put(tensor)
        if (fresh and "empty" not in name) or is_mutable:
            self.gpu.launched.append((_place(), name))
        return result

    def _check(self, func: Any, name: str, args: tuple, given: list[Tensor]) -> None:
        elsewhere = [tensor for tensor in given if not self.gpu.has(tensor)]
        if name == "copy_":
            if elsewhere:
                to_gpu = self.gpu.has(args[0])
                self.gpu.moved(args[1], to_gpu, is_patient=to_gpu and bool(args[2:] and args[2]))
            return
        # a single number may lie on the CPU: it travels with the call. These operations refuse it
        strict = name.startswith(("_foreach", "_fused"))
        if any(tensor.dim() or strict for tensor in elsewhere):
            shapes = [f"{tuple(tensor.shape)} on {'cuda' if self.gpu.has(tensor) else 'cpu'}" for tensor in given]
            raise DevicesMeet(f"{_place()}: {func} got {', '.join(shapes)}")
        by_truth = name in ("index", "index_put_", "index_put") and any(
            tensor.dtype in (torch.bool, torch.uint8) for tensor in _tensors(args[1:2])
        )
        if name in READS or by_truth:
            self.gpu.wait(name)


class _Calls(TorchFunctionMode):
    """What asks for a tensor's device, moves it, or reads its memory without an operation."""

    def __init__(self, gpu: SimulatedGPU) -> None:
        super().__init__()
        self.gpu = gpu
        self.answers: dict[Any, Callable[..., Any]] = {
            Tensor.device.__get__: self._device,
            Tensor.is_cuda.__get__: self._is_cuda,
            Tensor.is_cpu.__get__: lambda func, tensor: not gpu.has(tensor),
            Tensor.to: self._to,
            Tensor.cpu: lambda func, tensor: self._moved(tensor, False, False, lambda: tensor),
            Tensor.cuda: lambda func, tensor: self._moved(tensor, True, False, lambda: tensor),
            Tensor.tolist: self._read,
            Tensor.numpy: self._refuse,
            Tensor.__array__: self._refuse,
            Tensor.new_tensor: self._new,
            Tensor.pin_memory: lambda func, tensor: gpu.pin(tensor),
            torch.tensor: self._new,
            torch.as_tensor: self._new,
            functional.dropout: self._fused,
        }

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        answer = self.answers.get(func)
        if answer is not None:
            return answer(func, *args, **kwargs)
        if not _is_gpu(kwargs.get("device")):
            return func(*args, **kwargs)
        result = func(*args, **{**kwargs, "device": CPU})  # torch.zeros and its like
        self.gpu.put(result)
        return result

    def _device(self, func: Any, tensor: Tensor) -> torch.device:
        return GPU if self.gpu.has(tensor) else func(tensor)

    def _is_cuda(self, func: Any, tensor: Tensor) -> bool:
        return self.gpu.has(tensor)

    def _to(self, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Tensor.to, in each of its three forms: device and dtype, dtype alone, or those of another tensor."""
        flags = [value for value in args if isinstance(value, bool)]  # non_blocking, copy
        given = {"device": None, "dtype": tensor.dtype, "non_blocking": flags[:1] == [True], "copy": False}
        for value in args:
            if isinstance(value, Tensor):
                given |= {"device": self._device(Tensor.device.__get__, value), "dtype": value.dtype}
            elif isinstance(value, torch.dtype):
                given["dtype"] = value
            elif isinstance(value, (str, torch.device)):
                given["device"] = value
        given |= {name: value for name, value in kwargs.items() if value is not None}
        device = given.pop("device")
        result = func(tensor, **given)
        to_gpu = self.gpu.has(tensor) if device is None else _is_gpu(device)
        return self._moved(tensor, to_gpu, given["non_blocking"], lambda: result)

    def _moved(self, tensor: Tensor, to_gpu: bool, is_patient: bool, unmoved: Callable[[], Tensor]) -> Tensor:
        """``unmoved()``, on the other device where the tensor does not lie on the wanted one."""
        result = unmoved()
        if self.gpu.has(tensor) == to_gpu:
            return result
        self.gpu.moved(tensor, to_gpu, is_patient)
        copied = result.detach().clone()
        if to_gpu:
            self.gpu.put(copied)
        else:
            self.gpu.take(copied)
        return copied

    def _fused(self, func: Any, *args: Any, **kwargs: Any) -> Tensor:
        """What a GPU computes by one kernel and a CPU by several operations."""
        before = len(self.gpu.launched)
        result = func(*args, **kwargs)
        del self.gpu.launched[before + 1 :]
        return result

    def _read(self, func: Any, tensor: Tensor) -> Any:
        if self.gpu.has(tensor):
            self.gpu.wait("tolist")
        return func(tensor)

    def _refuse(self, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.gpu.has(tensor):
            raise DevicesMeet(f"{_place()}: numpy cannot read a tensor on the GPU; copy it to the host first")
        return func(tensor, *args, **kwargs)

    def _new(self, func: Any, first: Any, *args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        """From values of Python, which are copied to the GPU where the tensor shall lie there."""
        like = isinstance(first, Tensor) and func is Tensor.new_tensor and self.gpu.has(first)
        result = func(first, *args, **kwargs)
        if _is_gpu(device) or (device is None and like):
            self.gpu.wait("copy to the GPU")
            result = result.clone()
            self.gpu.put(result)
        return result


def _watched(gpu: SimulatedGPU) -> Callable[..., Any]:
    """The call of a backward pass that is written in Python, where torch forgets the mode of the calls."""
    call = torch.autograd.function.BackwardCFunction.apply

    def apply(context: Any, *gradients: Any) -> Any:
        with _Calls(gpu):
            return call(context, *gradients)

    return apply


@contextmanager
def simulated_gpu(monkeypatch: Any) -> Iterator[SimulatedGPU]:
    """Inside, device "cuda" is a simulated GPU without bounds, which does not use bfloat16."""
    gpu = SimulatedGPU()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (2**36, 2**36))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "simulated GPU")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device=None: 3 * 2**20)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device=None: None)
    monkeypatch.setattr(torch, "autocast", lambda device, dtype, enabled: gpu.autocast.append(enabled) or nullcontext())
    grouped = clip_grad._group_tensors_by_device_and_dtype

    def on_the_gpu(lists: list[list[Tensor]], **kwargs: Any) -> dict:
        groups = grouped(lists, **kwargs)
        return {(GPU if gpu.has(group[0][0][0]) else device, dtype): group for (device, dtype), group in groups.items()}

    monkeypatch.setattr(clip_grad, "_group_tensors_by_device_and_dtype", on_the_gpu)
    hadamard.sequency_order.cache_clear()  # it may hold what lay on an earlier simulated GPU
    monkeypatch.setattr(torch.autograd.function.BackwardCFunction, "apply", _watched(gpu))
    with gpu:
        yield gpu
