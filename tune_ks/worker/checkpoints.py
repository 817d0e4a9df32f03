"""A training's checkpoint: written whole, followed by its digest, and read without executing code from it."""

import hashlib
import io
from collections.abc import Callable
from typing import Any

import torch

from tune_ks.core.printable import printable
from tune_ks.core.storage import StoragePath, read_whole, write_whole

DIGEST_BYTES = hashlib.sha256().digest_size


def save_checkpoint(path: StoragePath, values: dict[str, Any], write: Callable[..., None] = write_whole) -> None:
    """Replace the checkpoint whole. It ends with a digest, because torch does not notice a flipped bit in a tensor.

    ``write`` gets (path, content, sync) when the content is ready; a power cut may take a checkpoint, so no sync.
    """
    buffer = io.BytesIO()
    torch.save(values, buffer)
    content = buffer.getvalue()
    write(path, content + hashlib.sha256(content).digest(), False)


def load_checkpoint(path: StoragePath) -> dict[str, Any]:
    """The values that ``save_checkpoint`` wrote; {} where it is missing or damaged: the trial then starts again.

    Only tensors and plain values are read (``weights_only``): a run folder may come from anywhere.
    """
    try:
        content = read_whole(path)
        values = content[:-DIGEST_BYTES]
        if hashlib.sha256(values).digest() != content[-DIGEST_BYTES:]:
            raise ValueError("its digest is that of other content")
        return dict(torch.load(io.BytesIO(values), map_location="cpu", weights_only=True))
    except FileNotFoundError:
        return {}
    except Exception as error:  # torch reports damaged files in many ways
        print(printable(f"{path}: this checkpoint cannot be read ({type(error).__name__}), starting the trial anew"))
        return {}
