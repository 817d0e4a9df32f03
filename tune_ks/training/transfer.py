"""Start a training from the weights of a finished trial: read them, compare their shapes, load them."""

from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from tune_ks.core.config import TrialConfig, digest
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import LARGEST_JSON, RunFolder
from tune_ks.core.storage import read_whole
from tune_ks.core.way_out import damaged, fault_of
from tune_ks.model.pipeline import KSpaceClassifier


class Weights(NamedTuple):
    """A finished trial's exported network: its record, and its tensors by their names in the pipeline's state."""

    record: TrialRecord
    tensors: dict[str, Tensor]

    def question(self) -> str:
        """12 hexadecimal digits of the trained config and its cohort, without vendor, rate and seed."""
        key = self.record.config.key("vendor", "sampling_rate", "seed", "init_from")
        question = f"{key}/{self.record.facts.get('cohort')}/{self.record.pretraining()}"
        return digest(question.encode())


def read_weights(folder: RunFolder, init_from: str) -> Weights:
    """The copy KEY@HASH in a run folder. ValueError where it is absent, truncated, or has another hash."""
    path = folder.weights(init_from, "model.safetensors")
    try:
        content = read_whole(path)
        if digest(content) != init_from.partition("@")[2]:
            raise ValueError(f"its content is {digest(content)} now: it was changed after it came here")
        record = TrialRecord.from_json(read_whole(folder.weights(init_from, "record.json"), LARGEST_JSON).decode())
        return Weights(record, load(content))
    except (FileNotFoundError, SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(damaged(path, f"the weights to begin from cannot be used ({fault_of(error)})")) from error


def begin_from(pipeline: KSpaceClassifier, config: TrialConfig, weights: Weights) -> None:
    """Load the parts that ``loaded_parts`` names; all other parts keep the weights they were built with."""
    parts = loaded_parts(pipeline, config, weights)
    chosen = {name: value for name, value in weights.tensors.items() if name.split(".")[0] in parts}
    pipeline.load_state_dict(chosen, strict=False)


def loaded_parts(pipeline: KSpaceClassifier, config: TrialConfig, weights: Weights) -> list[str]:
    """The parts that begin from the weights, of "classifier", "reconstruction" and "sampling" (the mask).

    The classifier always does, and the reconstruction if both configs name the same one; ValueError names the tensors
    that do not fit. The mask does if family and size are equal; otherwise it keeps the values it was built with.
    """
    source = weights.record.config
    differing = {part: _differences(pipeline, weights, part) for part in ("classifier", "reconstruction", "sampling")}
    parts = ["classifier"]
    if source.reconstruction == config.reconstruction:
        parts.append("reconstruction")
    for part in parts:
        if differing[part]:
            raise ValueError(
                f"the {part} {getattr(config, part)!r} does not fit the weights {config.init_from}: "
                f"{'; '.join(differing[part][:3])}{' ...' if len(differing[part]) > 3 else ''}"
            )
    if source.mask == config.mask and not differing["sampling"]:
        parts.append("sampling")
    return [part for part in parts if _of_part(pipeline.state_dict(), part)]


def _differences(pipeline: KSpaceClassifier, weights: Weights, part: str) -> list[str]:
    """In words, the tensors of one part that only the pipeline or only the weights have, or whose shapes differ."""
    here = _of_part(pipeline.state_dict(), part)
    there = _of_part(weights.tensors, part)
    return [
        f"{name} is {here.get(name, 'absent')} here and {there.get(name, 'absent')} there"
        for name in sorted({*here, *there})
        if here.get(name) != there.get(name)
    ]


def _of_part(values: dict[str, Tensor], part: str) -> dict[str, str]:
    """Name -> shape, as a text, of the tensors of one part."""
    chosen = {name: value for name, value in values.items() if name.startswith(f"{part}.")}
    return {name: "x".join(map(str, value.shape)) or "one number" for name, value in chosen.items()}
