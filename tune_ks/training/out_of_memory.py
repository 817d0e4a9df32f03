"""Which exceptions say that a training does not fit into memory."""

import torch

SIGNS = (
    *("out of memory", "not enough memory", "can't allocate memory"),
    "Storage size calculation overflowed",  # torch, of a tensor larger than any memory
    # CUDNN_STATUS_ALLOC_FAILED, CUFFT_ALLOC_FAILED, CUBLAS_STATUS_ALLOC_FAILED; cuDNN 9: ..._DEVICE_ALLOCATION_FAILED
    *("ALLOC_FAILED", "ALLOCATION_FAILED"),
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of a GPU or of the host was exhausted, as torch, numpy and Python report it."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if not isinstance(error, RuntimeError):
        return False
    return any(sign in str(error) for sign in SIGNS)
