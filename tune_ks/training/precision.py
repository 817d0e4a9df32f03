"""How exactly a GPU computes, said here so that neither torch's defaults nor the environment decide.

| what                                         | numbers                                                       |
| -------------------------------------------- | ------------------------------------------------------------- |
| masks, transforms, loss, optimiser           | float32                                                       |
| the classifier while it is trained           | bfloat16 (autocast); its weights and moments are float32      |
| the classifier when it scores, and learned   | float32; convolutions multiply in TF32 (a mantissa of 10 bits |
| reconstructions                              | and sums in float32), matrix products are full float32        |

Two runs of one config on a GPU may differ in their last bits: some of the libraries' kernels add in any order.
"""

import torch

ON_A_GPU = "bfloat16 in training, float32 in scoring, TF32 convolutions"  # as the record says it


def set_precision() -> None:
    """Set what the table says. On a CPU everything is float32, and nothing changes."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = True


def scoring_device() -> str:
    """The GPU where torch can use one, computing as in a trial; else the CPU. For commands that only score."""
    set_precision()
    return "cuda" if torch.cuda.is_available() else "cpu"
