"""The devices on which fast ways are held against plain ones: the CPU, and a GPU where there is one."""

import torch

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
