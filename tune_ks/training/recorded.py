"""A training's step as a CUDA graph: recorded once, then replayed on tensors that stay where they are.

A narrow network's step takes the host longer to launch than the GPU to compute. A graph launches all of it at once. It
repeats the operations on the memory of the recording and knows nothing of Python. So the first steps are ordinary ones,
then the step is recorded, and each later one copies its images, random numbers and factors of the learning rate to
where the recording reads them. Where the host would decide something else than at the recording, it is recorded anew.

On a GPU this was not run or measured yet; ``benchmarks/on_gpu/graphs.py`` does both.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from tune_ks.data.dataset import Batch
from tune_ks.training.draws import Draws
from tune_ks.training.training import Training

WARM_UP = 3  # steps before a recording: libraries choose their kernels, and the optimiser makes its moments
PLAIN = (bool, int, float, str, tuple, type(None))

Step = Callable[[Sequence[Draws]], Tensor]  # of one training: the random numbers of its batch -> its loss, (1,)
Learn = Callable[[Sequence[Training], Batch, Sequence[Draws], Sequence[Tensor]], Tensor]  # tune_ks.training.train.learn


class Recorder(Protocol):
    """Records functions that take no arguments and return a tensor."""

    def aside(self) -> AbstractContextManager[None]:
        """Where steps run that come before a recording."""

    def record(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Record the operations of one call without running them; what is returned runs them on the same tensors.

        RuntimeError where that is not possible.
        """


class CudaGraphs:
    """Records on the current GPU."""

    stream: torch.cuda.Stream | None = None  # other than the default one, which cannot be recorded

    @contextmanager
    def aside(self) -> Iterator[None]:
        """On the stream of the recording, because autograd and the libraries keep memory for each stream."""
        if self.stream is None:
            self.stream = torch.cuda.Stream()
        self.stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:
            torch.cuda.current_stream().wait_stream(self.stream)

    def record(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Random numbers continue at each replay from the state that the GPU's generator has then.

        Torch's kernels read seed and offset from the GPU's memory while they are recorded, and a replay first fills
        both from the generator and then moves its offset on (replay_prologue and setup_for_replay in
        aten/src/ATen/cuda/CUDAGeneratorImpl.cpp, torch 2.13). ``set_rng_state`` sets the seed and offset of that same
        state. The CPU's generator takes no part in this: what is drawn from it would be recorded for good.
        """
        graph = torch.cuda.CUDAGraph()
        on_host = torch.get_rng_state()
        try:
            with self.aside(), torch.cuda.graph(graph, stream=self.stream):
                result = function()
            if not torch.equal(on_host, torch.get_rng_state()):
                raise RuntimeError("the step draws random numbers on the host")
        finally:
            torch.set_rng_state(on_host)

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


class Inputs(NamedTuple):
    """What a step reads and what changes from step to step."""

    batch: Batch
    draws: Draws
    factors: Tensor  # (groups,) float32, of the learning rates


class Recording(NamedTuple):
    """A recorded step: ``replay`` takes it again, on what lies in ``inputs``."""

    inputs: Inputs
    replay: Callable[[], Tensor]


class RecordedStep:
    """The steps of one training, replayed where that is possible. What was done is counted for the record."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder = CudaGraphs() if recorder is None else recorder
        self.taken = 0
        self.replayed = 0
        self.reason: str | None = None  # why the latest epoch was not recorded
        self.failure: str | None = None  # why a recording failed; another one is not tried
        self.mask: Tensor | None = None
        self._forget(kind=None)

    @property
    def summary(self) -> str:
        """How many steps were replayed, and why no more."""
        reason = self.failure or self.reason
        return f"{self.replayed} of {self.taken} steps replayed" + (f"; {reason}" if reason else "")

    def of_epoch(self, trainings: Sequence[Training], parts: int, ordinary: Step, learn: Learn) -> Step:
        """What takes the steps of the epoch that has begun: replays where they are possible, else ``ordinary``."""
        self.reason = why_unrecorded(trainings, parts)
        if self.reason or self.failure:
            self._forget(kind=None)
            return self._counted(ordinary)
        self.training = trainings[0]
        self.learn = learn
        self._keep_mask_in_place()
        kind = kind_of(self.training)
        if kind != self.kind or addresses_of(self.training) != self.addresses:
            self._forget(kind)
        self.size = len(self.training.draws[0].rates)
        self.first = self.training.steps_done
        rows = [self.training.factors(self.first + position) for position in range(len(self.training.draws))]
        self.factors = torch.tensor(rows, dtype=torch.float32).to(self.training.device)
        return self._counted(lambda draws: self._step(draws, ordinary))

    def release(self) -> None:
        """Give the memory of the recording back: scoring needs it."""
        self._forget(kind=None)

    def _counted(self, take: Step) -> Step:
        def counted(draws: Sequence[Draws]) -> Tensor:
            self.taken += 1
            return take(draws)

        return counted

    def _forget(self, kind: tuple[Any, ...] | None) -> None:
        """Begin again with ordinary steps, of this kind."""
        self.kind = kind
        self.warmed = 0
        self.addresses: list[int] = []
        self.recording: Recording | None = None

    def _keep_mask_in_place(self) -> None:
        """The mask that all images of an epoch share is computed anew: its values move to where the last one's were."""
        mask = self.training.epoch_mask
        if mask is not None and self.mask is not None and mask.shape == self.mask.shape:
            self.mask.copy_(mask)
            self.training.epoch_mask = self.mask
        else:
            self.mask = mask

    def _step(self, draws: Sequence[Draws], ordinary: Step) -> Tensor:
        """An epoch's last batch may be smaller: it is passed by an ordinary step."""
        if self.failure or len(draws[0].rates) != self.size:
            return ordinary(draws)
        if self.recording is None and self.warmed < WARM_UP:
            return self._warm_up(draws, ordinary)
        inputs = self._inputs(draws[0])
        if self.recording is None:
            self.recording = self._record(inputs)
        if self.recording is None:
            return ordinary(draws)
        return self._replayed(self.recording, inputs)

    def _warm_up(self, draws: Sequence[Draws], ordinary: Step) -> Tensor:
        """An ordinary step. After the last one before a recording all that it changes must lie where it lay."""
        before = addresses_of(self.training)
        with self.recorder.aside():
            losses = ordinary(draws)
        self.warmed += 1
        self.addresses = addresses_of(self.training)
        if self.warmed == WARM_UP and self.addresses != before:
            self.failure = "a part of the training puts new tensors in place of its old ones"
        return losses

    def _inputs(self, draws: Draws) -> Inputs:
        batch = self.training.images.gather(draws.positions, self.training.device)
        return Inputs(batch, draws, self.factors[self.training.steps_done - self.first])

    def _record(self, inputs: Inputs) -> Recording | None:
        """A step on copies of these inputs. None where it fails: the training goes on with ordinary steps."""
        kept: Inputs = copy_of(inputs)

        def step() -> Tensor:
            return self.learn([self.training], kept.batch, [kept.draws], [kept.factors])

        try:
            with self.training.noise:  # entered here: a generator's state cannot be exchanged within a recording
                return Recording(kept, self.recorder.record(step))
        except RuntimeError as error:  # an operation that cannot be recorded, or no memory for it
            self.failure = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            self._forget(kind=None)
            return None

    def _replayed(self, recording: Recording, inputs: Inputs) -> Tensor:
        copy_into(recording.inputs, inputs)
        with self.training.noise:
            losses = recording.replay().clone()  # the next replay writes into the same tensor
        self.training.end_step()
        self.replayed += 1
        return losses


def why_unrecorded(trainings: Sequence[Training], parts: int) -> str | None:
    """Why the steps of this epoch cannot be recorded, in words; None where they can."""
    if len(trainings) > 1:
        return "several trainings share a step"
    if parts > 1:
        return "a batch is passed in parts, for lack of memory"
    config = trainings[0].config
    if config.is_conditional:
        return "rates or options are drawn for every image, and the host looks up masks or losses by them"
    if config.invariance != "none":
        return "the loss of its invariance may change with the number of the step"
    return None


def kind_of(training: Training) -> tuple[Any, ...]:
    """What the host knows when it launches a step. Steps of the same kind differ in the values of tensors alone.

    All numbers, flags and words of every module are part of it: whether the mask is settled, its temperature, and
    whatever a member of a user's own keeps.
    """
    known: list[Any] = [training.restarts, training.reconstructs_alone, training.samples_fixed_masks]
    for module in modules_of(training):
        known += [(name, value) for name, value in vars(module).items() if isinstance(value, PLAIN)]
    return tuple(known)


def addresses_of(training: Training) -> list[int]:
    """Where all tensors lie that a step reads and keeps: those of modules, the optimiser's moments, the mask."""
    tensors: list[Any] = [training.epoch_mask]
    for module in modules_of(training):
        tensors += [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]
    for moments in training.optimizer.state.values():
        tensors += moments.values()
    return [tensor.data_ptr() for tensor in tensors if isinstance(tensor, Tensor)]


def modules_of(training: Training) -> list[torch.nn.Module]:
    """All modules that a step passes. Parts of the pipeline may be left out of what is trained."""
    return [*training.trained.modules(), *training.pipeline.modules(), *training.task.modules()]


def copy_of(values: Any) -> Any:
    """The same tuples with copies of the tensors in them."""
    if isinstance(values, Tensor):
        return values.clone()
    if isinstance(values, tuple):
        return type(values)(*map(copy_of, values))
    return values


def copy_into(kept: Any, values: Any) -> None:
    """Copy every tensor of ``values`` into the tensor at its place in ``kept``."""
    if isinstance(kept, Tensor):
        kept.copy_(values, non_blocking=True)
    elif isinstance(kept, tuple):
        for pair in zip(kept, values, strict=True):
            copy_into(*pair)
