"""A training's checkpoint: written whole, with its own digest, and read without running anything."""

import hashlib
import io
from typing import Any

import torch

from tune_ks.core.storage import StoragePath, write_whole

DIGEST_BYTES = hashlib.sha256().digest_size


def save_checkpoint(path: StoragePath, values: dict[str, Any]) -> None:
    """Replace the checkpoint whole. It ends in its own digest: torch takes a flipped bit in a tensor for a number."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    write_whole(path, buffer.getvalue() + hashlib.sha256(buffer.getvalue()).digest(), sync=False)


def load_checkpoint(path: StoragePath) -> dict[str, Any]:
    """What ``save_checkpoint`` wrote; {} where there is none or a bit of it changed: the trial then begins anew.

    Only tensors and plain values are read (``weights_only``): a run folder may come from anywhere.
    """
    try:
        content = path.read_bytes()
        values, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if hashlib.sha256(values).digest() != digest:
            raise ValueError("torn")
        return dict(torch.load(io.BytesIO(values), map_location="cpu", weights_only=True))
    except FileNotFoundError:
        return {}
    except Exception as error:  # torch names torn files in many ways
        print(f"{path}: this checkpoint cannot be read ({type(error).__name__}), starting the trial anew")
        return {}
