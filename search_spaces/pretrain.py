"""Which weights does a training on the phantom give? The trials of the space finetune begin from them.

    python run_search.py --space pretrain --run runs/pretrain

Cost: 36 trials at 64 px, about 5 minutes on two quiet cores.

AlexNet, and AlexNet with an adaptive first convolution: low-pass at 4/64 and 16/64 and full sampling, both vendors,
three seeds. Each image is standardised, as in finetune, because the phantom's brightness is not that of patients. Side
information is hidden at random, so that the network also works with acquisition parameters that the phantom never had.
The space finetune finds its trial by vendor, rate and everything that shapes the network, so these must be the same in
both files.

Expect no answer from these trials by themselves: the space finetune compares trainings that begin from their weights.
"""

from search_spaces import SMALL, of_64

COMMON = {**SMALL, "epochs": 60, "standardise": "image", "mask": "lowpass", "sampling_rate": of_64(4, 16, 64)}

SPACE = [
    {**COMMON, "classifier": "alexnet"},
    {**COMMON, "classifier": "alexnet_adaptive", "side_dropout": 0.3},
]
SEARCH = {"sampler": "grid", "seeds": 3}
