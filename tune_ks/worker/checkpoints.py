"""A training's checkpoint: written whole, followed by its digest, and read without executing code from it."""

import hashlib
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import torch
from torch.serialization import get_crc32_options, set_crc32_options

from tune_ks.core.printable import printable
from tune_ks.core.storage import StoragePath, read_whole, write_whole

DIGEST_BYTES = hashlib.sha256().digest_size
SHARE = 0.05  # of the time of a training that may go into its checkpoints, the first and the last one not counted


class CheckpointClock:
    """When checkpoints are due: after the first epoch, and then as rarely as SHARE demands.

    A checkpoint of w seconds is followed by w (1 / SHARE - 1) seconds without one: a death costs at most that time and
    an epoch. The trainings of a pack share a clock, because each of them waits while another one is written.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.ended: float | None = None  # of the last checkpoint
        self.took = 0.0  # seconds of the checkpoints that were last due

    def is_due(self) -> bool:
        """Whether the epoch that has just ended is to be written. Asked once an epoch."""
        if self.ended is not None and self.now() - self.ended < self.took * (1 / SHARE - 1):
            return False
        self.took = 0.0
        return True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around the writing of one checkpoint. One that failed is not counted: storage may have been away for long."""
        started = self.now()
        yield
        self.ended = self.now()
        self.took += self.ended - started


def save_checkpoint(path: StoragePath, values: dict[str, Any], check: Callable[[], None] = lambda: None) -> None:
    """Replace the checkpoint whole. It ends with a digest, because torch does not notice a flipped bit in a tensor.

    ``check`` is called just before the new one takes the place of the old one, which stays where it raises.
    """

    def content(file: BinaryIO) -> None:
        hashed = _Hashed(file)
        try:
            with _without_crc():
                torch.save(values, cast(BinaryIO, hashed))  # of a file it uses write and flush only
        except RuntimeError as error:  # torch's own, after a write failed: the disk is full
            raise hashed.error or error from error
        file.write(hashed.digest.digest())
        check()

    write_whole(path, content, sync=False)  # a power cut may take a checkpoint


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


class _Hashed:
    """An open file that hashes what is written to it, without a copy in memory. ``error`` says why a write failed."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


@contextmanager
def _without_crc() -> Iterator[None]:
    """While inside, torch writes no checksums of its own: they take half of the time, and the digest covers all."""
    before = get_crc32_options()
    set_crc32_options(False)
    try:
        yield
    finally:
        set_crc32_options(before)
